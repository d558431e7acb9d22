//! Heartbeats, and the silence that shows a dead connection.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    due: Instant,
    nonce: u64,
    unanswered: bool,
}

impl Heartbeat {
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            due: now + interval,
            nonce: 0,
            unanswered: false,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The nonce of the beat that is due now; none when the one before it was never answered.
    pub(super) fn beat(&mut self, now: Instant) -> Option<u64> {
        // A process that was stopped has not waited for an answer, it has not read one.
        let slept = now.saturating_duration_since(self.due) > self.interval;
        if self.unanswered && !slept {
            return None;
        }
        self.nonce += 1;
        self.unanswered = true;
        self.due = now + self.interval;
        Some(self.nonce)
    }

    pub(super) fn acknowledged(&mut self, nonce: u64) {
        if nonce == self.nonce {
            self.unanswered = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    #[test]
    fn one_unanswered_beat_is_a_dead_connection() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(INTERVAL, start);
        assert_eq!(heartbeat.due(), start + INTERVAL);
        let nonce = heartbeat.beat(start + INTERVAL).expect("first");
        heartbeat.acknowledged(nonce);
        let nonce = heartbeat.beat(start + 2 * INTERVAL).expect("second");
        heartbeat.acknowledged(nonce - 1);
        assert_eq!(heartbeat.beat(start + 3 * INTERVAL), None);
    }

    #[test]
    fn a_process_that_was_stopped_asks_once_more() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(INTERVAL, start);
        heartbeat.beat(start + INTERVAL).expect("first");
        let woken = start + 20 * INTERVAL;
        assert!(heartbeat.beat(woken).is_some());
        assert_eq!(heartbeat.beat(woken + INTERVAL), None);
    }
}
