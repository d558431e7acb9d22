//! Writes to queues as three statements at most: rows, positions, removals.

use std::collections::BTreeMap;

use orb_scheduler_core::{EntryId, QueueEntry, QueueRow, SessionId};
use sqlx::postgres::PgConnection;

use super::batch::{column, seconds, text};
use crate::{Error, Seal, entries};

/// The net effect of some writes to queues, in their order: a statement may touch a row once only.
#[derive(Default)]
pub(super) struct QueueWrites(BTreeMap<(SessionId, EntryId), Change>);

/// What becomes of one entry.
enum Change {
    Put(Box<QueueEntry>),
    Moved(u64),
    Removed,
}

/// The same, as rows.
pub(super) struct QueueBatch {
    put: Vec<Row>,
    moved: Vec<(SessionId, EntryId, u64)>,
    removed: Vec<(SessionId, EntryId)>,
}

struct Row {
    session: SessionId,
    entry: QueueEntry,
    json: String,
    sealed: Vec<u8>,
}

impl QueueWrites {
    pub(super) fn put(&mut self, QueueRow { session, entry }: QueueRow) {
        let key = (session, entry.item.entry);
        self.0.insert(key, Change::Put(Box::new(entry)));
    }

    pub(super) fn order(&mut self, session: &SessionId, positions: Vec<(EntryId, u64)>) {
        for (entry, position) in positions {
            match self.0.get_mut(&(session.clone(), entry)) {
                Some(Change::Put(known)) => known.position = position,
                Some(Change::Removed) => {}
                Some(Change::Moved(known)) => *known = position,
                None => {
                    let key = (session.clone(), entry);
                    self.0.insert(key, Change::Moved(position));
                }
            }
        }
    }

    pub(super) fn remove(&mut self, session: &SessionId, entries: Vec<EntryId>) {
        for entry in entries {
            self.0.insert((session.clone(), entry), Change::Removed);
        }
    }

    pub(super) fn seal(self, seal: &Seal) -> Result<QueueBatch, Error> {
        let (mut put, mut moved, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        for ((session, id), change) in self.0 {
            match change {
                Change::Put(entry) => {
                    let (json, sealed) = entries::split(seal, &entry.item)?;
                    put.push(Row {
                        session,
                        entry: *entry,
                        json,
                        sealed,
                    });
                }
                Change::Moved(position) => moved.push((session, id, position)),
                Change::Removed => removed.push((session, id)),
            }
        }
        Ok(QueueBatch {
            put,
            moved,
            removed,
        })
    }
}

impl QueueBatch {
    /// Removals first: a caller's id that was removed may be another entry's by now.
    pub(super) async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.remove(connection).await?;
        self.put(connection).await?;
        self.order(connection).await
    }

    /// An entry that ended long ago may have had the caller's id: the leader keeps the newest only, and knew no better.
    /// Such an id is taken before the first row is put, which waits for the count.
    async fn put(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = &self.put;
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "WITH n AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], \
             $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[], $12::text[], \
             $13::bigint[], $14::text[], $15::text[], $16::text[], $17::text[], $18::bytea[]) \
             AS n (session_id, entry_id, external_id)), \
             taken AS (UPDATE watch_party_queue q SET external_id = NULL FROM n \
             WHERE q.session_id = n.session_id AND q.external_id = n.external_id AND q.entry_id <> n.entry_id \
             RETURNING 1) \
             INSERT INTO watch_party_queue (session_id, entry_id, external_id, position, media_type, \
             jellyfin_source_id, title, year, runtime, summary, poster_url, status, created_at, actor, error_code, \
             error, item, sealed) \
             SELECT n.* FROM n WHERE (SELECT count(*) FROM taken) >= 0 \
             ON CONFLICT (session_id, entry_id) DO UPDATE SET external_id = excluded.external_id, \
             position = excluded.position, media_type = excluded.media_type, \
             jellyfin_source_id = excluded.jellyfin_source_id, title = excluded.title, year = excluded.year, \
             runtime = excluded.runtime, summary = excluded.summary, poster_url = excluded.poster_url, \
             status = excluded.status, error_code = excluded.error_code, error = excluded.error, \
             item = excluded.item, sealed = excluded.sealed",
        )
        .bind(column(rows, |row| row.session.as_str()))
        .bind(column(rows, |row| row.entry.item.entry.get() as i64))
        .bind(column(rows, |row| row.entry.item.external_id))
        .bind(column(rows, |row| row.entry.position as i64))
        .bind(column(rows, |row| text(&row.entry.item.media_type)))
        .bind(column(rows, |row| text(&row.entry.item.source_id)))
        .bind(column(rows, |row| text(&row.entry.item.title)))
        .bind(column(rows, |row| optional(row.entry.item.year.as_ref())))
        .bind(column(rows, |row| row.entry.item.duration_ms.map(seconds)))
        .bind(column(rows, |row| optional(row.entry.item.summary.as_ref())))
        .bind(column(rows, |row| optional(row.entry.item.poster_url.as_ref())))
        .bind(column(rows, |row| row.entry.status.as_str()))
        .bind(column(rows, |row| row.entry.created_at))
        .bind(column(rows, |row| text(&row.entry.actor)))
        .bind(column(rows, |row| {
            row.entry.error.as_ref().map(|error| text(&error.code))
        }))
        .bind(column(rows, |row| {
            row.entry.error.as_ref().map(|error| text(&error.message))
        }))
        .bind(column(rows, |row| row.json.as_str()))
        .bind(column(rows, |row| row.sealed.as_slice()))
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn order(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = &self.moved;
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE watch_party_queue q SET position = n.position \
             FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS n (session_id, entry_id, position) \
             WHERE q.session_id = n.session_id AND q.entry_id = n.entry_id",
        )
        .bind(column(rows, |(session, _, _)| session.as_str()))
        .bind(column(rows, |(_, entry, _)| entry.get() as i64))
        .bind(column(rows, |(_, _, position)| *position as i64))
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn remove(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = &self.removed;
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "DELETE FROM watch_party_queue q \
             USING unnest($1::text[], $2::bigint[]) AS n (session_id, entry_id) \
             WHERE q.session_id = n.session_id AND q.entry_id = n.entry_id",
        )
        .bind(column(rows, |(session, _)| session.as_str()))
        .bind(column(rows, |(_, entry)| entry.get() as i64))
        .execute(connection)
        .await?;
        Ok(())
    }
}

fn optional(value: Option<&String>) -> Option<std::borrow::Cow<'_, str>> {
    value.map(|value| text(value))
}
