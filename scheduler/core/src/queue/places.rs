//! Positions: they rise along the queue, and change for as few entries as can be.

use super::{Queue, QueueEntry};

impl Queue {
    /// Behind everything.
    pub(super) fn last_position(&self) -> u64 {
        let positions = self.all().map(|entry| entry.position);
        positions.max().unwrap_or_default()
    }

    /// Deals out the positions of the newest `ended` that ended, of the current one and of those that wait anew, in
    /// the order in which these stand now.
    pub(super) fn settle(&mut self, ended: usize) {
        let first = self.ended.len().saturating_sub(ended);
        let before = first.checked_sub(1).and_then(|index| self.ended.get(index));
        let mut last = before.map_or(0, |entry| entry.position);
        let ended = self.ended.range_mut(first..);
        let current = self.current.as_deref_mut();
        let mut entries: Vec<&mut QueueEntry> =
            ended.chain(current).chain(&mut self.waiting).collect();
        let mut positions: Vec<u64> = entries.iter().map(|entry| entry.position).collect();
        positions.sort_unstable();
        for (entry, position) in entries.iter_mut().zip(positions) {
            last = position.max(last + 1);
            if entry.position != last {
                entry.position = last;
                self.unwritten.moved.insert(entry.id(), last);
            }
        }
    }
}
