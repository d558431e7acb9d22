//! Positions of what plays, written so often that a leader that starts anew is little behind.
//!
//! A round takes one interval, and each of its slices a few hundred sessions: ten thousand rows in one transaction would
//! have everybody wait for them.

use crate::effect::WorkerStateRow;
use crate::timers::Timer;
use crate::{Now, PlaybackState, Scheduler, SessionId, Step, Write};

/// Sessions of one slice: a transaction of some milliseconds.
const SLICE: usize = 500;

/// Slices of a round, at most: each costs a sync of the disk.
const SLICES: usize = 20;

impl Scheduler {
    /// One slice.
    pub(crate) fn checkpoint(&mut self, now: Now, step: &mut Step) {
        let from = self.checkpointed.take();
        let slice = self.sessions.len().div_ceil(self.slices());
        let ids: Vec<SessionId> = self
            .sessions
            .keys_after(from)
            .take(slice)
            .cloned()
            .collect();
        for id in &ids {
            self.write_position(id, now, step);
        }
        let is_last = self.sessions.keys().next_back() == ids.last();
        self.checkpointed = ids.into_iter().next_back().filter(|_| !is_last);
        self.checkpoint_later(now);
    }

    pub(crate) fn checkpoint_later(&mut self, now: Now) {
        let slices = self.slices() as u64;
        let wait = (self.timing.position_checkpoint_ms / slices).max(1);
        self.timers.at(now.monotonic.after(wait), Timer::Checkpoint);
    }

    fn slices(&self) -> usize {
        self.sessions.len().div_ceil(SLICE).clamp(1, SLICES)
    }

    fn write_position(&mut self, id: &SessionId, now: Now, step: &mut Step) {
        let alive = self.lease_alive(id, now.monotonic);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if session.playback() != PlaybackState::Playing {
            return;
        }
        session.record.position_ms = session.position_at(now.monotonic);
        let mut view = session.view(alive);
        view.position.media_ms = session.record.position_ms;
        step.writes
            .push(Write::WorkerState(Box::new(WorkerStateRow { view })));
    }
}
