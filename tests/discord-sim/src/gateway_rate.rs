//! How much a client may say on the main gateway.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Discord, "Gateway: rate limiting": "120 gateway events per connection every 60 seconds", heartbeats among them.
const EVENTS: usize = 120;
const WINDOW: Duration = Duration::from_mins(1);

/// What one socket said lately.
#[derive(Default)]
pub(crate) struct RateLimit {
    said: VecDeque<Instant>,
}

impl RateLimit {
    /// Whether one more is too many: the socket is closed with 4008.
    pub(crate) fn is_exceeded_at(&mut self, now: Instant) -> bool {
        while self
            .said
            .front()
            .is_some_and(|at| now.saturating_duration_since(*at) >= WINDOW)
        {
            self.said.pop_front();
        }
        self.said.push_back(now);
        self.said.len() > EVENTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_and_twenty_a_minute() {
        let start = Instant::now();
        let mut limit = RateLimit::default();
        assert!((0..EVENTS).all(|_| !limit.is_exceeded_at(start)));
        assert!(limit.is_exceeded_at(start));
        assert!(!limit.is_exceeded_at(start + WINDOW));
    }
}
