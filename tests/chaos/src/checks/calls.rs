//! No acknowledged call is lost, none is applied twice, and what came later is later.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clients::{Answered, Call, Ending, Wish};
use crate::history::{Event, History};

/// What became of the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Accepted.
    pub acknowledged: usize,
    /// Refused for a reason.
    pub refused: usize,
    /// Given up by their clients.
    pub given_up: usize,
    /// Acknowledged, and not in the store, or without effect.
    pub lost: usize,
    /// With more than one effect.
    pub twice: usize,
}

/// Refusals that this workload can meet: a meddler's call after a skip or a stop, or before the first play. A session
/// is only unknown while its first call is not answered.
const EXPECTED_REFUSALS: [&str; 2] = ["nothing_playing", "session_not_found"];

/// What a session is meant to do, as far as its event rows say.
#[derive(Clone, Copy, Debug, Default)]
struct Meant {
    current: bool,
    paused: bool,
    stopped: bool,
}

impl Meant {
    fn after(self, event: &Event) -> Self {
        match event.kind.as_str() {
            "play" => Self {
                current: true,
                paused: false,
                stopped: false,
            },
            "pause" => Self {
                paused: true,
                ..self
            },
            "resume" => Self {
                paused: false,
                ..self
            },
            "ended" if is_an_end_of_its_own(event) => Self {
                current: false,
                paused: false,
                ..self
            },
            "skip" => Self {
                current: false,
                paused: false,
                ..self
            },
            "stop" | "voice_kicked" | "empty_leave" => Self {
                stopped: true,
                ..Self::default()
            },
            _ => self,
        }
    }

    /// Whether a call that changed nothing had nothing to change.
    fn fulfils(self, wish: &Wish) -> bool {
        match wish {
            Wish::Pause => self.current && self.paused,
            Wish::Resume => self.current && !self.paused,
            Wish::Skip => !self.current,
            Wish::Stop => self.stopped,
            Wish::Create { .. } => true,
            // Each has a value of its own, so it changes something.
            Wish::Play { .. } | Wish::Seek { .. } => false,
        }
    }
}

/// Ends that calls bring are told of by the calls' own rows.
fn is_an_end_of_its_own(event: &Event) -> bool {
    let reason = event.payload["reason"].as_str().unwrap_or_default();
    matches!(reason, "finished" | "failed")
}

/// Counts, and whatever is wrong.
pub fn calls(calls: &[Call], history: &History) -> (CallCounts, Vec<String>) {
    let mut counts = CallCounts::default();
    let mut wrong = Vec::new();
    for call in calls {
        let what = format!("{:?} {} of {}", call.wish, call.key, call.session);
        let effects = effects(call, history);
        if effects > 1 {
            counts.twice += 1;
            wrong.push(format!("applied {effects} times: {what}"));
        }
        match &call.ending {
            Ending::Answered(answered) if answered.is_acknowledged() => {
                counts.acknowledged += 1;
                if let Some(why) = is_lost(call, effects, history) {
                    counts.lost += 1;
                    wrong.push(format!("lost: {what}, answered {}: {why}", answered.status));
                }
            }
            Ending::Answered(answered) => {
                counts.refused += 1;
                if let Some(why) = is_odd(call, answered, effects, calls) {
                    wrong.push(format!("{why}: {what}"));
                }
            }
            Ending::GivenUp { .. } => counts.given_up += 1,
            Ending::Outstanding => wrong.push(format!("never answered: {what}")),
        }
    }
    wrong.extend(out_of_order(calls, history));
    for (session, events) in &history.events {
        wrong.extend(not_rising(session, events));
    }
    (counts, wrong)
}

/// The longest that an accepted call took, with all its attempts.
pub fn worst_call(calls: &[Call]) -> Duration {
    let took = |call: &Call| call.acknowledged().map(|answered| answered.at - call.asked);
    calls.iter().filter_map(took).max().unwrap_or_default()
}

/// How many event rows a call has left, where it can be told: each play and each seek has a value of its own.
fn effects(call: &Call, history: &History) -> usize {
    let events = history
        .events
        .get(&call.session)
        .map_or(&[][..], Vec::as_slice);
    let is_its = |event: &&Event| {
        event.kind == call.wish.event()
            && match call.wish {
                Wish::Play { entry } => event.payload["queueEntryId"] == entry,
                Wish::Seek { position_ms } => event.payload["positionMs"] == position_ms,
                Wish::Create { .. } => true,
                _ => {
                    let stored = history.commands.get(&call.key);
                    let generation = stored.and_then(|stored| stored.generation);
                    generation.is_some() && event.generation() == generation
                }
            }
    };
    events.iter().filter(is_its).count()
}

fn is_lost(call: &Call, effects: usize, history: &History) -> Option<String> {
    let Some(stored) = history.commands.get(&call.key) else {
        return Some("its command id is not in the store".to_owned());
    };
    let Some(generation) = stored.generation else {
        return Some("it was acknowledged, and refused in the store".to_owned());
    };
    let Some(session) = history.sessions.get(&call.session) else {
        return Some("its session is not in the store".to_owned());
    };
    if generation > session.generation() {
        return Some(format!("its generation {generation} is not in the store"));
    }
    if effects == 0 {
        let events = history
            .events
            .get(&call.session)
            .map_or(&[][..], Vec::as_slice);
        let before = events
            .iter()
            .take_while(|event| event.generation().is_none_or(|of| of <= generation));
        let meant = before.fold(Meant::default(), Meant::after);
        if !meant.fulfils(&call.wish) {
            return Some(format!(
                "no event row, and the session was {meant:?} at generation {generation}"
            ));
        }
    }
    None
}

fn is_odd(call: &Call, answered: &Answered, effects: usize, calls: &[Call]) -> Option<String> {
    if effects > 0 && !matches!(call.wish, Wish::Create { .. }) {
        return Some(format!(
            "refused with {} {}, and carried out",
            answered.status, answered.code
        ));
    }
    if !EXPECTED_REFUSALS.contains(&answered.code.as_str()) {
        return Some(format!("answered {} {}", answered.status, answered.code));
    }
    let created = calls.iter().any(|other| {
        let is_first = matches!(other.wish, Wish::Create { .. }) && other.session == call.session;
        is_first
            && other
                .acknowledged()
                .is_some_and(|answer| answer.at < call.asked)
    });
    (answered.code == "session_not_found" && created)
        .then(|| "forgotten: its session was made before".to_owned())
}

/// A call that was made after another one was answered is later in the record, too.
fn out_of_order(calls: &[Call], history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut by_session: BTreeMap<&str, Vec<(&Call, &Answered, u64)>> = BTreeMap::new();
    for call in calls {
        let generation = history
            .commands
            .get(&call.key)
            .and_then(|stored| stored.generation);
        if let (Some(answered), Some(generation)) = (call.acknowledged(), generation) {
            let of_session = by_session.entry(&call.session).or_default();
            of_session.push((call, answered, generation));
        }
    }
    for of_session in by_session.values() {
        for (earlier, answered, before) in of_session {
            for (later, _, after) in of_session {
                if answered.at < later.asked && after < before {
                    wrong.push(format!(
                        "out of order: {:?} {} at generation {before} was answered before {:?} {} at {after} was asked",
                        earlier.wish, earlier.key, later.wish, later.key
                    ));
                }
            }
        }
    }
    wrong
}

/// Rows come in the order of generations. What a caller changed brought one of its own; other rows tell under which
/// one they happened.
fn not_rising(session: &str, events: &[Event]) -> Vec<String> {
    let fallen = falls(events.iter(), |before, after| after < before);
    let shared = falls(
        events.iter().filter(|event| is_a_change(event)),
        |before, after| after <= before,
    );
    fallen
        .chain(shared)
        .map(|(before, after)| format!("{session}: generation {after} follows {before}"))
        .collect()
}

/// Neighbours in which something is wrong.
fn falls<'a>(
    events: impl Iterator<Item = &'a Event>,
    is_wrong: impl Fn(u64, u64) -> bool,
) -> impl Iterator<Item = (u64, u64)> {
    let generations: Vec<u64> = events.filter_map(Event::generation).collect();
    let pairs: Vec<_> = generations
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
        .collect();
    pairs
        .into_iter()
        .filter(move |(before, after)| is_wrong(*before, *after))
}

/// The row of a call that changed what shall be.
fn is_a_change(event: &Event) -> bool {
    let is_one = matches!(
        event.kind.as_str(),
        "play" | "pause" | "resume" | "seek" | "skip" | "stop"
    );
    is_one && event.payload["cause"] == "call"
}

#[cfg(test)]
mod tests;
