//! Where the scheduler's durable state lives.
//!
//! # Mental model
//!
//! The state machine of `orb-scheduler-core` hands out [`Write`]s; a [`Store`] commits a batch of them in
//! one transaction, fenced by the leader's [`Epoch`]: a transaction of a leader that is no longer one
//! fails with [`Error::NotLeader`] and changes nothing. A leader starts with [`Store::lead`], which
//! raises the epoch *before* anything is loaded, and [`Store::load`].
//!
//! - [`SqliteStore`] is the embedded default: WAL, `synchronous=FULL` (what was acknowledged survives a
//!   power cut), one writer connection.
//! - [`PostgresStore`] is for several schedulers: one connection that writes, one statement a batch (its queues have
//!   more), and one that reads, so that a look-up waits for no commit. The fence is the row `leader(epoch)`, locked
//!   `FOR SHARE` by every transaction of a leader.
//! - [`AnyStore`] is the one of them that a URL asks for.
//!
//! Both hold the fixed tables of the bot, described in `migrations/sqlite/0001_parties.sql`. Voice
//! credentials, gateway sessions and the URLs of sources are sealed ([`Seal`]).

mod any;
mod entries;
mod error;
mod postgres;
mod rows;
mod seal;
mod sqlite;

use std::future::Future;

use orb_scheduler_core::{CommandId, CommandRecord, Epoch, SessionId, StoredSession, Write};

pub use any::AnyStore;
pub use error::Error;
pub use postgres::PostgresStore;
pub use seal::Seal;
pub use sqlite::SqliteStore;

/// The gateway session of one shard of an account, opaque to the store and sealed by it. There is one an account and
/// shard.
#[derive(Clone)]
pub struct AccountSession {
    /// The account's user id.
    pub account_id: u64,
    /// Which of its gateway connections, from 0.
    pub shard: u32,
    /// How many it had: a session is of no use to another number of them.
    pub shards: u32,
    /// Whatever the accounts need to go on from it.
    pub session: String,
}

impl std::fmt::Debug for AccountSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountSession")
            .field("account_id", &self.account_id)
            .field("shard", &self.shard)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}

/// A row of `watch_party_events`. Bears no URL and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Rises within a database in the order of the commits, with gaps: one leader writes at a time, over one
    /// connection, and its last transaction has ended before the next leader's first begins. So whoever has read up to
    /// an id misses nothing when it reads on from there.
    pub id: i64,
    /// Whose.
    pub session: SessionId,
    /// Such as `play`, `paused`, `ended`.
    pub event_type: String,
    /// A JSON object: cause, actor and particulars.
    pub payload_json: String,
    /// Unix milliseconds.
    pub created_at: i64,
}

/// Durable state behind one leader.
pub trait Store: Send + Sync + 'static {
    /// What it is and where, for people; without a password.
    fn place(&self) -> String {
        "the database".to_owned()
    }

    /// Whether it answers. Who cannot reach it had better not lead; one that is away comes back by itself
    /// ([`Error::is_retryable`]), a URL or a password that is wrong does not.
    fn reach(&self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Takes the leadership: commits `max(stored + 1, at_least)` as the epoch, and returns it. Brings the
    /// tables up to date first, where several processes share them.
    ///
    /// Transactions of an earlier leader that are under way end before it returns, so that [`Store::load`]
    /// sees them; later ones are refused.
    fn lead(&self, at_least: Epoch) -> impl Future<Output = Result<Epoch, Error>> + Send;

    /// The sessions that live, and those that have been over since that unix time or later: a leader needs no
    /// others in memory. Each with what plays and waits in its queue, and the newest 100 entries that ended. A commit whose outcome is not known ([`Error::InDoubt`], or a future that was dropped) is
    /// waited for: it is in what is loaded, or never will be.
    fn load(
        &self,
        over_since_ms: i64,
    ) -> impl Future<Output = Result<Vec<StoredSession>, Error>> + Send;

    /// These sessions with their queues, as of one moment, in any order; unknown ones are left out. The leader keeps
    /// those that are over no longer in memory.
    ///
    /// What is read so, here and by [`Store::commands`] and [`Store::events`], is as new as any commit that was acknowledged before; it
    /// waits for none that is under way.
    fn sessions(
        &self,
        ids: &[SessionId],
    ) -> impl Future<Output = Result<Vec<StoredSession>, Error>> + Send;

    /// One session, if there is one.
    fn session(
        &self,
        id: &SessionId,
    ) -> impl Future<Output = Result<Option<StoredSession>, Error>> + Send {
        async { Ok(self.sessions(std::slice::from_ref(id)).await?.pop()) }
    }

    /// What happened in a session after that event, oldest first, at most so many.
    fn events(
        &self,
        session: &SessionId,
        after_id: i64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<StoredEvent>, Error>> + Send;

    /// The id of what happened in a session last; 0: nothing has.
    fn newest_event(&self, session: &SessionId) -> impl Future<Output = Result<i64, Error>> + Send;

    /// Commits the writes in their order, and the gateway sessions of accounts, in one transaction, unless `epoch`
    /// is no longer the leader's.
    fn commit_all(
        &self,
        epoch: Epoch,
        writes: Vec<Write>,
        accounts: Vec<AccountSession>,
        wall_ms: i64,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// The same without accounts.
    fn commit(
        &self,
        epoch: Epoch,
        writes: Vec<Write>,
        wall_ms: i64,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        self.commit_all(epoch, writes, Vec::new(), wall_ms)
    }

    /// An error unless `epoch` was the leader's at some moment between the call and its end. So whatever was in this
    /// leader's memory before the call was the newest there was: no other leader had loaded yet.
    fn confirm(&self, epoch: Epoch) -> impl Future<Output = Result<(), Error>> + Send;

    /// What these command ids came to, in any order; unknown ones are left out.
    fn commands(
        &self,
        ids: &[CommandId],
    ) -> impl Future<Output = Result<Vec<CommandRecord>, Error>> + Send;

    /// What a command id came to, if it is known.
    fn command(
        &self,
        id: &CommandId,
    ) -> impl Future<Output = Result<Option<CommandRecord>, Error>> + Send {
        async { Ok(self.commands(std::slice::from_ref(id)).await?.pop()) }
    }

    /// Forgets commands older than this unix time.
    fn forget_commands(
        &self,
        epoch: Epoch,
        before_ms: i64,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// The gateway sessions that were saved.
    fn account_sessions(&self) -> impl Future<Output = Result<Vec<AccountSession>, Error>> + Send;

    /// Saves gateway sessions.
    fn save_account_sessions(
        &self,
        epoch: Epoch,
        sessions: Vec<AccountSession>,
        wall_ms: i64,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        self.commit_all(epoch, Vec::new(), sessions, wall_ms)
    }
}
