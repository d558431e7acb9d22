//! Changes of what waits in a queue: whole or not at all, and refused when the caller has seen another version.

use serde_json::{Value, json};

use crate::advance::Begins;
use crate::call::Done;
use crate::cause::By;
use crate::play::check_item;
use crate::queue::{MAX_ADDED, MAX_WAITING};
use crate::{
    Call, EntryId, Item, Now, QueueChange, QueueEdit, QueueEntry, Refusal, Scheduler, Session, Step,
};

/// What a change came to.
enum Outcome {
    /// The queue was like that already.
    Nothing,
    /// Another order, or less.
    Changed(&'static str, Value),
    /// More.
    Added(Vec<EntryId>, Value),
}

impl Scheduler {
    pub(crate) fn edit(
        &mut self,
        call: &Call,
        edit: &QueueEdit,
        now: Now,
        step: &mut Step,
    ) -> Result<Done, Refusal> {
        let id = &call.session;
        let epoch = self.epoch;
        let alive = self.lease_alive(id, now.monotonic);
        let Some(session) = self.sessions.get_mut(id) else {
            return Err(Refusal::not_found(id));
        };
        let version = session.record.queue_version;
        if edit.if_version.is_some_and(|seen| seen != version) {
            return Err(Refusal::queue_changed(version));
        }
        let by = By::caller(&call.actor);
        let (event, payload, added) = match session.edit(&edit.change, &call.actor, now)? {
            Outcome::Nothing => return Ok(Done::at(session.record.desired.generation)),
            Outcome::Changed(event, payload) => (event, payload, Vec::new()),
            Outcome::Added(added, payload) => ("queue_added", payload, added),
        };
        step.event(id, event, &by, payload);
        session.record.updated_at = now.wall_ms;
        let plays_at_once = !added.is_empty() && session.waits_for_more();
        let is_told = session.name_next(now);
        session.save(alive, step);
        if is_told {
            step.effects.extend(session.lease_effect(epoch));
        }
        if plays_at_once && self.enter_channel(id, now, step).is_ok() {
            let admission = self.place_next(id, now);
            self.begin_next(id, admission, Begins::chosen(&by), now, step);
        }
        let session = self.sessions.get(id);
        Ok(Done {
            created: false,
            generation: session.map_or_else(Default::default, |s| s.record.desired.generation),
            added,
        })
    }
}

impl Session {
    fn edit(&mut self, change: &QueueChange, actor: &str, now: Now) -> Result<Outcome, Refusal> {
        match change {
            QueueChange::Add { items, next } => self.add(items, *next, actor, now),
            QueueChange::Remove(ids) => {
                if ids.is_empty() {
                    let message = "must name at least one entry";
                    return Err(Refusal::invalid("entry_ids", "missing_field", message));
                }
                let removed = self.queue.remove(ids).map_err(Refusal::entry_not_found)?;
                Ok(Outcome::Changed("queue_removed", named(&removed)))
            }
            QueueChange::Reorder(ids) => {
                if !self.queue.are_all_that_wait(ids) {
                    return Err(Refusal::queue_changed(self.record.queue_version));
                }
                let ids_now: Vec<u64> = ids.iter().map(|id| id.get()).collect();
                let payload = json!({ "entryIds": ids_now });
                Ok(Outcome::if_changed(
                    self.queue.reorder(ids),
                    "queue_reordered",
                    payload,
                ))
            }
            QueueChange::Move { entry, to_index } => {
                let moved = self.queue.shift(*entry, *to_index);
                let moved = moved.ok_or_else(|| Refusal::entry_not_found(*entry))?;
                let payload = json!({ "entryId": entry.get(), "toIndex": to_index });
                Ok(Outcome::if_changed(moved, "queue_moved", payload))
            }
            QueueChange::Clear => {
                let removed = self.queue.clear();
                Ok(Outcome::if_changed(
                    !removed.is_empty(),
                    "queue_cleared",
                    named(&removed),
                ))
            }
        }
    }

    fn add(
        &mut self,
        items: &[Item],
        next: bool,
        actor: &str,
        now: Now,
    ) -> Result<Outcome, Refusal> {
        if items.is_empty() {
            let message = "must name at least one item";
            return Err(Refusal::invalid("items", "missing_field", message));
        }
        for (index, item) in items.iter().enumerate() {
            check_item(&format!("items[{index}]"), item)?;
        }
        if items.len() > MAX_ADDED {
            return Err(Refusal::queue_full(format!(
                "at most {MAX_ADDED} items can be added at once; add them in several calls"
            )));
        }
        let waiting = self.queue.waiting().len();
        if waiting + items.len() > MAX_WAITING {
            return Err(Refusal::queue_full(format!(
                "at most {MAX_WAITING} entries can wait in a queue, and {waiting} do; remove some first"
            )));
        }
        let mut added = Vec::with_capacity(items.len());
        let mut with_ids = Vec::with_capacity(items.len());
        for item in items {
            self.record.last_entry = self.record.last_entry.next();
            added.push(self.record.last_entry);
            with_ids.push(Item {
                entry: self.record.last_entry,
                // What the party API adds is nobody's own entry.
                external_id: None,
                ..item.clone()
            });
        }
        let entries: Vec<Value> = with_ids.iter().map(name).collect();
        self.queue.add(with_ids, next, now.wall_ms, actor);
        let payload = json!({ "entries": entries, "next": next });
        Ok(Outcome::Added(added, payload))
    }
}

impl Outcome {
    fn if_changed(changed: bool, event: &'static str, payload: Value) -> Self {
        if changed {
            Self::Changed(event, payload)
        } else {
            Self::Nothing
        }
    }
}

/// Entries that left the queue, for people who read the event when their rows are gone.
pub(crate) fn named(entries: &[QueueEntry]) -> Value {
    let entries: Vec<Value> = entries.iter().map(|entry| name(&entry.item)).collect();
    json!({ "entries": entries })
}

fn name(item: &Item) -> Value {
    json!({ "entryId": item.entry.get(), "queueEntryId": item.external_id, "title": item.title })
}
