//! Which trace the present doings of a session belong to: for people who look on, and no part of any decision.

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::{FencingToken, Lease, Millis, Now, Scheduler, Session, WorkerId};

/// Length of `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`.
const LENGTH: usize = 55;

/// A W3C `traceparent` (<https://www.w3.org/TR/trace-context/#traceparent-header>): the trace, and the span in it
/// from which things follow.
///
/// It is kept in the desired record, so that whoever takes the session over, under whatever leader, goes on with the
/// trace of the call that asked for what plays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TraceParent(String);

impl TraceParent {
    /// None for a text that is not version 00 of it: it is going to be stored.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        let fits = text.len() == LENGTH
            && text.starts_with("00-")
            && text.bytes().enumerate().all(|(at, c)| match at {
                2 | 35 | 52 => c == b'-',
                _ => is_hex(c),
            });
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a session was given to a worker under a new token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantCause {
    /// It had no worker, or one without room for what was asked for.
    Placed,
    /// Its worker is to be relieved of it.
    HandedOver,
    /// Its worker is lost.
    TakenOver {
        /// Since when nothing was heard of it; none when this leader never heard of it at all.
        unheard_ms: Option<u64>,
    },
}

impl GrantCause {
    /// For the event row.
    pub(crate) fn of_event(self) -> Cause {
        match self {
            Self::Placed => Cause::Placement,
            Self::HandedOver => Cause::Drain,
            Self::TakenOver { .. } => Cause::WorkerLost,
        }
    }
}

/// A grant, for a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub worker: WorkerId,
    /// Under which token.
    pub token: FencingToken,
    /// From whom.
    pub from: Option<WorkerId>,
    /// Why.
    pub cause: GrantCause,
    /// Media time from which it goes on.
    pub position_ms: u64,
}

impl Scheduler {
    /// Why the session goes to another worker than the holder of this lease.
    pub(crate) fn grant_cause(&self, from: Option<&Lease>, now: Now) -> GrantCause {
        let Some(lease) = from.filter(|lease| self.is_lost(lease, now.monotonic)) else {
            return GrantCause::Placed;
        };
        GrantCause::TakenOver {
            unheard_ms: self.unheard_ms(lease, now.monotonic),
        }
    }

    fn unheard_ms(&self, lease: &Lease, now: Millis) -> Option<u64> {
        let worker = self.workers.get(&lease.worker)?;
        let is_it = worker.incarnation == lease.incarnation;
        is_it.then(|| now.since(worker.last_heard))
    }
}

impl Session {
    /// Of the call that asked for what is desired now.
    pub(crate) fn trace(&self) -> Option<TraceParent> {
        self.record.desired.trace.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_traceparent_is_one() {
        let whole = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parsed = TraceParent::parse(whole);
        assert_eq!(parsed.as_ref().map(TraceParent::as_str), Some(whole));
        let long = format!("{whole}-more");
        for other in [
            "",
            &whole[1..],
            &whole[..54],
            &long,
            &whole.to_uppercase(),
            &whole.replacen("00", "ff", 1),
            &whole.replace('-', "_"),
            &whole.replace("0af", "xyz"),
            &whole.replace("0af", "é0"),
        ] {
            assert_eq!(TraceParent::parse(other), None, "{other:?}");
        }
    }
}
