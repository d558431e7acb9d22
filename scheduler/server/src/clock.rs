//! The only place that reads clocks.

use std::time::{SystemTime, UNIX_EPOCH};

use orb_scheduler_core::{Millis, Now};
use tokio::time::Instant;

/// Monotonic milliseconds since it was made, and the wall clock for rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts at zero.
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            monotonic: Millis(self.start.elapsed().as_millis() as u64),
            wall_ms: wall.as_millis() as i64,
        }
    }

    /// When that millisecond is, for timers.
    pub(crate) fn instant(&self, at: Millis) -> Instant {
        self.start + std::time::Duration::from_millis(at.0)
    }
}
