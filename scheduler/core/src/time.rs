//! Time as the state machine sees it: handed in, never read.

use serde::{Deserialize, Serialize};

/// Milliseconds on the scheduler's monotonic clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// This much later.
    #[must_use]
    pub const fn after(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// How long ago `earlier` was; zero when it is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The time of one event: monotonic for every decision, wall clock only for rows that people read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// For deadlines and positions.
    pub monotonic: Millis,
    /// Unix milliseconds, for `created_at` and `updated_at`.
    pub wall_ms: i64,
}

/// The time-outs that the state machine keeps, all in milliseconds. Their values, reasons and
/// relations stand in `orb-config`'s `Timing`, which makes this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulerTiming {
    /// How long a call waits for the worker before it is answered "not yet".
    pub call_wait_ms: u64,
    /// Silence after which a worker's sessions go elsewhere.
    pub suspect_after_ms: u64,
    /// The same after its stream was reset, for the re-attach of a healthy worker.
    pub reset_grace_ms: u64,
    /// After a start every lease is unknown for so long and is granted nowhere else.
    pub reattach_grace_ms: u64,
    /// An event that is handled so late means that this leader was paused: the silence is its own.
    pub leader_pause_ms: u64,
    /// The bot leaves the channel so long after the last item ended.
    pub idle_leave_ms: u64,
    /// A party whose channel nobody is in is stopped after so long.
    pub empty_leave_ms: u64,
    /// Bound on waiting for Discord to confirm a voice state.
    pub voice_event_wait_ms: u64,
    /// Positions are written at least so often while something plays.
    pub position_checkpoint_ms: u64,
}

impl Default for SchedulerTiming {
    fn default() -> Self {
        Self {
            call_wait_ms: 5_000,
            suspect_after_ms: 2_000,
            reset_grace_ms: 150,
            reattach_grace_ms: 10_000,
            leader_pause_ms: 1_000,
            idle_leave_ms: 300_000,
            empty_leave_ms: 120_000,
            voice_event_wait_ms: 5_000,
            position_checkpoint_ms: 1_000,
        }
    }
}
