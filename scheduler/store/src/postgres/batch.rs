//! A batch of writes as one statement, after those of the queues: columns go over as arrays, whatever the number of rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use orb_scheduler_core::{
    CommandRecord, EventRow, SessionRecord, SessionStatus, WorkerStateRow, Write,
};
use sqlx::postgres::PgConnection;

use super::queue_batch::{QueueBatch, QueueWrites};
use crate::{AccountSession, Error, Seal, rows};

/// The net effect of some writes. A statement may touch a row once only, so of several writes to one row
/// the newest stays; what is appended stays whole, in its order.
pub(super) struct Batch {
    sessions: Vec<Session>,
    queue: QueueBatch,
    worker_states: Vec<WorkerStateRow>,
    events: Vec<EventRow>,
    commands: Vec<(Box<CommandRecord>, String)>,
    accounts: Vec<Account>,
}

/// A gateway session, sealed.
struct Account {
    id: String,
    shard: u32,
    shards: u32,
    sealed: Vec<u8>,
}

struct Session {
    record: Box<SessionRecord>,
    status: SessionStatus,
    json: String,
    sealed: Vec<u8>,
}

impl Batch {
    pub(super) fn new(
        seal: &Seal,
        writes: Vec<Write>,
        accounts: Vec<AccountSession>,
    ) -> Result<Self, Error> {
        let (mut sessions, mut worker_states) = (Vec::new(), Vec::new());
        let mut queue = QueueWrites::default();
        let (mut events, mut commands) = (Vec::new(), Vec::new());
        for write in writes {
            match write {
                // Records are kilobytes: they stay where they are.
                Write::Session(record, status) => sessions.push((record, status)),
                Write::Queue(row) => queue.put(*row),
                Write::QueueOrder { session, positions } => queue.order(&session, positions),
                Write::QueueRemoved { session, entries } => queue.remove(&session, entries),
                Write::WorkerState(row) => worker_states.push(*row),
                Write::Event(event) => events.push(event),
                Write::Command(command) => {
                    let outcome = rows::outcome(&command)?;
                    commands.push((command, outcome));
                }
            }
        }
        let sessions = newest(sessions, |(record, _)| record.id.clone())
            .into_iter()
            .map(|(mut record, status)| {
                let (json, sealed) = rows::split(seal, &mut record)?;
                Ok(Session {
                    record,
                    status,
                    json,
                    sealed,
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            sessions,
            queue: queue.seal(seal)?,
            worker_states: newest(worker_states, |row| row.view.id.clone()),
            events,
            commands,
            accounts: newest(accounts, |session| (session.account_id, session.shard))
                .into_iter()
                .map(|session| Account {
                    id: session.account_id.to_string(),
                    shard: session.shard,
                    shards: session.shards,
                    sealed: seal.close(session.session.as_bytes()),
                })
                .collect(),
        })
    }

    /// In an order in which every row finds those that it points to. References between queue and sessions are checked
    /// at the commit.
    pub(super) async fn write(
        &self,
        connection: &mut PgConnection,
        wall_ms: i64,
    ) -> Result<(), sqlx::Error> {
        self.queue.write(connection).await?;
        self.write_rest(connection, wall_ms).await
    }

    async fn write_rest(
        &self,
        connection: &mut PgConnection,
        wall_ms: i64,
    ) -> Result<(), sqlx::Error> {
        let Self {
            sessions,
            queue: _,
            worker_states: states,
            events,
            commands,
            accounts,
        } = self;
        let is_empty = sessions.is_empty()
            && states.is_empty()
            && events.is_empty()
            && commands.is_empty()
            && accounts.is_empty();
        if is_empty {
            return Ok(());
        }
        let current = |row: &'_ Session| {
            let item = row.record.desired.current.as_ref();
            item.map(|item| item.entry.get() as i64)
        };
        sqlx::query(WRITE)
            .bind(wall_ms)
            .bind(column(sessions, |row| row.record.id.as_str()))
            .bind(column(sessions, |row| row.record.guild_id.as_str()))
            .bind(column(sessions, |row| row.record.voice_channel_id.as_str()))
            .bind(column(sessions, |row| row.record.text_channel_id.as_str()))
            .bind(column(sessions, |row| rows::title(&row.record).map(text)))
            .bind(column(sessions, |row| row.status.as_str()))
            .bind(column(sessions, |row| {
                row.record.worker_session_id.as_str()
            }))
            .bind(column(sessions, current))
            .bind(column(sessions, |row| row.record.created_at))
            .bind(column(sessions, |row| row.record.updated_at))
            .bind(column(sessions, |row| row.json.as_str()))
            .bind(column(sessions, |row| row.sealed.as_slice()))
            .bind(column(sessions, |row| {
                let record = &row.record;
                record.is_over().then_some(record.updated_at)
            }))
            .bind(column(sessions, |row| {
                rows::some(&row.record.owner_user_id)
            }))
            .bind(column(states, |row| row.view.id.as_str()))
            .bind(column(states, |row| row.view.worker_status.as_str()))
            .bind(column(states, |row| row.view.playback.as_str()))
            .bind(column(states, |row| {
                row.view.current_title.as_deref().map(text)
            }))
            .bind(column(states, |row| row.view.duration_ms.map(seconds)))
            .bind(column(states, |row| {
                let failure = row.view.last_error.as_ref();
                failure.map(|failure| text(&failure.message))
            }))
            .bind(column(states, |row| row.view.position.media_ms as i64))
            .bind(column(commands, |(command, _)| command.id.0.as_str()))
            .bind(column(commands, |(command, _)| command.session.as_str()))
            .bind(column(commands, |(command, _)| {
                command.request_hash.as_slice()
            }))
            .bind(column(commands, |(_, outcome)| outcome.as_str()))
            .bind(column(accounts, |account| account.id.as_str()))
            .bind(column(accounts, |account| i64::from(account.shard)))
            .bind(column(accounts, |account| i64::from(account.shards)))
            .bind(column(accounts, |account| account.sealed.as_slice()))
            .bind(column(events, |event| event.session.as_str()))
            .bind(column(events, |event| event.event_type))
            .bind(column(events, EventRow::payload_json))
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// All tables but the queue's, at once: of a small batch, what its statements cost is mostly their number, here and at
/// the server. What points to a session is checked at the end of the statement, when all of it is there.
///
/// $1: the time. $2 to $15: sessions; to $22: worker states; to $26: commands; to $30: gateway sessions of accounts; to
/// $33: events, whose ids rise in their order.
const WRITE: &str = "\
    WITH sessions AS ( \
    INSERT INTO watch_party_sessions (id, guild_id, voice_channel_id, text_channel_id, title, \
    status, worker_session_id, current_queue_entry_id, created_at, updated_at, record, sealed, \
    over_since, owner_user_id) \
    SELECT n.id, n.guild_id, n.voice_channel_id, n.text_channel_id, n.title, n.status, \
    n.worker_session_id, (SELECT q.id FROM watch_party_queue q \
    WHERE q.session_id = n.id AND q.entry_id = n.entry_id), \
    n.created_at, n.updated_at, n.record, n.sealed, n.over_since, n.owner_user_id \
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
    $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::bytea[], $14::bigint[], $15::text[]) \
    AS n (id, guild_id, voice_channel_id, text_channel_id, title, status, worker_session_id, entry_id, \
    created_at, updated_at, record, sealed, over_since, owner_user_id) \
    ON CONFLICT (id) DO UPDATE SET voice_channel_id = excluded.voice_channel_id, \
    text_channel_id = excluded.text_channel_id, title = excluded.title, status = excluded.status, \
    current_queue_entry_id = excluded.current_queue_entry_id, updated_at = excluded.updated_at, \
    record = excluded.record, sealed = excluded.sealed, over_since = excluded.over_since, \
    owner_user_id = excluded.owner_user_id \
    ), worker_states AS ( \
    INSERT INTO watch_party_worker_state (session_id, worker_status, playback_state, \
    current_title, position_seconds, duration_seconds, last_error, updated_at, position_ms) \
    SELECT n.session_id, n.worker_status, n.playback_state, n.title, n.position_ms / 1000, n.duration, \
    n.last_error, $1, n.position_ms \
    FROM unnest($16::text[], $17::text[], $18::text[], $19::text[], $20::bigint[], $21::text[], \
    $22::bigint[]) AS n (session_id, worker_status, playback_state, title, duration, last_error, \
    position_ms) \
    ON CONFLICT (session_id) DO UPDATE SET worker_status = excluded.worker_status, \
    playback_state = excluded.playback_state, current_title = excluded.current_title, \
    position_seconds = excluded.position_seconds, duration_seconds = excluded.duration_seconds, \
    last_error = excluded.last_error, updated_at = excluded.updated_at, \
    position_ms = excluded.position_ms \
    ), known AS ( \
    INSERT INTO commands (id, session_id, request_hash, outcome, created_at) \
    SELECT n.id, n.session_id, n.request_hash, n.outcome, $1 \
    FROM unnest($23::text[], $24::text[], $25::bytea[], $26::text[]) \
    AS n (id, session_id, request_hash, outcome) \
    ), accounts AS ( \
    INSERT INTO account_sessions (account_id, shard, shards, sealed, updated_at) \
    SELECT n.account_id, n.shard, n.shards, n.sealed, $1 \
    FROM unnest($27::text[], $28::bigint[], $29::bigint[], $30::bytea[]) \
    AS n (account_id, shard, shards, sealed) \
    ON CONFLICT (account_id, shard) DO UPDATE SET \
    shards = excluded.shards, sealed = excluded.sealed, updated_at = excluded.updated_at \
    ) INSERT INTO watch_party_events (session_id, event_type, payload_json, created_at) \
    SELECT n.session_id, n.event_type, n.payload, $1 \
    FROM unnest($31::text[], $32::text[], $33::text[]) \
    WITH ORDINALITY AS n (session_id, event_type, payload, place) ORDER BY n.place";

/// One column of the rows.
pub(super) fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// The last row of every key, each where its key came first.
pub(super) fn newest<R, K: Ord>(rows: Vec<R>, key: impl Fn(&R) -> K) -> Vec<R> {
    let mut places = BTreeMap::new();
    let mut newest = Vec::with_capacity(rows.len());
    for row in rows {
        let place = *places.entry(key(&row)).or_insert(newest.len());
        match newest.get_mut(place) {
            Some(known) => *known = row,
            None => newest.push(row),
        }
    }
    newest
}

/// PostgreSQL's texts hold any character but NUL, and somebody's film may have one in its title.
pub(super) fn text(value: &str) -> Cow<'_, str> {
    if value.contains('\0') {
        value.replace('\0', "\u{fffd}").into()
    } else {
        value.into()
    }
}

pub(super) fn seconds(ms: u64) -> i64 {
    (ms / 1000) as i64
}
