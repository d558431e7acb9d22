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
//! - [`PostgresStore`] is for several schedulers: one connection, one statement a table and batch. The fence
//!   is the row `leader(epoch)`, locked `FOR SHARE` by every transaction of a leader.
//! - [`AnyStore`] is the one of them that a URL asks for.
//!
//! Both hold the fixed tables of the bot, described in `migrations/sqlite/0001_parties.sql`. Voice
//! credentials, gateway sessions and the URLs of sources are sealed ([`Seal`]).

mod any;
mod error;
mod postgres;
mod rows;
mod seal;
mod sqlite;

use std::future::Future;

use orb_scheduler_core::{CommandId, CommandRecord, Epoch, SessionId, SessionRecord, Write};

pub use any::AnyStore;
pub use error::Error;
pub use postgres::PostgresStore;
pub use seal::Seal;
pub use sqlite::SqliteStore;

/// A gateway session of an account, opaque to the store and sealed by it.
#[derive(Clone)]
pub struct AccountSession {
    /// The account's user id.
    pub account_id: u64,
    /// Whatever the accounts need to go on from it.
    pub session: String,
}

impl std::fmt::Debug for AccountSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountSession")
            .field("account_id", &self.account_id)
            .finish_non_exhaustive()
    }
}

/// Durable state behind one leader.
pub trait Store: Send + Sync + 'static {
    /// Takes the leadership: commits `max(stored + 1, at_least)` as the epoch, and returns it. Brings the
    /// tables up to date first, where several processes share them.
    ///
    /// Transactions of an earlier leader that are under way end before it returns, so that [`Store::load`]
    /// sees them; later ones are refused.
    fn lead(&self, at_least: Epoch) -> impl Future<Output = Result<Epoch, Error>> + Send;

    /// All sessions. A commit whose outcome is not known ([`Error::InDoubt`], or a future that was dropped) is
    /// waited for: it is in what is loaded, or never will be.
    fn load(&self) -> impl Future<Output = Result<Vec<SessionRecord>, Error>> + Send;

    /// One session, if there is one: the leader keeps those that are over no longer in memory.
    fn session(
        &self,
        id: &SessionId,
    ) -> impl Future<Output = Result<Option<SessionRecord>, Error>> + Send;

    /// Commits the writes in one transaction, in order, unless `epoch` is no longer the leader's.
    fn commit(
        &self,
        epoch: Epoch,
        writes: Vec<Write>,
        wall_ms: i64,
    ) -> impl Future<Output = Result<(), Error>> + Send;

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
    ) -> impl Future<Output = Result<(), Error>> + Send;
}
