//! What is to be said of what plays, and when. No I/O: looks and times come in.

use std::collections::HashMap;
use std::time::Duration;

use orb_scheduler_core::{EntryId, QueueEntry, QueueStatus, SessionId};
use tokio::time::Instant;

use super::{ItemProgress, ProgressKind};

/// While it plays undisturbed, as Jellyfin's own clients do.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Playback that is this far from where it would have come by itself was moved.
const MOVED_MS: u64 = 3_000;

/// One session at one look.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) session: SessionId,
    /// That plays, or ended last.
    pub(super) entry: EntryId,
    pub(super) heard: Heard,
    pub(super) duration_ms: Option<u64>,
}

/// How far the entry is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Heard {
    /// Nobody hears it: it is about to begin, or to go on elsewhere.
    NotYet,
    At {
        position_ms: u64,
        paused: bool,
    },
    Over {
        position_ms: u64,
    },
}

/// What the queue says of an entry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    item_id: String,
    source_id: String,
    status: QueueStatus,
}

impl Entry {
    pub(super) fn of(entry: &QueueEntry) -> Self {
        Self {
            item_id: entry.item.item_id.clone(),
            source_id: entry.item.source_id.clone(),
            status: entry.status,
        }
    }
}

/// What is said in one look of one session, in order.
pub(super) type Reports = Vec<(ProgressKind, ItemProgress)>;

/// What was said of which sessions.
#[derive(Debug)]
pub(super) struct Watched {
    /// What an earlier leader began.
    begun: HashMap<SessionId, EntryId>,
    playing: HashMap<SessionId, Playing>,
}

#[derive(Debug)]
struct Playing {
    entry: EntryId,
    progress: ItemProgress,
    seen: Instant,
    said: Instant,
}

impl Watched {
    pub(super) fn new(begun: HashMap<SessionId, EntryId>) -> Self {
        Self {
            begun,
            playing: HashMap::new(),
        }
    }

    /// What is due, by session.
    pub(super) fn look(
        &mut self,
        seen: Vec<Seen>,
        entry: impl Fn(&SessionId, EntryId) -> Option<Entry>,
        now: Instant,
    ) -> Vec<Reports> {
        let mut due = Vec::new();
        for seen in seen {
            let mut reports = Reports::new();
            let id = &seen.session;
            if self
                .playing
                .get(id)
                .is_some_and(|playing| playing.is_over(&seen))
                && let Some(playing) = self.playing.remove(id)
            {
                let status = entry(id, playing.entry).map(|entry| entry.status);
                reports.push(playing.end(&seen, status));
            }
            match (seen.heard, self.playing.get_mut(id)) {
                (
                    Heard::At {
                        position_ms,
                        paused,
                    },
                    Some(playing),
                ) => {
                    reports.extend(playing.goes_on(position_ms, paused, seen.duration_ms, now));
                }
                (
                    Heard::At {
                        position_ms,
                        paused,
                    },
                    None,
                ) => {
                    if let Some(Entry {
                        item_id, source_id, ..
                    }) = entry(id, seen.entry)
                    {
                        let progress = ItemProgress {
                            session: id.clone(),
                            item_id,
                            source_id,
                            position_ms,
                            duration_ms: seen.duration_ms,
                            paused,
                        };
                        let is_old = self.begun.remove(id) == Some(seen.entry);
                        let kind = if is_old {
                            ProgressKind::GoesOn
                        } else {
                            ProgressKind::Started
                        };
                        reports.push((kind, progress.clone()));
                        let playing = Playing {
                            entry: seen.entry,
                            progress,
                            seen: now,
                            said: now,
                        };
                        self.playing.insert(seen.session, playing);
                    }
                }
                (Heard::NotYet, Some(playing)) => playing.seen = now,
                (Heard::NotYet, None) => {}
                (Heard::Over { .. }, _) => {
                    self.begun.remove(id);
                }
            }
            if !reports.is_empty() {
                due.push(reports);
            }
        }
        // Sessions that were forgotten were over before.
        self.playing.retain(|_, playing| playing.seen == now);
        due
    }
}

impl Playing {
    fn is_over(&self, seen: &Seen) -> bool {
        self.entry != seen.entry || matches!(seen.heard, Heard::Over { .. })
    }

    fn end(mut self, seen: &Seen, status: Option<QueueStatus>) -> (ProgressKind, ItemProgress) {
        let last = &mut self.progress;
        if let (true, Heard::Over { position_ms }) = (self.entry == seen.entry, seen.heard) {
            last.position_ms = position_ms;
        }
        if status == Some(QueueStatus::Played) {
            last.position_ms = last.duration_ms.unwrap_or(last.position_ms);
        }
        let kind = if status == Some(QueueStatus::Failed) {
            ProgressKind::Failed
        } else {
            ProgressKind::Stopped
        };
        (kind, self.progress)
    }

    /// At once when something happened to it, else every ten seconds.
    fn goes_on(
        &mut self,
        position_ms: u64,
        paused: bool,
        duration_ms: Option<u64>,
        now: Instant,
    ) -> Option<(ProgressKind, ItemProgress)> {
        let last = &mut self.progress;
        let elapsed = if last.paused {
            Duration::ZERO
        } else {
            now.duration_since(self.seen)
        };
        let by_itself = last.position_ms + elapsed.as_millis() as u64;
        let is_new = last.paused != paused || by_itself.abs_diff(position_ms) > MOVED_MS;
        last.position_ms = position_ms;
        last.paused = paused;
        last.duration_ms = duration_ms.or(last.duration_ms);
        self.seen = now;
        if !is_new && now.duration_since(self.said) < SAY_EVERY {
            return None;
        }
        self.said = now;
        Some((ProgressKind::GoesOn, last.clone()))
    }
}

#[cfg(test)]
mod tests;
