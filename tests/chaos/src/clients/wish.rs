//! What a client wants, and how that went.

use std::time::Instant;

use serde_json::{Value, json};

/// One mutating call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `POST /sessions`.
    Create {
        /// Where.
        guild: u64,
    },
    /// The film, under an entry id that no other call has.
    Play {
        /// That id.
        entry: i64,
    },
    /// Hold.
    Pause,
    /// Go on.
    Resume,
    /// To a position that no other call of the session has.
    Seek {
        /// That position.
        position_ms: u64,
    },
    /// End the item.
    Skip,
    /// End the party.
    Stop,
}

impl Wish {
    /// The type of the event row that it leaves when it changes something.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Create { .. } => "created",
            Self::Play { .. } => "play",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Seek { .. } => "seek",
            Self::Skip => "skip",
            Self::Stop => "stop",
        }
    }

    /// The path of the call, and its body but for what a play needs of the library.
    pub(super) fn control(&self) -> Option<Value> {
        match self {
            Self::Create { .. } | Self::Play { .. } => None,
            Self::Seek { position_ms } => {
                let seconds = *position_ms as f64 / 1000.0;
                Some(json!({"action": "seek", "positionSeconds": seconds}))
            }
            other => Some(json!({"action": other.event()})),
        }
    }
}

/// How a call ended for its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Not yet.
    Outstanding,
    /// Answered.
    Answered(Answered),
    /// Given up after many attempts: it may have been carried out or not.
    GivenUp {
        /// How the last attempt failed.
        last: String,
    },
}

/// An answer that is no reason to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Stable code of a refusal, else empty.
    pub code: String,
    /// When it was read.
    pub at: Instant,
}

impl Answered {
    /// Whether the call was accepted.
    pub fn is_acknowledged(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A call as its client remembers it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its `Idempotency-Key`.
    pub key: String,
    /// Of which session.
    pub session: String,
    /// What was wanted.
    pub wish: Wish,
    /// Before the first attempt.
    pub asked: Instant,
    /// How often it was tried, or repeated after its answer.
    pub attempts: u32,
    /// How it went.
    pub ending: Ending,
}

impl Call {
    /// The answer, if it was accepted.
    pub fn acknowledged(&self) -> Option<&Answered> {
        match &self.ending {
            Ending::Answered(answered) if answered.is_acknowledged() => Some(answered),
            _ => None,
        }
    }
}
