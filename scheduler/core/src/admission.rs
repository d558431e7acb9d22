//! Whether what a caller wants can be held, before it is accepted; and the facts that placement needs.

use crate::cause::{By, Cause};
use crate::timers::Timer;
use crate::{
    Call, Candidate, Decision, Effect, Explanation, KnownPlan, Lease, Millis, Now, Refusal,
    Scheduler, Session, SessionId, Standing, Step, Wanted, WorkerId, cost, place,
};

/// Where an admitted play goes.
#[derive(Debug)]
pub(crate) enum Admission {
    /// The holder keeps it.
    Stays,
    /// To this worker, under the next token.
    Goes(WorkerId, Box<Explanation>),
    /// Nobody is there to take it, and somebody will be in a moment: it waits in line.
    Waits,
}

/// What cannot be held is refused, and says why.
#[derive(Debug)]
pub(crate) struct Refused {
    refusal: Refusal,
    explanation: Option<Box<Explanation>>,
}

impl Refused {
    /// The explanation goes to the span; nothing durable changes by a refusal.
    pub(crate) fn explain(self, call: &Call, step: &mut Step) -> Refusal {
        if let Some(explanation) = self.explanation {
            step.effects.push(Effect::Placed {
                session: call.session.clone(),
                explanation,
                trace: call.trace.clone(),
            });
        }
        self.refusal
    }
}

/// Of what there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Any worker.
    Worker,
    /// One that sends pictures, which the session is to have.
    GoLiveWorker,
    /// Room.
    Room,
}

/// A worker that gave a session back is not asked again for so long: time for its room to change, and
/// for the others to be asked.
const DECLINED_FOR_MS: u64 = 5_000;

/// When only guesses fill everybody: until the titles have been looked at.
const RETRY_WHEN_GUESSED_MS: u64 = 1_000;

/// When everybody is full: until a party ends or a worker comes; seconds, not minutes.
const RETRY_WHEN_FULL_MS: u64 = 5_000;

/// When nobody is there at all: a rolling update or a restart, over soon.
const RETRY_WHEN_NOBODY_MS: u64 = 1_000;

impl Scheduler {
    /// Whether somebody has room for so many thousandths of a core; nothing is changed by it.
    ///
    /// A holder that is only being waited for (unknown, or its stream was reset a moment ago) keeps the
    /// session: if it does not come back, the session waits in line before everything new. Without anybody to
    /// take it, it waits in line only on the `last_try`: until then the caller can still be told the truth.
    pub(crate) fn admit(
        &self,
        id: &SessionId,
        need: u32,
        last_try: bool,
        now: Now,
    ) -> Result<Admission, Refused> {
        let Some(session) = self.sessions.get(id) else {
            return Err(Refused {
                refusal: Refusal::not_found(id),
                explanation: None,
            });
        };
        let holder = session.record.lease.as_ref();
        if let Some(lease) = holder
            && !self.is_lost(lease, now.monotonic)
            && !self.is_alive(&lease.worker, &lease.incarnation, now.monotonic)
        {
            return Ok(Admission::Stays);
        }
        let kept = self.kept_worker(now);
        let decision = self.decide(session, need, kept.as_ref(), now);
        match decision.worker() {
            // Another life of the holder is another holder.
            Some(worker)
                if holder.is_some_and(|lease| &lease.worker == worker)
                    && self.lease_alive(id, now.monotonic) =>
            {
                Ok(Admission::Stays)
            }
            Some(worker) => Ok(Admission::Goes(
                worker.clone(),
                Box::new(decision.explain()),
            )),
            None => self.admit_without_choice(session, need, last_try, &decision, now),
        }
    }

    /// Nobody who takes anything new has room.
    fn admit_without_choice(
        &self,
        session: &Session,
        need: u32,
        last_try: bool,
        decision: &Decision<'_>,
        now: Now,
    ) -> Result<Admission, Refused> {
        let id = &session.record.id;
        if self.expects_worker(now) {
            let holder = session.record.lease.as_ref();
            let holder = holder.filter(|_| self.lease_alive(id, now.monotonic));
            match holder.and_then(|lease| self.workers.get(&lease.worker)) {
                // It is about to go, and hands this over with the rest.
                Some(holder) if holder.room(Some(id)) >= need => return Ok(Admission::Stays),
                None if last_try && self.line_takes(need) => return Ok(Admission::Waits),
                _ => {}
            }
        }
        let lack = self.lack(session, now);
        let retry_after_ms = if lack == Lack::Worker {
            RETRY_WHEN_NOBODY_MS
        } else if self.is_room_hoped_for(id, need, now) {
            RETRY_WHEN_GUESSED_MS
        } else {
            RETRY_WHEN_FULL_MS
        };
        Err(Refused {
            refusal: Refusal::no_capacity(lack, retry_after_ms),
            explanation: Some(Box::new(decision.explain())),
        })
    }

    fn lack(&self, session: &Session, now: Now) -> Lack {
        if !self.has_worker(now) {
            Lack::Worker
        } else if session.record.desired.go_live && !self.has_live_worker(now) {
            Lack::GoLiveWorker
        } else {
            Lack::Room
        }
    }

    /// Where the session would go now.
    pub(crate) fn decide<'a>(
        &'a self,
        session: &Session,
        need_millicores: u32,
        kept: Option<&WorkerId>,
        now: Now,
    ) -> Decision<'a> {
        let record = &session.record;
        let wanted = Wanted {
            need_millicores,
            last_holder: record.last_worker.as_ref(),
            go_live: record.desired.go_live,
        };
        place(wanted, self.candidates(session, kept, now))
    }

    /// Every worker as placement sees it. What the session takes already counts as free where it is.
    pub(crate) fn candidates<'a>(
        &'a self,
        session: &Session,
        kept: Option<&WorkerId>,
        now: Now,
    ) -> impl Iterator<Item = Candidate<'a>> {
        let guild = session.guild();
        self.workers.iter().map(move |(id, worker)| {
            let alive = self.is_heard(worker, now.monotonic);
            let unknown =
                worker.last_heard < self.unknown_since && now.monotonic < self.unknown_until;
            let here = session.placed_on(id) == Some(&worker.incarnation);
            let is_here = usize::from(here);
            Candidate {
                worker: id,
                standing: match (alive, unknown) {
                    (true, _) if worker.draining => Standing::Draining,
                    (true, _) => Standing::Ready,
                    (false, true) => Standing::Unknown,
                    (false, false) => Standing::Suspect,
                },
                total_millicores: worker.total_millicores.max(worker.free_millicores),
                free_millicores: worker.room(here.then_some(&session.record.id)),
                sessions: worker.held.len() - is_here,
                of_guild: worker.held.of_guild(guild) - is_here,
                failed_lately: session.failed_lately(id, now.monotonic),
                kept: kept == Some(id),
                go_live: worker.go_live,
            }
        })
    }

    /// A worker gives the session back: others are asked.
    pub(crate) fn lease_declined(
        &mut self,
        by: &Lease,
        id: &SessionId,
        plan: Option<KnownPlan>,
        now: Now,
        step: &mut Step,
    ) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let next = session
            .record
            .handover
            .as_ref()
            .map(|handover| &handover.to);
        if next == Some(by) {
            self.decline(id, by.worker.clone(), now);
            self.cancel_handover(id, "declined", now, step);
            return;
        }
        if session.record.lease.as_ref() != Some(by) {
            return;
        }
        session.record.position_ms = session.position_at(now.monotonic);
        if session.record.desired.current.is_some() && plan.is_some() {
            session.record.desired.plan = plan;
        }
        // It may have had a permit; giving the lease back, it gave up that, too.
        session.permitted_until = Millis::default();
        step.event(
            id,
            "lease_declined",
            &By::worker(&by.worker, Cause::NoRoom),
            serde_json::json!({ "worker": by.worker.as_str(), "needMillicores": session.need() }),
        );
        self.decline(id, by.worker.clone(), now);
        self.revoke(id, step);
        if let Some(session) = self.sessions.get_mut(id) {
            session.save(false, step);
        }
        self.orphaned(id);
    }

    /// The worker is not asked again for a while; then whoever waits is tried anew.
    pub(crate) fn decline(&mut self, id: &SessionId, worker: WorkerId, now: Now) {
        let until = now.monotonic.after(DECLINED_FOR_MS);
        if let Some(session) = self.sessions.get_mut(id) {
            session
                .declined
                .retain(|(who, until)| *who != worker && *until > now.monotonic);
            session.declined.push((worker, until));
        }
        self.timers.at(until, Timer::TryLine);
    }

    /// What the session takes, as well as it is known.
    pub(crate) fn need(&self, id: &SessionId) -> u32 {
        self.sessions.get(id).map_or(0, Session::need)
    }
}

impl Session {
    pub(crate) fn need(&self) -> u32 {
        let desired = &self.record.desired;
        let known = desired.plan.as_ref().map(|plan| plan.cost_millicores);
        cost::need(desired.current.as_ref(), known, desired.go_live)
    }

    /// The worker has the session's item in its own account: its report is past loading, or states a cost.
    pub(crate) fn is_accounted_by(&self, worker: &WorkerId) -> bool {
        if !self.is_leased_to(worker) {
            return matches!(self.next_report, Some((_, Some(_))));
        }
        match (&self.record.desired.current, self.observed_current()) {
            (None, _) => self.observed.is_some(),
            _ if self.plan_reported().is_some() => true,
            (Some(_), observed) => {
                observed.is_some_and(|observed| observed.playback != crate::PlaybackState::Loading)
            }
        }
    }

    /// What the holder found out about the current item.
    pub(crate) fn plan_reported(&self) -> Option<&KnownPlan> {
        let desired = &self.record.desired;
        let observed = self.observed.as_ref()?;
        let newest = observed.opened_at.max(self.reached(observed));
        let about_current = newest >= desired.current_set_at
            && (desired.current.as_ref()).is_some_and(|item| observed.is_about(item));
        observed.known_plan.as_ref().filter(|_| about_current)
    }

    /// Its need is a guess: nobody has looked at the title yet.
    pub(crate) fn is_unprobed(&self) -> bool {
        let desired = &self.record.desired;
        desired.current.is_some() && desired.plan.is_none()
    }
}
