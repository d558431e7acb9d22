//! Pause, resume, seek, skip, stop: changes of the desired record.

use crate::timers::Timer;
use crate::{
    Action, Anchor, Effect, EndReason, Generation, Now, Refusal, Scheduler, Session, SessionId,
    Step, TraceParent,
};

impl Scheduler {
    pub(crate) fn control(
        &mut self,
        id: &SessionId,
        action: Action,
        trace: Option<TraceParent>,
        now: Now,
        step: &mut Step,
    ) -> Result<Generation, Refusal> {
        let epoch = self.epoch;
        let alive = self.lease_alive(id, now.monotonic);
        let Some(session) = self.sessions.get_mut(id) else {
            return Err(Refusal::not_found(id));
        };
        let changed = match action {
            Action::Pause => session.hold(true, now)?,
            Action::Resume => session.hold(false, now)?,
            Action::Seek { position_ms } => session.seek(position_ms, now)?,
            Action::Skip => session.skip(now, step),
            Action::Stop => session.stop(now, step),
        };
        let generation = session.record.desired.generation;
        if !changed {
            return Ok(generation);
        }
        // What was being prepared is no longer what shall be; a drain prepares it anew.
        self.drop_handover(id, step);
        self.drain_due = true;
        let Some(session) = self.sessions.get_mut(id) else {
            return Err(Refusal::not_found(id));
        };
        session.record.desired.trace = trace;
        step.event(id, event_type(action), payload(action, generation));
        session.save(alive, step);
        step.effects.extend(session.lease_effect(epoch));
        self.account_anew(id);
        match action {
            Action::Skip => self.timers.at(
                now.monotonic.after(self.timing.idle_leave_ms),
                Timer::IdleLeave(id.clone(), generation),
            ),
            Action::Stop => self.leave(id, now, step),
            Action::Pause | Action::Resume | Action::Seek { .. } => {}
        }
        Ok(generation)
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
        step.event(id, "idle_leave", serde_json::json!({}));
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

    fn skip(&mut self, now: Now, step: &mut Step) -> bool {
        if self.record.desired.current.is_none() {
            return false;
        }
        self.end_current(EndReason::Skipped, None, now, step);
        self.change(now, |desired, _| desired.paused = false);
        true
    }

    fn stop(&mut self, now: Now, step: &mut Step) -> bool {
        if self.record.stopped {
            return false;
        }
        // An end that came before is kept: it tells how that item ended, not how the party did.
        self.end_current(EndReason::Stopped, None, now, step);
        self.record.stopped = true;
        self.change(now, |desired, _| {
            desired.in_channel = false;
            desired.paused = false;
        });
        true
    }
}

fn event_type(action: Action) -> &'static str {
    match action {
        Action::Pause => "pause",
        Action::Resume => "resume",
        Action::Seek { .. } => "seek",
        Action::Skip => "skip",
        Action::Stop => "stop",
    }
}

fn payload(action: Action, generation: Generation) -> serde_json::Value {
    match action {
        Action::Seek { position_ms } => {
            serde_json::json!({ "positionMs": position_ms, "generation": generation.get() })
        }
        _ => serde_json::json!({ "generation": generation.get() }),
    }
}
