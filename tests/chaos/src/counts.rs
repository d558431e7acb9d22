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
    /// The longest that an accepted call took, with all its attempts.
    pub(crate) worst_call: Duration,
    /// From the end of the faults to the answer of the last call that was under way.
    pub(crate) last_answer: Duration,
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
             worst_recovery_ms={} worst_call_ms={} last_answer_ms={}",
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
            self.worst_call.as_millis(),
            self.last_answer.as_millis(),
        )
    }
}
