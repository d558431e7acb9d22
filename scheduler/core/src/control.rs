//! Pause, resume, seek, skip, previous, start, stop, end: changes of the desired record.

use crate::advance::Begins;
use crate::call::Done;
use crate::cause::{By, Cause};
use crate::edit::named;
use crate::play::Turn;
use crate::timers::Timer;
use crate::{
    Action, Anchor, Call, Effect, EndReason, Generation, Now, Refusal, Scheduler, Session,
    SessionId, Step,
};

impl Scheduler {
    pub(crate) fn control(
        &mut self,
        call: &Call,
        action: Action,
        last_try: bool,
        now: Now,
        step: &mut Step,
    ) -> Result<Generation, Refusal> {
        let id = &call.session;
        let Some(session) = self.sessions.get(id) else {
            return Err(Refusal::not_found(id));
        };
        let record = &session.record;
        let current = record.desired.current.as_ref().map(|item| item.entry);
        let by = By::caller(&call.actor);
        match action {
            Action::Pause => self.act(call, "pause", now, step, |s| s.hold(true, now)),
            Action::Resume => self.act(call, "resume", now, step, |s| s.hold(false, now)),
            Action::Seek { position_ms } => {
                self.act(call, "seek", now, step, |s| s.seek(position_ms, now))
            }
            Action::SeekBy { delta_ms } => {
                self.act(call, "seek", now, step, |s| s.seek_by(delta_ms, now))
            }
            // Whoever saw another entry play has got what it wanted.
            Action::Skip { entry }
                if current.is_none() || entry.is_some_and(|e| current != Some(e)) =>
            {
                Ok(Done::UNCHANGED)
            }
            Action::Skip { .. } => {
                self.skip(call, &by, now, step);
                Ok(self.generation(id))
            }
            Action::Previous { entry: Some(entry) } if current != Some(entry) => {
                Ok(Done::UNCHANGED)
            }
            Action::Previous { .. } => {
                if session.queue.newest_ended().is_none() {
                    return Err(Refusal::no_previous_entry());
                }
                self.take_turn(call, Turn::Previous, last_try, now, step)
            }
            Action::Start { entry }
                if current.is_some() && (entry.is_none() || entry == current) =>
            {
                self.act(call, "resume", now, step, |s| s.hold(false, now))
            }
            Action::Start { entry: Some(entry) }
                if session.queue.waiting_entry(entry).is_none() =>
            {
                Err(Refusal::entry_not_found(entry))
            }
            Action::Start { .. } => {
                let turn = session.turn(action).ok_or_else(Refusal::queue_empty)?;
                self.take_turn(call, turn, last_try, now, step)
            }
            Action::Stop => {
                self.trace_from(call);
                self.stop(id, &by, now, step);
                Ok(self.generation(id))
            }
            Action::End => {
                self.trace_from(call);
                self.end(id, &by, now, step);
                Ok(self.generation(id))
            }
        }
    }

    /// A change of the desired record that leaves the item as it is.
    fn act(
        &mut self,
        call: &Call,
        event: &'static str,
        now: Now,
        step: &mut Step,
        change: impl FnOnce(&mut Session) -> Result<bool, Refusal>,
    ) -> Result<Generation, Refusal> {
        let id = &call.session;
        let epoch = self.epoch;
        let alive = self.lease_alive(id, now.monotonic);
        let Some(session) = self.sessions.get_mut(id) else {
            return Err(Refusal::not_found(id));
        };
        if !change(session)? {
            return Ok(session.record.desired.generation);
        }
        // What was being prepared is no longer what shall be; a drain prepares it anew.
        self.drop_handover(id, step);
        self.drain_due = true;
        self.trace_from(call);
        if let Some(session) = self.sessions.get_mut(id) {
            let payload = session.described(event);
            step.event(id, event, &By::caller(&call.actor), payload);
            session.save(alive, step);
            step.effects.extend(session.lease_effect(epoch));
        }
        self.account_anew(id);
        Ok(self.generation(id))
    }

    fn skip(&mut self, call: &Call, by: &By, now: Now, step: &mut Step) {
        let id = &call.session;
        self.trace_from(call);
        if let Some(session) = self.sessions.get_mut(id) {
            session.end_current(EndReason::Skipped, None, by, now, step);
            let payload = session.described("skip");
            step.event(id, "skip", by, payload);
        }
        let begins = Begins {
            follows: true,
            ..Begins::chosen(by)
        };
        self.go_on(id, begins, now, step);
    }

    /// Ends playback and leaves the channel; no change when that was done already.
    pub(crate) fn stop(&mut self, id: &SessionId, by: &By, now: Now, step: &mut Step) {
        let epoch = self.epoch;
        let alive = self.lease_alive(id, now.monotonic);
        let is_stopped = |session: &Session| session.record.stopped;
        if self.sessions.get(id).is_none_or(is_stopped) {
            return;
        }
        self.drop_handover(id, step);
        self.drain_due = true;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        // An end that came before is kept: it tells how that item ended, not how the party did.
        session.end_current(EndReason::Stopped, None, by, now, step);
        session.record.stopped = true;
        session.change(now, |desired, _| {
            desired.in_channel = false;
            desired.paused = false;
        });
        step.event(id, "stop", by, serde_json::json!({}));
        session.save(alive, step);
        step.effects.extend(session.lease_effect(epoch));
        self.account_anew(id);
        self.leave(id, now, step);
    }

    /// The same, and nothing waits any more.
    fn end(&mut self, id: &SessionId, by: &By, now: Now, step: &mut Step) {
        if let Some(session) = self.sessions.get_mut(id) {
            let removed = session.queue.clear();
            if !removed.is_empty() || !session.record.stopped {
                step.event(id, "end", by, named(&removed));
            }
        }
        self.stop(id, by, now, step);
        let alive = self.lease_alive(id, now.monotonic);
        if let Some(session) = self.sessions.get_mut(id)
            && session.queue.is_unwritten()
        {
            session.record.updated_at = now.wall_ms;
            session.save(alive, step);
        }
    }

    /// What follows belongs to the trace of this call.
    fn trace_from(&mut self, call: &Call) {
        if let Some(session) = self.sessions.get_mut(&call.session) {
            session.record.desired.trace.clone_from(&call.trace);
        }
    }

    fn generation(&self, id: &SessionId) -> Generation {
        let session = self.sessions.get(id);
        session.map_or_else(Generation::default, |s| s.record.desired.generation)
    }

    /// Takes the account out of the channel; the lease of `(account, guild)` ends when Discord
    /// confirms it, or when it had time enough to.
    pub(crate) fn leave(&mut self, id: &SessionId, now: Now, step: &mut Step) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.empty_since = None;
        let Some(account) = session.record.account else {
            return;
        };
        step.effects.push(Effect::LeaveVoice {
            account,
            guild_id: session.guild(),
        });
        self.timers.at(
            now.monotonic.after(self.timing.voice_event_wait_ms),
            Timer::ReleaseAccount(id.clone(), session.record.desired.generation),
        );
    }

    /// Nothing has played for long: the bot leaves, the end stays visible.
    pub(crate) fn idle_leave(
        &mut self,
        id: &SessionId,
        generation: Generation,
        now: Now,
        step: &mut Step,
    ) {
        let epoch = self.epoch;
        let alive = self.lease_alive(id, now.monotonic);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if session.record.desired.current.is_some() || !session.record.desired.in_channel {
            return;
        }
        // Voice credentials raise the generation too; what counts is that nothing was played since.
        if session.record.desired.current_set_at > generation {
            return;
        }
        session.change(now, |desired, _| desired.in_channel = false);
        let by = By::scheduler(Cause::Idle);
        step.event(id, "idle_leave", &by, serde_json::json!({}));
        session.save(alive, step);
        step.effects.extend(session.lease_effect(epoch));
        self.leave(id, now, step);
    }
}

impl Session {
    fn hold(&mut self, paused: bool, now: Now) -> Result<bool, Refusal> {
        if self.record.desired.current.is_none() {
            return Err(Refusal::nothing_playing());
        }
        if self.record.desired.paused == paused {
            return Ok(false);
        }
        self.change(now, |desired, _| desired.paused = paused);
        Ok(true)
    }

    fn seek(&mut self, position_ms: i64, now: Now) -> Result<bool, Refusal> {
        if self.record.desired.current.is_none() {
            return Err(Refusal::nothing_playing());
        }
        let Ok(position_ms) = u64::try_from(position_ms) else {
            return Err(Refusal::seek_out_of_range(
                "must not be below zero".to_owned(),
            ));
        };
        if let Some(duration) = self.record.duration_ms
            && position_ms > duration
        {
            return Err(Refusal::seek_out_of_range(format!(
                "is beyond the end of the item, which is {} seconds long",
                duration / 1000
            )));
        }
        self.record.position_ms = position_ms;
        // Somebody leads it past the place that took its workers down.
        self.record.futile_losses.clear();
        self.change(now, |desired, generation| {
            desired.anchor = Anchor {
                position_ms,
                set_at: generation,
            };
        });
        Ok(true)
    }

    fn seek_by(&mut self, delta_ms: i64, now: Now) -> Result<bool, Refusal> {
        let from = self.position_at(now.monotonic);
        let to = from.saturating_add_signed(delta_ms);
        let to = self.record.duration_ms.map_or(to, |end| to.min(end));
        self.seek(i64::try_from(to).unwrap_or(i64::MAX), now)
    }

    /// Particulars of an event about the current item, or the one that has just ended.
    fn described(&self, event: &str) -> serde_json::Value {
        let record = &self.record;
        let current = record.desired.current.as_ref();
        let ids = current.map(|item| (item.entry, item.external_id));
        let ended = record.ended.as_ref();
        let ids = ids.or_else(|| ended.map(|ended| (ended.entry, ended.external_id)));
        let mut payload = serde_json::json!({
            "entryId": ids.map(|(entry, _)| entry.get()),
            "queueEntryId": ids.and_then(|(_, external)| external),
        });
        if event == "seek" {
            payload["positionMs"] = record.desired.anchor.position_ms.into();
        }
        payload
    }
}
