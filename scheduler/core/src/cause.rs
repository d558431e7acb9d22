//! Why something happened, and on whose behalf: every event row says both.

use serde_json::Value;

use crate::WorkerId;

/// `cause` in the payload of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asked for it.
    Call,
    /// A worker said so.
    Report,
    /// The entry before it in the queue has ended.
    AutoAdvance,
    /// The entry before it in the queue could not be played.
    ItemFailed,
    /// A worker is not heard of any more.
    WorkerLost,
    /// A worker gave it back, or has no room for it.
    NoRoom,
    /// A worker is about to go.
    Drain,
    /// It had no worker.
    Placement,
    /// Discord, or a voice connection.
    Voice,
    /// Nothing has played for long.
    Idle,
    /// Nobody has been in the channel for long.
    Empty,
    /// The last entry of the queue has ended.
    QueueEnd,
    /// The installation allows it no more.
    Configuration,
}

impl Cause {
    /// As the payload spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Report => "report",
            Self::AutoAdvance => "auto_advance",
            Self::ItemFailed => "item_failed",
            Self::WorkerLost => "worker_lost",
            Self::NoRoom => "no_room",
            Self::Drain => "drain",
            Self::Placement => "placement",
            Self::Voice => "voice",
            Self::Idle => "idle",
            Self::Empty => "empty",
            Self::QueueEnd => "queue_end",
            Self::Configuration => "configuration",
        }
    }
}

/// A cause, and whose doing it is.
#[derive(Debug, Clone)]
pub(crate) struct By {
    cause: Cause,
    actor: String,
}

impl By {
    /// Of a call.
    pub(crate) fn caller(actor: &str) -> Self {
        Self {
            cause: Cause::Call,
            actor: actor.to_owned(),
        }
    }

    pub(crate) fn scheduler(cause: Cause) -> Self {
        Self {
            cause,
            actor: "scheduler".to_owned(),
        }
    }

    pub(crate) fn worker(worker: &WorkerId, cause: Cause) -> Self {
        Self {
            cause,
            actor: format!("worker:{worker}"),
        }
    }

    pub(crate) fn actor(&self) -> &str {
        &self.actor
    }

    pub(crate) fn is(&self, cause: Cause) -> bool {
        self.cause == cause
    }

    /// The same doer, for another cause.
    pub(crate) fn because(&self, cause: Cause) -> Self {
        Self {
            cause,
            actor: self.actor.clone(),
        }
    }

    /// Signs the payload of an event.
    pub(crate) fn sign(&self, mut payload: Value) -> Value {
        if let Some(object) = payload.as_object_mut() {
            object.insert("cause".to_owned(), self.cause.as_str().into());
            object.insert("actor".to_owned(), self.actor.as_str().into());
        }
        payload
    }
}
