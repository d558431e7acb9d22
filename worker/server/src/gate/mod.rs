//! What stands behind [`orb_voice::Gate`]: the leader is asked whether a lease still stands.
//!
//! ```text
//!  driver ── pass() ──▶ LeaseGate ─┐                        ┌─▶ ConfirmLeases ──▶ scheduler
//!  driver ── pass() ──▶ LeaseGate ─┼─▶ GateDesk (Questions) ┤
//!     ▲                            │                        └── LeasesConfirmed ◀─┘
//!     └──── Permit or Refused ─────┘
//! ```
//!
//! The questions of all sessions go over the worker's one stream. What an answer opens is decided by [`Questions`];
//! why that is safe is argued in `docs/adr/0004-the-gate.md`.

mod desk;
mod questions;

use std::sync::Arc;
use std::time::Instant;

use orb_voice::{Gate, Passing, Permit, Refused, Step};
use tokio::sync::watch;

pub(crate) use self::desk::GateDesk;
use self::questions::{LeaseRef, Question, Questions, WaiterId};

/// The gate of one session under one token: a newer lease makes a new one.
#[derive(Clone)]
pub(crate) struct LeaseGate {
    desk: Arc<GateDesk>,
    lease: LeaseRef,
    door: Arc<watch::Sender<Door>>,
}

/// This worker's own part of the gate.
#[derive(Debug, Default)]
struct Door {
    /// Nobody passes, whatever the scheduler says.
    shut: bool,
    /// Somebody who passed may act until then.
    in_use_until: Option<Instant>,
}

impl LeaseGate {
    pub(crate) fn new(desk: Arc<GateDesk>, session: &str, token: u64) -> Self {
        let lease = LeaseRef {
            session: session.to_owned(),
            token,
        };
        Self {
            desk,
            lease,
            door: Arc::default(),
        }
    }

    /// Nobody passes from here on, until [`open`](Self::open). True when somebody passed a moment ago and may still be
    /// taking his step: only without its connection it is sure that he does not.
    pub(crate) fn shut(&self) -> bool {
        let mut in_use = false;
        self.door.send_modify(|door| {
            door.shut = true;
            in_use = door
                .in_use_until
                .is_some_and(|until| Instant::now() < until);
        });
        in_use
    }

    /// Whoever waits may pass again, when the scheduler lets him.
    pub(crate) fn open(&self) {
        self.door.send_modify(|door| door.shut = false);
    }

    async fn pass_when_open(&self) -> Result<Permit, Refused> {
        loop {
            let mut door = self.door.subscribe();
            if door.wait_for(|door| !door.shut).await.is_err() {
                // Its sender lives with this gate.
                return std::future::pending().await;
            }
            let permit = self.desk.pass(self.lease.clone()).await?;
            // In one step with the look at the door: who shuts it has to know of this permit.
            let passed = self.door.send_if_modified(|door| {
                if !door.shut {
                    door.in_use_until = door.in_use_until.max(Some(permit.expires));
                }
                !door.shut
            });
            if passed {
                return Ok(permit);
            }
        }
    }
}

impl Gate for LeaseGate {
    /// All steps take the same right: the last of them to reach Discord has the channel.
    fn pass(&self, step: Step) -> Passing<'_> {
        Box::pin(async move {
            let permit = self.pass_when_open().await?;
            // Tells afterwards which lease a connection was made under.
            tracing::info!(session = %self.lease.session, token = self.lease.token, ?step, "passes the gate");
            Ok(permit)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn nobody_passes_a_gate_that_is_shut_and_who_passed_before_is_known() {
        let desk = Arc::new(GateDesk::default());
        let gate = LeaseGate::new(Arc::clone(&desk), "s", 1);
        assert!(!gate.shut(), "nobody has passed");
        let passing = tokio::spawn({
            let gate = gate.clone();
            async move { gate.pass(Step::Resume).await }
        });
        let asking = desk.attached(Duration::from_mins(1));
        let silence = async || {
            let asked = tokio::time::timeout(Duration::from_millis(50), asking.question()).await;
            assert!(asked.is_err(), "nobody asks");
        };
        silence().await;
        gate.open();
        let question = asking.question().await;
        // Shut again while the answer is under way.
        assert!(!gate.shut());
        let verdict = |lease: &orb_proto::v1::LeaseRef| orb_proto::v1::LeaseVerdict {
            lease: Some(lease.clone()),
            held: true,
        };
        let held = |question: &orb_proto::v1::ConfirmLeases| orb_proto::v1::LeasesConfirmed {
            request_id: question.request_id,
            verdicts: question.leases.iter().map(verdict).collect(),
        };
        asking.answer(held(&question));
        silence().await;
        gate.open();
        let question = asking.question().await;
        assert!(!passing.is_finished());
        asking.answer(held(&question));
        passing.await.unwrap().unwrap();
        assert!(gate.shut(), "he may be dialling");
    }
}
