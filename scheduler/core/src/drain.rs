//! A worker that is about to go gets nothing new, and hands over what it has, a few at once.

use crate::{Effect, Incarnation, Now, Scheduler, SessionId, Step, WorkerId};

/// Sessions that a draining worker hands over at once, until they are heard from elsewhere. Each opens a source and starts an encoder
/// somewhere: more of them would make the parties there stutter.
pub const HANDOVERS_AT_ONCE: usize = 4;

/// Who wants a worker to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrainCause {
    /// The worker itself (SIGTERM): this life of it.
    Worker(Incarnation),
    /// A person: whatever life is attached. The worker is told, and says so itself from then on.
    Operator,
}

impl Scheduler {
    pub(crate) fn drain(&mut self, id: &WorkerId, cause: &DrainCause, step: &mut Step) {
        let Some(worker) = self.workers.get_mut(id) else {
            return;
        };
        match cause {
            DrainCause::Worker(incarnation) if *incarnation != worker.incarnation => return,
            DrainCause::Worker(_) => {}
            DrainCause::Operator => step.effects.push(Effect::StartDrain {
                worker: id.clone(),
                incarnation: worker.incarnation.clone(),
            }),
        }
        worker.draining = true;
        self.draining.insert(id.clone());
        // What it was only being warmed up for goes elsewhere.
        let held = worker.held.ids();
        self.handovers_due.extend(held);
        self.drain_due = true;
    }

    pub(crate) fn is_draining(&self, id: &WorkerId) -> bool {
        self.workers.get(id).is_some_and(|worker| worker.draining)
    }

    /// Goes on with every drain: starts what may start, and tells who has nothing left.
    pub(crate) fn continue_drains(&mut self, now: Now, step: &mut Step) {
        self.draining
            .retain(|id| self.workers.get(id).is_some_and(|worker| worker.draining));
        for id in self.draining.clone() {
            let life = self.workers.get(&id).map(|worker| &worker.incarnation);
            if !life.is_some_and(|life| self.is_alive(&id, life, now.monotonic)) {
                continue;
            }
            self.move_away(&id, now, step);
            if let Some(worker) = self.workers.get_mut(&id)
                && worker.held.is_empty()
                && !std::mem::replace(&mut worker.told_drained, true)
            {
                step.effects.push(Effect::Drained {
                    worker: id.clone(),
                    incarnation: worker.incarnation.clone(),
                });
            }
        }
    }

    fn move_away(&mut self, id: &WorkerId, now: Now, step: &mut Step) {
        let held = self.workers.get(id).map(|worker| worker.held.ids());
        let mine: Vec<SessionId> = held
            .unwrap_or_default()
            .into_iter()
            .filter(|session| {
                let session = self.sessions.get(session);
                session.is_some_and(|session| {
                    session.is_leased_to(id) && session.record.desired.in_channel
                })
            })
            .collect();
        let is_moving = |scheduler: &Self, session: &SessionId| {
            let session = scheduler.sessions.get(session);
            session.is_some_and(|session| session.record.handover.is_some())
        };
        let moving = mine.iter().filter(|s| is_moving(self, s)).count();
        let mut under_way = moving + self.arriving_from(id);
        for session in &mine {
            let Some(state) = self.sessions.get(session) else {
                continue;
            };
            if state.record.handover.is_some() || state.ends_soon(now) {
                continue;
            }
            if state.record.desired.current.is_none() {
                // Nobody hears the difference.
                self.grant(session, None, now, step);
            } else if under_way < HANDOVERS_AT_ONCE && self.start_handover(session, now, step) {
                under_way += 1;
            }
        }
    }
}
