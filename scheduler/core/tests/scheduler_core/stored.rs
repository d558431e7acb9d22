//! What a database would hold: a commit after the other.
#![allow(unreachable_pub, missing_docs)]

use std::collections::BTreeMap;

use orb_scheduler_core::{EntryId, QueueEntry, SessionId, SessionRecord, StoredSession, Write};

#[derive(Debug, Default, Clone)]
pub struct Tables {
    pub records: BTreeMap<SessionId, SessionRecord>,
    queues: BTreeMap<SessionId, BTreeMap<EntryId, QueueEntry>>,
}

impl Tables {
    pub fn commit(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Session(record, _) => {
                    self.records.insert(record.id.clone(), (**record).clone());
                }
                Write::Queue(row) => {
                    let rows = self.queues.entry(row.session.clone()).or_default();
                    rows.insert(row.entry.id(), row.entry.clone());
                }
                Write::QueueOrder { session, positions } => {
                    let rows = self.queues.entry(session.clone()).or_default();
                    for (entry, position) in positions {
                        rows.get_mut(entry).expect("a row to move").position = *position;
                    }
                }
                Write::QueueRemoved { session, entries } => {
                    let rows = self.queues.entry(session.clone()).or_default();
                    for entry in entries {
                        rows.remove(entry).expect("a row to remove");
                    }
                }
                Write::Event(_) | Write::WorkerState(_) | Write::Command(_) => {}
            }
        }
    }

    pub fn session(&self, id: &SessionId) -> Option<StoredSession> {
        Some(StoredSession {
            record: self.records.get(id)?.clone(),
            queue: self.rows(id),
        })
    }

    /// By position.
    pub fn rows(&self, id: &SessionId) -> Vec<QueueEntry> {
        let rows = self.queues.get(id).into_iter().flat_map(BTreeMap::values);
        let mut rows: Vec<_> = rows.cloned().collect();
        rows.sort_by_key(|row| row.position);
        rows
    }

    pub fn all(&self) -> Vec<StoredSession> {
        let all = self.records.keys().filter_map(|id| self.session(id));
        all.collect()
    }
}
