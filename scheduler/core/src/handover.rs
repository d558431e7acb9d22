//! A planned change of worker, without a gap that anybody notices.
//!
//! ```text
//!   holder A (token n)            leader                     next B (token n+1)
//!        │ plays                    │── warm up from T ─────────▶│ opens the source at T, runs the
//!        │                          │◀────────────── warm ───────│ encoder, joins no voice
//!        │◀──── stop at T' ≥ T ─────│                            │
//!        │ last frame before T'     │                            │
//!        │── stopped, at P ────────▶│── holds, from P, voice ───▶│ joins, first frame at P
//!        │◀──────── revoke ─────────│                            │
//! ```
//!
//! The whole of it is a [`Handover`] in the durable record, told to both as part of their leases, so
//! a lost word, a re-attach and a new leader need nothing special. B's token is newer than A's from the
//! start: when A is lost, B is promoted; when B is lost, A goes on. Neither ever needs the other.

use serde::{Deserialize, Serialize};

use crate::cause::{By, Cause};
use crate::timers::Timer;
use crate::{
    Anchor, Effect, Epoch, Explanation, Fence, Generation, Grant, GrantCause, Lease, Now,
    PlaybackState, Scheduler, Session, SessionId, Step, WorkerId,
};

/// The next worker opens the source so far ahead of where playback is: longer than most sources take
/// to open, so that the holder rarely has to be asked to play past what was asked for first.
const WARM_UP_LEAD_MS: u64 = 1_500;

/// The holder hears so early that it has to stop: a commit, a network, and what it has handed to the
/// pacer already.
const STOP_LEAD_MS: u64 = 300;

/// What the next worker has made ahead of T by the time it is warm, and skips when the holder stops
/// later. Below the few seconds that every encoder runs ahead.
const WARM_COVERS_MS: u64 = 3_000;

/// An item that ends so soon is not worth a hand-over: what follows is moved when it has ended.
const LET_END_MS: u64 = WARM_UP_LEAD_MS + WARM_COVERS_MS;

/// A worker that is not warm by then has trouble with the source; another one is tried.
const WARM_UP_WAIT_MS: u64 = 10_000;

/// So long after it should have stopped, the holder is not waited for any more: it is displaced.
const STOP_WAIT_MS: u64 = 2_000;

/// A planned change of worker that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// The next holder, under a token of its own, newer than the holder's.
    pub to: Lease,
    /// Media time from which the next holder has frames ready.
    pub opens_at_ms: u64,
    /// How far it is.
    pub phase: HandoverPhase,
    /// Reports that have not carried out this generation are about something older.
    pub set_at: Generation,
}

/// How far a hand-over is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoverPhase {
    /// The next holder opens the source; the holder plays on and knows nothing.
    WarmingUp,
    /// The holder plays up to there and says where it really stopped.
    Stopping {
        /// Media time of the first frame that it does not send.
        at_ms: u64,
    },
}

/// What a worker is to do with the desired record that it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Carry it out.
    Holds,
    /// Carry it out up to a media time, send no frame from there on, open no voice connection any
    /// more, and report [`HandoverReport::Stopped`]. A newer word with [`Role::Holds`] takes it back:
    /// then go on from there.
    HoldsUntil {
        /// Media time of the first frame that is not sent.
        position_ms: u64,
    },
    /// Open the source at the anchor and run the encoder, send nothing, join no voice; report
    /// [`HandoverReport::Warm`]. [`Role::Holds`] under the same token follows, with an anchor at
    /// or after this one: frames before it are skipped.
    WarmsUp,
}

/// A worker's word about a hand-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoverReport {
    /// Of the next one: frames from the anchor on are ready.
    Warm,
    /// Of the holder: it sends nothing any more.
    Stopped {
        /// Media time of the first frame that it did not send.
        position_ms: u64,
    },
}

impl Scheduler {
    /// Warms up the next worker, if one has room.
    pub(crate) fn start_handover(&mut self, id: &SessionId, now: Now, step: &mut Step) -> bool {
        let Some(session) = self.sessions.get(id) else {
            return false;
        };
        let kept = self.kept_worker(now);
        let decision = self.decide(session, session.need(), kept.as_ref(), now);
        let Some(worker) = decision.worker().cloned() else {
            return false;
        };
        let explanation = decision.explain();
        let Some(incarnation) = self.workers.get(&worker).map(|w| w.incarnation.clone()) else {
            return false;
        };
        let epoch = self.epoch;
        let Some(session) = self.sessions.get_mut(id) else {
            return false;
        };
        let token = session.record.last_token.next();
        session.record.last_token = token;
        let to = Lease {
            worker: worker.clone(),
            incarnation,
            token,
        };
        session.warm_up(to, now);
        step.event(
            id,
            "handover_started",
            &By::scheduler(Cause::Drain),
            serde_json::json!({
                "from": session.record.lease.as_ref().map(|lease| lease.worker.as_str()),
                "to": worker.as_str(),
                "token": token.get(),
                "placement": &explanation,
            }),
        );
        session.save(true, step);
        step.effects.push(Effect::Granted {
            session: id.clone(),
            grant: Box::new(Grant {
                worker: worker.clone(),
                token,
                from: session.record.last_worker.clone(),
                cause: GrantCause::HandedOver,
                position_ms: session.position_at(now.monotonic),
            }),
            trace: session.trace(),
        });
        step.effects.push(Effect::Placed {
            session: id.clone(),
            explanation: Box::<Explanation>::new(explanation),
            trace: session.trace(),
        });
        step.effects.extend(session.next_lease_effect(epoch));
        self.wait_for_handover(id, WARM_UP_WAIT_MS, now);
        self.account_for(id, &worker);
        true
    }

    /// Bounds the present phase. After a start the bound of the last leader is unknown, and begins anew.
    pub(crate) fn wait_for_handover(&mut self, id: &SessionId, wait_ms: u64, now: Now) {
        let deadline = now.monotonic.after(wait_ms);
        if let Some(session) = self.sessions.get_mut(id) {
            session.handover_deadline = deadline;
            self.timers.at(deadline, Timer::Handover(id.clone()));
        }
    }

    /// The same for a hand-over that an earlier leader began.
    pub(crate) fn resume_handover(&mut self, id: &SessionId, now: Now) {
        let wait_ms = self.timing.reattach_grace_ms + WARM_UP_WAIT_MS;
        self.wait_for_handover(id, wait_ms, now);
    }

    /// Looks at everything that is known of a hand-over and takes the step that is due, if one is.
    pub(crate) fn advance_handover(&mut self, id: &SessionId, now: Now, step: &mut Step) {
        self.judge_arrival(id, now);
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let (Some(from), Some(handover)) = (&session.record.lease, &session.record.handover) else {
            return;
        };
        let overdue = session.handover_deadline <= now.monotonic;
        let next_alive =
            self.is_alive(&handover.to.worker, &handover.to.incarnation, now.monotonic);
        let next_lost = self.is_lost(&handover.to, now.monotonic);
        if self.is_lost(from, now.monotonic) {
            if next_alive {
                self.displace(id, now, step);
            } else if next_lost {
                self.cancel_handover(id, "both_lost", now, step);
                self.orphaned(id);
            }
            return;
        }
        if next_lost {
            self.cancel_handover(id, "next_lost", now, step);
            return;
        }
        match handover.phase {
            HandoverPhase::WarmingUp if self.is_draining(&handover.to.worker) => {
                self.cancel_handover(id, "next_drains", now, step);
            }
            HandoverPhase::WarmingUp if session.is_next_warm() => self.stop_holder(id, now, step),
            HandoverPhase::WarmingUp if overdue => {
                let worker = handover.to.worker.clone();
                self.decline(id, worker, now);
                self.cancel_handover(id, "not_warm_in_time", now, step);
            }
            HandoverPhase::Stopping { .. } => {
                // One that is unknown is waited for: it comes back, or is lost.
                match session.stopped_at() {
                    Some(position_ms) if next_alive => {
                        self.promote(id, Some(position_ms), now, step);
                    }
                    None if overdue && next_alive => self.displace(id, now, step),
                    _ => {}
                }
            }
            HandoverPhase::WarmingUp => {}
        }
    }

    /// The holder said nothing: the next one goes on, once no permit of the holder's is in use any more.
    fn displace(&mut self, id: &SessionId, now: Now, step: &mut Step) {
        let permitted_until = self.sessions.get(id).map(|s| s.permitted_until);
        match permitted_until {
            Some(until) if now.monotonic < until => {
                self.timers.at(until, Timer::Handover(id.clone()));
            }
            _ => self.promote(id, None, now, step),
        }
    }

    /// The next one is warm: the holder learns where to stop.
    fn stop_holder(&mut self, id: &SessionId, now: Now, step: &mut Step) {
        let epoch = self.epoch;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let position = session.position_at(now.monotonic);
        let advances = session.playback() == PlaybackState::Playing;
        let lead = if advances { STOP_LEAD_MS } else { 0 };
        let Some(mut handover) = session.record.handover.clone() else {
            return;
        };
        let at_ms = handover.opens_at_ms.max(position + lead);
        if at_ms > handover.opens_at_ms + WARM_COVERS_MS {
            // It took so long that what is warm is the past.
            session.warm_up(handover.to, now);
            session.save(true, step);
            step.effects.extend(session.next_lease_effect(epoch));
            return;
        }
        session.change(now, |_, generation| {
            handover.phase = HandoverPhase::Stopping { at_ms };
            handover.set_at = generation;
        });
        session.record.handover = Some(handover);
        session.save(true, step);
        step.effects.extend(session.lease_effect(epoch));
        let wait_ms = at_ms.saturating_sub(position) + STOP_WAIT_MS;
        self.wait_for_handover(id, wait_ms, now);
    }

    /// The next one holds from here on: from where the holder stopped, or, when it cannot say, from the
    /// last position known.
    fn promote(&mut self, id: &SessionId, stopped_at_ms: Option<u64>, now: Now, step: &mut Step) {
        let epoch = self.epoch;
        let lease = self.sessions.get(id).and_then(|s| s.record.lease.as_ref());
        let cause = self.grant_cause(lease, now);
        let Some(from) = self.drop_lease(id) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(handover) = session.record.handover.take() else {
            return;
        };
        let position = stopped_at_ms.unwrap_or_else(|| session.position_at(now.monotonic));
        let worker = handover.to.worker.clone();
        let token = handover.to.token;
        step.event(
            id,
            "handed_over",
            &By::scheduler(match cause {
                GrantCause::TakenOver { .. } => Cause::WorkerLost,
                GrantCause::Placed | GrantCause::HandedOver => Cause::Drain,
            }),
            serde_json::json!({
                "from": from.worker.as_str(),
                "to": worker.as_str(),
                "token": token.get(),
                "positionMs": position,
                "confirmed": stopped_at_ms.is_some(),
            }),
        );
        session.record.last_worker = Some(worker.clone());
        session.record.lease = Some(handover.to);
        session.observed = None;
        session.next_report = None;
        // Who confirmed that it stopped opens no voice connection any more.
        session.permitted_until = now.monotonic;
        session.anchor_at(position, now);
        session.save(true, step);
        if matches!(cause, GrantCause::TakenOver { .. }) {
            // What was planned as a hand-over has become more than that.
            step.effects.push(Effect::Granted {
                session: id.clone(),
                grant: Box::new(Grant {
                    worker,
                    token,
                    from: Some(from.worker.clone()),
                    cause,
                    position_ms: position,
                }),
                trace: session.trace(),
            });
        }
        let old = from.worker.clone();
        step.effects.push(session.revoke_effect(epoch, from));
        step.effects.extend(session.lease_effect(epoch));
        self.leave_line(id);
        self.arrives(id, old, now);
        self.drain_due = true;
    }

    /// The holder goes on as if nothing had been planned.
    pub(crate) fn cancel_handover(
        &mut self,
        id: &SessionId,
        why: &'static str,
        now: Now,
        step: &mut Step,
    ) {
        let epoch = self.epoch;
        let Some(phase) = self.drop_handover(id, step) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let by = By::scheduler(Cause::Drain);
        let payload = serde_json::json!({ "why": why });
        step.event(id, "handover_cancelled", &by, payload);
        if matches!(phase, HandoverPhase::Stopping { .. }) {
            // The holder has been told to stop, and may have done it: it hears that it goes on.
            session.change(now, |_, _| {});
            step.effects.extend(session.lease_effect(epoch));
        }
        session.save(true, step);
        self.drain_due = true;
    }

    /// Takes the next holder out of the record and tells it to forget the session.
    pub(crate) fn drop_handover(
        &mut self,
        id: &SessionId,
        step: &mut Step,
    ) -> Option<HandoverPhase> {
        let epoch = self.epoch;
        let session = self.sessions.get_mut(id)?;
        let handover = session.record.handover.take()?;
        session.next_report = None;
        step.effects
            .push(session.revoke_effect(epoch, handover.to.clone()));
        self.no_longer_on(id, &handover.to);
        Some(handover.phase)
    }
}

impl Session {
    /// Plans to go on at `to`, a little ahead of where playback is.
    fn warm_up(&mut self, to: Lease, now: Now) {
        let position = self.position_at(now.monotonic);
        let advances = self.playback() == PlaybackState::Playing;
        let opens_at_ms = position + if advances { WARM_UP_LEAD_MS } else { 0 };
        self.next_report = None;
        self.change(now, |_, _| {});
        self.record.handover = Some(Handover {
            to,
            opens_at_ms,
            phase: HandoverPhase::WarmingUp,
            set_at: self.record.desired.generation,
        });
    }

    /// Whether the item ends before a hand-over would be done.
    pub(crate) fn ends_soon(&self, now: Now) -> bool {
        let position = self.position_at(now.monotonic);
        self.playback() == PlaybackState::Playing
            && self
                .record
                .duration_ms
                .is_some_and(|duration| position + LET_END_MS >= duration)
    }

    fn is_next_warm(&self) -> bool {
        self.record.handover.as_ref().is_some_and(|handover| {
            self.next_report.is_some_and(|(fence, report)| {
                fence.generation >= handover.set_at && report == Some(HandoverReport::Warm)
            })
        })
    }

    /// Where the holder stopped, once it says so.
    fn stopped_at(&self) -> Option<u64> {
        let handover = self.record.handover.as_ref()?;
        let observed = self.observed.as_ref()?;
        match observed.handover {
            Some(HandoverReport::Stopped { position_ms })
                if observed.fence.generation >= handover.set_at =>
            {
                Some(position_ms)
            }
            _ => None,
        }
    }

    /// What the lease holder is to do.
    pub(crate) fn holders_role(&self) -> Role {
        match self.record.handover.as_ref().map(|handover| handover.phase) {
            Some(HandoverPhase::Stopping { at_ms }) => Role::HoldsUntil { position_ms: at_ms },
            Some(HandoverPhase::WarmingUp) | None => Role::Holds,
        }
    }

    /// The desired record for the next holder: from where it will go on, and without voice.
    pub(crate) fn next_lease_effect(&self, epoch: Epoch) -> Option<Effect> {
        let handover = self.record.handover.as_ref()?;
        let mut desired = self.record.desired.clone();
        desired.anchor = Anchor {
            position_ms: handover.opens_at_ms,
            set_at: handover.set_at,
        };
        Some(Effect::SendLease {
            worker: handover.to.worker.clone(),
            incarnation: handover.to.incarnation.clone(),
            session: self.record.id.clone(),
            fence: Fence {
                token: handover.to.token,
                epoch,
                generation: self.record.desired.generation,
            },
            desired: Box::new(desired),
            voice: None,
            role: Role::WarmsUp,
        })
    }

    /// The newest word for that worker, as holder or as next one.
    pub(crate) fn words_for(&self, worker: &WorkerId, epoch: Epoch) -> Option<Effect> {
        if self.is_leased_to(worker) {
            self.lease_effect(epoch)
        } else {
            self.next_lease_effect(epoch)
        }
    }
}
