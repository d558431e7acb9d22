//! Queue entries as rows, and sessions with their queues.

use std::collections::HashMap;

use orb_scheduler_core::{
    EntryId, Failure, Item, QueueEntry, QueueStatus, SessionId, SessionRecord, StoredSession,
};
use sqlx::FromRow;

use crate::rows::Sources;
use crate::{Error, Seal};

const QUEUE: &str = "watch_party_queue";

/// The columns of [`EntryRow`], of a table `q`.
macro_rules! entry_columns {
    () => {
        "q.session_id, q.position, q.status, q.created_at, q.actor, q.error_code, q.error, q.item, q.sealed"
    };
}

/// Which entries are loaded of the sessions whose ids a query names: what plays and waits, and the newest 100 that
/// ended; all others stay in the table. The same for every database; where the newest begin is looked up once a
/// session, by the index on `(session_id, position)`.
macro_rules! loaded_entries {
    ($wanted:literal) => {
        concat!(
            "WITH wanted AS (",
            $wanted,
            "), begins AS MATERIALIZED (SELECT w.id, coalesce((SELECT e.position FROM watch_party_queue e \
             WHERE e.session_id = w.id AND e.status NOT IN ('queued', 'playing') \
             ORDER BY e.position DESC LIMIT 1 OFFSET 99), 0) AS position FROM wanted w) SELECT ",
            $crate::entries::entry_columns!(),
            " FROM begins b JOIN watch_party_queue q ON q.session_id = b.id \
             AND (q.position >= b.position OR q.status IN ('queued', 'playing'))"
        )
    };
}

pub(crate) use {entry_columns, loaded_entries};

/// An entry as it is read.
#[derive(FromRow)]
pub(crate) struct EntryRow {
    session_id: String,
    position: i64,
    status: String,
    created_at: i64,
    actor: String,
    error_code: Option<String>,
    error: Option<String>,
    item: String,
    sealed: Vec<u8>,
}

/// The item as JSON, and the URLs of its sources, sealed.
pub(crate) fn split(seal: &Seal, item: &Item) -> Result<(String, Vec<u8>), Error> {
    let mut item = item.clone();
    let sources = Sources::take(&mut item);
    let corrupt = |error| Error::corrupt(QUEUE, error);
    let json = serde_json::to_string(&item).map_err(corrupt)?;
    let sources = serde_json::to_vec(&sources).map_err(corrupt)?;
    Ok((json, seal.close(&sources)))
}

fn join(seal: &Seal, row: EntryRow) -> Result<(SessionId, QueueEntry), Error> {
    let corrupt = |error: &dyn std::fmt::Display| Error::corrupt(QUEUE, error);
    let mut item: Item = serde_json::from_str(&row.item).map_err(|error| corrupt(&error))?;
    // What does not open (the tokens were changed) is lost: an item without a source ends with a reason.
    let sources: Option<Sources> = seal
        .open(&row.sealed)
        .and_then(|clear| serde_json::from_slice(&clear).ok());
    if let Some(sources) = sources {
        sources.put(&mut item);
    }
    let entry = QueueEntry {
        item,
        status: QueueStatus::parse(&row.status)
            .ok_or_else(|| corrupt(&format!("there is no status {}", row.status)))?,
        position: u64::try_from(row.position).map_err(|error| corrupt(&error))?,
        created_at: row.created_at,
        actor: row.actor,
        error: row.error_code.map(|code| Failure {
            code,
            message: row.error.unwrap_or_default(),
        }),
    };
    Ok((SessionId::new(row.session_id), entry))
}

/// The sessions, each with its queue in its order.
pub(crate) fn with_queues(
    seal: &Seal,
    records: Vec<SessionRecord>,
    rows: Vec<EntryRow>,
) -> Result<Vec<StoredSession>, Error> {
    let mut queues: HashMap<SessionId, Vec<QueueEntry>> = HashMap::new();
    for row in rows {
        let (session, entry) = join(seal, row)?;
        queues.entry(session).or_default().push(entry);
    }
    let sessions = records.into_iter().map(|record| {
        let mut queue = queues.remove(&record.id).unwrap_or_default();
        queue.sort_unstable_by_key(|entry| entry.position);
        let mut session = StoredSession { record, queue };
        number(&mut session);
        session
    });
    Ok(sessions.collect())
}

/// A record older than entry ids knows its entries by the caller's ids alone; the rows were given ids since.
fn number(StoredSession { record, queue }: &mut StoredSession) {
    let newest = queue.iter().map(|entry| entry.item.entry).max();
    record.last_entry = record.last_entry.max(newest.unwrap_or_default());
    let unnumbered = |entry: EntryId| entry == EntryId::default();
    if let Some(current) = record.desired.current.as_mut()
        && unnumbered(current.entry)
        && let Some(entry) = of_caller(queue, current.external_id)
    {
        current.entry = entry.item.entry;
        // The record has all of it, the row had not.
        entry.item = current.clone();
    }
    if let Some(ended) = record.ended.as_mut()
        && unnumbered(ended.entry)
        && let Some(entry) = of_caller(queue, ended.external_id)
    {
        ended.entry = entry.item.entry;
    }
}

fn of_caller(queue: &mut [QueueEntry], external_id: Option<i64>) -> Option<&mut QueueEntry> {
    let known = external_id.is_some();
    queue
        .iter_mut()
        .find(|entry| known && entry.item.external_id == external_id)
}
