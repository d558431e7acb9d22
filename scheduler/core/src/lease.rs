//! Leases: which worker process carries out which session, granted and taken back.

use serde::{Deserialize, Serialize};

use crate::cause::By;
use crate::worker::Need;
use crate::{
    Effect, Epoch, Explanation, FencingToken, Generation, Grant, Incarnation, Now, Scheduler,
    Session, SessionId, Step, WorkerId,
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

impl Lease {
    /// Whether it is that life of that worker.
    pub(crate) fn is_of(&self, worker: &WorkerId, incarnation: &Incarnation) -> bool {
        &self.worker == worker && &self.incarnation == incarnation
    }
}

impl Scheduler {
    /// Leases the session to the worker that placement chooses, under the next token. False when
    /// nobody has room, or when an earlier holder may still open a voice connection.
    pub(crate) fn grant(
        &mut self,
        id: &SessionId,
        kept: Option<&WorkerId>,
        now: Now,
        step: &mut Step,
    ) -> bool {
        if self.must_wait_for_permit(id, now.monotonic) {
            return false;
        }
        let Some(session) = self.sessions.get(id) else {
            return false;
        };
        let decision = self.decide(session, session.need(), kept, now);
        let Some(worker) = decision.worker().cloned() else {
            return false;
        };
        let explanation = decision.explain();
        if self.end_crash_loop(id, now, step) {
            if !self.is_unserved(id, now) {
                // It was the last of its queue, and the party leaves.
                self.leave_line(id);
                return true;
            }
            // The party without the item needs less or more, and may fit better elsewhere.
            return self.grant(id, kept, now, step);
        }
        self.note_loss(id, now);
        self.grant_to(id, &worker, explanation, now, step);
        true
    }

    /// The same, for a choice that was made already.
    pub(crate) fn grant_to(
        &mut self,
        id: &SessionId,
        worker: &WorkerId,
        explanation: Explanation,
        now: Now,
        step: &mut Step,
    ) {
        let Some(incarnation) = self.workers.get(worker).map(|w| w.incarnation.clone()) else {
            return;
        };
        let epoch = self.epoch;
        self.drop_handover(id, step);
        let lease = self.sessions.get(id).and_then(|s| s.record.lease.as_ref());
        let cause = self.grant_cause(lease, now);
        let taken_over = self.drop_lease(id);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let position = session.position_at(now.monotonic);
        let token = session.record.last_token.next();
        session.record.last_token = token;
        session.observed = None;
        session.record.last_worker = Some(worker.clone());
        session.record.lease = Some(Lease {
            worker: worker.clone(),
            incarnation,
            token,
        });
        if session.record.desired.current.is_some() {
            session.anchor_at(position, now);
        }
        step.event(
            id,
            "lease_granted",
            &By::scheduler(cause.of_event()),
            serde_json::json!({
                "worker": worker.as_str(),
                "token": token.get(),
                "from": taken_over.as_ref().map(|lease| lease.worker.as_str()),
                "positionMs": position,
                "placement": &explanation,
            }),
        );
        session.save(true, step);
        step.effects.push(Effect::Granted {
            session: id.clone(),
            grant: Box::new(Grant {
                worker: worker.clone(),
                token,
                from: taken_over.as_ref().map(|lease| lease.worker.clone()),
                cause,
                position_ms: position,
            }),
            trace: session.trace(),
        });
        step.effects.push(Effect::Placed {
            session: id.clone(),
            explanation: Box::new(explanation),
            trace: session.trace(),
        });
        // The old holder first: the sooner it is silent, the less is heard twice.
        if let Some(lease) = taken_over {
            step.effects.push(session.revoke_effect(epoch, lease));
        }
        step.effects.extend(session.lease_effect(epoch));
        self.account_for(id, worker);
        self.leave_line(id);
    }

    /// Ends the lease: the worker is told to forget the session.
    pub(crate) fn revoke(&mut self, id: &SessionId, step: &mut Step) {
        let epoch = self.epoch;
        self.drop_handover(id, step);
        let Some(lease) = self.drop_lease(id) else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(id) {
            session.observed = None;
            step.effects.push(session.revoke_effect(epoch, lease));
        }
    }

    /// Takes the lease out of the record, and the session out of its worker's account.
    pub(crate) fn drop_lease(&mut self, id: &SessionId) -> Option<Lease> {
        let session = self.sessions.get_mut(id)?;
        let lease = session.record.lease.take()?;
        self.no_longer_on(id, &lease);
        Some(lease)
    }

    /// The worker of that lease need not keep room for the session any more.
    pub(crate) fn no_longer_on(&mut self, id: &SessionId, lease: &Lease) {
        if let Some(held) = self.held_by(&lease.worker, &lease.incarnation) {
            self.room_appeared |= held.remove(id);
        }
        let life = (lease.worker.clone(), lease.incarnation.clone());
        if let Some(absent) = self.absent.get_mut(&life) {
            absent.remove(id);
            if absent.is_empty() {
                self.absent.remove(&life);
            }
        }
        self.forget_worker_if_gone(&lease.worker);
    }

    /// Counts the session, as it is now, among what its worker holds.
    pub(crate) fn account_for(&mut self, id: &SessionId, worker: &WorkerId) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let guild = session.guild();
        let need = Need {
            millicores: session.need(),
            seen: session.is_accounted_by(worker),
            guessed: session.is_unprobed(),
        };
        let Some(incarnation) = session.placed_on(worker).cloned() else {
            return;
        };
        if let Some(held) = self.held_by(worker, &incarnation) {
            if held.contains(id) {
                let was_guessed = held.is_guessed(id);
                let lighter = held.update(id, need);
                // A play that only guesses have no room for may be told the truth now, be it that there is none.
                let settled = was_guessed && !need.guessed && !self.undecided.is_empty();
                self.room_appeared |= lighter || settled;
            } else {
                held.put(id.clone(), guild, need);
            }
        }
    }

    /// The same for whoever holds it, and whoever will.
    pub(crate) fn account_anew(&mut self, id: &SessionId) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let next = session
            .record
            .handover
            .as_ref()
            .map(|handover| &handover.to);
        let leases = session.record.lease.iter().chain(next);
        let workers: Vec<WorkerId> = leases.map(|lease| lease.worker.clone()).collect();
        for worker in workers {
            self.account_for(id, &worker);
        }
    }
}

impl Session {
    /// Whether that worker, in whatever life, holds the lease.
    pub(crate) fn is_leased_to(&self, worker: &WorkerId) -> bool {
        let lease = self.record.lease.as_ref();
        lease.is_some_and(|lease| &lease.worker == worker)
    }

    /// Which life of the worker the session is placed on, if any.
    pub(crate) fn placed_on(&self, worker: &WorkerId) -> Option<&Incarnation> {
        let next = self.record.handover.as_ref().map(|handover| &handover.to);
        let mut leases = self.record.lease.iter().chain(next);
        leases
            .find(|lease| &lease.worker == worker)
            .map(|lease| &lease.incarnation)
    }

    /// Takes a lease back: newer than anything that its holder was told.
    pub(crate) fn revoke_effect(&self, epoch: Epoch, lease: Lease) -> Effect {
        Effect::SendRevoke {
            worker: lease.worker,
            incarnation: lease.incarnation,
            session: self.record.id.clone(),
            fence: self.revoke_fence(epoch),
        }
    }

    /// Newer than anything that anybody but the holder was told, and than what the holder was told so far.
    pub(crate) fn revoke_fence(&self, epoch: Epoch) -> Fence {
        Fence {
            token: self.record.last_token,
            epoch,
            generation: self.record.desired.generation.next(),
        }
    }
}
