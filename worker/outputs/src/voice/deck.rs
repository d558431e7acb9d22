//! The clock of one session, as its owner, its line and the sending thread share it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    clock::{MediaClock, Next},
    events::Outbox,
    golive::Screen,
};

/// A media clock, what it shows, and the way out for what they have to tell.
#[derive(Default)]
pub(super) struct Deck {
    clock: Mutex<MediaClock>,
    screen: Mutex<Screen>,
    pub(super) outbox: Outbox,
}

impl Deck {
    /// Nothing that waits may be done under this lock: the sending thread serves other sessions, too.
    pub(super) fn clock(&self) -> MutexGuard<'_, MediaClock> {
        // Nothing panics under the lock; if it did, the sending thread and its other sessions must go on.
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The picture's side. Never take the clock under this lock: it is taken under the clock's.
    pub(super) fn screen(&self) -> MutexGuard<'_, Screen> {
        // As above.
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`MediaClock::next`]. Holds the lock for the move of one frame.
    pub(super) fn next(&self) -> Next {
        let mut clock = self.clock();
        let (next, event) = clock.next();
        // Under the lock, so that the events stand in the order in which the clock changed.
        if let Some(event) = event {
            self.outbox.push(event);
        }
        next
    }

    /// See [`MediaClock::sent`].
    pub(super) fn sent(&self, at: Instant, late: Duration) {
        let mut clock = self.clock();
        if let Some(event) = clock.sent(at, late) {
            self.outbox.push(event);
        }
    }
}
