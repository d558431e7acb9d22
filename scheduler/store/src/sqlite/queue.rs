//! Writes to the queue, in SQLite's words.

use orb_scheduler_core::{EntryId, QueueRow, SessionId};
use sqlx::{Sqlite, Transaction};

use crate::{Error, Seal, entries, rows};

pub(super) async fn put(
    transaction: &mut Transaction<'_, Sqlite>,
    seal: &Seal,
    QueueRow { session, entry }: &QueueRow,
) -> Result<(), Error> {
    let item = &entry.item;
    let (json, sealed) = entries::split(seal, item)?;
    // An entry that ended long ago may have had the caller's id: the leader keeps the newest only, and knew no better.
    if let Some(external_id) = item.external_id {
        sqlx::query(
            "UPDATE watch_party_queue SET external_id = NULL \
             WHERE session_id = ? AND external_id = ? AND entry_id <> ?",
        )
        .bind(session.as_str())
        .bind(external_id)
        .bind(item.entry.get() as i64)
        .execute(&mut **transaction)
        .await?;
    }
    sqlx::query(
        "INSERT INTO watch_party_queue (session_id, entry_id, external_id, position, media_type, \
         jellyfin_source_id, title, year, runtime, summary, poster_url, status, created_at, actor, error_code, \
         error, item, sealed) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) \
         ON CONFLICT (session_id, entry_id) DO UPDATE SET external_id = ?3, position = ?4, media_type = ?5, \
         jellyfin_source_id = ?6, title = ?7, year = ?8, runtime = ?9, summary = ?10, poster_url = ?11, \
         status = ?12, error_code = ?15, error = ?16, item = ?17, sealed = ?18",
    )
    .bind(session.as_str())
    .bind(item.entry.get() as i64)
    .bind(item.external_id)
    .bind(entry.position as i64)
    .bind(&item.media_type)
    .bind(&item.source_id)
    .bind(&item.title)
    .bind(&item.year)
    .bind(item.duration_ms.map(|ms| (ms / 1000) as i64))
    .bind(&item.summary)
    .bind(&item.poster_url)
    .bind(entry.status.as_str())
    .bind(entry.created_at)
    .bind(&entry.actor)
    .bind(entry.error.as_ref().map(|error| &error.code))
    .bind(entry.error.as_ref().map(|error| &error.message))
    .bind(json)
    .bind(sealed)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

pub(super) async fn order(
    transaction: &mut Transaction<'_, Sqlite>,
    session: &SessionId,
    positions: &[(EntryId, u64)],
) -> Result<(), Error> {
    // The list is read once, and each row found by its key; joined as it is, it would be read anew for each row.
    sqlx::query(
        "WITH n AS MATERIALIZED \
         (SELECT value ->> 0 AS entry_id, value ->> 1 AS position FROM json_each(?2)) \
         UPDATE watch_party_queue AS q SET position = n.position FROM n \
         WHERE q.session_id = ?1 AND q.entry_id = n.entry_id",
    )
    .bind(session.as_str())
    .bind(rows::json_list(positions)?)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

pub(super) async fn remove(
    transaction: &mut Transaction<'_, Sqlite>,
    session: &SessionId,
    entries: &[EntryId],
) -> Result<(), Error> {
    sqlx::query(
        "DELETE FROM watch_party_queue \
         WHERE session_id = ?1 AND entry_id IN (SELECT value FROM json_each(?2))",
    )
    .bind(session.as_str())
    .bind(rows::json_list(entries)?)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
