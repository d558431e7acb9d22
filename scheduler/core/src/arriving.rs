//! Sessions that were handed over, and are not heard from their next worker yet.
//!
//! A hand-over is under way until then: the next worker joins the channel while nobody sends, and would do so later if
//! it opened further sources at the same moment.

use crate::timers::Timer;
use crate::{Now, PlaybackState, Scheduler, SessionId, WorkerId};

/// A next worker that is not heard by then has trouble, and holds up nobody else's hand-over.
const ARRIVES_WITHIN_MS: u64 = 2_000;

/// Where a session came from, and until when it counts.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    from: WorkerId,
    until: crate::Millis,
}

impl Scheduler {
    pub(crate) fn arrives(&mut self, id: &SessionId, from: WorkerId, now: Now) {
        let until = now.monotonic.after(ARRIVES_WITHIN_MS);
        self.arriving.insert(id.clone(), Arrival { from, until });
        self.timers.at(until, Timer::Handover(id.clone()));
    }

    /// Looks whether the session is heard by now; then the next one may move.
    pub(crate) fn judge_arrival(&mut self, id: &SessionId, now: Now) {
        let Some(arrival) = self.arriving.get(id) else {
            return;
        };
        let is_awaited = self.sessions.get(id).is_some_and(|session| {
            let observed = session.observed.as_ref();
            session.record.lease.is_some()
                && observed.is_none_or(|one| one.playback == PlaybackState::Loading)
        });
        if !is_awaited || arrival.until <= now.monotonic {
            self.arriving.remove(id);
            self.drain_due = true;
        }
    }

    /// How many that worker has handed over that are not heard yet.
    pub(crate) fn arriving_from(&self, worker: &WorkerId) -> usize {
        let arrivals = self.arriving.values();
        arrivals.filter(|arrival| &arrival.from == worker).count()
    }
}
