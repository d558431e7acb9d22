//! What a driver counts, over all of its calls.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::Step;

/// Counters since the driver was made.
#[derive(Debug, Default)]
pub struct DriverStats {
    dials: AtomicU64,
    identifies: AtomicU64,
    resumes: AtomicU64,
    gate_refusals: AtomicU64,
    malformed: AtomicU64,
    send_errors: AtomicU64,
    invalid_commits: AtomicU64,
    /// Ends of connections; 0: without a close frame. At most one entry for each possible code.
    closes: Mutex<BTreeMap<u16, u64>>,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// TCP connections that were begun.
    pub dials: u64,
    /// IDENTIFYs sent.
    pub identifies: u64,
    /// RESUMEs sent.
    pub resumes: u64,
    /// Times that the gate refused.
    pub gate_refusals: u64,
    /// Server messages that were none.
    pub malformed: u64,
    /// Datagrams that the kernel did not take.
    pub send_errors: u64,
    /// Commits and welcomes that could not be followed (voice op 31).
    pub invalid_commits: u64,
    /// Ends of connections by close code; 0: without a close frame.
    pub closes: BTreeMap<u16, u64>,
}

impl DriverStats {
    /// The counters now.
    pub fn snapshot(&self) -> StatsSnapshot {
        StatsSnapshot {
            dials: self.dials.load(Relaxed),
            identifies: self.identifies.load(Relaxed),
            resumes: self.resumes.load(Relaxed),
            gate_refusals: self.gate_refusals.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            send_errors: self.send_errors.load(Relaxed),
            invalid_commits: self.invalid_commits.load(Relaxed),
            closes: self
                .closes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }

    pub(super) fn stepped(&self, step: Step) {
        let counter = match step {
            Step::Dial => &self.dials,
            Step::Identify => &self.identifies,
            Step::Resume => &self.resumes,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self) {
        self.gate_refusals.fetch_add(1, Relaxed);
    }

    pub(super) fn malformed(&self) {
        self.malformed.fetch_add(1, Relaxed);
    }

    pub(super) fn send_failed(&self) {
        self.send_errors.fetch_add(1, Relaxed);
    }

    pub(super) fn invalid_commits(&self, number: u64) {
        self.invalid_commits.fetch_add(number, Relaxed);
    }

    pub(super) fn closed(&self, code: Option<u16>) {
        let mut closes = self.closes.lock().unwrap_or_else(PoisonError::into_inner);
        *closes.entry(code.unwrap_or_default()).or_default() += 1;
    }
}
