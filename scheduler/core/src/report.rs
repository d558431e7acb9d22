//! What workers report of sessions, and the conclusions drawn from it.

use crate::advance::Begins;
use crate::cause::Cause;
use crate::{
    Effect, EndReason, Fence, Incarnation, Now, Observed, PlaybackState, Scheduler, Session,
    SessionId, Step, WorkerId, WorkerStatus,
};

impl Scheduler {
    /// Takes in one report; a report under another lease than the present one is answered with a revoke.
    pub(crate) fn observe(
        &mut self,
        worker: &WorkerId,
        incarnation: &Incarnation,
        observed: Observed,
        now: Now,
        step: &mut Step,
    ) {
        let epoch = self.epoch;
        let Some(session) = self.sessions.get_mut(&observed.session) else {
            step.effects.push(Effect::SendRevoke {
                worker: worker.clone(),
                incarnation: incarnation.clone(),
                session: observed.session,
                fence: Fence {
                    epoch,
                    generation: observed.fence.generation.next(),
                    ..observed.fence
                },
            });
            return;
        };
        let next = session
            .record
            .handover
            .as_ref()
            .map(|handover| &handover.to);
        if next.is_some_and(|next| {
            next.is_of(worker, incarnation) && next.token == observed.fence.token
        }) {
            session.next_report = Some((observed.fence, observed.handover));
            self.handovers_due.insert(observed.session.clone());
            self.account_for(&observed.session, worker);
            return;
        }
        let is_holder = session.record.lease.as_ref().is_some_and(|lease| {
            lease.is_of(worker, incarnation) && lease.token == observed.fence.token
        });
        if !is_holder {
            // Not yet told of its new lease, or no longer the holder. Only the latter is taken away.
            let granted_here = session.placed_on(worker) == Some(incarnation);
            if !granted_here {
                step.effects.push(Effect::SendRevoke {
                    worker: worker.clone(),
                    incarnation: incarnation.clone(),
                    session: observed.session,
                    fence: session.revoke_fence(epoch),
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
        if session.goes_on_as_before(&observed) {
            // Almost every report there is: ten thousand sessions have forty thousand of them a second.
            session.observed = Some(observed);
            step.effects
                .push(Effect::Advanced(session.record.id.clone()));
            return;
        }
        let before = session.view(true);
        if session.is_played_out(&observed) {
            // What comes is about another item.
            session.record.position_ms = session.position_at(now.monotonic);
        }
        session.observed = Some(observed);
        self.after_report(&before, now, step);
    }

    /// Draws the conclusions from a new report.
    fn after_report(&mut self, before: &crate::SessionView, now: Now, step: &mut Step) {
        let Some(observed) = (self.sessions.get(&before.id)).and_then(|s| s.observed.clone())
        else {
            return;
        };
        self.take_advance(&before.id, &observed, now, step);
        self.take_prepared(&before.id, &observed, now, step);
        let Some(session) = self.sessions.get_mut(&before.id) else {
            return;
        };
        let reached = session.reached(&observed);
        let desired = &session.record.desired;
        let about_current = reached >= desired.current_set_at
            && (desired.current.as_ref()).is_some_and(|item| observed.is_about(item));
        if about_current {
            if observed.duration_ms.is_some() {
                session.record.duration_ms = observed.duration_ms;
            }
            if let Some(failure) = &observed.failure {
                session.record.last_error = Some(failure.clone());
            }
        }
        if !session.record.futile_losses.is_empty() && !session.is_futile(now) {
            session.record.futile_losses.clear();
        }
        // Known since the probe, seconds before anything is heard: whoever waits for room waits for this.
        let plan = session.plan_reported().cloned();
        let learnt_plan = plan.is_some() && plan != session.record.desired.plan;
        if learnt_plan {
            session.record.desired.plan = plan;
        }
        if observed.worker_status == WorkerStatus::Connected && observed.voice_loss.is_none() {
            session.refreshes = 0;
        }
        // An end that is older than an acknowledged seek is no end: the worker will carry out the seek.
        let ended = about_current
            && observed.playback == PlaybackState::Ended
            && reached >= session.record.desired.anchor.set_at;
        if ended {
            let reason = observed.end_reason.unwrap_or(EndReason::Failed);
            let by = session.by_holder(Cause::Report);
            let paused = session.record.desired.paused;
            session.end_current(reason, observed.failure.clone(), &by, now, step);
            let by = by.because(match reason {
                EndReason::Failed => Cause::ItemFailed,
                _ => Cause::AutoAdvance,
            });
            let begins = Begins {
                by: &by,
                paused,
                follows: true,
            };
            self.go_on(&before.id, begins, now, step);
        }
        let Some(session) = self.sessions.get_mut(&before.id) else {
            return;
        };
        let after = session.view(true);
        if before.playback != after.playback
            || before.worker_status != after.worker_status
            || before.last_error != after.last_error
            || before.duration_ms != after.duration_ms
            || before.plan != after.plan
            || learnt_plan
        {
            session.record.updated_at = now.wall_ms;
            if before.playback != after.playback || before.worker_status != after.worker_status {
                let by = session.by_holder(Cause::Report);
                step.event(
                    &before.id,
                    "observed",
                    &by,
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
        self.handovers_due.insert(before.id.clone());
        self.account_anew(&before.id);
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
                    edited: None,
                })),
            });
        }
    }
}

impl Session {
    /// Whether a report says nothing of which anything could follow: only counters and the position are others than in
    /// the report before, which was judged when it came.
    fn goes_on_as_before(&self, report: &Observed) -> bool {
        let is_quiet = |one: &Observed| {
            one.failure.is_none()
                && one.handover.is_none()
                && one.voice_loss.is_none()
                && one.playback != PlaybackState::Ended
        };
        self.record.handover.is_none()
            && self.waiters.is_empty()
            && self.refreshes == 0
            && self.observed.as_ref().is_some_and(|known| {
                is_quiet(known)
                    && is_quiet(report)
                    && known.fence == report.fence
                    && known.worker_status == report.worker_status
                    && known.playback == report.playback
                    && known.entry == report.entry
                    && known.external_id == report.external_id
                    && known.advanced_from == report.advanced_from
                    && known.prepared == report.prepared
                    && known.opened_at == report.opened_at
                    && known.duration_ms == report.duration_ms
                    && known.known_plan == report.known_plan
                    && known.plan == report.plan
            })
    }
}
