//! The waiting line: sessions that nobody carries out, in order.
//!
//! A party whose worker is lost and for whom nobody has room waits here and is placed as soon as room
//! appears: those that play before those that do not, and among them who has waited longest. One that
//! fits nowhere does not hold up smaller ones behind it; but the worker where it would fit soonest is
//! kept for it, so that smaller ones cannot starve it.

use crate::{Lease, Now, Scheduler, SessionId, Step, WorkerId, cost};

/// Smaller is served first: parties with an item, then by arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    idle: bool,
    arrival: u64,
}

impl Scheduler {
    /// Nobody carries the session out any more: it waits for a worker, if it needs one.
    pub(crate) fn orphaned(&mut self, id: &SessionId) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if session.record.handover.is_some() {
            // The next worker is chosen already, or the holder goes on.
            self.handovers_due.insert(id.clone());
            return;
        }
        if !session.record.desired.in_channel || session.place_in_line.is_some() {
            return;
        }
        self.arrivals += 1;
        let place = Place {
            idle: session.record.desired.current.is_none(),
            arrival: self.arrivals,
        };
        session.place_in_line = Some(place);
        self.line.insert(place, id.clone());
        self.room_appeared = true;
    }

    pub(crate) fn leave_line(&mut self, id: &SessionId) {
        if let Some(session) = self.sessions.get_mut(id)
            && let Some(place) = session.place_in_line.take()
        {
            self.line.remove(&place);
        }
    }

    /// The worker is back before anybody else had room: what it holds needs nobody else.
    pub(crate) fn leave_line_with(&mut self, worker: &WorkerId) {
        let held = self.workers.get(worker).map(|worker| worker.held.ids());
        for session in held.unwrap_or_default() {
            let is_its_own = self
                .sessions
                .get(&session)
                .is_some_and(|session| session.is_leased_to(worker));
            if is_its_own {
                self.leave_line(&session);
            }
        }
    }

    /// Places whoever fits, in order. Called when room may have appeared.
    pub(crate) fn serve_line(&mut self, now: Now, step: &mut Step) {
        let mut kept = None;
        // Room that nobody has more of; looked up once somebody found none, for that is a look at every worker.
        let mut most = u32::MAX;
        let waiting: Vec<SessionId> = self.line.values().cloned().collect();
        for id in waiting {
            if most < cost::IDLE {
                // Not even a party in which nothing plays fits anywhere.
                break;
            }
            if !self.is_unserved(&id, now) {
                self.leave_line(&id);
                continue;
            }
            let need = self.need(&id);
            if need <= most && self.grant(&id, kept.as_ref(), now, step) {
                continue;
            }
            let keeps = kept.is_none();
            if keeps {
                kept = self.worker_to_keep(&id, now);
            }
            if most == u32::MAX || (keeps && kept.is_some()) {
                most = self.most_room(kept.as_ref(), now);
            }
        }
    }

    /// Whose room nobody but the head of the line may have.
    pub(crate) fn kept_worker(&self, now: Now) -> Option<WorkerId> {
        // Parties that play come first.
        let playing = self.line.iter().take_while(|(place, _)| !place.idle);
        playing
            .map(|(_, id)| id)
            .find_map(|id| self.worker_to_keep(id, now))
    }

    /// Where a party that plays, and fits nowhere now, would fit soonest; none when it never will.
    fn worker_to_keep(&self, id: &SessionId, now: Now) -> Option<WorkerId> {
        let session = self.sessions.get(id)?;
        session.record.desired.current.as_ref()?;
        let need = self.need(id);
        self.candidates(session, None, now)
            .filter(|candidate| candidate.standing == crate::Standing::Ready)
            .filter(|candidate| candidate.go_live || !session.record.desired.go_live)
            .filter(|candidate| !candidate.failed_lately && candidate.total_millicores >= need)
            .max_by_key(|candidate| {
                let id = std::cmp::Reverse(candidate.worker);
                (candidate.free_millicores, id)
            })
            .map(|candidate| candidate.worker.clone())
    }

    /// Needs a worker and has none, or one that is lost.
    pub(crate) fn is_unserved(&self, id: &SessionId, now: Now) -> bool {
        let lost = |lease: &Lease| self.is_lost(lease, now.monotonic);
        self.sessions.get(id).is_some_and(|session| {
            session.record.desired.in_channel && session.record.lease.as_ref().is_none_or(lost)
        })
    }

    /// The largest room that any worker has.
    fn most_room(&self, kept: Option<&WorkerId>, now: Now) -> u32 {
        self.workers
            .iter()
            .filter(|(id, worker)| {
                Some(*id) != kept
                    && !worker.draining
                    && self.is_alive(id, &worker.incarnation, now.monotonic)
            })
            .map(|(_, worker)| worker.room(None))
            .max()
            .unwrap_or_default()
    }
}
