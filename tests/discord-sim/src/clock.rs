use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One time line for everything the simulator writes down.
///
/// Times are taken as [`Instant`]s; the wall clock is read once, at start, so that differences
/// between two recorded wall times are monotonic too.
#[derive(Clone, Copy, Debug)]
pub struct SimClock {
    started: Instant,
    started_unix: Duration,
}

impl SimClock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            started_unix: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// Nanoseconds since the Unix epoch at `at`.
    pub fn unix_ns(&self, at: Instant) -> u64 {
        let unix = match at.checked_duration_since(self.started) {
            Some(after) => self.started_unix + after,
            None => self
                .started_unix
                .saturating_sub(self.started.duration_since(at)),
        };
        u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since the Unix epoch at `at`.
    pub fn unix_ms(&self, at: Instant) -> u64 {
        self.unix_ns(at) / 1_000_000
    }

    /// The moment that was `unix_ms` on the wall clock; the start for anything earlier.
    pub fn at_unix_ms(&self, unix_ms: u64) -> Instant {
        let since_start = Duration::from_millis(unix_ms).saturating_sub(self.started_unix);
        self.started + since_start
    }
}
