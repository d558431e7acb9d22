//! Calls: each is carried out, refused or held back, and one that comes twice has one outcome.

use crate::command::CommandOutcome;
use crate::session::Waiter;
use crate::{
    Answer, Call, CommandRecord, Edited, Effect, EntryId, Generation, Millis, Now, Refusal,
    Request, Scheduler, Step, Write,
};

/// What an accepted call came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Done {
    pub(crate) created: bool,
    /// What has to be observed.
    pub(crate) generation: Generation,
    /// Entries that it added to the queue.
    pub(crate) added: Vec<EntryId>,
}

impl Done {
    /// What a call has to wait for that found everything as it wanted it: no generation is older.
    pub(crate) const UNCHANGED: Generation = Generation::new(0);

    pub(crate) fn at(generation: Generation) -> Self {
        Self {
            generation,
            ..Self::default()
        }
    }
}

impl Scheduler {
    pub(crate) fn call(&mut self, call: &Call, now: Now, step: &mut Step) {
        if let Some(stored) = &call.stored {
            self.recall(stored, now, step);
        }
        self.overtake_undecided(call, step);
        let deadline = now.monotonic.after(self.timing.call_wait_ms);
        self.decide_call(call, deadline, now, step);
    }

    /// Carries a call out, or refuses it, or holds it back, but not beyond `deadline`.
    pub(crate) fn decide_call(&mut self, call: &Call, deadline: Millis, now: Now, step: &mut Step) {
        let known = self
            .recent
            .get(&call.command)
            .cloned()
            .or_else(|| call.known.clone());
        let (outcome, changed) = match known {
            Some(known)
                if known.request_hash != call.request_hash || known.session != call.session =>
            {
                (CommandOutcome::Refused(Refusal::command_id_reused()), false)
            }
            Some(known) => (known.outcome, false),
            None => {
                let last_try = deadline <= now.monotonic;
                let effects = step.effects.len();
                let outcome = match self.carry_out(call, last_try, now, step) {
                    Ok(done) => {
                        self.name_generations(step);
                        CommandOutcome::Accepted {
                            created: done.created,
                            generation: done.generation,
                            added: done.added,
                        }
                    }
                    Err(refusal) if !last_try && self.may_find_room(call, &refusal, now) => {
                        // Nothing was decided, so there is nothing to tell of.
                        step.effects.truncate(effects);
                        self.hold_back(call.clone(), deadline);
                        return;
                    }
                    Err(refusal) => CommandOutcome::Refused(refusal),
                };
                // Strangers cannot fill the table, and what may be tried again is not remembered.
                let remember = self.sessions.contains_key(&call.session)
                    && !matches!(&outcome, CommandOutcome::Refused(r) if r.is_retryable());
                (outcome, remember)
            }
        };
        if changed {
            let record = CommandRecord {
                id: call.command.clone(),
                session: call.session.clone(),
                request_hash: call.request_hash,
                outcome: outcome.clone(),
            };
            step.writes.push(Write::Command(Box::new(record.clone())));
            self.recent.insert(record);
        }
        match outcome {
            CommandOutcome::Refused(refusal) => {
                step.effects.push(Effect::Answer {
                    call: call.id,
                    result: Err(refusal),
                });
            }
            CommandOutcome::Accepted {
                created,
                generation,
                added,
            } => {
                let done = Done {
                    created,
                    generation,
                    added,
                };
                self.answer(call, done, deadline, now, step);
            }
        }
    }

    fn carry_out(
        &mut self,
        call: &Call,
        last_try: bool,
        now: Now,
        step: &mut Step,
    ) -> Result<Done, Refusal> {
        match &call.request {
            Request::Create { .. } => self.create(call, now, step),
            Request::Play(item) => self.play(call, item, last_try, now, step).map(Done::at),
            Request::Control(action) => self
                .control(call, *action, last_try, now, step)
                .map(Done::at),
            Request::Edit(edit) => self.edit(call, edit, now, step),
        }
    }

    fn answer(&mut self, call: &Call, done: Done, deadline: Millis, now: Now, step: &mut Step) {
        let alive = self.lease_alive(&call.session, now.monotonic);
        let Some(session) = self.sessions.get_mut(&call.session) else {
            return;
        };
        let is_edit = matches!(call.request, Request::Edit(_));
        let waits_for_worker = !is_edit && !matches!(call.request, Request::Create { .. });
        let settled = session.has_settled(done.generation);
        if waits_for_worker && !settled {
            session.wait(
                Waiter {
                    call: call.id,
                    generation: done.generation,
                    created: done.created,
                    deadline,
                },
                &mut self.timers,
            );
            return;
        }
        let edited = is_edit.then(|| {
            Box::new(Edited {
                queue: session.queue.view(session.record.queue_version),
                added: done.added,
            })
        });
        let result = Ok(Box::new(Answer {
            view: session.view(alive),
            created: done.created,
            settled: settled || !waits_for_worker,
            edited,
        }));
        step.effects.push(Effect::Answer {
            call: call.id,
            result,
        });
    }
}
