//! One moment on two clocks: what this process measures, and what the logs of others say.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::DateTime;

/// A moment on the monotonic clock and as wall time. Logs of processes of the same machine are placed by it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            at: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// When a line was logged, on the monotonic clock; lines begin with their time.
    pub(crate) fn of_log_line(self, line: &str) -> Option<Instant> {
        let (time, _) = line.trim_start().split_once(' ')?;
        let time = DateTime::parse_from_rfc3339(time).ok()?;
        let logged = Duration::from_micros(u64::try_from(time.timestamp_micros()).ok()?);
        let here = self.wall.duration_since(UNIX_EPOCH).ok()?;
        match logged.checked_sub(here) {
            Some(later) => Some(self.at + later),
            None => self.at.checked_sub(here.saturating_sub(logged)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_of_a_log_are_placed() {
        let moment = Moment {
            at: Instant::now() + Duration::from_secs(10),
            wall: UNIX_EPOCH + Duration::from_secs(1),
        };
        let later = "1970-01-01T00:00:01.250000Z  INFO said addr=1";
        let earlier = "1970-01-01T00:00:00.999000Z  INFO said";
        assert_eq!(
            moment.of_log_line(later).unwrap() - moment.at,
            Duration::from_millis(250)
        );
        assert_eq!(
            moment.at - moment.of_log_line(earlier).unwrap(),
            Duration::from_millis(1)
        );
        assert_eq!(moment.of_log_line("no time"), None);
    }
}
