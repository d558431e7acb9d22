//! What callers do to those that wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Queue, QueueEntry, QueueStatus};
use crate::{EntryId, Item};

impl Queue {
    /// More that waits: ahead of all that does, or behind it. The items bear their ids already.
    pub(crate) fn add(
        &mut self,
        items: impl IntoIterator<Item = Item>,
        next: bool,
        created_at: i64,
        actor: &str,
    ) {
        let first = self.last_position() + 1;
        let added = items
            .into_iter()
            .zip(first..)
            .map(|(item, position)| QueueEntry {
                item,
                status: QueueStatus::Queued,
                position,
                created_at,
                actor: actor.to_owned(),
                error: None,
            });
        let mut added: VecDeque<_> = added.collect();
        self.unwritten.rows.extend(added.iter().map(QueueEntry::id));
        if next {
            std::mem::swap(&mut self.waiting, &mut added);
        }
        self.waiting.append(&mut added);
        self.settle(0);
    }

    /// Takes these out. The first that does not wait comes back instead, and nothing is changed.
    pub(crate) fn remove(&mut self, ids: &[EntryId]) -> Result<Vec<QueueEntry>, EntryId> {
        if let Some(unknown) = ids.iter().find(|id| self.waiting_entry(**id).is_none()) {
            return Err(*unknown);
        }
        let ids: BTreeSet<EntryId> = ids.iter().copied().collect();
        let (removed, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|entry| ids.contains(&entry.id()));
        self.waiting = kept.into();
        self.unwritten.removed.extend(ids);
        Ok(removed)
    }

    /// Takes all out.
    pub(crate) fn clear(&mut self) -> Vec<QueueEntry> {
        let removed: Vec<_> = std::mem::take(&mut self.waiting).into();
        let ids = removed.iter().map(QueueEntry::id);
        self.unwritten.removed.extend(ids);
        removed
    }

    /// Whether these are exactly those that wait, each once.
    pub(crate) fn are_all_that_wait(&self, ids: &[EntryId]) -> bool {
        let named: BTreeSet<EntryId> = ids.iter().copied().collect();
        ids.len() == self.waiting.len()
            && named.len() == ids.len()
            && self.waiting.iter().all(|entry| named.contains(&entry.id()))
    }

    /// Puts all that waits into this order, which names exactly these. Whether that is another one than before.
    pub(crate) fn reorder(&mut self, ids: &[EntryId]) -> bool {
        if self
            .waiting
            .iter()
            .map(QueueEntry::id)
            .eq(ids.iter().copied())
        {
            return false;
        }
        let places: BTreeMap<EntryId, usize> = ids
            .iter()
            .enumerate()
            .map(|(place, id)| (*id, place))
            .collect();
        self.waiting
            .make_contiguous()
            .sort_by_key(|entry| places.get(&entry.id()).copied());
        self.settle(0);
        true
    }

    /// Puts one of those that wait at another place among them. Whether it was elsewhere; none when it does not wait.
    pub(crate) fn shift(&mut self, id: EntryId, to_index: usize) -> Option<bool> {
        let from = self.waiting.iter().position(|entry| entry.id() == id)?;
        let to = to_index.min(self.waiting.len() - 1);
        if from == to {
            return Some(false);
        }
        let entry = self.waiting.remove(from)?;
        self.waiting.insert(to, entry);
        self.settle(0);
        Some(true)
    }
}
