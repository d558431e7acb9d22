//! The gate's other end: whether a worker may open a voice connection (`docs/adr/0004-the-gate.md`).

use crate::timers::Timer;
use crate::{
    Effect, FencingToken, Incarnation, LeaseVerdict, Millis, Now, Scheduler, SessionId, Step,
    WorkerId,
};

/// `Now` is cut to whole milliseconds, so a question may be up to one younger than its stamp.
const STAMP_ERROR_MS: u64 = 1;

impl Scheduler {
    /// Says which leases stand, and grants those nowhere else until the permits are over that rest on this answer.
    ///
    /// A permit counts from when the worker sent the question, which was before `now`, and is shorter than
    /// `reset_grace` (`orb-config` checks that). So it costs no take-over any time: a stream that is reset is given
    /// the same grace, a silent one more.
    pub(crate) fn confirm_leases(
        &mut self,
        worker: WorkerId,
        incarnation: Incarnation,
        request: u64,
        leases: Vec<(SessionId, FencingToken)>,
        now: Now,
        step: &mut Step,
    ) {
        // Of a life that is not attached: its stream was turned away or has ended, so nobody would hear the answer.
        let is_attached = self
            .workers
            .get(&worker)
            .is_some_and(|known| known.incarnation == incarnation && known.attached);
        if !is_attached {
            return;
        }
        self.heard(&worker, &incarnation, now);
        let permitted_until = now
            .monotonic
            .after(self.timing.reset_grace_ms + STAMP_ERROR_MS);
        let verdicts = leases
            .into_iter()
            .map(|(id, token)| {
                let held_by_asker = self.sessions.get_mut(&id).filter(|session| {
                    session.record.desired.in_channel
                        && session.record.lease.as_ref().is_some_and(|lease| {
                            lease.worker == worker
                                && lease.incarnation == incarnation
                                && lease.token == token
                        })
                });
                let held = held_by_asker.is_some();
                if let Some(session) = held_by_asker {
                    session.permitted_until = permitted_until;
                }
                LeaseVerdict {
                    session: id,
                    token,
                    held,
                }
            })
            .collect();
        step.effects.push(Effect::ConfirmLeases {
            worker,
            incarnation,
            request,
            verdicts,
        });
    }

    /// Whether a permit under the session's last lease may still be in use. If so, placing is tried again when it is over.
    pub(crate) fn must_wait_for_permit(&mut self, id: &SessionId, now: Millis) -> bool {
        let Some(until) = self
            .sessions
            .get(id)
            .map(|session| session.permitted_until)
            .filter(|until| now < *until)
        else {
            return false;
        };
        self.timers.at(until, Timer::TryLine);
        true
    }
}
