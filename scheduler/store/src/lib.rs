//! Where the scheduler's durable state lives.
//!
//! # Mental model
//!
//! The state machine of `orb-scheduler-core` hands out [`Write`]s; a [`Store`] commits a batch of them in
//! one transaction, fenced by the leader's [`Epoch`]: a transaction of a leader that is no longer one
//! fails with [`Error::NotLeader`] and changes nothing. A leader starts with [`Store::lead`], which
//! raises the epoch *before* anything is loaded, and [`Store::load`].
//!
//! SQLite is the embedded default: WAL, `synchronous=FULL` (what was acknowledged survives a power
//! cut), one writer connection. The fixed tables of the bot are described in
//! `migrations/sqlite/0001_parties.sql`. Voice credentials and gateway sessions are sealed ([`Seal`]).

mod error;
mod rows;
mod seal;
mod sqlite;

use std::future::Future;

use orb_scheduler_core::{CommandId, CommandRecord, Epoch, SessionRecord, Write};

pub use error::Error;
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
    /// Takes the leadership: commits `max(stored + 1, at_least)` as the epoch, and returns it.
    fn lead(&self, at_least: Epoch) -> impl Future<Output = Result<Epoch, Error>> + Send;

    /// All sessions.
    fn load(&self) -> impl Future<Output = Result<Vec<SessionRecord>, Error>> + Send;

    /// Commits the writes in one transaction, in order, unless `epoch` is no longer the leader's.
    fn commit(
        &self,
        epoch: Epoch,
        writes: Vec<Write>,
        wall_ms: i64,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// What a command id came to, if it is known.
    fn command(
        &self,
        id: &CommandId,
    ) -> impl Future<Output = Result<Option<CommandRecord>, Error>> + Send;

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
