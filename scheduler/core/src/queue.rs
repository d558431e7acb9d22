//! The queue of one session: what ended, what plays, what waits. A pure list that notes what of it is not stored yet.
//!
//! ```text
//!   ended (the newest 100)      current      waiting (at most 1,000)
//!   [ played · skipped · failed ] [ playing ] [ queued · queued · … ]
//!   positions rise from left to right ─────────────────────────────▶
//! ```
//!
//! An entry moves from waiting to current to ended, and back only when somebody asks for it (*previous*, or a caller
//! who plays an entry of its own again). One that could not be opened ahead goes from waiting to ended.
//!
//! Nothing in here knows of workers, time or events: `crate::advance` and `crate::edit` do.

mod edits;
mod entry;
mod places;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use entry::{QueueChange, QueueEdit, QueueEntry, QueueStatus, QueueView};

use crate::effect::{QueueRow, Write};
use crate::{EntryId, Item, SessionId};

/// So many entries may wait in a session.
pub const MAX_WAITING: usize = 1_000;

/// So many items may be added by one call.
pub const MAX_ADDED: usize = 200;

/// So many of the entries that ended are kept in memory, the newest; the rows of all stay in the table.
pub const KEPT_ENDED: usize = 100;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    /// In the order in which they ended.
    ended: VecDeque<QueueEntry>,
    current: Option<Box<QueueEntry>>,
    waiting: VecDeque<QueueEntry>,
    unwritten: Unwritten,
}

/// What the store does not know yet.
#[derive(Debug, Clone, Default)]
struct Unwritten {
    /// Entries that are new, or of which more than the position has changed.
    rows: BTreeSet<EntryId>,
    moved: BTreeMap<EntryId, u64>,
    removed: Vec<EntryId>,
}

impl Queue {
    /// From rows in any order. The record's own word about what plays counts: an entry that is not its `current` one
    /// is not playing, and one without a row (of an older version) gets one.
    pub(crate) fn load(mut rows: Vec<QueueEntry>, current: Option<&Item>, created_at: i64) -> Self {
        rows.sort_unstable_by_key(|entry| entry.position);
        let mut queue = Self::default();
        for entry in rows {
            if current.is_some_and(|item| item.entry == entry.id()) {
                queue.current = Some(Box::new(entry));
            } else if entry.status == QueueStatus::Queued {
                queue.waiting.push_back(entry);
            } else {
                queue.ended.push_back(entry);
            }
        }
        queue.forget_old();
        if let Some(item) = current.filter(|_| queue.current.is_none()) {
            queue.begin_new(item.clone(), created_at, "");
        }
        queue
    }

    /// Those that wait, in order.
    pub(crate) fn waiting(&self) -> impl ExactSizeIterator<Item = &QueueEntry> {
        self.waiting.iter()
    }

    /// Who is next.
    pub(crate) fn head(&self) -> Option<&QueueEntry> {
        self.waiting.front()
    }

    pub(crate) fn current(&self) -> Option<&QueueEntry> {
        self.current.as_deref()
    }

    /// What ended last.
    pub(crate) fn newest_ended(&self) -> Option<&QueueEntry> {
        self.ended.back()
    }

    /// The entry that waits under this id.
    pub(crate) fn waiting_entry(&self, id: EntryId) -> Option<&QueueEntry> {
        self.waiting.iter().find(|entry| entry.id() == id)
    }

    /// All of it, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &QueueEntry> {
        let current = self.current.as_deref();
        self.ended.iter().chain(current).chain(&self.waiting)
    }

    /// All of it, for callers: without source URLs, for secrets may stand in them.
    pub(crate) fn view(&self, version: u64) -> QueueView {
        let without_urls = |entry: &QueueEntry| {
            let mut entry = entry.clone();
            entry.item.stream_url.clear();
            entry.item.download_url = None;
            entry
        };
        QueueView {
            version,
            entries: self.all().map(without_urls).collect(),
        }
    }

    /// Whether the store has to be told something.
    pub(crate) fn is_unwritten(&self) -> bool {
        let unwritten = &self.unwritten;
        !(unwritten.rows.is_empty() && unwritten.moved.is_empty() && unwritten.removed.is_empty())
    }

    /// What the store has to be told, once.
    pub(crate) fn take_writes(&mut self, session: &SessionId) -> Vec<Write> {
        let Unwritten {
            rows,
            mut moved,
            removed,
        } = std::mem::take(&mut self.unwritten);
        let mut writes = Vec::new();
        for entry in self.all().filter(|entry| rows.contains(&entry.id())) {
            moved.remove(&entry.id());
            writes.push(Write::Queue(Box::new(QueueRow {
                session: session.clone(),
                entry: entry.clone(),
            })));
        }
        if !removed.is_empty() {
            writes.push(Write::QueueRemoved {
                session: session.clone(),
                entries: removed,
            });
        }
        if !moved.is_empty() {
            writes.push(Write::QueueOrder {
                session: session.clone(),
                positions: moved.into_iter().collect(),
            });
        }
        writes
    }

    fn forget_old(&mut self) {
        let surplus = self.ended.len().saturating_sub(KEPT_ENDED);
        self.ended.drain(..surplus);
    }
}
