//! Between the state machine and the Discord accounts.

use orb_accounts::{AccountEvent, Accounts};
use orb_scheduler_core::{AccountId, Event, Generation, VoiceCredentials};
use secrecy::ExposeSecret;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::LeaderHandle;

/// What the state machine wants of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountCommand {
    /// Join a channel, or move to it.
    Join {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
        /// Where.
        channel_id: u64,
    },
    /// Get fresh credentials.
    Refresh {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
    },
    /// Leave the guild's channel.
    Leave {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
    },
}

/// Carries commands to the accounts and events to the leader, until cancelled or either side ends.
pub async fn bridge_accounts(
    accounts: Accounts,
    mut commands: mpsc::Receiver<AccountCommand>,
    mut events: mpsc::Receiver<AccountEvent>,
    leader: LeaderHandle,
    cancel: CancellationToken,
) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            command = commands.recv() => match command {
                Some(command) => carry_out(&accounts, command).await,
                None => return,
            },
            event = events.recv() => match event {
                Some(event) => {
                    if let Some(event) = translate(event)
                        && !leader.event(event).await
                    {
                        return;
                    }
                }
                None => return,
            },
        }
    }
}

async fn carry_out(accounts: &Accounts, command: AccountCommand) {
    let done = match command {
        AccountCommand::Join {
            account,
            guild_id,
            channel_id,
        } => {
            accounts
                .join(orb_accounts::AccountId(account.get()), guild_id, channel_id)
                .await
        }
        AccountCommand::Refresh { account, guild_id } => {
            accounts
                .refresh(orb_accounts::AccountId(account.get()), guild_id)
                .await
        }
        AccountCommand::Leave { account, guild_id } => {
            accounts
                .leave(orb_accounts::AccountId(account.get()), guild_id)
                .await
        }
    };
    if let Err(error) = done {
        // The account is gone (its token was taken from the configuration, or Discord refused it):
        // the session's bounded waits see to the rest.
        tracing::error!(%error, code = error.code(), ?command, "the account did not take the command");
    }
}

fn translate(event: AccountEvent) -> Option<Event> {
    let id = |account: orb_accounts::AccountId| AccountId::new(account.0);
    match event {
        AccountEvent::Ready {
            account, resumed, ..
        } => {
            tracing::info!(%account, resumed, "account connected");
            Some(Event::AccountReady {
                account: id(account),
                resumed,
            })
        }
        AccountEvent::Credentials {
            account,
            credentials,
        } => Some(Event::Credentials {
            account: id(account),
            credentials: VoiceCredentials {
                guild_id: credentials.guild_id,
                channel_id: credentials.channel_id,
                user_id: credentials.user_id,
                voice_session_id: credentials.voice_session_id,
                endpoint: credentials.endpoint,
                token: credentials.token.expose_secret().to_owned(),
                revision: Generation::default(),
            },
        }),
        AccountEvent::Left {
            account,
            guild_id,
            asked,
        } => Some(Event::VoiceLeft {
            account: id(account),
            guild_id,
            asked,
        }),
        AccountEvent::JoinFailed {
            account,
            guild_id,
            reason,
        } => {
            tracing::warn!(%account, guild_id, code = reason.code(), "join failed");
            Some(Event::JoinFailed {
                account: id(account),
                guild_id,
                reason: reason.to_string(),
            })
        }
        AccountEvent::Moved {
            account,
            guild_id,
            channel_id,
        } => {
            tracing::info!(%account, guild_id, channel_id, "moved by somebody; credentials follow");
            None
        }
        AccountEvent::Disconnected { account, fatal } => {
            match fatal {
                Some(error) => {
                    tracing::error!(%account, %error, code = error.code(), "account refused by Discord");
                }
                None => tracing::warn!(%account, "account disconnected; it comes back by itself"),
            }
            None
        }
        // Leaving an empty channel comes with a later issue.
        _ => None,
    }
}
