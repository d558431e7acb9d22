//! Between the state machine and the Discord accounts.

use orb_accounts::{AccountEvent, Accounts, GatewaySession, RestoredAccount, Shutdown};
use orb_scheduler_core::{AccountId, Event, Generation, VoiceCredentials};
use orb_scheduler_store::AccountSession;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{HeldAccount, LeaderHandle};

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

/// Carries commands to the accounts and events to the leader, until cancelled or either side ends. Then
/// hands the accounts over to whoever leads next: their last words still reach this leader, so it has to
/// end later than this.
pub async fn bridge_accounts(
    accounts: Accounts,
    mut commands: mpsc::Receiver<AccountCommand>,
    mut events: mpsc::Receiver<AccountEvent>,
    leader: LeaderHandle,
    cancel: CancellationToken,
) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            command = commands.recv() => match command {
                Some(command) => carry_out(&accounts, command).await,
                None => break,
            },
            event = events.recv() => {
                let Some(event) = event else { break };
                if !hand_in(&leader, event).await {
                    break;
                }
            }
        }
    }
    // An account whose events nobody reads could not say where its session is.
    let ending = accounts.shutdown(Shutdown::HandOver);
    tokio::pin!(ending);
    loop {
        tokio::select! {
            () = &mut ending => break,
            Some(event) = events.recv() => {
                hand_in(&leader, event).await;
            }
        }
    }
    while let Ok(event) = events.try_recv() {
        hand_in(&leader, event).await;
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

/// False when the leader is gone.
async fn hand_in(leader: &LeaderHandle, event: AccountEvent) -> bool {
    if let AccountEvent::Progress { account, session } = event {
        let session = AccountSession {
            account_id: account.0,
            session: stored(&session),
        };
        return leader.progress(session).await;
    }
    match translate(event) {
        Some(event) => leader.event(event).await,
        None => true,
    }
}

/// A gateway session as the store keeps it (sealed).
fn stored(session: &GatewaySession) -> String {
    json!({ "id": session.id, "sequence": session.sequence, "resume_url": session.resume_url })
        .to_string()
}

/// What an account needs to go on from where the last leader's was.
pub fn restored(held: HeldAccount) -> Option<RestoredAccount> {
    let stored: Value = serde_json::from_str(&held.session).ok()?;
    Some(RestoredAccount {
        account: orb_accounts::AccountId(held.account_id),
        session: GatewaySession {
            id: stored["id"].as_str()?.to_owned(),
            sequence: stored["sequence"].as_u64()?,
            resume_url: stored["resume_url"].as_str()?.to_owned(),
        },
        held: held
            .voice
            .into_iter()
            .map(|voice| orb_accounts::VoiceCredentials {
                guild_id: voice.guild_id,
                channel_id: voice.channel_id,
                user_id: voice.user_id,
                voice_session_id: voice.voice_session_id,
                endpoint: voice.endpoint,
                token: voice.token.into(),
            })
            .collect(),
    })
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
            if let Some(error) = fatal {
                tracing::error!(%account, %error, code = error.code(), "account refused by Discord");
            } else {
                tracing::warn!(%account, "account disconnected; it comes back by itself");
            }
            None
        }
        // Leaving an empty channel comes with a later issue.
        _ => None,
    }
}
