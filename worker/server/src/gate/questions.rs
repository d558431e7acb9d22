//! What is asked, what waits, and what an answer opens. No I/O; time is handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use orb_voice::{Permit, Refused};

/// Leases in one question: some tens of kilobytes.
const LEASES: usize = 256;

/// Questions without an answer so far; what comes meanwhile goes into the next one. More than one, so that a step
/// does not wait for an answer that it may not use; few, so that beats find room in the stream's queue.
const IN_FLIGHT: usize = 4;

/// After an answer that came too late: the first wait before it is asked again. Doubles, for the scheduler is busy.
const LATE_WAIT_MIN: Duration = Duration::from_millis(50);

/// The wait stops growing here. A party is silent meanwhile.
const LATE_WAIT_MAX: Duration = Duration::from_secs(2);

/// A lease, as far as the gate goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LeaseRef {
    pub(crate) session: String,
    pub(crate) token: u64,
}

/// A step that waits before the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaiterId(u64);

/// To be handed to the present stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) request: u64,
    pub(crate) leases: Vec<LeaseRef>,
}

/// What an answer came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answered {
    /// Who waits no longer.
    pub(crate) outcomes: Vec<(WaiterId, Result<Permit, Refused>)>,
    /// The first answer on this stream that came too late to be used: how long it took.
    pub(crate) first_late: Option<Duration>,
}

/// All steps that wait, and the questions that were asked for them.
///
/// A waiter is only ever served by a question that was asked after it came, on the stream that is there when the
/// answer comes.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    stream: Option<Stream>,
    /// Over all streams of this process: an old stream's answer fits no question.
    last_request: u64,
    last_waiter: u64,
    waiters: BTreeMap<WaiterId, Waiter>,
}

#[derive(Debug)]
struct Stream {
    permit: Duration,
    /// When each question was handed over.
    in_flight: BTreeMap<u64, Instant>,
    /// Answers in a row that came too late.
    late: u32,
    said_late: bool,
}

#[derive(Debug)]
struct Waiter {
    lease: LeaseRef,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// At once, or not before then.
    ToAsk(Option<Instant>),
    Asked(u64),
}

impl Questions {
    pub(crate) fn wait(&mut self, lease: LeaseRef) -> WaiterId {
        self.last_waiter += 1;
        let id = WaiterId(self.last_waiter);
        let state = State::ToAsk(None);
        self.waiters.insert(id, Waiter { lease, state });
        id
    }

    pub(crate) fn withdraw(&mut self, id: WaiterId) {
        self.waiters.remove(&id);
    }

    /// A stream is there, whose scheduler gives permits of this length; zero: it gives none.
    pub(crate) fn attached(&mut self, permit: Duration) {
        self.detached();
        self.stream = (!permit.is_zero()).then(|| Stream {
            permit,
            in_flight: BTreeMap::new(),
            late: 0,
            said_late: false,
        });
    }

    /// The stream has ended: what was asked on it is void, and is asked again on the next one.
    pub(crate) fn detached(&mut self) {
        self.stream = None;
        for waiter in self.waiters.values_mut() {
            waiter.state = State::ToAsk(None);
        }
    }

    /// The next question to hand to the stream; permits will count from `now`.
    pub(crate) fn question(&mut self, now: Instant) -> Option<Question> {
        let stream = self.stream.as_mut().filter(|stream| stream.has_room())?;
        let request = self.last_request + 1;
        let mut leases = BTreeSet::new();
        for waiter in self.waiters.values_mut().filter(|w| w.is_due(now)) {
            if leases.len() < LEASES || leases.contains(&waiter.lease) {
                leases.insert(waiter.lease.clone());
                waiter.state = State::Asked(request);
            }
        }
        if leases.is_empty() {
            return None;
        }
        self.last_request = request;
        stream.in_flight.insert(request, now);
        let leases = leases.into_iter().collect();
        Some(Question { request, leases })
    }

    /// When [`Questions::question`] has something to say if nothing else happens.
    pub(crate) fn next_question_at(&self) -> Option<Instant> {
        self.stream.as_ref().filter(|stream| stream.has_room())?;
        let times = self.waiters.values().filter_map(|w| match w.state {
            State::ToAsk(not_before) => not_before,
            State::Asked(_) => None,
        });
        times.min()
    }

    /// Takes in the scheduler's verdicts: whether each lease is held.
    pub(crate) fn answer(
        &mut self,
        request: u64,
        verdicts: &BTreeMap<LeaseRef, bool>,
        now: Instant,
    ) -> Answered {
        let mut answered = Answered::default();
        let Some(stream) = &mut self.stream else {
            return answered;
        };
        // Unknown: of an old stream, or answered before.
        let Some(asked_at) = stream.in_flight.remove(&request) else {
            return answered;
        };
        let expires = asked_at + stream.permit;
        let in_time = now < expires;
        stream.late = if in_time { 0 } else { stream.late + 1 };
        let again_at = now + late_wait(stream.late);
        self.waiters.retain(|id, waiter| {
            if waiter.state != State::Asked(request) {
                return true;
            }
            let outcome = match verdicts.get(&waiter.lease) {
                // However late: what became of the session since then comes as a newer lease, which dials anew.
                Some(false) => Err(Refused),
                Some(true) if in_time => Ok(Permit { expires }),
                late_or_missing => {
                    if late_or_missing.is_some() && !std::mem::replace(&mut stream.said_late, true)
                    {
                        answered.first_late = Some(now.saturating_duration_since(asked_at));
                    }
                    waiter.state = State::ToAsk(Some(again_at));
                    return true;
                }
            };
            answered.outcomes.push((*id, outcome));
            false
        });
        answered
    }
}

impl Stream {
    fn has_room(&self) -> bool {
        self.in_flight.len() < IN_FLIGHT
    }
}

impl Waiter {
    fn is_due(&self, now: Instant) -> bool {
        match self.state {
            State::ToAsk(not_before) => not_before.is_none_or(|at| at <= now),
            State::Asked(_) => false,
        }
    }
}

fn late_wait(late: u32) -> Duration {
    LATE_WAIT_MIN
        .saturating_mul(1 << late.saturating_sub(1).min(16))
        .min(LATE_WAIT_MAX)
}

#[cfg(test)]
mod tests;
