//! The store that a URL asks for.

use orb_scheduler_core::{CommandId, CommandRecord, Epoch, SessionId, StoredSession, Write};

use crate::{AccountSession, Error, PostgresStore, Seal, SqliteStore, Store, StoredEvent};

/// One of the stores, chosen at run time. ([`Store`] hands out futures, so it cannot be a trait object.)
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a process has one of them")]
pub enum AnyStore {
    /// `sqlite://…`.
    Sqlite(SqliteStore),
    /// `postgres://…`, or `postgresql://…`.
    Postgres(PostgresStore),
}

impl AnyStore {
    /// The database that the URL names: opened when it is a file, connected to when it is asked something
    /// when it is a server, which may be away.
    pub async fn prepare(url: &str, seal: Seal) -> Result<Self, Error> {
        match url.split_once(':') {
            Some(("sqlite", _)) => Ok(Self::Sqlite(SqliteStore::open(url, seal).await?)),
            Some(("postgres" | "postgresql", _)) => {
                Ok(Self::Postgres(PostgresStore::prepare(url, seal)?))
            }
            _ => Err(Error::UnknownKind),
        }
    }

    /// The same, and it answers.
    pub async fn open(url: &str, seal: Seal) -> Result<Self, Error> {
        let store = Self::prepare(url, seal).await?;
        store.reach().await?;
        Ok(store)
    }
}

/// The same call on whichever it is.
macro_rules! either {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::Sqlite($store) => $call.await,
            Self::Postgres($store) => $call.await,
        }
    };
}

impl Store for AnyStore {
    fn place(&self) -> String {
        match self {
            Self::Sqlite(store) => store.place(),
            Self::Postgres(store) => store.place(),
        }
    }

    async fn reach(&self) -> Result<(), Error> {
        either!(self, store => store.reach())
    }

    async fn lead(&self, at_least: Epoch) -> Result<Epoch, Error> {
        either!(self, store => store.lead(at_least))
    }

    async fn load(&self, over_since_ms: i64) -> Result<Vec<StoredSession>, Error> {
        either!(self, store => store.load(over_since_ms))
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<StoredSession>, Error> {
        either!(self, store => store.sessions(ids))
    }

    async fn events(
        &self,
        session: &SessionId,
        after_id: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, Error> {
        either!(self, store => store.events(session, after_id, limit))
    }

    async fn newest_event(&self, session: &SessionId) -> Result<i64, Error> {
        either!(self, store => store.newest_event(session))
    }

    async fn commit_all(
        &self,
        epoch: Epoch,
        writes: Vec<Write>,
        accounts: Vec<AccountSession>,
        wall_ms: i64,
    ) -> Result<(), Error> {
        either!(self, store => store.commit_all(epoch, writes, accounts, wall_ms))
    }

    async fn confirm(&self, epoch: Epoch) -> Result<(), Error> {
        either!(self, store => store.confirm(epoch))
    }

    async fn commands(&self, ids: &[CommandId]) -> Result<Vec<CommandRecord>, Error> {
        either!(self, store => store.commands(ids))
    }

    async fn forget_commands(&self, epoch: Epoch, before_ms: i64) -> Result<(), Error> {
        either!(self, store => store.forget_commands(epoch, before_ms))
    }

    async fn account_sessions(&self) -> Result<Vec<AccountSession>, Error> {
        either!(self, store => store.account_sessions())
    }
}
