//! How many commands one gateway connection may send.
//!
//! Discord closes a connection that sends more than 120 events in 60 seconds (Gateway, "Rate
//! Limiting"), heartbeats included. twilight holds that limit too, but by not polling the
//! connection while it waits, so that nothing is received either. Staying below it here keeps its
//! limiter out of the way, and leaves a command that has not been sent yet free to be dropped.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Commands (ops 4, 18, 19 and 22) that one connection sends in a minute at most: 120 less 20 for heartbeats, IDENTIFY,
/// RESUME.
pub const COMMANDS: usize = 100;
const WINDOW: Duration = Duration::from_mins(1);

/// A sliding window over the last sends.
#[derive(Default)]
pub(crate) struct SendLimit {
    sent: VecDeque<Instant>,
}

impl SendLimit {
    /// When the next command may be sent; nothing when that is now.
    pub(crate) fn wait_until(&mut self, now: Instant) -> Option<Instant> {
        while self.sent.front().is_some_and(|at| *at + WINDOW <= now) {
            self.sent.pop_front();
        }
        let oldest = self.sent.front()?;
        (self.sent.len() >= COMMANDS).then(|| *oldest + WINDOW)
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.sent.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_its_share_in_any_window() {
        let start = Instant::now();
        let mut limit = SendLimit::default();
        for i in 0..COMMANDS {
            let now = start + Duration::from_millis(i as u64);
            assert_eq!(limit.wait_until(now), None, "command {i}");
            limit.sent(now);
        }
        let later = start + Duration::from_secs(59);
        assert_eq!(limit.wait_until(later), Some(start + WINDOW));
        assert_eq!(limit.wait_until(start + WINDOW), None);
        limit.sent(start + WINDOW);
        let second = start + Duration::from_millis(1) + WINDOW;
        assert_eq!(limit.wait_until(start + WINDOW), Some(second));
    }
}
