//! What a queue is made of, and what callers may do to it.

use crate::{EntryId, Failure, Item};

/// `watch_party_queue.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueStatus {
    /// Waits for its turn.
    Queued,
    /// Plays now, or is about to.
    Playing,
    /// Played to its end.
    Played,
    /// Skipped, replaced or stopped.
    Skipped,
    /// Could not be played.
    Failed,
}

impl QueueStatus {
    /// As the table spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Playing => "playing",
            Self::Played => "played",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }

    /// From the table's spelling; none for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Queued,
            Self::Playing,
            Self::Played,
            Self::Skipped,
            Self::Failed,
        ];
        all.into_iter().find(|status| status.as_str() == text)
    }
}

/// One entry of a session's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    /// What it plays; bears the entry's id.
    pub item: Item,
    /// How it stands.
    pub status: QueueStatus,
    /// Orders the entries of a session: what ended, what plays, what waits. No two have the same.
    pub position: u64,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Who added it.
    pub actor: String,
    /// Why it failed.
    pub error: Option<Failure>,
}

impl QueueEntry {
    /// The entry's id.
    pub fn id(&self) -> EntryId {
        self.item.entry
    }
}

/// A queue as callers see it. Bears no source URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueView {
    /// Rises at every change.
    pub version: u64,
    /// In order: the newest of what ended, what plays, what waits.
    pub entries: Vec<QueueEntry>,
}

/// One change of a queue that a caller wants, whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEdit {
    /// The version that the caller saw; none: any.
    pub if_version: Option<u64>,
    /// What is to be done.
    pub change: QueueChange,
}

/// What is to be done to a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueChange {
    /// More that waits. Entry ids in the items are ignored.
    Add {
        /// In order.
        items: Vec<Item>,
        /// Ahead of all that waits; else behind it.
        next: bool,
    },
    /// Less: all of these have to wait.
    Remove(Vec<EntryId>),
    /// Another order: these are exactly those that wait.
    Reorder(Vec<EntryId>),
    /// One of those that wait goes to another place among them.
    Move {
        /// Which.
        entry: EntryId,
        /// From 0; beyond the end: to the end.
        to_index: usize,
    },
    /// Nothing waits any more.
    Clear,
}
