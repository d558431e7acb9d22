//! An item that takes its workers down, one after the other.
//!
//! A take-over mends what befell a worker. When the *item* is what befell it (a film that makes ffmpeg eat the
//! machine's memory, a bug that one file finds), each take-over only carries it to the next victim, and with it go the
//! parties of everybody else there. Nobody can see into a process that died, but such an item betrays itself: it gets
//! nowhere. So losses of a holder under which the item advanced are forgotten, and after [`MAX_LOSSES`] others within
//! [`WINDOW_MS`] the item ends, `failed`; its party stays in the channel.
//!
//! A neighbour that dies with it again and again, and never plays in between, ends as well: it cannot be told apart.

use crate::advance::Begins;
use crate::cause::{By, Cause};
use crate::{EndReason, Failure, Now, Scheduler, Session, SessionId, Step};

/// So many holders may be lost in a row before the item had got anywhere.
pub const MAX_LOSSES: usize = 3;

/// Losses further apart than this have nothing to do with each other.
pub const WINDOW_MS: i64 = 600_000;

/// An item that advanced by so much under a holder has played there. One that kills does it when it is opened where the
/// last one died: the reader is seconds ahead of what is heard, so nothing of it is heard again.
pub const PROGRESS_MS: u64 = 1_000;

impl Scheduler {
    /// Before the session is granted anew: ends the item when it took enough holders with it, and says whether.
    pub(crate) fn end_crash_loop(&mut self, id: &SessionId, now: Now, step: &mut Step) -> bool {
        let too_often = self
            .sessions
            .get(id)
            .is_some_and(|session| session.losses_with_this(now) >= MAX_LOSSES);
        if !too_often {
            return false;
        }
        self.drop_handover(id, step);
        let Some(session) = self.sessions.get_mut(id) else {
            return false;
        };
        let failure = Failure {
            code: "item_crashes_workers".to_owned(),
            message: "workers died one after the other as soon as they played this; \
                      play another version of it, and look into the workers' logs"
                .to_owned(),
        };
        let by = By::scheduler(Cause::WorkerLost);
        session.end_current(EndReason::Failed, Some(failure), &by, now, step);
        session.record.futile_losses.clear();
        let by = by.because(Cause::ItemFailed);
        self.drain_due = true;
        if session.queue.head().is_some() {
            // The next item was under none of those workers: it begins with no loss to its name.
            self.drop_lease(id);
            if let Some(session) = self.sessions.get_mut(id) {
                session.queue.begin_next();
                let begins = Begins {
                    paused: session.record.desired.paused,
                    ..Begins::chosen(&by)
                };
                session.begin(begins, now, step);
                session.save(false, step);
            }
        } else {
            self.rest(id, &by, now, step);
        }
        self.answer_settled(id, now, step);
        true
    }

    /// The session is about to be taken over from a holder that is lost.
    pub(crate) fn note_loss(&mut self, id: &SessionId, now: Now) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let wall_ms = now.wall_ms;
        let record = &session.record;
        if record.lease.is_none() || record.desired.current.is_none() {
            return;
        }
        if session.is_futile(now) {
            let losses = &mut session.record.futile_losses;
            losses.retain(|at| wall_ms.saturating_sub(*at) < WINDOW_MS);
            losses.push(wall_ms);
        } else {
            session.record.futile_losses.clear();
        }
    }
}

impl Session {
    /// Holders in a row that were lost before the item got anywhere, the present one, which is lost, among them.
    fn losses_with_this(&self, now: Now) -> usize {
        let record = &self.record;
        if record.lease.is_none() || record.desired.current.is_none() || !self.is_futile(now) {
            return 0;
        }
        let losses = record.futile_losses.iter();
        1 + losses
            .filter(|at| now.wall_ms.saturating_sub(**at) < WINDOW_MS)
            .count()
    }

    /// The item is where it was when the present holder got it.
    pub(crate) fn is_futile(&self, now: Now) -> bool {
        let start = self.record.desired.anchor.position_ms;
        self.position_at(now.monotonic) < start.saturating_add(PROGRESS_MS)
    }
}
