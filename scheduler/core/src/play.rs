//! What plays by somebody's word: a new item, the caller's own entry, one that waits, or the one before.
//!
//! It takes the place of what plays at once; where nobody has room for it, the call is refused and what plays goes on.

use crate::admission::Admission;
use crate::advance::Begins;
use crate::cause::By;
use crate::{
    Action, Call, EndReason, EntryId, Generation, Item, Now, Refusal, Scheduler, Session,
    SessionId, Step, cost,
};

/// What is to play.
#[derive(Debug)]
pub(crate) enum Turn {
    /// A new entry.
    New(Box<Item>),
    /// An entry that the caller knows by its own id, and that is in the queue already.
    Again(Box<Item>),
    /// One that waits.
    Waiting(EntryId),
    /// What ended last.
    Previous,
}

impl Scheduler {
    pub(crate) fn play(
        &mut self,
        call: &Call,
        item: &Item,
        last_try: bool,
        now: Now,
        step: &mut Step,
    ) -> Result<Generation, Refusal> {
        let Some(session) = self.sessions.get(&call.session) else {
            return Err(Refusal::not_found(&call.session));
        };
        check_item("item", item)?;
        let is_same = |playing: &Item| {
            playing.external_id.is_some()
                && playing.external_id == item.external_id
                && playing.item_id == item.item_id
        };
        let desired = &session.record.desired;
        if desired.current.as_ref().is_some_and(is_same) {
            return Ok(desired.current_set_at);
        }
        let mut item = Box::new(item.clone());
        let known = item.external_id.and_then(|id| session.queue.external(id));
        let turn = match known {
            Some(entry) => {
                item.entry = entry;
                Turn::Again(item)
            }
            None => Turn::New(item),
        };
        self.take_turn(call, turn, last_try, now, step)
    }

    /// Plays it in place of what plays, if somebody has room for it.
    pub(crate) fn take_turn(
        &mut self,
        call: &Call,
        turn: Turn,
        last_try: bool,
        now: Now,
        step: &mut Step,
    ) -> Result<Generation, Refusal> {
        let id = &call.session;
        let Some(session) = self.sessions.get(id) else {
            return Err(Refusal::not_found(id));
        };
        let need = session.need_of(&turn).unwrap_or_default();
        let admission = match self.admit(id, need, last_try, now) {
            Ok(admission) => admission,
            Err(refused) => return Err(refused.explain(call, step)),
        };
        self.enter_channel(id, now, step)?;
        self.drop_handover(id, step);
        let admission = self.let_go(id, admission, now, step);
        let alive = self.lease_alive(id, now.monotonic);
        let Some(session) = self.sessions.get_mut(id) else {
            return Err(Refusal::not_found(id));
        };
        session.record.desired.trace.clone_from(&call.trace);
        session.turn_to(turn, &By::caller(&call.actor), now, step);
        let generation = session.record.desired.generation;
        session.save(alive, step);
        self.carry(id, admission, now, step);
        Ok(generation)
    }

    /// Before the session's item changes: takes it from its worker, if it goes elsewhere in a way that takes time.
    pub(crate) fn let_go(
        &mut self,
        id: &SessionId,
        admission: Admission,
        now: Now,
        step: &mut Step,
    ) -> Admission {
        match admission {
            // The holder may have been told just now that it may open a voice connection: until that is over
            // the session waits, and then goes to whoever has room.
            Admission::Goes(..) if self.must_wait_for_permit(id, now.monotonic) => {
                self.revoke(id, step);
                Admission::Waits
            }
            Admission::Waits if self.lease_alive(id, now.monotonic) => {
                self.revoke(id, step);
                Admission::Waits
            }
            other => other,
        }
    }

    /// The session's item has changed: it is told to its worker, or gets another one.
    pub(crate) fn carry(
        &mut self,
        id: &SessionId,
        admission: Admission,
        now: Now,
        step: &mut Step,
    ) {
        match admission {
            Admission::Stays => {
                let session = self.sessions.get(id);
                step.effects
                    .extend(session.and_then(|session| session.lease_effect(self.epoch)));
                self.account_anew(id);
            }
            Admission::Waits => {
                // Whatever place it had was one of a session in which nothing played.
                self.leave_line(id);
                self.orphaned(id);
            }
            Admission::Goes(worker, explanation) => {
                self.grant_to(id, &worker, *explanation, now, step);
            }
        }
    }
}

impl Session {
    /// What the action would have played, if anything.
    pub(crate) fn turn(&self, action: Action) -> Option<Turn> {
        let plays = self.record.desired.current.is_some();
        match action {
            Action::Start { entry: Some(entry) } => Some(Turn::Waiting(entry)),
            Action::Start { entry: None } if !plays => Some(Turn::Waiting(self.queue.head()?.id())),
            Action::Previous { .. } => Some(Turn::Previous),
            _ => None,
        }
    }

    /// What that takes, as well as it is known.
    pub(crate) fn need_of(&self, turn: &Turn) -> Option<u32> {
        let item = match turn {
            Turn::New(item) | Turn::Again(item) => item,
            Turn::Waiting(entry) => &self.queue.waiting_entry(*entry)?.item,
            Turn::Previous => &self.queue.newest_ended()?.item,
        };
        let go_live = self.record.desired.go_live;
        Some(cost::need(Some(item), self.known_cost(item.entry), go_live))
    }

    fn turn_to(&mut self, turn: Turn, by: &By, now: Now, step: &mut Step) {
        let desired = &mut self.record.desired;
        match turn {
            Turn::Previous => {
                // What plays has not ended: it waits again, and its worker knows what it takes.
                let from = desired.current.as_ref().map(|item| item.entry.get());
                step.event(
                    &self.record.id,
                    "previous",
                    by,
                    serde_json::json!({ "fromEntryId": from }),
                );
                self.queue.step_back();
                let plan = self.record.desired.plan.take();
                self.begin(Begins::chosen(by), now, step);
                if from.is_some() {
                    self.record.desired.next_plan = plan;
                }
                return;
            }
            Turn::New(mut item) => {
                self.end_current(EndReason::Skipped, None, by, now, step);
                self.record.last_entry = self.record.last_entry.next();
                item.entry = self.record.last_entry;
                self.queue.begin_new(*item, now.wall_ms, by.actor());
            }
            Turn::Again(item) => {
                self.end_current(EndReason::Skipped, None, by, now, step);
                self.queue.begin_again(*item);
            }
            Turn::Waiting(entry) => {
                self.end_current(EndReason::Skipped, None, by, now, step);
                self.queue.begin_waiting(entry);
            }
        }
        self.begin(Begins::chosen(by), now, step);
    }
}

/// What every item must have.
pub(crate) fn check_item(field: &str, item: &Item) -> Result<(), Refusal> {
    if item.item_id.is_empty() {
        return Err(Refusal::invalid(
            &format!("{field}.item_id"),
            "missing_field",
            "must name the Jellyfin item",
        ));
    }
    Ok(())
}
