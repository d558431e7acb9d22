//! Whose turn it is: entries begin, end, and come back.

use super::{Queue, QueueEntry, QueueStatus};
use crate::{EntryId, Failure, Item};

impl Queue {
    /// The current one has ended.
    pub(crate) fn end(&mut self, status: QueueStatus, error: Option<Failure>) {
        if let Some(mut entry) = self.current.take() {
            entry.status = status;
            entry.error = error;
            self.unwritten.rows.insert(entry.id());
            self.ended.push_back(*entry);
            self.forget_old();
        }
    }

    /// The head of those that wait is the current one from now on. The one before it has ended.
    pub(crate) fn begin_next(&mut self) {
        if let Some(entry) = self.waiting.pop_front() {
            self.begin(entry);
        }
    }

    /// The same for any that waits.
    pub(crate) fn begin_waiting(&mut self, id: EntryId) {
        let index = self.waiting.iter().position(|entry| entry.id() == id);
        if let Some(entry) = index.and_then(|index| self.waiting.remove(index)) {
            self.begin(entry);
        }
    }

    /// A new one begins at once, ahead of all that waits.
    pub(crate) fn begin_new(&mut self, item: Item, created_at: i64, actor: &str) {
        let position = self.last_position() + 1;
        self.begin(QueueEntry {
            item,
            status: QueueStatus::Playing,
            position,
            created_at,
            actor: actor.to_owned(),
            error: None,
        });
    }

    /// The entry that a caller knows under its own id, wherever it stands.
    pub(crate) fn external(&self, external_id: i64) -> Option<EntryId> {
        let is_it = |entry: &&QueueEntry| entry.item.external_id == Some(external_id);
        self.all().find(is_it).map(QueueEntry::id)
    }

    /// One that waits or has ended begins (again), with what its caller says of it now.
    pub(crate) fn begin_again(&mut self, item: Item) {
        let is_it = |entry: &QueueEntry| entry.id() == item.entry;
        let ended = self.ended.iter().position(is_it);
        let waiting = self.waiting.iter().position(is_it);
        let found = match (ended, waiting) {
            (Some(index), _) => self.ended.remove(index),
            (None, Some(index)) => self.waiting.remove(index),
            (None, None) => None,
        };
        if let Some(mut entry) = found {
            // Behind what ended since.
            entry.position = self.last_position() + 1;
            entry.item = item;
            self.begin(entry);
        }
    }

    /// What ended last is the current one again; the one that was goes to the head of those that wait.
    pub(crate) fn step_back(&mut self) {
        let Some(previous) = self.ended.pop_back() else {
            return;
        };
        if let Some(mut entry) = self.current.take() {
            entry.status = QueueStatus::Queued;
            self.unwritten.rows.insert(entry.id());
            self.waiting.push_front(*entry);
        }
        self.begin(previous);
    }

    /// The head of those that wait cannot be played: it has ended before its turn.
    pub(crate) fn fail_next(&mut self, error: Failure) {
        if let Some(mut entry) = self.waiting.pop_front() {
            entry.status = QueueStatus::Failed;
            entry.error = Some(error);
            self.unwritten.rows.insert(entry.id());
            self.ended.push_back(entry);
            // It ended while the current one plays on.
            self.settle(1);
            self.forget_old();
        }
    }

    fn begin(&mut self, mut entry: QueueEntry) {
        entry.status = QueueStatus::Playing;
        entry.error = None;
        self.unwritten.rows.insert(entry.id());
        self.current = Some(Box::new(entry));
        self.settle(0);
    }
}
