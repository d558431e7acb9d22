//! PostgreSQL: the store of several schedulers, one of which leads.

mod batch;
mod connection;
mod queue_batch;

use std::time::Duration;

use orb_scheduler_core::{CommandId, CommandRecord, Epoch, SessionId, StoredSession, Write};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use self::batch::{Batch, column};
use self::connection::{Link, within};
use crate::entries::{self, EntryRow, loaded_entries};
use crate::{AccountSession, Error, Seal, Store, StoredEvent, rows};

/// The advisory lock of those who bring the tables up to date: "orb" and a number.
const MIGRATION_LOCK: i64 = 0x6f72_6201;

/// Rewriting a large table takes minutes, and nobody may write meanwhile anyway.
const MIGRATE: Duration = Duration::from_mins(10);

/// Reading everything at start: tens of thousands of sessions.
const LOAD: Duration = Duration::from_mins(1);

/// The store on a PostgreSQL server (14 or later), shared by schedulers of which one leads.
#[derive(Debug)]
pub struct PostgresStore {
    /// What a leader writes, and what it loads.
    link: Link,
    /// Look-ups.
    reader: Link,
    seal: Seal,
}

/// Of sessions, and of their queues.
type Rows = (Vec<PgRow>, Vec<EntryRow>);

/// One read; once more, with a new connection, when the server had closed the one that rested. (No function: a
/// closure that borrows the query's parameters makes no future that is known to be `Send`.)
macro_rules! ask {
    ($link:expr, $connection:ident => $query:expr) => {
        loop {
            let mut held = $link.hold().await?;
            let answer = held
                .answer(async |$connection: &mut PgConnection| $query.await)
                .await;
            match answer {
                Err(error) if held.died_at_rest(&error) => {}
                answer => {
                    let answer = answer?;
                    held.rest();
                    break answer;
                }
            }
        }
    };
}

impl PostgresStore {
    /// Connects when it is asked something, so the server may be away. The tables are left alone until
    /// [`Store::lead`]: a standby of a newer version must not change what the leader works with.
    ///
    /// `url` is `postgres://user:password@host:port/database`, with libpq's parameters, such as `sslmode`.
    pub fn prepare(url: &str, seal: Seal) -> Result<Self, Error> {
        let (link, reader) = (Link::new(url)?, Link::new(url)?);
        Ok(Self { link, reader, seal })
    }

    /// The same, and connects.
    pub async fn open(url: &str, seal: Seal) -> Result<Self, Error> {
        let store = Self::prepare(url, seal)?;
        store.reach().await?;
        Ok(store)
    }

    fn stored(&self, (records, queues): Rows) -> Result<Vec<StoredSession>, Error> {
        let records = records.iter().map(|row| {
            let (json, sealed) = (row.try_get(0)?, row.try_get(1)?);
            rows::join(&self.seal, json, sealed, row.try_get(2)?)
        });
        entries::with_queues(&self.seal, records.collect::<Result<_, _>>()?, queues)
    }
}

impl Store for PostgresStore {
    fn place(&self) -> String {
        self.link.place()
    }

    async fn reach(&self) -> Result<(), Error> {
        ask!(self.link, connection => sqlx::raw_sql("SELECT 1").execute(connection));
        Ok(())
    }

    /// Takes the lock on the whole table `leader`, not on its row alone: those who ask for it queue up, so the
    /// old leader's running transactions end first and its next ones wait behind, however many there are. Row
    /// locks are not so fair: sharers overtake.
    async fn lead(&self, at_least: Epoch) -> Result<Epoch, Error> {
        let mut connection = self.link.connect().await?;
        within(MIGRATE, raise(&mut connection, at_least)).await
    }

    async fn load(&self, over_since_ms: i64) -> Result<Vec<StoredSession>, Error> {
        let mut held = self.link.settle().await?;
        let rows = within(LOAD, load_rows(&mut held.connection, over_since_ms)).await?;
        held.rest();
        self.stored(rows)
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<StoredSession>, Error> {
        let ids = column(ids, SessionId::as_str);
        // Mostly they are new: then this is all, in place of a transaction.
        let known: Vec<String> = ask!(self.reader, connection => sqlx::query_scalar(
            "SELECT id FROM watch_party_sessions WHERE id = ANY($1)",
        )
        .bind(&ids)
        .fetch_all(connection));
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let rows = ask!(self.reader, connection => session_rows(connection, &known));
        self.stored(rows)
    }

    async fn events(
        &self,
        session: &SessionId,
        after_id: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, Error> {
        let found: Vec<_> = ask!(self.reader, connection => sqlx::query_as(
            "SELECT id, session_id, event_type, payload_json, created_at FROM watch_party_events \
             WHERE session_id = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(session.as_str())
        .bind(after_id)
        .bind(i64::from(limit))
        .fetch_all(connection));
        Ok(found.into_iter().map(rows::event).collect())
    }

    async fn newest_event(&self, session: &SessionId) -> Result<i64, Error> {
        Ok(ask!(self.reader, connection => sqlx::query_scalar(
            "SELECT coalesce(max(id), 0) FROM watch_party_events WHERE session_id = $1",
        )
        .bind(session.as_str())
        .fetch_one(connection)))
    }

    async fn commit_all(
        &self,
        epoch: Epoch,
        writes: Vec<Write>,
        accounts: Vec<AccountSession>,
        wall_ms: i64,
    ) -> Result<(), Error> {
        // Before the transaction: nothing but round trips while it holds the fence.
        let batch = Batch::new(&self.seal, writes, accounts)?;
        let mut held = self.link.begin(epoch).await?;
        held.answer(async |connection: &mut PgConnection| batch.write(connection, wall_ms).await)
            .await?;
        held.commit().await
    }

    /// A plain read: it waits for no lock, and sees an epoch only when its leader may begin to load.
    async fn confirm(&self, epoch: Epoch) -> Result<(), Error> {
        let stored: i64 = ask!(self.reader, connection => sqlx::query_scalar(
            "SELECT epoch FROM leader WHERE only_row = 1",
        )
        .fetch_one(connection));
        if stored == epoch.get() as i64 {
            Ok(())
        } else {
            Err(Error::NotLeader { epoch })
        }
    }

    async fn commands(&self, ids: &[CommandId]) -> Result<Vec<CommandRecord>, Error> {
        let ids = column(ids, |id| id.0.as_str());
        let found: Vec<_> = ask!(self.reader, connection => sqlx::query_as(
            "SELECT id, session_id, request_hash, outcome FROM commands WHERE id = ANY($1)",
        )
        .bind(&ids)
        .fetch_all(connection));
        found.into_iter().map(rows::command).collect()
    }

    async fn forget_commands(&self, epoch: Epoch, before_ms: i64) -> Result<(), Error> {
        let mut held = self.link.begin(epoch).await?;
        held.answer(async |connection: &mut PgConnection| {
            sqlx::query("DELETE FROM commands WHERE created_at < $1")
                .bind(before_ms)
                .execute(connection)
                .await
        })
        .await?;
        held.commit().await
    }

    async fn account_sessions(&self) -> Result<Vec<AccountSession>, Error> {
        let mut held = self.link.settle().await?;
        let found = held
            .answer(async |connection: &mut PgConnection| {
                sqlx::query_as("SELECT account_id, shard, shards, sealed FROM account_sessions")
                    .fetch_all(connection)
                    .await
            })
            .await?;
        held.rest();
        found
            .into_iter()
            .filter_map(|row| rows::account_session(&self.seal, row).transpose())
            .collect()
    }
}

async fn raise(connection: &mut PgConnection, at_least: Epoch) -> Result<Epoch, Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *transaction)
        .await?;
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('leader') IS NOT NULL")
        .fetch_one(&mut *transaction)
        .await?;
    if exists {
        sqlx::raw_sql("LOCK TABLE leader IN EXCLUSIVE MODE")
            .execute(&mut *transaction)
            .await?;
    }
    allow(&mut transaction, MIGRATE).await?;
    let mut migrator = sqlx::migrate!("migrations/postgres");
    // The advisory lock above stands in for sqlx's own, which would outlive the transaction.
    migrator.set_locking(false);
    // `run` is this, behind a bound that no `Send` future meets.
    migrator.run_direct(None, &mut *transaction, false).await?;
    let epoch: i64 = sqlx::query_scalar(
        "UPDATE leader SET epoch = greatest(epoch + 1, $1) WHERE only_row = 1 RETURNING epoch",
    )
    .bind(at_least.get() as i64)
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Epoch::new(epoch as u64))
}

/// Both statements see the same moment.
const BEGIN_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

async fn load_rows(connection: &mut PgConnection, over_since_ms: i64) -> Result<Rows, sqlx::Error> {
    let mut moment = connection.begin_with(BEGIN_MOMENT).await?;
    allow(&mut moment, LOAD).await?;
    let records = sqlx::query(
        "SELECT s.record, s.sealed, w.position_ms FROM watch_party_sessions s \
         LEFT JOIN watch_party_worker_state w ON w.session_id = s.id \
         WHERE s.over_since IS NULL OR s.over_since >= $1",
    )
    .bind(over_since_ms)
    .fetch_all(&mut *moment)
    .await?;
    let queues = sqlx::query_as(loaded_entries!(
        "SELECT s.id FROM watch_party_sessions s \
         WHERE s.over_since IS NULL OR s.over_since >= $1"
    ))
    .bind(over_since_ms)
    .fetch_all(&mut *moment)
    .await?;
    moment.commit().await?;
    Ok((records, queues))
}

async fn session_rows(connection: &mut PgConnection, ids: &[String]) -> Result<Rows, sqlx::Error> {
    let mut moment = connection.begin_with(BEGIN_MOMENT).await?;
    let records = sqlx::query(
        "SELECT s.record, s.sealed, w.position_ms FROM watch_party_sessions s \
         LEFT JOIN watch_party_worker_state w ON w.session_id = s.id WHERE s.id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(&mut *moment)
    .await?;
    let queues = sqlx::query_as(loaded_entries!("SELECT DISTINCT unnest($1::text[]) AS id"))
        .bind(ids)
        .fetch_all(&mut *moment)
        .await?;
    moment.commit().await?;
    Ok((records, queues))
}

/// Statements of this transaction may take so long.
async fn allow(connection: &mut PgConnection, time: Duration) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT set_config('statement_timeout', $1, true)")
        .bind(time.as_millis().to_string())
        .execute(connection)
        .await?;
    Ok(())
}
