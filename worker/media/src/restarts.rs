//! How often ffmpeg may be started again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::timing::{RESTART_DELAYS, RESTART_WINDOW, RESTARTS};

/// The restarts of one source within the window.
#[derive(Debug, Default)]
pub(crate) struct Restarts(VecDeque<Instant>);

impl Restarts {
    /// The wait before the next restart, or none if there were too many.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Duration> {
        self.0.retain(|at| now.duration_since(*at) < RESTART_WINDOW);
        if self.0.len() >= RESTARTS {
            return None;
        }
        let (first, longest) = RESTART_DELAYS;
        let delay = first.saturating_mul(1 << self.0.len()).min(longest);
        self.0.push_back(now);
        Some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_until_it_is_given_up() {
        let (mut restarts, now) = (Restarts::default(), Instant::now());
        let waits: Vec<_> = (0..6)
            .map(|_| restarts.next(now).map(|d| d.as_millis()))
            .collect();
        let expected = [Some(50), Some(100), Some(200), Some(400), Some(800), None];
        assert_eq!(waits, expected);
    }

    #[test]
    fn old_restarts_are_forgiven() {
        let (mut restarts, now) = (Restarts::default(), Instant::now());
        for _ in 0..RESTARTS {
            restarts.next(now);
        }
        assert_eq!(restarts.next(now), None);
        assert_eq!(restarts.next(now + RESTART_WINDOW), Some(RESTART_DELAYS.0));
    }
}
