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

use orb_voice::{Gate, Passing, Step};

pub(crate) use self::desk::GateDesk;
use self::questions::{LeaseRef, Question, Questions, WaiterId};

/// The gate of one session under one token: a newer lease makes a new one.
#[derive(Clone)]
pub(crate) struct LeaseGate {
    desk: Arc<GateDesk>,
    lease: LeaseRef,
}

impl LeaseGate {
    pub(crate) fn new(desk: Arc<GateDesk>, session: &str, token: u64) -> Self {
        let lease = LeaseRef {
            session: session.to_owned(),
            token,
        };
        Self { desk, lease }
    }
}

impl Gate for LeaseGate {
    /// All steps take the same right: the last of them to reach Discord has the channel.
    fn pass(&self, _: Step) -> Passing<'_> {
        Box::pin(self.desk.pass(self.lease.clone()))
    }
}
