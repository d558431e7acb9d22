//! Which worker processes are heard of: alive, unknown, suspect.
//!
//! *Alive*: attached, and its last beat is younger than `suspect_after`. *Unknown*: this leader has not
//! heard of it since it began to lead (or since it was paused itself), and the time for coming back is
//! not over: its sessions are granted to nobody else. *Suspect*: everything else; its sessions go
//! elsewhere.

use crate::timers::Timer;
use crate::worker::{Held, Worker};
use crate::{
    Effect, Incarnation, Lease, Millis, Now, Observed, Scheduler, Session, SessionId, Step,
    WorkerId, WorkerRegistration,
};

impl Scheduler {
    pub(crate) fn attached(&mut self, registration: WorkerRegistration, now: Now, step: &mut Step) {
        let WorkerRegistration {
            worker: id,
            incarnation,
            total_millicores,
            free_millicores,
            draining,
            go_live,
            sessions,
        } = registration;
        let known = self.workers.get(&id);
        if let Some(known) = known
            && known.incarnation != incarnation
            && known.attached
            && now.monotonic.since(known.last_heard) < self.timing.suspect_after_ms
        {
            step.effects.push(Effect::RefuseWorker {
                worker: id,
                incarnation,
            });
            return;
        }
        self.worker_heard = now.monotonic;
        let is_same_life = known.is_some_and(|known| known.incarnation == incarnation);
        let told_to_drain = known.is_some_and(|known| is_same_life && known.draining);
        let held = if is_same_life {
            self.workers.remove(&id).map(|known| known.held)
        } else {
            self.end_other_lives(&id, &incarnation);
            None
        };
        self.workers.insert(
            id.clone(),
            Worker {
                incarnation: incarnation.clone(),
                attached: true,
                last_heard: now.monotonic,
                suspect: false,
                draining: draining || told_to_drain,
                go_live,
                told_drained: false,
                total_millicores,
                free_millicores,
                held: held.unwrap_or_default(),
            },
        );
        if draining || told_to_drain {
            self.draining.insert(id.clone());
        }
        self.recall_absent(&id, &incarnation);
        self.watch_for_silence(&id, &incarnation, now);
        self.leave_line_with(&id);
        for observed in sessions {
            self.observe(&id, &incarnation, observed, now, step);
        }
        // The worker may have missed any word: say the newest one again. It takes only what is newer.
        let held = self.workers.get(&id).map(|worker| worker.held.ids());
        for session in held.unwrap_or_default() {
            if let Some(state) = self.sessions.get(&session) {
                step.effects.extend(state.words_for(&id, self.epoch));
            }
            self.handovers_due.insert(session);
        }
        self.drain_due = true;
        self.room_appeared = true;
    }

    /// A new life of a worker tells that the others are over: whatever they held is nobody's. That holds
    /// for lives that this leader never met, too: of two processes with one id, only one is ever attached.
    fn end_other_lives(&mut self, id: &WorkerId, incarnation: &Incarnation) {
        if let Some(old) = self.workers.remove(id)
            && !old.held.is_empty()
        {
            let life = (id.clone(), old.incarnation);
            self.absent
                .insert(life, old.held.ids().into_iter().collect());
        }
        let orphans: Vec<SessionId> = self
            .absent
            .range((id.clone(), Incarnation::new(""))..)
            .take_while(|((worker, _), _)| worker == id)
            .filter(|((_, life), _)| life != incarnation)
            .flat_map(|(_, sessions)| sessions.iter().cloned())
            .collect();
        for session in orphans {
            self.orphaned(&session);
        }
    }

    /// The leases that this very process has had since before it attached now.
    fn recall_absent(&mut self, id: &WorkerId, incarnation: &Incarnation) {
        let life = (id.clone(), incarnation.clone());
        for session in self.absent.remove(&life).unwrap_or_default() {
            self.account_for(&session, id);
        }
    }

    pub(crate) fn beat(
        &mut self,
        id: &WorkerId,
        incarnation: &Incarnation,
        free_millicores: u32,
        observed: Vec<Observed>,
        now: Now,
        step: &mut Step,
    ) {
        if !self.heard(id, incarnation, now) {
            return;
        }
        if let Some(worker) = self.workers.get_mut(id) {
            self.room_appeared |= free_millicores > worker.free_millicores;
            worker.free_millicores = free_millicores;
        }
        for observed in observed {
            self.observe(id, incarnation, observed, now, step);
        }
    }

    /// Notes a sign of life; false for a life that is not attached: its stream was turned away.
    pub(crate) fn heard(&mut self, id: &WorkerId, incarnation: &Incarnation, now: Now) -> bool {
        let Some(worker) = self
            .workers
            .get_mut(id)
            .filter(|worker| &worker.incarnation == incarnation)
        else {
            return false;
        };
        worker.last_heard = now.monotonic;
        worker.attached = true;
        self.worker_heard = now.monotonic;
        if std::mem::take(&mut worker.suspect) {
            // It only slept, and what nobody else had room for is still its own.
            self.watch_for_silence(id, incarnation, now);
            self.leave_line_with(id);
            // Whoever waits is placed by the next tick, at once: this event may be a question whose answer
            // waits for no commit.
            self.timers.at(now.monotonic, Timer::TryLine);
        }
        true
    }

    fn watch_for_silence(&mut self, id: &WorkerId, incarnation: &Incarnation, now: Now) {
        self.timers.at(
            now.monotonic.after(self.timing.suspect_after_ms),
            Timer::Suspect(id.clone(), incarnation.clone()),
        );
    }

    pub(crate) fn detached(&mut self, id: &WorkerId, incarnation: &Incarnation, now: Now) {
        let Some(worker) = self.workers.get_mut(id) else {
            return;
        };
        if &worker.incarnation != incarnation {
            return;
        }
        worker.attached = false;
        let held = worker.held.ids();
        self.timers.at(
            now.monotonic.after(self.timing.reset_grace_ms),
            Timer::Suspect(id.clone(), incarnation.clone()),
        );
        // A reset comes when the process dies: what was played until now was heard.
        self.stand_still(&held, id, Some(now.monotonic));
    }

    fn stand_still(&mut self, held: &[SessionId], worker: &WorkerId, until: Option<Millis>) {
        for session in held {
            if let Some(session) = self.sessions.get_mut(session)
                && session.is_leased_to(worker)
            {
                session.stand_still(until);
            }
        }
    }

    pub(crate) fn judge_worker(
        &mut self,
        id: &WorkerId,
        incarnation: &Incarnation,
        now: Now,
        step: &mut Step,
    ) {
        let Some(worker) = self
            .workers
            .get(id)
            .filter(|worker| &worker.incarnation == incarnation)
        else {
            return;
        };
        let again = if self.is_alive(id, incarnation, now.monotonic) {
            Some(worker.last_heard.after(self.timing.suspect_after_ms))
        } else if worker.last_heard < self.unknown_since && now.monotonic < self.unknown_until {
            Some(self.unknown_until)
        } else {
            None
        };
        if let Some(at) = again {
            self.timers
                .at(at, Timer::Suspect(id.clone(), incarnation.clone()));
            return;
        }
        let held = worker.held.ids();
        if let Some(worker) = self.workers.get_mut(id) {
            worker.suspect = true;
        }
        // After silence nobody knows what was heard since: the last report counts.
        self.stand_still(&held, id, None);
        for session in held {
            step.effects.push(Effect::Changed(session.clone()));
            self.orphaned(&session);
        }
        self.forget_worker_if_gone(id);
    }

    /// Workers come and go under new names: one that is gone and holds nothing leaves memory.
    pub(crate) fn forget_worker_if_gone(&mut self, id: &WorkerId) {
        let gone = |worker: &Worker| worker.suspect && !worker.attached && worker.held.is_empty();
        if self.workers.get(id).is_some_and(gone) {
            self.workers.remove(id);
        }
    }

    /// After a start, everybody had time to come back.
    pub(crate) fn judge_absent(&mut self, now: Now) {
        if now.monotonic < self.unknown_until {
            // This leader was paused meanwhile, and waits once more.
            return;
        }
        let absent: Vec<SessionId> = self.absent.values().flatten().cloned().collect();
        for session in absent {
            self.orphaned(&session);
        }
    }

    /// A leader that was itself paused has heard nobody: the silence is its own. Everybody is unknown
    /// again, but for those whose words wait in the queue behind this event.
    pub(crate) fn notice_own_pause(&mut self, now: Now) {
        let late = self
            .timers
            .next()
            .is_some_and(|due| now.monotonic.since(due) >= self.timing.leader_pause_ms);
        if !late {
            return;
        }
        self.unknown_since = now.monotonic;
        self.unknown_until = now.monotonic.after(self.timing.reattach_grace_ms);
        self.timers.at(self.unknown_until, Timer::Reattach);
    }

    /// Whether this life of the worker is heard of.
    pub(crate) fn is_alive(&self, id: &WorkerId, incarnation: &Incarnation, now: Millis) -> bool {
        self.workers
            .get(id)
            .is_some_and(|worker| &worker.incarnation == incarnation && self.is_heard(worker, now))
    }

    /// Whether this life of the worker is attached and beats.
    pub(crate) fn is_heard(&self, worker: &Worker, now: Millis) -> bool {
        worker.attached && now.since(worker.last_heard) < self.timing.suspect_after_ms
    }

    /// Whether the holder may yet come back to this leader, which has not heard of it so far.
    pub(crate) fn is_unknown(&self, lease: &Lease, now: Millis) -> bool {
        now < self.unknown_until
            && match self.workers.get(&lease.worker) {
                Some(worker) => {
                    worker.incarnation == lease.incarnation
                        && worker.last_heard < self.unknown_since
                }
                None => self
                    .absent
                    .contains_key(&(lease.worker.clone(), lease.incarnation.clone())),
            }
    }

    /// Whether the process is gone for good, as far as this leader can judge: neither heard of nor
    /// within a grace.
    pub(crate) fn is_lost(&self, lease: &Lease, now: Millis) -> bool {
        if self.is_unknown(lease, now) {
            return false;
        }
        self.workers
            .get(&lease.worker)
            .is_none_or(|worker| worker.incarnation != lease.incarnation || worker.suspect)
    }

    pub(crate) fn lease_alive(&self, session: &SessionId, now: Millis) -> bool {
        let session = self.sessions.get(session);
        session.is_some_and(|session| self.holder_alive(session, now))
    }

    pub(crate) fn holder_alive(&self, session: &Session, now: Millis) -> bool {
        let lease = session.record.lease.as_ref();
        lease.is_some_and(|lease| self.is_alive(&lease.worker, &lease.incarnation, now))
    }

    /// What is placed on that life of the worker, if it is known.
    pub(crate) fn held_by(
        &mut self,
        id: &WorkerId,
        incarnation: &Incarnation,
    ) -> Option<&mut Held> {
        self.workers
            .get_mut(id)
            .filter(|worker| &worker.incarnation == incarnation)
            .map(|worker| &mut worker.held)
    }
}
