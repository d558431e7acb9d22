//! The Discord accounts that the scheduler's leader holds.
//!
//! ```text
//!            join, leave, refresh                    ops 4, 18, 19, 22
//! scheduler ─────────────────────▶ one task a  ───────────────▶ Discord's
//!           ◀───────────────────── shard       ◀─────────────── main gateway
//!            AccountEvent            │            voice state, voice server
//!                                    │            and stream events
//!                                    └ voice_states: pure, decides everything
//! ```
//!
//! An account is a token and its main gateway connections. It comes into voice channels
//! and turns Discord's answers into [`VoiceCredentials`], which the scheduler hands to a worker: the
//! token itself never leaves here. [`Accounts`] is the handle; what happens comes as
//! [`AccountEvent`]s over one bounded queue, in order.
//!
//! **Hand-over.** Discord keeps a gateway session, and the voice states and streams that hang on it, for a
//! while after its connection broke. [`AccountEvent::Progress`] says from where another process
//! can RESUME it; it comes after every event that it covers, so whoever stores events and progress
//! in this order never stores a sequence ahead of its effects. What was held is given back by
//! [`RestoredAccount::held`], for RESUME repeats no credentials. When Discord refuses the RESUME, a
//! new session begins, and every held channel is joined again and streamed to again.
//!
//! **Endings.** Dropping the last handle, or [`Shutdown::Abandon`], drops the connections without a
//! close frame: the sessions stay alive for a successor. [`Shutdown::HandOver`] does it tidily,
//! [`Shutdown::Leave`] is for good.
//!
//! **Permission.** An account belongs to one process at a time. Before each poll of a connection its
//! [`Permission`] is asked, and when it has gone, the connection is dropped as by [`Shutdown::Abandon`].
//! A connection that was cut is made anew only when the permission was confirmed since: the cut may
//! come from a successor that has resumed the session.
//!
//! **Shards.** A bot in many guilds has as many connections as Discord recommends ([`ShardId`]), each a task of
//! its own with its own session, voice states and limit on commands ([`COMMANDS_A_MINUTE`]); a call goes to the shard of
//! its guild. The IDENTIFYs of an account share one queue. A user has one connection.
//!
//! # Going live
//!
//! Discord lets no bot go live ([`Error::NotAUser`]); a person's account can ([`AccountKind::User`]), but Discord's terms
//! forbid to automate one, and such accounts get banned. Whoever configures one accepts that. Nothing here hides it: the
//! connection says `orb` of itself, and imitates no client of Discord's.
//!
//! A stream needs a seat in its channel, and is made after it (op 18). It is told of when both parts of the credentials
//! are whole. One that ends unasked is made anew, four times a minute at most, with growing pauses; where that is too
//! often, or Discord says no, there is [`AccountEvent::LiveRefused`], and sound goes on in the channel.
//!
//! A user's connection is not twilight's. twilight-gateway 0.18 (read in its source) puts `Bot ` before every token
//! (`ConfigBuilder::new`) and sends intents and a shard with every IDENTIFY, without a way to leave them out: Discord wants
//! a user's token alone. So `user_gateway` speaks the same protocol in a few hundred lines.
//!
//! What is known and what is guessed. From userdoccers (July 2026), for Discord documents none of it: the ops, the events
//! and their fields, the reasons of an end, a server that is away (an endpoint of null, `unavailable`), READY with whole
//! guilds for users, that users need no intents. Guessed, and handled either way where it matters: in which order the
//! two answers to op 18 come, that what is refused without a word is a time-out, that ending and making a stream gives
//! fresh credentials, that a user may IDENTIFY as often as a bot. Nothing of it was tried with the real Discord.
//!
//! Not here: slash commands, and the audience of guilds that were taken over by RESUME.

mod account;
mod audience;
mod connection;
mod dial;
mod error;
mod event;
mod permission;
mod rest;
mod send_limit;
mod shard;
mod sharding;
mod stream_key;
mod user_gateway;
mod voice_states;
mod wire;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::try_join_all;
use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use account::{Command, Introduced};
pub use error::Error;
pub use event::{
    AccountEvent, AccountId, AccountKind, GatewaySession, JoinFailure, LiveRefusal,
    StreamCredentials, TokenPlace, VoiceCredentials,
};
pub use permission::Permission;
pub use send_limit::COMMANDS as COMMANDS_A_MINUTE;
pub use sharding::ShardId;

/// An account to connect.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// What it is. A token does not tell: it is presented to Discord in another way for each kind.
    pub kind: AccountKind,
    /// The token; a bot's with or without its `Bot ` prefix.
    pub token: SecretString,
    /// Another Discord, such as `http://127.0.0.1:4000`: then nothing goes to the real one.
    pub api_url: Option<String>,
}

/// What a predecessor stored of an account.
#[derive(Clone, Debug)]
pub struct RestoredAccount {
    /// Which.
    pub account: AccountId,
    /// The sessions to go on with by RESUME: one a shard, as far as they were stored.
    pub sessions: Vec<(ShardId, GatewaySession)>,
    /// Where the account was and is meant to stay.
    pub held: Vec<VoiceCredentials>,
}

/// The bounded waits.
#[derive(Clone, Copy, Debug)]
pub struct AccountTiming {
    /// How long Discord's answer to an op 4 is waited for.
    pub voice_event_wait: Duration,
    /// How long a [`Shutdown`] may take before the connections are dropped as they are.
    pub shutdown_wait: Duration,
}

impl Default for AccountTiming {
    fn default() -> Self {
        Self {
            // Discord answers within a fraction of a second, or not at all.
            voice_event_wait: Duration::from_secs(5),
            // Two leaves that are not answered, within the grace of a draining process.
            shutdown_wait: Duration::from_secs(12),
        }
    }
}

/// How the accounts end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shutdown {
    /// A successor goes on: the last [`AccountEvent::Progress`] is told, then the connection is
    /// closed with 4000, which keeps session and voice states.
    HandOver,
    /// For good: leaves all channels and closes with 1000, which ends the session.
    Leave,
    /// Leadership is lost: drops the connection without a word, and tells nothing more.
    Abandon,
}

/// The connected accounts: a cheap handle. When the last one is dropped, the accounts are abandoned
/// (see [`Shutdown::Abandon`]).
#[derive(Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

struct Inner {
    accounts: BTreeMap<AccountId, Connected>,
    tasks: TaskTracker,
    shutdown_wait: Duration,
    cancel: CancellationToken,
    _cancel_on_drop: DropGuard,
}

/// Where one account's commands go.
struct Connected {
    kind: AccountKind,
    /// By number.
    shards: Vec<mpsc::Sender<Command>>,
}

impl Accounts {
    /// Asks REST who the tokens are, then connects all accounts side by side; whether the gateway
    /// takes them comes as events. A bot's token that REST refuses is an error here; a user account that it refuses is
    /// left out and logged, for Discord bans such accounts, and the bots' parties are to go on.
    ///
    /// `events` should be read all the time: an account whose event finds no room waits for it and
    /// reads nothing from Discord meanwhile.
    pub async fn connect(
        configs: Vec<AccountConfig>,
        timing: AccountTiming,
        events: mpsc::Sender<AccountEvent>,
    ) -> Result<Self, Error> {
        Self::connect_restored(configs, Vec::new(), timing, Permission::always(), events).await
    }

    /// The same, going on from what a predecessor stored by account: which token is which account is
    /// known only when REST has been asked.
    pub async fn connect_restored(
        configs: Vec<AccountConfig>,
        restored: Vec<RestoredAccount>,
        timing: AccountTiming,
        permission: Permission,
        events: mpsc::Sender<AccountEvent>,
    ) -> Result<Self, Error> {
        // twilight panics without a process-wide TLS provider. An error says that there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();

        let introductions = places(&configs).into_iter().zip(configs);
        let introductions = introductions.map(|(place, config)| introduced(place, config));
        let introduced = try_join_all(introductions).await?;
        let introduced: Vec<_> = introduced.into_iter().flatten().collect();
        for restored in &restored {
            if introduced
                .iter()
                .all(|account| account.id() != restored.account)
            {
                // Its seats end with its session; the scheduler's parties there need another account.
                tracing::warn!(account = %restored.account, "a stored account has no token any more");
            }
        }
        for (later, account) in introduced.iter().enumerate() {
            if let Some(first) = introduced[..later].iter().find(|a| a.id() == account.id()) {
                return Err(Error::SameAccount {
                    first: first.place(),
                    second: account.place(),
                });
            }
        }

        let tasks = TaskTracker::new();
        let cancel = CancellationToken::new();
        let mut accounts = BTreeMap::new();
        for account in introduced {
            let (id, kind) = (account.id(), account.kind());
            let mut shards = Vec::new();
            for (sender, shard) in account.into_shards(&restored, timing, &permission, &events) {
                shards.push(sender);
                tasks.spawn(shard.run(cancel.clone()));
            }
            tracing::debug!(account = %id, shards = shards.len(), "connecting");
            accounts.insert(id, Connected { kind, shards });
        }
        tasks.close();
        Ok(Self {
            inner: Arc::new(Inner {
                accounts,
                tasks,
                shutdown_wait: timing.shutdown_wait,
                _cancel_on_drop: cancel.clone().drop_guard(),
                cancel,
            }),
        })
    }

    /// The accounts, in the order of their ids.
    pub fn ids(&self) -> Vec<AccountId> {
        self.inner.accounts.keys().copied().collect()
    }

    /// What the account is; nothing where there is no such account.
    pub fn kind(&self, account: AccountId) -> Option<AccountKind> {
        Some(self.inner.accounts.get(&account)?.kind)
    }

    /// The account shall be in this channel, and go live there if `live`. Comes back when the account has been told; the
    /// result is [`AccountEvent::Credentials`] or [`AccountEvent::JoinFailed`], and before credentials without a stream
    /// that was asked for, [`AccountEvent::LiveRefused`]. Where it is there already, the credentials in force are told
    /// again; a stream beside the seat is begun or ended as asked. A bot that shall go live is [`Error::NotAUser`], and
    /// nothing is sent.
    pub async fn join(
        &self,
        account: AccountId,
        guild: u64,
        channel: u64,
        live: bool,
    ) -> Result<(), Error> {
        if guild == 0 || channel == 0 {
            return Err(Error::InvalidId);
        }
        if live {
            self.check_user(account)?;
        }
        let join = Command::Join {
            guild,
            channel,
            live,
        };
        self.command(account, guild, join).await
    }

    /// Whether the account's stream in this guild is shown as held. It is remembered for streams that are made in its
    /// place; nothing where the account shall have no stream.
    pub async fn set_live_paused(
        &self,
        account: AccountId,
        guild: u64,
        paused: bool,
    ) -> Result<(), Error> {
        if guild == 0 {
            return Err(Error::InvalidId);
        }
        self.check_user(account)?;
        self.command(account, guild, Command::PauseLive { guild, paused })
            .await
    }

    /// The account shall be in no channel of this guild. [`AccountEvent::Left`] follows in every
    /// case, at the latest after twice the bounded wait; only then `(account, guild)` is free.
    pub async fn leave(&self, account: AccountId, guild: u64) -> Result<(), Error> {
        if guild == 0 {
            return Err(Error::InvalidId);
        }
        self.command(account, guild, Command::Leave { guild }).await
    }

    /// Fetches fresh credentials for the channel that the account is in, for the old ones were
    /// refused: op 4 again, and when no server is named within the bounded wait, out and in again.
    /// Its stream, where it goes live, is kept: that has a connection of its own.
    /// [`AccountEvent::Credentials`] or [`AccountEvent::JoinFailed`] follows; nothing when the
    /// account is in no channel of the guild.
    pub async fn refresh(&self, account: AccountId, guild: u64) -> Result<(), Error> {
        if guild == 0 {
            return Err(Error::InvalidId);
        }
        self.command(account, guild, Command::Refresh { guild })
            .await
    }

    /// The same for the stream alone: it is ended and made anew, and the voice connection of the channel stands. Nothing
    /// when the account does not go live there.
    pub async fn refresh_live(&self, account: AccountId, guild: u64) -> Result<(), Error> {
        if guild == 0 {
            return Err(Error::InvalidId);
        }
        self.check_user(account)?;
        self.command(account, guild, Command::RefreshLive { guild })
            .await
    }

    /// Ends all accounts and waits until they have ended, at most [`AccountTiming::shutdown_wait`];
    /// those that have not are abandoned then. Go on reading the events meanwhile.
    pub async fn shutdown(&self, how: Shutdown) {
        if how != Shutdown::Abandon {
            let ended = tokio::time::timeout(self.inner.shutdown_wait, async {
                let accounts = self.inner.accounts.values();
                for commands in accounts.flat_map(|account| &account.shards) {
                    // One that has ended already needs no telling.
                    let _ = commands.send(Command::Shutdown(how)).await;
                }
                self.inner.tasks.wait().await;
            });
            if ended.await.is_err() {
                tracing::warn!(?how, "accounts did not end in time and are abandoned");
            }
        }
        self.inner.cancel.cancel();
        self.inner.tasks.wait().await;
    }

    fn check_user(&self, id: AccountId) -> Result<(), Error> {
        match self.kind(id) {
            Some(AccountKind::User) => Ok(()),
            Some(AccountKind::Bot) => Err(Error::NotAUser(id)),
            None => Err(Error::UnknownAccount(id)),
        }
    }

    /// To the shard that has the guild.
    async fn command(&self, id: AccountId, guild: u64, command: Command) -> Result<(), Error> {
        let account = self.inner.accounts.get(&id);
        let shards = &account.ok_or(Error::UnknownAccount(id))?.shards;
        let count = u32::try_from(shards.len()).unwrap_or(u32::MAX);
        let shard = ShardId::of_guild(guild, count).number as usize;
        let commands = shards.get(shard).ok_or(Error::UnknownAccount(id))?;
        commands.send(command).await.map_err(|_| Error::Closed(id))
    }
}

/// Where each token stands in the list of its kind.
fn places(configs: &[AccountConfig]) -> Vec<TokenPlace> {
    let (mut bots, mut users) = (0, 0);
    let place = |config: &AccountConfig| {
        let kind = config.kind;
        let number = match kind {
            AccountKind::Bot => &mut bots,
            AccountKind::User => &mut users,
        };
        *number += 1;
        TokenPlace {
            kind,
            number: *number,
        }
    };
    configs.iter().map(place).collect()
}

/// Who it is; none when it is a user account that Discord refuses for good.
async fn introduced(place: TokenPlace, config: AccountConfig) -> Result<Option<Introduced>, Error> {
    match Introduced::ask(place, config).await {
        Err(error) if place.kind == AccountKind::User && !error.is_retryable() => {
            tracing::error!(
                %error,
                code = error.code(),
                "a user account is left out; no party goes live by it"
            );
            Ok(None)
        }
        asked => asked.map(Some),
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Accounts").field(&self.ids()).finish()
    }
}
