//! Leases: which worker process carries out which session, and what happens when it is not heard of.

use serde::{Deserialize, Serialize};

use crate::timers::Timer;
use crate::{
    Effect, EndReason, Epoch, FencingToken, Generation, Incarnation, Millis, Now, Observed,
    PlaybackState, Scheduler, SessionId, Step, WorkerId, WorkerStatus,
};

/// Orders all words about one session; compared as a whole, in this order.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Fence {
    /// Of the lease.
    pub token: FencingToken,
    /// Of the leadership.
    pub epoch: Epoch,
    /// Of the desired record.
    pub generation: Generation,
}

/// A session is leased to one worker *process*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who.
    pub worker: WorkerId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Under which token.
    pub token: FencingToken,
}

/// What a worker says when its stream opens.
#[derive(Debug, Clone)]
pub struct WorkerRegistration {
    /// Who.
    pub worker: WorkerId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// In thousandths of a core.
    pub free_millicores: u32,
    /// What it holds already.
    pub sessions: Vec<Observed>,
}

/// A worker as the scheduler knows it.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) incarnation: Incarnation,
    pub(crate) attached: bool,
    pub(crate) last_heard: Millis,
    pub(crate) free_millicores: u32,
}

impl Scheduler {
    pub(crate) fn attached(
        &mut self,
        registration: crate::WorkerRegistration,
        now: Now,
        step: &mut Step,
    ) {
        let crate::WorkerRegistration {
            worker: id,
            incarnation,
            free_millicores,
            sessions,
        } = registration;
        if let Some(known) = self.workers.get(&id)
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
        if now.monotonic < self.unknown_until {
            self.heard_of.insert((id.clone(), incarnation.clone()));
        }
        self.workers.insert(
            id.clone(),
            Worker {
                incarnation: incarnation.clone(),
                attached: true,
                last_heard: now.monotonic,
                free_millicores,
            },
        );
        self.timers.at(
            now.monotonic.after(self.timing.suspect_after_ms),
            Timer::Suspect(id.clone(), incarnation.clone()),
        );
        for observed in sessions {
            self.observe(&id, &incarnation, observed, now, step);
        }
        // The worker may have missed any word: say the newest one again. It takes only what is newer.
        for session in self.sessions.values() {
            let holds = |lease: &Lease| lease.worker == id && lease.incarnation == incarnation;
            if session.record.lease.as_ref().is_some_and(holds) {
                step.effects.extend(session.lease_effect(self.epoch));
            }
        }
        self.place_unserved(now, step);
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
        // A beat of a life that is not attached comes from a stream that was turned away.
        let Some(worker) = self
            .workers
            .get_mut(id)
            .filter(|worker| &worker.incarnation == incarnation)
        else {
            return;
        };
        worker.last_heard = now.monotonic;
        worker.attached = true;
        worker.free_millicores = free_millicores;
        for observed in observed {
            self.observe(id, incarnation, observed, now, step);
        }
    }

    pub(crate) fn detached(&mut self, id: &WorkerId, incarnation: &Incarnation, now: Now) {
        let Some(worker) = self.workers.get_mut(id) else {
            return;
        };
        if &worker.incarnation != incarnation {
            return;
        }
        worker.attached = false;
        self.timers.at(
            now.monotonic.after(self.timing.reset_grace_ms),
            Timer::Suspect(id.clone(), incarnation.clone()),
        );
        // A reset comes when the process dies: what was played until now was heard.
        for session in self.leased_to(id, incarnation) {
            session.stand_still(Some(now.monotonic));
        }
    }

    fn leased_to<'a>(
        &'a mut self,
        id: &'a WorkerId,
        incarnation: &'a Incarnation,
    ) -> impl Iterator<Item = &'a mut crate::Session> {
        self.sessions.values_mut().filter(move |session| {
            session
                .record
                .lease
                .as_ref()
                .is_some_and(|lease| &lease.worker == id && &lease.incarnation == incarnation)
        })
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
        if self.is_alive(id, incarnation, now.monotonic) {
            let due = worker.last_heard.after(self.timing.suspect_after_ms);
            self.timers
                .at(due, Timer::Suspect(id.clone(), incarnation.clone()));
            return;
        }
        // After silence nobody knows what was heard since: the last report counts.
        for session in self.leased_to(id, incarnation) {
            session.stand_still(None);
            step.effects
                .push(Effect::Changed(session.record.id.clone()));
        }
        self.place_unserved(now, step);
    }

    /// Whether this life of the worker is heard of.
    pub(crate) fn is_alive(&self, id: &WorkerId, incarnation: &Incarnation, now: Millis) -> bool {
        self.workers.get(id).is_some_and(|worker| {
            &worker.incarnation == incarnation
                && worker.attached
                && now.since(worker.last_heard) < self.timing.suspect_after_ms
        })
    }

    /// Whether the holder may yet come back to this leader, which has not heard of it so far.
    fn is_unknown(&self, lease: &Lease, now: Millis) -> bool {
        let life = (lease.worker.clone(), lease.incarnation.clone());
        now < self.unknown_until && !self.heard_of.contains(&life)
    }

    pub(crate) fn lease_alive(&self, session: &SessionId, now: Millis) -> bool {
        self.sessions
            .get(session)
            .and_then(|session| session.record.lease.as_ref())
            .is_some_and(|lease| self.is_alive(&lease.worker, &lease.incarnation, now))
    }

    /// Grants every session that nobody carries out: those without a lease, and those whose worker
    /// is suspect. After a start every silent lease is *unknown*, not suspect, until the grace is over.
    pub(crate) fn place_unserved(&mut self, now: Now, step: &mut Step) {
        let unserved: Vec<SessionId> = self
            .sessions
            .values()
            .filter(|session| session.record.desired.in_channel)
            .filter(|session| match &session.record.lease {
                None => true,
                Some(lease) => {
                    !self.is_unknown(lease, now.monotonic)
                        && !self.is_alive(&lease.worker, &lease.incarnation, now.monotonic)
                }
            })
            .map(|session| session.record.id.clone())
            .collect();
        for session in unserved {
            self.grant(&session, now, step);
        }
    }

    /// Leases the session to the freest worker, under the next token; nothing happens without one.
    pub(crate) fn grant(&mut self, id: &SessionId, now: Now, step: &mut Step) {
        if self.must_wait_for_permit(id, now.monotonic) {
            return;
        }
        let Some((worker, incarnation)) = self
            .workers
            .iter()
            .filter(|(worker, state)| self.is_alive(worker, &state.incarnation, now.monotonic))
            .max_by_key(|(worker, state)| {
                (state.free_millicores, std::cmp::Reverse((*worker).clone()))
            })
            .map(|(worker, state)| (worker.clone(), state.incarnation.clone()))
        else {
            return;
        };
        let epoch = self.epoch;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let position = session.position_at(now.monotonic);
        let taken_over = session.record.lease.take();
        let token = session.record.last_token.next();
        session.record.last_token = token;
        session.observed = None;
        session.record.lease = Some(Lease {
            worker: worker.clone(),
            incarnation: incarnation.clone(),
            token,
        });
        if session.record.desired.current.is_some() {
            session.anchor_at(position, now);
        }
        step.event(
            id,
            "lease_granted",
            serde_json::json!({
                "worker": worker.as_str(),
                "token": token.get(),
                "from": taken_over.as_ref().map(|lease| lease.worker.as_str()),
                "positionMs": position,
            }),
        );
        session.save(true, step);
        step.effects.extend(session.lease_effect(epoch));
    }

    /// Takes in one report; a report under another lease than the present one is answered with a revoke.
    fn observe(
        &mut self,
        worker: &WorkerId,
        incarnation: &Incarnation,
        observed: Observed,
        now: Now,
        step: &mut Step,
    ) {
        let epoch = self.epoch;
        let Some(session) = self.sessions.get_mut(&observed.session) else {
            let fence = Fence {
                epoch,
                ..observed.fence
            };
            step.effects.push(Effect::SendRevoke {
                worker: worker.clone(),
                incarnation: incarnation.clone(),
                session: observed.session,
                fence: Fence {
                    generation: fence.generation.next(),
                    ..fence
                },
            });
            return;
        };
        let is_holder = session.record.lease.as_ref().is_some_and(|lease| {
            &lease.worker == worker
                && &lease.incarnation == incarnation
                && lease.token == observed.fence.token
        });
        if !is_holder {
            // Not yet told of its new lease, or no longer the holder. Only the latter is taken away.
            let granted_here =
                session.record.lease.as_ref().is_some_and(|lease| {
                    &lease.worker == worker && &lease.incarnation == incarnation
                });
            if !granted_here {
                step.effects.push(Effect::SendRevoke {
                    worker: worker.clone(),
                    incarnation: incarnation.clone(),
                    session: observed.session,
                    fence: session.fence(epoch),
                });
            }
            return;
        }
        if session
            .observed
            .as_ref()
            .is_some_and(|known| known.fence > observed.fence)
        {
            return;
        }
        let before = session.view(true);
        session.observed = Some(observed);
        self.after_report(&before, now, step);
    }

    /// Draws the conclusions from a new report.
    fn after_report(&mut self, before: &crate::SessionView, now: Now, step: &mut Step) {
        let epoch = self.epoch;
        let Some(session) = self.sessions.get_mut(&before.id) else {
            return;
        };
        let Some(observed) = session.observed.clone() else {
            return;
        };
        let desired = &session.record.desired;
        let about_current = observed.fence.generation >= desired.current_set_at
            && desired.current.as_ref().map(|item| item.queue_entry_id) == observed.queue_entry_id;
        if about_current {
            if observed.duration_ms.is_some() {
                session.record.duration_ms = observed.duration_ms;
            }
            if let Some(failure) = &observed.failure {
                session.record.last_error = Some(failure.clone());
            }
        }
        if observed.worker_status == WorkerStatus::Connected {
            session.refreshes = 0;
        }
        // An end that is older than an acknowledged seek is no end: the worker will carry out the seek.
        let ended = about_current
            && session.record.desired.current.is_some()
            && observed.playback == PlaybackState::Ended
            && observed.fence.generation >= session.record.desired.anchor.set_at;
        if ended {
            let reason = observed.end_reason.unwrap_or(EndReason::Failed);
            session.end_current(reason, observed.failure.clone(), now, step);
            session.change(now, |_, _| {});
            let generation = session.record.desired.generation;
            self.timers.at(
                now.monotonic.after(self.timing.idle_leave_ms),
                Timer::IdleLeave(before.id.clone(), generation),
            );
            step.effects.extend(session.lease_effect(epoch));
        }
        let after = session.view(true);
        if before.playback != after.playback
            || before.worker_status != after.worker_status
            || before.last_error != after.last_error
            || before.duration_ms != after.duration_ms
            || before.plan != after.plan
        {
            session.record.updated_at = now.wall_ms;
            if before.playback != after.playback || before.worker_status != after.worker_status {
                step.event(
                    &before.id,
                    "observed",
                    serde_json::json!({
                        "playbackState": after.playback.as_str(),
                        "workerStatus": after.worker_status.as_str(),
                        "positionMs": after.position.media_ms,
                        "error": after.last_error.as_ref().map(|f| &f.code),
                    }),
                );
            }
            session.save(true, step);
        } else if after.observed_generation != before.observed_generation
            || after.position != before.position
        {
            step.effects.push(Effect::Changed(before.id.clone()));
        }
        self.judge_voice_loss(&observed, now, step);
        self.answer_settled(&before.id, now, step);
    }

    pub(crate) fn answer_settled(&mut self, id: &SessionId, now: Now, step: &mut Step) {
        let alive = self.lease_alive(id, now.monotonic);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let waiters = std::mem::take(&mut session.waiters);
        let (done, waiting): (Vec<_>, Vec<_>) = waiters
            .into_iter()
            .partition(|w| session.has_settled(w.generation) || w.deadline <= now.monotonic);
        session.waiters = waiting;
        for waiter in done {
            let settled = session.has_settled(waiter.generation);
            step.effects.push(Effect::Answer {
                call: waiter.call,
                result: Ok(Box::new(crate::Answer {
                    view: session.view(alive),
                    created: waiter.created,
                    settled,
                })),
            });
        }
    }

    /// Ends the lease: the worker is told to forget the session.
    pub(crate) fn revoke(&mut self, id: &SessionId, step: &mut Step) {
        let epoch = self.epoch;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let fence = session.fence(epoch);
        session.observed = None;
        if let Some(lease) = session.record.lease.take() {
            step.effects.push(Effect::SendRevoke {
                worker: lease.worker,
                incarnation: lease.incarnation,
                session: id.clone(),
                fence: Fence {
                    generation: Generation::new(fence.generation.get() + 1),
                    ..fence
                },
            });
        }
    }
}
