//! What plays when an item has ended: the queue goes on by itself, or has come to its end.
//!
//! ```text
//!   worker                                  leader
//!     │◀──── current A, next B ───────────────│
//!     │ opens B                               │
//!     │── prepared B (what it takes) ────────▶│ kept for placement
//!     │ A's last frame, B's first             │
//!     │── B, advanced from A ────────────────▶│ commits: A played, B current, next C
//!     │◀──── current B, next C ───────────────│ B goes on as it is
//! ```
//!
//! The worker's word counts where it is about what the leader would have done itself: A is the current item and was
//! played out where it shall be played, and B is next. Otherwise the leader's word counts, and the worker hears it. So
//! it does not matter whether the report is lost, comes twice, or comes to the next leader: see `docs/protocol.md`.

use crate::admission::Admission;
use crate::cause::{By, Cause};
use crate::timers::Timer;
use crate::{
    Anchor, AtQueueEnd, EndReason, EntryId, Now, Observed, Scheduler, Session, SessionId, Step,
    cost,
};

/// How an entry begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begins<'a> {
    /// By whom, and why.
    pub(crate) by: &'a By,
    /// A pause that crossed the end of the item before holds this one.
    pub(crate) paused: bool,
    /// Its worker may have gone on to it from what ended last, unasked.
    pub(crate) follows: bool,
}

impl<'a> Begins<'a> {
    /// Because somebody chose it.
    pub(crate) fn chosen(by: &'a By) -> Self {
        Self {
            by,
            paused: false,
            follows: false,
        }
    }
}

impl Scheduler {
    /// What played has ended, and `end_current` was told: the head of the queue plays, wherever there is room for it,
    /// or nothing does.
    pub(crate) fn go_on(&mut self, id: &SessionId, begins: Begins<'_>, now: Now, step: &mut Step) {
        self.drop_handover(id, step);
        self.drain_due = true;
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        if session.queue.head().is_none() {
            self.rest(id, begins.by, now, step);
            return;
        }
        let admission = self.place_next(id, now);
        self.begin_next(id, admission, begins, now, step);
    }

    /// The head of the queue plays.
    pub(crate) fn begin_next(
        &mut self,
        id: &SessionId,
        admission: Admission,
        begins: Begins<'_>,
        now: Now,
        step: &mut Step,
    ) {
        let admission = self.let_go(id, admission, now, step);
        let alive = self.lease_alive(id, now.monotonic);
        if let Some(session) = self.sessions.get_mut(id) {
            session.queue.begin_next();
            session.begin(begins, now, step);
            session.save(alive, step);
        }
        self.carry(id, admission, now, step);
    }

    /// Where the head of the queue is to be played. Nobody can be told that there is no room: then it waits in line.
    pub(crate) fn place_next(&self, id: &SessionId, now: Now) -> Admission {
        let Some((session, head)) =
            (self.sessions.get(id)).and_then(|session| Some((session, session.queue.head()?)))
        else {
            return Admission::Waits;
        };
        let known = session.known_cost(head.id());
        let need = cost::need(Some(&head.item), known, session.record.desired.go_live);
        let lease = session.record.lease.as_ref();
        let holder = lease.filter(|_| self.lease_alive(id, now.monotonic));
        let holder = holder.and_then(|lease| self.workers.get_key_value(&lease.worker));
        let had = holder.map_or(0, |(_, worker)| worker.held.need(id));
        // One that nobody has looked at takes what the one before took, as likely as not: else the holder gives it
        // back. A guess must not put a party of cheap items out of a full worker.
        let here = match known {
            None if had > cost::IDLE => need.min(had),
            _ => need,
        };
        let has_room = holder.is_some_and(|(_, worker)| worker.room(Some(id)) >= here);
        let may_stay = holder.is_some_and(|(worker, state)| {
            // Room that is kept for a party which has waited longer is not for more than this one has had so far.
            let is_kept = || self.kept_worker(now).as_ref() == Some(worker);
            !state.draining && (here <= had || !is_kept())
        });
        if has_room && may_stay {
            return Admission::Stays;
        }
        match self.admit(id, need, true, now) {
            Ok(admission) => admission,
            // About to go, and nobody else can: it plays on there until somebody can.
            Err(_) if has_room && holder.is_some_and(|(_, state)| state.draining) => {
                Admission::Stays
            }
            Err(_) => Admission::Waits,
        }
    }

    /// Nothing is left to play.
    pub(crate) fn rest(&mut self, id: &SessionId, by: &By, now: Now, step: &mut Step) {
        let epoch = self.epoch;
        let alive = self.lease_alive(id, now.monotonic);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let record = &session.record;
        // A caller with entries of its own has a queue of its own: this end is not that one's.
        let ended = record.ended.as_ref();
        let is_queue_end = ended.is_some_and(|ended| ended.external_id.is_none());
        let leaves = is_queue_end && record.at_queue_end == AtQueueEnd::Leave;
        if is_queue_end {
            let payload = serde_json::json!({ "then": record.at_queue_end.as_str() });
            step.event(id, "queue_end", &by.because(Cause::QueueEnd), payload);
        }
        session.change(now, |desired, _| {
            desired.paused = false;
            desired.in_channel &= !leaves;
        });
        session.save(alive, step);
        step.effects.extend(session.lease_effect(epoch));
        let generation = session.record.desired.generation;
        self.account_anew(id);
        if leaves {
            self.leave(id, now, step);
        } else {
            self.timers.at(
                now.monotonic.after(self.timing.idle_leave_ms),
                Timer::IdleLeave(id.clone(), generation),
            );
        }
    }

    /// A worker says that it has played the current item out and gone on by itself.
    pub(crate) fn take_advance(
        &mut self,
        id: &SessionId,
        observed: &Observed,
        now: Now,
        step: &mut Step,
    ) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if !session.is_played_out(observed) {
            return;
        }
        let desired = &session.record.desired;
        let next = desired.next.as_ref().map(|item| item.entry);
        let is_next = observed.entry.is_some() && observed.entry == next;
        let paused = desired.paused;
        let by = session.by_holder(Cause::Report);
        session.end_current(EndReason::Finished, None, &by, now, step);
        let by = by.because(Cause::AutoAdvance);
        let begins = Begins {
            by: &by,
            paused,
            follows: true,
        };
        if is_next {
            self.drop_handover(id, step);
            self.drain_due = true;
            self.begin_next(id, Admission::Stays, begins, now, step);
        } else {
            // What it went on to is not what shall be played by now.
            self.go_on(id, begins, now, step);
        }
    }

    /// What a worker found out about the next item.
    pub(crate) fn take_prepared(
        &mut self,
        id: &SessionId,
        observed: &Observed,
        now: Now,
        step: &mut Step,
    ) {
        let epoch = self.epoch;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(prepared) = observed.prepared.as_deref() else {
            return;
        };
        let next = session.record.desired.next.as_ref();
        let Some(next) = next.filter(|next| next.entry == prepared.entry) else {
            return;
        };
        if let Some(failure) = &prepared.failure {
            let payload = serde_json::json!({
                "entryId": next.entry.get(),
                "queueEntryId": next.external_id,
                "title": next.title,
                "error": failure.code,
            });
            let by = session.by_holder(Cause::ItemFailed);
            step.event(id, "entry_failed", &by, payload);
            session.queue.fail_next(failure.clone());
            session.name_next(now);
            session.save(true, step);
            step.effects.extend(session.lease_effect(epoch));
        } else if prepared.known_plan.is_some()
            && prepared.known_plan != session.record.desired.next_plan
        {
            let plan = prepared.known_plan.clone();
            session.record.desired.next_plan = plan;
            session.save(true, step);
        }
    }
}

impl Session {
    /// What the queue says is the current entry begins, from its start.
    pub(crate) fn begin(&mut self, begins: Begins<'_>, now: Now, step: &mut Step) {
        let Begins {
            by,
            paused,
            follows,
        } = begins;
        let Some(item) = self.queue.current().map(|entry| entry.item.clone()) else {
            return;
        };
        let next = self.queue.head().map(|entry| entry.item.clone());
        let desired = &mut self.record.desired;
        let was_next = desired.next.as_ref().map(|next| next.entry) == Some(item.entry);
        let plan = desired.next_plan.take().filter(|_| was_next);
        step.event(
            &self.record.id,
            "play",
            by,
            serde_json::json!({
                "entryId": item.entry.get(),
                "queueEntryId": item.external_id,
                "itemId": item.item_id,
                "title": item.title,
            }),
        );
        let ended = self.record.ended.take().map(|ended| ended.entry);
        self.record.follows = ended.filter(|_| follows);
        self.record.futile_losses.clear();
        self.record.stopped = false;
        if !by.is(Cause::ItemFailed) {
            // Else people should read why the one before did not play.
            self.record.last_error = None;
        }
        self.record.position_ms = 0;
        self.record.duration_ms = item.duration_ms;
        self.change(now, |desired, generation| {
            desired.current = Some(item);
            desired.current_set_at = generation;
            desired.next = next;
            desired.paused = paused;
            desired.plan = plan;
            desired.anchor = Anchor {
                position_ms: 0,
                set_at: generation,
            };
        });
    }

    /// While something plays, the head of those that wait is opened ahead. Whether it is another one than before.
    pub(crate) fn name_next(&mut self, now: Now) -> bool {
        let desired = &self.record.desired;
        let head = self.queue.head().map(|entry| &entry.item);
        let named = desired.next.as_ref().map(|item| item.entry);
        if desired.current.is_none() || named == head.map(|item| item.entry) {
            return false;
        }
        let head = head.cloned();
        self.change(now, |desired, _| {
            desired.next = head;
            desired.next_plan = None;
        });
        true
    }

    /// Something was played and has ended, and the account is still there: what is added plays at once.
    pub(crate) fn waits_for_more(&self) -> bool {
        let record = &self.record;
        let desired = &record.desired;
        desired.current.is_none() && desired.in_channel && record.ended.is_some() && !record.stopped
    }

    /// What a worker has said that the entry takes.
    pub(crate) fn known_cost(&self, entry: EntryId) -> Option<u32> {
        let desired = &self.record.desired;
        let next = desired.next.as_ref().filter(|next| next.entry == entry);
        let plan = desired.next_plan.as_ref().filter(|_| next.is_some());
        plan.map(|plan| plan.cost_millicores)
    }

    /// Whether the report says that the current item has ended where it shall be played: one that is older than an
    /// acknowledged seek, or than the play that began the item, says nothing about it.
    pub(crate) fn is_played_out(&self, observed: &Observed) -> bool {
        let desired = &self.record.desired;
        let set_at = desired.current_set_at.max(desired.anchor.set_at);
        let current = desired.current.as_ref().map(|item| item.entry);
        current.is_some()
            && observed.advanced_from == current
            && observed.entry != current
            && self.reached(observed) >= set_at
    }

    /// The doing of the worker that holds the lease.
    pub(crate) fn by_holder(&self, cause: Cause) -> By {
        match &self.record.lease {
            Some(lease) => By::worker(&lease.worker, cause),
            None => By::scheduler(cause),
        }
    }
}
