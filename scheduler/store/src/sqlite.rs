//! SQLite: one writer, WAL, every commit on disk before it is acknowledged.

mod queue;

use std::str::FromStr;
use std::time::Duration;

use orb_scheduler_core::{CommandId, CommandRecord, Epoch, SessionId, StoredSession, Write};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, Transaction};
use tokio::sync::Mutex;

use crate::entries::{self, EntryRow, loaded_entries};
use crate::{AccountSession, Error, Seal, Store, StoredEvent, rows};

/// Another process (a shell, a backup) may hold the file for a moment; the leader itself has one writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The embedded store.
#[derive(Debug)]
pub struct SqliteStore {
    /// One connection: SQLite has one writer anyway, and a queue of our own is fairer than its lock.
    writer: Mutex<SqliteConnection>,
    readers: SqlitePool,
    seal: Seal,
}

impl SqliteStore {
    /// Opens (and makes) the database, and brings its tables up to date.
    ///
    /// `url` is `sqlite://path/to/file`.
    pub async fn open(url: &str, seal: Seal) -> Result<Self, Error> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let mut writer = SqliteConnection::connect_with(&options).await?;
        sqlx::migrate!("migrations/sqlite").run(&mut writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(2)
            .connect_lazy_with(options.read_only(true).create_if_missing(false));
        Ok(Self {
            writer: Mutex::new(writer),
            readers,
            seal,
        })
    }

    async fn apply(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        write: Write,
        wall_ms: i64,
    ) -> Result<(), Error> {
        match write {
            Write::Session(mut record, status) => {
                let current = record.desired.current.as_ref();
                let entry = current.map(|item| item.entry.get() as i64);
                let title = rows::title(&record).map(str::to_owned);
                let owner = rows::some(&record.owner_user_id).map(str::to_owned);
                let (json, sealed) = rows::split(&self.seal, &mut record)?;
                sqlx::query(
                    "INSERT INTO watch_party_sessions (id, guild_id, voice_channel_id, text_channel_id, \
                     status, worker_session_id, created_at, updated_at, record, sealed, title, over_since, \
                     owner_user_id) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?13, ?14) \
                     ON CONFLICT (id) DO UPDATE SET voice_channel_id = ?3, text_channel_id = ?4, status = ?5, updated_at = ?8, \
                     record = ?9, sealed = ?10, title = ?11, over_since = ?13, owner_user_id = ?14, \
                     current_queue_entry_id = \
                     (SELECT id FROM watch_party_queue WHERE session_id = ?1 AND entry_id = ?12)",
                )
                .bind(record.id.as_str())
                .bind(&record.guild_id)
                .bind(&record.voice_channel_id)
                .bind(&record.text_channel_id)
                .bind(status.as_str())
                .bind(&record.worker_session_id)
                .bind(record.created_at)
                .bind(record.updated_at)
                .bind(json)
                .bind(sealed)
                .bind(title)
                .bind(entry)
                .bind(record.is_over().then_some(record.updated_at))
                .bind(owner)
                .execute(&mut **transaction)
                .await?;
            }
            Write::Queue(row) => queue::put(transaction, &self.seal, &row).await?,
            Write::QueueOrder { session, positions } => {
                queue::order(transaction, &session, &positions).await?;
            }
            Write::QueueRemoved { session, entries } => {
                queue::remove(transaction, &session, &entries).await?;
            }
            Write::Event(event) => {
                sqlx::query(
                    "INSERT INTO watch_party_events (session_id, event_type, payload_json, created_at) \
                     VALUES (?, ?, ?, ?)",
                )
                .bind(event.session.as_str())
                .bind(event.event_type)
                .bind(event.payload_json())
                .bind(wall_ms)
                .execute(&mut **transaction)
                .await?;
            }
            Write::WorkerState(row) => {
                let view = row.view;
                sqlx::query(
                    "INSERT INTO watch_party_worker_state (session_id, worker_status, playback_state, \
                     current_title, position_seconds, duration_seconds, last_error, updated_at, position_ms) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                     ON CONFLICT (session_id) DO UPDATE SET worker_status = ?2, playback_state = ?3, \
                     current_title = ?4, position_seconds = ?5, duration_seconds = ?6, last_error = ?7, \
                     updated_at = ?8, position_ms = ?9",
                )
                .bind(view.id.as_str())
                .bind(view.worker_status.as_str())
                .bind(view.playback.as_str())
                .bind(view.current_title)
                .bind((view.position.media_ms / 1000) as i64)
                .bind(view.duration_ms.map(|ms| (ms / 1000) as i64))
                .bind(view.last_error.map(|failure| failure.message))
                .bind(wall_ms)
                .bind(view.position.media_ms as i64)
                .execute(&mut **transaction)
                .await?;
            }
            Write::Command(command) => {
                sqlx::query(
                    "INSERT INTO commands (id, session_id, request_hash, outcome, created_at) \
                     VALUES (?, ?, ?, ?, ?)",
                )
                .bind(&command.id.0)
                .bind(command.session.as_str())
                .bind(command.request_hash.as_slice())
                .bind(rows::outcome(&command)?)
                .bind(wall_ms)
                .execute(&mut **transaction)
                .await?;
            }
        }
        Ok(())
    }

    fn stored(
        &self,
        records: Vec<(String, Vec<u8>, Option<i64>)>,
        queues: Vec<EntryRow>,
    ) -> Result<Vec<StoredSession>, Error> {
        let records = records
            .into_iter()
            .map(|(json, sealed, position_ms)| rows::join(&self.seal, &json, &sealed, position_ms));
        entries::with_queues(&self.seal, records.collect::<Result<_, _>>()?, queues)
    }
}

/// The fence: locks the leader's row by writing to it, and fails when another epoch stands there.
async fn fence(transaction: &mut Transaction<'_, Sqlite>, epoch: Epoch) -> Result<(), Error> {
    let locked = sqlx::query("UPDATE leader SET epoch = epoch WHERE only_row = 1 AND epoch = ?")
        .bind(epoch.get() as i64)
        .execute(&mut **transaction)
        .await?;
    if locked.rows_affected() == 1 {
        Ok(())
    } else {
        Err(Error::NotLeader { epoch })
    }
}

impl Store for SqliteStore {
    async fn lead(&self, at_least: Epoch) -> Result<Epoch, Error> {
        let mut writer = self.writer.lock().await;
        let epoch: i64 = sqlx::query_scalar(
            "UPDATE leader SET epoch = max(epoch + 1, ?) WHERE only_row = 1 RETURNING epoch",
        )
        .bind(at_least.get() as i64)
        .fetch_one(&mut *writer)
        .await?;
        Ok(Epoch::new(epoch as u64))
    }

    async fn load(&self, over_since_ms: i64) -> Result<Vec<StoredSession>, Error> {
        let mut writer = self.writer.lock().await;
        let mut moment = writer.begin().await?;
        let records = sqlx::query_as(
            "SELECT s.record, s.sealed, w.position_ms FROM watch_party_sessions s \
             LEFT JOIN watch_party_worker_state w ON w.session_id = s.id \
             WHERE s.over_since IS NULL OR s.over_since >= ?",
        )
        .bind(over_since_ms)
        .fetch_all(&mut *moment)
        .await?;
        let queues = sqlx::query_as(loaded_entries!(
            "SELECT s.id FROM watch_party_sessions s \
             WHERE s.over_since IS NULL OR s.over_since >= ?"
        ))
        .bind(over_since_ms)
        .fetch_all(&mut *moment)
        .await?;
        moment.rollback().await?;
        self.stored(records, queues)
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<StoredSession>, Error> {
        let ids = rows::json_list(ids)?;
        let mut moment = self.readers.begin().await?;
        let records = sqlx::query_as(
            "SELECT s.record, s.sealed, w.position_ms FROM watch_party_sessions s \
             LEFT JOIN watch_party_worker_state w ON w.session_id = s.id \
             WHERE s.id IN (SELECT value FROM json_each(?))",
        )
        .bind(&ids)
        .fetch_all(&mut *moment)
        .await?;
        let queues = sqlx::query_as(loaded_entries!(
            "SELECT DISTINCT value AS id FROM json_each(?)"
        ))
        .bind(&ids)
        .fetch_all(&mut *moment)
        .await?;
        moment.rollback().await?;
        self.stored(records, queues)
    }

    async fn events(
        &self,
        session: &SessionId,
        after_id: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, Error> {
        let found = sqlx::query_as(
            "SELECT id, session_id, event_type, payload_json, created_at FROM watch_party_events \
             WHERE session_id = ? AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(session.as_str())
        .bind(after_id)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(found.into_iter().map(rows::event).collect())
    }

    async fn newest_event(&self, session: &SessionId) -> Result<i64, Error> {
        Ok(sqlx::query_scalar(
            "SELECT coalesce(max(id), 0) FROM watch_party_events WHERE session_id = ?",
        )
        .bind(session.as_str())
        .fetch_one(&self.readers)
        .await?)
    }

    async fn commit_all(
        &self,
        epoch: Epoch,
        writes: Vec<Write>,
        accounts: Vec<AccountSession>,
        wall_ms: i64,
    ) -> Result<(), Error> {
        let mut writer = self.writer.lock().await;
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
        fence(&mut transaction, epoch).await?;
        for write in writes {
            self.apply(&mut transaction, write, wall_ms).await?;
        }
        for session in accounts {
            sqlx::query(
                "INSERT INTO account_sessions (account_id, sealed, updated_at, shard, shards) \
                 VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (account_id, shard) DO UPDATE SET sealed = ?2, updated_at = ?3, shards = ?5",
            )
            .bind(session.account_id.to_string())
            .bind(self.seal.close(session.session.as_bytes()))
            .bind(wall_ms)
            .bind(session.shard)
            .bind(session.shards)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn confirm(&self, epoch: Epoch) -> Result<(), Error> {
        let stored: i64 = sqlx::query_scalar("SELECT epoch FROM leader WHERE only_row = 1")
            .fetch_one(&self.readers)
            .await?;
        if stored == epoch.get() as i64 {
            Ok(())
        } else {
            Err(Error::NotLeader { epoch })
        }
    }

    async fn commands(&self, ids: &[CommandId]) -> Result<Vec<CommandRecord>, Error> {
        sqlx::query_as(
            "SELECT id, session_id, request_hash, outcome FROM commands \
             WHERE id IN (SELECT value FROM json_each(?))",
        )
        .bind(rows::json_list(ids)?)
        .fetch_all(&self.readers)
        .await?
        .into_iter()
        .map(rows::command)
        .collect()
    }

    async fn forget_commands(&self, epoch: Epoch, before_ms: i64) -> Result<(), Error> {
        let mut writer = self.writer.lock().await;
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
        fence(&mut transaction, epoch).await?;
        sqlx::query("DELETE FROM commands WHERE created_at < ?")
            .bind(before_ms)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn account_sessions(&self) -> Result<Vec<AccountSession>, Error> {
        sqlx::query_as("SELECT account_id, shard, shards, sealed FROM account_sessions")
            .fetch_all(&self.readers)
            .await?
            .into_iter()
            .filter_map(|row| rows::account_session(&self.seal, row).transpose())
            .collect()
    }
}
