//! Each kind of wrong is found, and what is right is not.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::history::{Session, Stored};

const SESSION: &str = "10011";

/// A session as its clients and its store remember it; times are in seconds.
struct Story {
    begun: Instant,
    calls: Vec<Call>,
    history: History,
}

impl Story {
    /// A session that plays entry 1.
    fn begin() -> Self {
        let mut story = Self {
            begun: Instant::now(),
            calls: Vec::new(),
            history: History::default(),
        };
        let record = json!({"desired": {"generation": 9, "in_channel": true}});
        let session = Session {
            guild: "1001".to_owned(),
            record,
        };
        story.history.sessions.insert(SESSION.to_owned(), session);
        story.happens("created", json!({}));
        story.happens("play", json!({"queueEntryId": 1, "generation": 2}));
        story
    }

    fn happens(&mut self, kind: &str, mut payload: serde_json::Value) {
        let cause = if kind == "observed" { "report" } else { "call" };
        payload["cause"] = json!(cause);
        let events = self.history.events.entry(SESSION.to_owned()).or_default();
        events.push(Event {
            kind: kind.to_owned(),
            payload,
            unix_ms: 0,
        });
    }

    /// A call from second `from` to second `until`, with what the store has of it.
    fn call(&mut self, wish: Wish, (from, until): (u64, u64), status: u16, stored: Kept) {
        let key = format!("key-{}", self.calls.len());
        let generation = match stored {
            Kept::Accepted(generation) => Some(Some(generation)),
            Kept::Refused => Some(None),
            Kept::Not => None,
        };
        if let Some(generation) = generation {
            let session = SESSION.to_owned();
            self.history.commands.insert(
                key.clone(),
                Stored {
                    session,
                    generation,
                },
            );
        }
        let code = if status < 300 { "" } else { "nothing_playing" };
        let answered = Answered {
            status,
            code: code.to_owned(),
            at: self.begun + Duration::from_secs(until),
        };
        self.calls.push(Call {
            key,
            session: SESSION.to_owned(),
            wish,
            asked: self.begun + Duration::from_secs(from),
            attempts: 1,
            ending: Ending::Answered(answered),
        });
    }

    fn judged(&self) -> (CallCounts, String) {
        let (counts, wrong) = calls(&self.calls, &self.history);
        (counts, wrong.join("; "))
    }
}

/// What the store has of a command id.
#[derive(Clone, Copy)]
enum Kept {
    Accepted(u64),
    Refused,
    Not,
}

const SEEK: Wish = Wish::Seek {
    position_ms: 70_003,
};

#[test]
fn what_was_acknowledged_and_is_there_is_right() {
    let mut story = Story::begin();
    story.call(Wish::Create { guild: 1001 }, (0, 1), 201, Kept::Accepted(1));
    story.call(Wish::Play { entry: 1 }, (1, 2), 200, Kept::Accepted(2));
    story.happens("seek", json!({"positionMs": 70_003, "generation": 3}));
    story.call(SEEK, (2, 3), 202, Kept::Accepted(3));
    // Nothing to change, and nothing changed.
    story.call(Wish::Resume, (3, 4), 200, Kept::Accepted(3));
    story.happens("ended", json!({"reason": "stopped"}));
    story.happens("stop", json!({"generation": 4}));
    story.call(Wish::Stop, (4, 5), 200, Kept::Accepted(4));
    story.call(Wish::Pause, (5, 6), 409, Kept::Refused);
    let (counts, wrong) = story.judged();
    assert_eq!(wrong, "");
    assert_eq!((counts.acknowledged, counts.refused), (5, 1));
}

#[test]
fn a_lost_call_is_found() {
    let mut forgotten = Story::begin();
    forgotten.call(SEEK, (2, 3), 200, Kept::Not);
    let mut without_effect = Story::begin();
    without_effect.call(SEEK, (2, 3), 200, Kept::Accepted(3));
    let mut not_held = Story::begin();
    not_held.call(Wish::Pause, (2, 3), 200, Kept::Accepted(2));
    let mut beyond = Story::begin();
    beyond.happens("seek", json!({"positionMs": 70_003, "generation": 10}));
    beyond.call(SEEK, (2, 3), 200, Kept::Accepted(10));
    for story in [forgotten, without_effect, not_held, beyond] {
        let (counts, wrong) = story.judged();
        assert_eq!(counts.lost, 1, "{wrong}");
    }
}

#[test]
fn a_call_that_was_applied_twice_is_found() {
    let mut story = Story::begin();
    story.happens("seek", json!({"positionMs": 70_003, "generation": 3}));
    story.happens("seek", json!({"positionMs": 70_003, "generation": 4}));
    story.call(SEEK, (2, 3), 200, Kept::Accepted(3));
    let (counts, wrong) = story.judged();
    assert_eq!(counts.twice, 1, "{wrong}");
}

#[test]
fn a_call_that_was_refused_and_carried_out_is_found() {
    let mut story = Story::begin();
    story.happens("seek", json!({"positionMs": 70_003, "generation": 3}));
    story.call(SEEK, (2, 3), 409, Kept::Refused);
    assert!(
        story.judged().1.contains("carried out"),
        "{}",
        story.judged().1
    );
}

#[test]
fn calls_in_the_wrong_order_are_found() {
    let mut story = Story::begin();
    story.happens("pause", json!({"generation": 3}));
    story.happens("seek", json!({"positionMs": 70_003, "generation": 4}));
    story.call(SEEK, (2, 3), 200, Kept::Accepted(4));
    story.call(Wish::Pause, (4, 5), 200, Kept::Accepted(3));
    assert!(
        story.judged().1.contains("out of order"),
        "{}",
        story.judged().1
    );
    story.happens("resume", json!({"generation": 4}));
    assert!(story.judged().1.contains("follows"), "{}", story.judged().1);
}

#[test]
fn what_a_worker_said_is_told_under_the_generation_of_the_moment() {
    let mut story = Story::begin();
    story.happens("pause", json!({"generation": 3}));
    story.happens("observed", json!({"generation": 3}));
    story.happens("observed", json!({"generation": 3}));
    story.happens("resume", json!({"generation": 4}));
    assert_eq!(story.judged().1, "");
    story.happens("observed", json!({"generation": 3}));
    assert!(
        story.judged().1.contains("3 follows 4"),
        "{}",
        story.judged().1
    );
}
