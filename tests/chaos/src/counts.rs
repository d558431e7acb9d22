//! The one line that a run ends with.

use std::time::Duration;

use crate::checks::{CallCounts, DialCounts, Takeovers};
use crate::run::Plan;

/// What the line says.
pub(crate) struct Counts {
    pub(crate) plan: Plan,
    /// `kind=count`.
    pub(crate) faults: Vec<String>,
    pub(crate) calls: CallCounts,
    pub(crate) dials: DialCounts,
    pub(crate) gateway_overlaps: usize,
    /// Words of processes that were held up, to voice servers and main gateway.
    pub(crate) late: usize,
    pub(crate) takeovers: Takeovers,
    pub(crate) worst_recovery: Duration,
}

impl Counts {
    pub(crate) fn line(&self) -> String {
        let Self {
            calls,
            dials,
            takeovers,
            ..
        } = self;
        format!(
            "chaos seed={} duration_s={} {} acknowledged={} refused={} given_up={} lost={} twice={} dials={} grants={} \
             displacements={} overlaps={} late={} takeovers={} worst_position_ms={} worst_position_unseen_ms={} \
             worst_recovery_ms={}",
            self.plan.seed,
            self.plan.duration.as_secs(),
            self.faults.join(" "),
            calls.acknowledged,
            calls.refused,
            calls.given_up,
            calls.lost,
            calls.twice,
            dials.dials,
            dials.grants,
            dials.displacements,
            dials.overlaps + self.gateway_overlaps,
            self.late,
            takeovers.count,
            takeovers.worst_ms,
            takeovers.worst_unseen_ms,
            self.worst_recovery.as_millis(),
        )
    }
}
