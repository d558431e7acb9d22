//! One session in memory: its durable record, and what is known of it only while this scheduler runs.

use crate::call::Done;
use crate::cause::By;
use crate::line::Place;
use crate::queue::Queue;
use crate::timers::{Timer, Timers};
use crate::voice::Lost;
use crate::{
    Anchor, CallId, Desired, Effect, EndReason, Ended, EntryId, Failure, Fence, Generation,
    HandoverReport, Millis, Now, Observed, QueueEntry, QueueStatus, SessionRecord, Step,
    StoredSession, WorkerId, WorkerStateRow, Write,
};

/// Somebody waits until the worker has carried out a generation.
#[derive(Debug, Clone)]
pub(crate) struct Waiter {
    pub(crate) call: CallId,
    pub(crate) generation: Generation,
    pub(crate) created: bool,
    pub(crate) deadline: Millis,
}

/// A session: the durable record and the volatile rest.
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) record: SessionRecord,
    /// Durable as well, in rows of its own.
    pub(crate) queue: Queue,
    /// The newest report under the present lease.
    pub(crate) observed: Option<Observed>,
    pub(crate) waiters: Vec<Waiter>,
    /// Fresh credentials asked for since voice was last connected.
    pub(crate) refreshes: u32,
    /// What was lost last, and has been judged already.
    pub(crate) judged: Option<Lost>,
    /// What Discord was told of the Go Live stream; none: this leader has told it nothing.
    pub(crate) live_paused: Option<bool>,
    /// Since when voice is given up, until the next play or new credentials.
    pub(crate) voice_failed_since: Option<Millis>,
    /// A worker may open a voice connection until then, whatever became of its lease: nobody else is granted one.
    pub(crate) permitted_until: Millis,
    /// The newest report of the worker that is to hold it next.
    pub(crate) next_report: Option<(Fence, Option<HandoverReport>)>,
    /// Bound on the present phase of a hand-over.
    pub(crate) handover_deadline: Millis,
    /// Since when nobody is in its channel, if that is known.
    pub(crate) empty_since: Option<Millis>,
    /// Where it stands in the waiting line.
    pub(crate) place_in_line: Option<Place>,
    /// Workers that gave it back, and until when they are not asked again.
    pub(crate) declined: Vec<(WorkerId, Millis)>,
    /// Its lease is an earlier leader's, whose worker this one has not heard of yet.
    pub(crate) lease_is_inherited: bool,
}

impl Session {
    pub(crate) fn new(stored: StoredSession) -> Self {
        let StoredSession { mut record, queue } = stored;
        let ids = queue.iter().map(QueueEntry::id);
        record.last_entry = ids.fold(record.last_entry, EntryId::max);
        if let Some(item) = &mut record.desired.current
            && item.entry == EntryId::default()
        {
            // Of an older version, which knew the item by its caller's id alone.
            let external = |id: Option<i64>| id.is_some() && id == item.external_id;
            let row = queue.iter().find(|row| external(row.item.external_id));
            item.entry = row.map_or(record.last_entry.next(), QueueEntry::id);
            record.last_entry = record.last_entry.max(item.entry);
        }
        let current = record.desired.current.as_ref();
        Self {
            queue: Queue::load(queue, current, record.updated_at),
            lease_is_inherited: record.lease.is_some(),
            record,
            observed: None,
            waiters: Vec::new(),
            refreshes: 0,
            judged: None,
            live_paused: None,
            voice_failed_since: None,
            permitted_until: Millis::default(),
            next_report: None,
            handover_deadline: Millis::default(),
            empty_since: None,
            place_in_line: None,
            declined: Vec::new(),
        }
    }

    /// The durable part.
    pub fn record(&self) -> &SessionRecord {
        &self.record
    }

    /// The guild as Discord's number; checked when the session was made.
    pub(crate) fn guild(&self) -> u64 {
        self.record.guild_id.parse().unwrap_or_default()
    }

    pub(crate) fn channel(&self) -> u64 {
        self.record.voice_channel_id.parse().unwrap_or_default()
    }

    /// The newest report, if it is about the current item.
    pub(crate) fn observed_current(&self) -> Option<&Observed> {
        let desired = &self.record.desired;
        let item = desired.current.as_ref()?;
        self.observed.as_ref().filter(|observed| {
            let names_one = observed.entry.is_some() || observed.external_id.is_some();
            self.reached(observed) >= desired.current_set_at
                && (!names_one || observed.is_about(item))
        })
    }

    /// What a report has carried out. One of a worker that went on to the current item unasked bears the fence of
    /// the word before, and has carried out what made the item the current one all the same.
    pub(crate) fn reached(&self, observed: &Observed) -> Generation {
        let desired = &self.record.desired;
        let went_on = observed.advanced_from.is_some()
            && observed.advanced_from == self.record.follows
            && (desired.current.as_ref()).is_some_and(|item| observed.is_about(item));
        if went_on {
            observed.fence.generation.max(desired.current_set_at)
        } else {
            observed.fence.generation
        }
    }

    /// Media time as well as it is known at `now`.
    pub(crate) fn position_at(&self, now: Millis) -> u64 {
        let desired = &self.record.desired;
        match self.observed_current() {
            Some(observed) if self.reached(observed) >= desired.anchor.set_at => {
                let position = observed.position.at(now);
                self.record
                    .duration_ms
                    .map_or(position, |duration| position.min(duration))
            }
            // A seek that the worker has not carried out yet counts as done: it was acknowledged.
            _ if desired.anchor.set_at > Generation::default() => {
                self.record.position_ms.max(desired.anchor.position_ms)
            }
            _ => self.record.position_ms,
        }
    }

    /// The worker is not heard of: the position stands, at `until` or at its last report.
    pub(crate) fn stand_still(&mut self, until: Option<Millis>) {
        if let Some(observed) = &mut self.observed {
            if let Some(until) = until {
                observed.position.media_ms = observed.position.at(until);
            }
            observed.position.rate_permille = 0;
        }
    }

    /// A change of what shall be: the generation rises by one.
    pub(crate) fn change(&mut self, now: Now, change: impl FnOnce(&mut Desired, Generation)) {
        let generation = self.record.desired.generation.next();
        self.record.desired.generation = generation;
        change(&mut self.record.desired, generation);
        if self.record.desired.current.is_none() {
            // Nothing is opened ahead of an item that nobody knows.
            self.record.desired.next = None;
            self.record.desired.next_plan = None;
        }
        self.record.updated_at = now.wall_ms;
    }

    /// Moves the anchor to where playback is, for a worker that has to start from nothing.
    pub(crate) fn anchor_at(&mut self, position_ms: u64, now: Now) {
        self.record.position_ms = position_ms;
        self.change(now, |desired, generation| {
            desired.anchor = Anchor {
                position_ms,
                set_at: generation,
            };
        });
    }

    /// Ends the current item, if there is one: sticky until something plays again.
    pub(crate) fn end_current(
        &mut self,
        reason: EndReason,
        failure: Option<Failure>,
        by: &By,
        now: Now,
        step: &mut Step,
    ) {
        let position_ms = self.position_at(now.monotonic);
        let Some(item) = self.record.desired.current.take() else {
            return;
        };
        let duration_ms = self.record.duration_ms;
        step.event(
            &self.record.id,
            "ended",
            by,
            serde_json::json!({
                "entryId": item.entry.get(),
                "queueEntryId": item.external_id,
                "reason": reason.as_str(),
                "positionMs": position_ms,
                "error": failure.as_ref().map(|f| &f.code),
            }),
        );
        self.record.ended = Some(Ended {
            entry: item.entry,
            external_id: item.external_id,
            title: item.title,
            reason,
            position_ms: match (reason, duration_ms) {
                (EndReason::Finished, Some(duration)) => duration,
                _ => position_ms,
            },
            duration_ms,
        });
        let status = match reason {
            EndReason::Finished => QueueStatus::Played,
            EndReason::Skipped | EndReason::Stopped => QueueStatus::Skipped,
            EndReason::Failed => QueueStatus::Failed,
        };
        self.queue.end(status, failure.clone());
        if failure.is_some() {
            self.record.last_error = failure;
        }
    }

    /// The fence of the next word to the lease holder.
    pub(crate) fn fence(&self, epoch: crate::Epoch) -> Fence {
        Fence {
            token: self
                .record
                .lease
                .as_ref()
                .map_or(self.record.last_token, |lease| lease.token),
            epoch,
            generation: self.record.desired.generation,
        }
    }

    /// The whole desired record, for the worker that holds the lease.
    pub(crate) fn lease_effect(&self, epoch: crate::Epoch) -> Option<Effect> {
        let lease = self.record.lease.as_ref()?;
        Some(Effect::SendLease {
            worker: lease.worker.clone(),
            incarnation: lease.incarnation.clone(),
            session: self.record.id.clone(),
            fence: self.fence(epoch),
            desired: Box::new(self.record.desired.clone()),
            voice: self
                .record
                .voice
                .clone()
                .filter(|_| self.record.desired.in_channel)
                .map(Box::new),
            role: self.holders_role(),
        })
    }

    /// Whether the worker gave it back a moment ago.
    pub(crate) fn failed_lately(&self, worker: &WorkerId, now: Millis) -> bool {
        self.declined
            .iter()
            .any(|(who, until)| who == worker && *until > now)
    }

    /// Writes the queue's changes, record and status row, and tells watchers.
    pub(crate) fn save(&mut self, worker_alive: bool, step: &mut Step) {
        let queue = self.queue.take_writes(&self.record.id);
        if !queue.is_empty() {
            self.record.queue_version += 1;
            step.writes.extend(queue);
            let changed = Effect::QueueChanged(self.record.id.clone());
            step.effects.push(changed);
        }
        step.writes.push(Write::Session(
            Box::new(self.record.clone()),
            self.table_status(),
        ));
        step.writes
            .push(Write::WorkerState(Box::new(WorkerStateRow {
                view: self.view(worker_alive),
            })));
        step.effects.push(Effect::Changed(self.record.id.clone()));
    }

    pub(crate) fn wait(&mut self, waiter: Waiter, timers: &mut Timers) {
        timers.at(waiter.deadline, Timer::CallWait(self.record.id.clone()));
        self.waiters.push(waiter);
    }

    /// Whether the worker has carried out `generation`, or nobody has to.
    pub(crate) fn has_settled(&self, generation: Generation) -> bool {
        match (&self.record.lease, &self.observed) {
            _ if generation == Done::UNCHANGED => true,
            (None, _) => !self.record.desired.in_channel,
            (Some(_), Some(observed)) => observed.fence.generation >= generation,
            (Some(_), None) => false,
        }
    }
}
