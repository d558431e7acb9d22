//! What others may know of a session.

use super::{Failure, Playback, Playing, Session, VoiceStatus};
use crate::{Fence, KnownPlan};

impl Session {
    /// The newest word that was carried out.
    pub fn done(&self) -> Fence {
        self.done
    }

    /// What a report bears: the present lease, and how far its record was carried out. Under a lease of
    /// which nothing was carried out yet, that is generation zero.
    pub fn reported(&self) -> Fence {
        let generation = if self.done.token == self.fence.token {
            self.done.generation
        } else {
            0
        };
        Fence {
            generation,
            ..self.fence
        }
    }

    /// The newest word taken.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// What is heard of the item.
    pub fn playback(&self) -> Playback {
        let Some(item) = &self.item else {
            return Playback::Idle;
        };
        match item.ended {
            Some(reason) => Playback::Ended(reason),
            None if self.desired.paused && (item.started || item.ready) => Playback::Paused,
            None if item.started && !item.starved => Playback::Playing,
            None => Playback::Loading,
        }
    }

    /// Whether what plays shall be held.
    pub fn is_paused(&self) -> bool {
        self.desired.paused
    }

    /// Of the voice connection.
    pub fn voice_status(&self) -> VoiceStatus {
        self.voice
    }

    /// Of the credentials in use or tried last; 0: none.
    pub fn voice_revision(&self) -> u64 {
        self.voice_revision
    }

    /// Whether the voice output's position is about the present item.
    pub fn has_started(&self) -> bool {
        self.item.as_ref().is_some_and(|item| item.started)
    }

    /// Where the present pipeline was opened.
    pub fn start_ms(&self) -> u64 {
        self.item.as_ref().map_or(0, |item| item.start_ms)
    }

    /// Of the item, where it is known.
    pub fn duration_ms(&self) -> Option<u64> {
        self.item.as_ref().and_then(|item| item.duration_ms)
    }

    /// Why it failed, or is about to when what is queued has been played.
    pub fn failure(&self) -> Option<&Failure> {
        self.item
            .as_ref()
            .filter(|item| item.ended.is_some())
            .and_then(|item| item.failure.as_ref())
    }

    /// What ffmpeg does with the title.
    pub fn plan(&self) -> &str {
        self.item.as_ref().map_or("", |item| &item.plan)
    }

    /// The generation of the anchor that the present source was opened at; 0 without one.
    pub fn opened_at(&self) -> u64 {
        self.item.as_ref().map_or(0, |item| item.opened_at)
    }

    /// What an earlier worker found out about the item.
    pub fn told_plan(&self) -> Option<&KnownPlan> {
        let named = self.desired.current.as_ref()?.entry_id;
        let plan = self.desired.plan.as_ref();
        plan.filter(|_| self.entry_id() == Some(named))
    }

    /// What was found out about the item: known since its probe, and good for whoever plays it next.
    pub fn known_plan(&self) -> Option<KnownPlan> {
        self.item.as_ref().and_then(Playing::known_plan)
    }

    /// What the item costs, in thousandths of a core.
    pub fn cost_millicores(&self) -> u32 {
        self.item
            .as_ref()
            .filter(|item| item.ended.is_none())
            .map_or(0, |item| item.cost_millicores)
    }

    /// What the session would cost if the next item, open, costs so much. An item that was read to its end costs nothing
    /// any more, but its place is kept for the one that follows.
    pub fn cost_with_next(&self, next_millicores: u32) -> u32 {
        let current = self.cost_millicores();
        if self.item.as_ref().is_some_and(|item| item.read) {
            current.max(next_millicores)
        } else {
            current + next_millicores
        }
    }

    /// Times ffmpeg was started again for the present pipeline.
    pub fn restarts(&self) -> u32 {
        self.item.as_ref().map_or(0, |item| item.restarts)
    }

    /// The caller's id of the entry that all this is about; 0: it has none.
    pub fn queue_entry_id(&self) -> Option<i64> {
        self.item.as_ref().map(|item| item.queue_entry_id)
    }

    /// The entry that all this is about.
    pub fn entry_id(&self) -> Option<u64> {
        self.item.as_ref().map(|item| item.entry_id)
    }

    /// The run of the current pipeline; 0 without one.
    pub fn current_run(&self) -> u64 {
        self.item.as_ref().map_or(0, |item| item.run)
    }
}
