//! Plays that can be neither accepted nor honestly refused yet.
//!
//! What a title costs is known once a worker has looked at it, a second or two after it was placed; until
//! then room is kept for a guess. A play for which there would be room but for such guesses, or for which
//! there is no worker at this moment although one is expected, is held back: nothing of it is durable and
//! nobody was answered. It is tried again whenever room appears, in the order of arrival, and decided for
//! good when the call's bounded wait is over.

use crate::effect::Answer;
use crate::timers::Timer;
use crate::{Call, Effect, Millis, Now, Refusal, Request, Scheduler, SessionId, Step, cost};

/// Plays that wait in line for a worker that is expected take so much of it, in thousandths of a core, at
/// most: what a small one holds. More might be accepted and starve.
const LINE_TAKES: u64 = 2_000;

/// A play that is held back.
#[derive(Debug, Clone)]
pub(crate) struct Undecided {
    pub(crate) call: Call,
    pub(crate) deadline: Millis,
}

impl Scheduler {
    /// Whether a play that was just refused room may find some before its wait is over.
    pub(crate) fn may_find_room(&self, call: &Call, refusal: &Refusal, now: Now) -> bool {
        let Some(need) = self.need_of(call) else {
            return false;
        };
        refusal.is_for_lack_of_room()
            && (self.expects_worker(now) || self.is_room_hoped_for(&call.session, need, now))
    }

    /// What the item takes that the call is about to have played.
    fn need_of(&self, call: &Call) -> Option<u32> {
        let session = self.sessions.get(&call.session)?;
        match &call.request {
            Request::Play(item) => {
                let go_live = session.record.desired.go_live;
                Some(cost::need(Some(item), None, go_live))
            }
            Request::Control(action) => session.need_of(&session.turn(*action)?),
            Request::Create { .. } | Request::Edit(_) => None,
        }
    }

    /// Whether guesses about other titles are all that an item of this need has no room for.
    pub(crate) fn is_room_hoped_for(&self, id: &SessionId, need: u32, now: Now) -> bool {
        let kept = self.kept_worker(now);
        let session = self.sessions.get(id);
        let goes_live = session.is_some_and(|session| session.record.desired.go_live);
        self.workers.iter().any(|(worker, state)| {
            !state.draining
                && (state.go_live || !goes_live)
                && kept.as_ref() != Some(worker)
                && self.is_alive(worker, &state.incarnation, now.monotonic)
                && state.room_hoped_for() >= need
                && !session.is_some_and(|session| session.failed_lately(worker, now.monotonic))
        })
    }

    /// Nobody could be given anything now, and that will change: this leader has only just begun, or the
    /// last worker was heard of a moment ago (it is being restarted, or a blink cut its stream).
    pub(crate) fn expects_worker(&self, now: Now) -> bool {
        let takes = |(id, worker): (_, &crate::worker::Worker)| {
            !worker.draining && self.is_alive(id, &worker.incarnation, now.monotonic)
        };
        let grace = self.timing.reattach_grace_ms.max(self.timing.call_wait_ms);
        let since = self.worker_heard.max(self.unknown_since);
        now.monotonic < since.after(grace) && !self.workers.iter().any(takes)
    }

    /// Whether one more may wait in line for a worker that is expected.
    pub(crate) fn line_takes(&self, need: u32) -> bool {
        let waiting: u64 = self.line.values().map(|id| u64::from(self.need(id))).sum();
        waiting + u64::from(need) <= LINE_TAKES
    }

    pub(crate) fn hold_back(&mut self, call: Call, deadline: Millis) {
        self.timers.at(deadline, Timer::Undecided);
        self.undecided.push_back(Undecided { call, deadline });
    }

    /// Tries all of them again; those whose wait is over for the last time.
    pub(crate) fn try_undecided(&mut self, now: Now, step: &mut Step) {
        // One that found no room stands for all that need as much.
        let mut too_much = u32::MAX;
        for held_back in std::mem::take(&mut self.undecided) {
            let need = self.need_of(&held_back.call).unwrap_or_default();
            let is_over = held_back.deadline <= now.monotonic;
            if need >= too_much && !is_over {
                self.undecided.push_back(held_back);
                continue;
            }
            let before = self.undecided.len();
            self.decide_call(&held_back.call, held_back.deadline, now, step);
            if self.undecided.len() > before {
                too_much = too_much.min(need);
            }
        }
    }

    /// Another call about the session came: what was held back is refused, so that it cannot undo later
    /// what was asked for after it.
    pub(crate) fn overtake_undecided(&mut self, by: &Call, step: &mut Step) {
        if matches!(by.request, Request::Create { .. } | Request::Edit(_)) {
            return;
        }
        let overtaken = |held_back: &Undecided| {
            held_back.call.session == by.session && held_back.call.command != by.command
        };
        for held_back in self.undecided.iter().filter(|held| overtaken(held)) {
            step.effects.push(Effect::Answer {
                call: held_back.call.id,
                result: Err::<Box<Answer>, _>(Refusal::overtaken()),
            });
        }
        self.undecided.retain(|held_back| !overtaken(held_back));
    }
}
