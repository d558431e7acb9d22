//! Between the state machine and the Discord accounts.

use std::time::Duration;

use orb_accounts::{
    AccountConfig, AccountEvent, AccountTiming, Accounts, GatewaySession, Permission,
    RestoredAccount, ShardId, Shutdown,
};
use orb_coordinator::{Tenure, Timing};
use orb_scheduler_core::{
    AccountId, AccountKind, Event, Generation, Shard, StreamCredentials, VoiceCredentials,
};
use orb_scheduler_store::AccountSession;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::handle::{HeldAccount, LeaderHandle};

/// Events of accounts that may wait.
const EVENTS: usize = 1_024;

/// Between two tries to connect.
const CONNECT_AGAIN: Duration = Duration::from_secs(1);

/// What the state machine wants of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountCommand {
    /// Join a channel, or move to it.
    Join {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
        /// Where.
        channel_id: u64,
        /// With a Go Live stream.
        live: bool,
    },
    /// Get fresh credentials.
    Refresh {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
    },
    /// Get fresh credentials of the Go Live stream alone.
    RefreshStream {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
    },
    /// Show the Go Live stream as held, or not any more.
    PauseLive {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
        /// Held.
        paused: bool,
    },
    /// Leave the guild's channel.
    Leave {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
    },
}

/// What a term's accounts start from.
pub(crate) struct AccountSetup {
    pub(crate) accounts: Vec<AccountConfig>,
    pub(crate) timing: AccountTiming,
    /// Where the last leader's were.
    pub(crate) held: Vec<HeldAccount>,
}

/// Connects the accounts, then carries commands to them and events to the leader.
///
/// When cancelled, hands the accounts over to whoever leads next: their last words still reach this leader, so it
/// has to end later than this. When the tenure ends instead, or the leader, the connections are dropped without a
/// word.
pub(crate) async fn bridge_accounts(
    setup: AccountSetup,
    mut commands: mpsc::Receiver<AccountCommand>,
    leader: LeaderHandle,
    tenure: Tenure,
    cancel: CancellationToken,
) -> Result<(), Error> {
    // One sender stays here, so that there is no end of events. That Discord refused all accounts for good is no reason to
    // resign: the next leader would ask it again with the same tokens, and the one after that.
    let (account_events, mut events) = mpsc::channel(EVENTS);
    let connecting = connect(setup, permission(tenure.clone()), account_events.clone());
    let accounts = tokio::select! {
        biased;
        _ = tenure.ended() => return Err(Error::LeadershipEnded),
        () = cancel.cancelled() => return Ok(()),
        accounts = connecting => accounts?,
    };
    tokio::select! {
        biased;
        _ = tenure.ended() => {}
        () = cancel.cancelled() => {
            tokio::select! {
                biased;
                _ = tenure.ended() => {}
                () = hand_over(&accounts, &mut events, &leader) => return Ok(()),
            }
        }
        () = carry(&accounts, &mut commands, &mut events, &leader) => {}
    }
    accounts.shutdown(Shutdown::Abandon).await;
    Err(Error::LeadershipEnded)
}

/// Until the leader is gone.
///
/// Both ways go on side by side: the leader, while it waits for room for its next command, takes in no event, and an
/// event that waits for the leader must not keep a command waiting.
async fn carry(
    accounts: &Accounts,
    commands: &mut mpsc::Receiver<AccountCommand>,
    events: &mut mpsc::Receiver<AccountEvent>,
    leader: &LeaderHandle,
) {
    let to_accounts = async {
        while let Some(command) = commands.recv().await {
            carry_out(accounts, command).await;
        }
    };
    let from_accounts = async {
        while let Some(event) = events.recv().await {
            if !hand_in(accounts, leader, event).await {
                return;
            }
        }
    };
    tokio::select! {
        () = to_accounts => {}
        () = from_accounts => {}
    }
}

/// Ends the accounts for a successor. Events are read meanwhile: an account that finds no room for them could not
/// say where its session is.
async fn hand_over(
    accounts: &Accounts,
    events: &mut mpsc::Receiver<AccountEvent>,
    leader: &LeaderHandle,
) {
    let ending = accounts.shutdown(Shutdown::HandOver);
    tokio::pin!(ending);
    loop {
        tokio::select! {
            () = &mut ending => break,
            Some(event) = events.recv() => {
                hand_in(accounts, leader, event).await;
            }
        }
    }
    while let Ok(event) = events.try_recv() {
        hand_in(accounts, leader, event).await;
    }
}

/// Discord's REST may be away: parties go on without the main gateway, so the leader waits for it.
async fn connect(
    setup: AccountSetup,
    permission: Permission,
    events: mpsc::Sender<AccountEvent>,
) -> Result<Accounts, Error> {
    let restored: Vec<_> = setup.held.into_iter().map(restored).collect();
    loop {
        let connected = Accounts::connect_restored(
            setup.accounts.clone(),
            restored.clone(),
            setup.timing,
            permission.clone(),
            events.clone(),
        )
        .await;
        match connected {
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, code = error.code(), "accounts cannot be connected now; trying on");
                tokio::time::sleep(CONNECT_AGAIN).await;
            }
            connected => return Ok(connected?),
        }
    }
}

/// A connection that was cut is made anew only by a leadership that was confirmed since: the cut may come from the
/// next leader, who has resumed the session. A deadline lies one tenure after the question that it answers.
fn permission(tenure: Tenure) -> Permission {
    let timing = Timing::default();
    let length = timing.ttl.saturating_sub(timing.margin);
    Permission::new(
        {
            let tenure = tenure.clone();
            move || tenure.holds()
        },
        move |cut| tenure.holds() && tenure.deadline().into_std() >= cut + length,
    )
}

async fn carry_out(accounts: &Accounts, command: AccountCommand) {
    let done = match command {
        AccountCommand::Join {
            account,
            guild_id,
            channel_id,
            live,
        } => {
            let account = orb_accounts::AccountId(account.get());
            accounts.join(account, guild_id, channel_id, live).await
        }
        AccountCommand::Refresh { account, guild_id } => {
            accounts
                .refresh(orb_accounts::AccountId(account.get()), guild_id)
                .await
        }
        AccountCommand::RefreshStream { account, guild_id } => {
            accounts
                .refresh_live(orb_accounts::AccountId(account.get()), guild_id)
                .await
        }
        AccountCommand::PauseLive {
            account,
            guild_id,
            paused,
        } => {
            let account = orb_accounts::AccountId(account.get());
            accounts.set_live_paused(account, guild_id, paused).await
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
async fn hand_in(accounts: &Accounts, leader: &LeaderHandle, event: AccountEvent) -> bool {
    if let AccountEvent::Progress {
        account,
        shard,
        session,
    } = event
    {
        let session = AccountSession {
            account_id: account.0,
            shard: shard.number,
            shards: shard.count,
            session: stored(&session),
        };
        return leader.progress(session).await;
    }
    let lost = lost(accounts, &event);
    for event in translate(event).into_iter().chain(lost) {
        if !leader.event(event).await {
            return false;
        }
    }
    true
}

/// A user account that Discord refuses for good, as it does those that it bans: nobody mends that, and its party need not
/// wait for it. (A bot's owner can.)
fn lost(accounts: &Accounts, event: &AccountEvent) -> Option<Event> {
    let AccountEvent::Disconnected {
        account,
        fatal: Some(_),
        ..
    } = event
    else {
        return None;
    };
    let is_user = accounts.kind(*account) == Some(orb_accounts::AccountKind::User);
    let account = AccountId::new(account.0);
    is_user.then_some(Event::AccountLost { account })
}

/// A gateway session as the store keeps it (sealed).
fn stored(session: &GatewaySession) -> String {
    json!({ "id": session.id, "sequence": session.sequence, "resume_url": session.resume_url })
        .to_string()
}

/// What an account needs to go on from where the last leader's was.
fn restored(held: HeldAccount) -> RestoredAccount {
    RestoredAccount {
        account: orb_accounts::AccountId(held.account_id),
        sessions: held.sessions.iter().filter_map(restored_session).collect(),
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
                stream: voice.stream.map(|stream| orb_accounts::StreamCredentials {
                    stream_key: stream.stream_key,
                    rtc_server_id: stream.rtc_server_id,
                    endpoint: stream.endpoint,
                    token: stream.token.into(),
                }),
            })
            .collect(),
    }
}

/// None where it does not read as what this version writes: that shard identifies anew.
fn restored_session(session: &AccountSession) -> Option<(ShardId, GatewaySession)> {
    let stored: Value = serde_json::from_str(&session.session).ok()?;
    let shard = ShardId {
        number: session.shard,
        count: session.shards,
    };
    let session = GatewaySession {
        id: stored["id"].as_str()?.to_owned(),
        sequence: stored["sequence"].as_u64()?,
        resume_url: stored["resume_url"].as_str()?.to_owned(),
    };
    Some((shard, session))
}

fn translate(event: AccountEvent) -> Option<Event> {
    let id = |account: orb_accounts::AccountId| AccountId::new(account.0);
    match event {
        AccountEvent::Ready {
            account,
            kind,
            shard,
            resumed,
            ..
        } => {
            tracing::info!(%account, %shard, resumed, "account connected");
            Some(Event::AccountReady {
                account: id(account),
                kind: match kind {
                    orb_accounts::AccountKind::Bot => AccountKind::Bot,
                    orb_accounts::AccountKind::User => AccountKind::User,
                },
                shard: Shard {
                    number: shard.number,
                    count: shard.count,
                },
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
                stream: credentials.stream.map(|stream| {
                    Box::new(StreamCredentials {
                        stream_key: stream.stream_key,
                        rtc_server_id: stream.rtc_server_id,
                        endpoint: stream.endpoint,
                        token: stream.token.expose_secret().to_owned(),
                    })
                }),
            },
        }),
        AccountEvent::LiveRefused {
            account,
            guild_id,
            reason,
        } => {
            tracing::warn!(%account, guild_id, code = reason.code(), %reason, "not live");
            Some(Event::LiveRefused {
                account: id(account),
                guild_id,
                reason: reason.code().to_owned(),
            })
        }
        AccountEvent::Left {
            account,
            guild_id,
            asked,
        } => Some(Event::VoiceLeft {
            account: id(account),
            guild_id,
            asked,
        }),
        AccountEvent::Audience {
            account,
            guild_id,
            channel_id,
            listeners,
        } => Some(Event::Audience {
            account: id(account),
            guild_id,
            channel_id,
            people: u32::try_from(listeners).unwrap_or(u32::MAX),
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
        AccountEvent::Disconnected {
            account,
            shard,
            fatal,
        } => {
            if let Some(error) = fatal {
                tracing::error!(%account, %shard, %error, code = error.code(), "account refused by Discord");
            } else {
                tracing::warn!(%account, %shard, "account disconnected; it comes back by itself");
            }
            None
        }
        // Events may be added to; those that matter are above, and progress has its own way.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_was_stored_is_restored() {
        let session = GatewaySession {
            id: "session".to_owned(),
            sequence: 7,
            resume_url: "wss://gateway".to_owned(),
        };
        let row = AccountSession {
            account_id: 1,
            shard: 1,
            shards: 3,
            session: stored(&session),
        };
        let shard = ShardId {
            number: 1,
            count: 3,
        };
        assert_eq!(restored_session(&row), Some((shard, session)));
        let garbled = AccountSession {
            session: "{}".to_owned(),
            ..row
        };
        assert_eq!(restored_session(&garbled), None);
    }

    #[test]
    fn no_more_joins_are_counted_on_than_are_sent() {
        const { assert!(orb_scheduler_core::JOINS_A_MINUTE <= orb_accounts::COMMANDS_A_MINUTE) };
        for guild in [0, 1 << 22, (5 << 22) + 77] {
            let shard = ShardId::of_guild(guild, 3);
            let (number, count) = (shard.number, shard.count);
            assert!(Shard { number, count }.has(guild), "{guild}");
        }
    }
}
