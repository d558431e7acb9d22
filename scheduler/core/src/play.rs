//! `play`: another entry replaces the current item at once; the same one again changes nothing.

use crate::admission::Admission;
use crate::{
    Anchor, Call, EndReason, Generation, Item, Now, QueueRow, QueueStatus, Refusal, Scheduler,
    Step, Write,
};

impl Scheduler {
    pub(crate) fn play(
        &mut self,
        call: &Call,
        item: &Item,
        last_try: bool,
        now: Now,
        step: &mut Step,
    ) -> Result<Generation, Refusal> {
        let id = &call.session;
        let Some(session) = self.sessions.get(id) else {
            return Err(Refusal::not_found(id));
        };
        if item.item_id.is_empty() {
            return Err(Refusal::invalid(
                "item.item_id",
                "missing_field",
                "must name the Jellyfin item",
            ));
        }
        let playing = session.record.desired.current.as_ref();
        if playing
            .is_some_and(|p| p.queue_entry_id == item.queue_entry_id && p.item_id == item.item_id)
        {
            return Ok(session.record.desired.current_set_at);
        }
        let admission = match self.admit(id, item, last_try, now) {
            Ok(admission) => admission,
            Err(refused) => return Err(refused.explain(call, step)),
        };
        self.enter_channel(id, now, step)?;
        self.drop_handover(id, step);
        // The holder may have been told just now that it may open a voice connection: until that is over
        // the session waits, and then goes to whoever has room.
        let waits = matches!(admission, Admission::Goes(..))
            && self.must_wait_for_permit(id, now.monotonic);
        if waits {
            self.revoke(id, step);
        }
        let epoch = self.epoch;
        let alive = self.lease_alive(id, now.monotonic);
        let Some(session) = self.sessions.get_mut(id) else {
            return Err(Refusal::not_found(id));
        };
        session.end_current(EndReason::Skipped, None, now, step);
        session.change(now, |desired, generation| {
            desired.current = Some(item.clone());
            desired.current_set_at = generation;
            desired.next = None;
            desired.paused = false;
            desired.plan = None;
            desired.trace.clone_from(&call.trace);
            desired.anchor = Anchor {
                position_ms: 0,
                set_at: generation,
            };
        });
        session.record.ended = None;
        session.record.futile_losses.clear();
        session.record.stopped = false;
        session.record.last_error = None;
        session.record.position_ms = 0;
        session.record.duration_ms = item.duration_ms;
        let generation = session.record.desired.generation;
        step.writes.push(Write::Queue(Box::new(QueueRow {
            session: id.clone(),
            item: item.clone(),
            status: QueueStatus::Playing,
        })));
        step.event(
            id,
            "play",
            serde_json::json!({
                "queueEntryId": item.queue_entry_id,
                "itemId": item.item_id,
                "title": item.title,
                "generation": generation.get(),
            }),
        );
        session.save(alive, step);
        match admission {
            Admission::Stays => {
                step.effects.extend(session.lease_effect(epoch));
                self.account_anew(id);
            }
            Admission::Goes(..) if waits => self.orphaned(id),
            Admission::Waits => {
                // Whatever place it had was one of a session in which nothing played.
                self.leave_line(id);
                self.orphaned(id);
            }
            Admission::Goes(worker, explanation) => {
                self.grant_to(id, &worker, *explanation, now, step);
            }
        }
        Ok(generation)
    }
}
