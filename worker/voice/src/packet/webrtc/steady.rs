//! Which falls of the estimate are believed.
//!
//! GCC takes packets that arrive further and further apart for a line that fills up, and falls to 85 % of what arrived.
//! A key frame's burst looks just like that. A line that is full shows itself by a queue that stands, or by loss. So a
//! fall without either is not believed: the estimator is set back to where it was, because the pacer goes by it.
//!
//! What is sent is decided by the film's bit rate, not by the estimate. Where that is too much, a queue grows, and then all
//! falls count.

use std::time::{Duration, Instant};

use super::room::Line;

/// More than this is a queue, or loss.
const QUEUE: Duration = Duration::from_millis(60);
const LOSS: f32 = 0.02;

/// So far down it is no sway.
const FALL: f64 = 0.9;

/// Estimators that begin anew probe; not more often than this.
const BETWEEN: Duration = Duration::from_secs(2);

/// After so long without coming back by itself or by being set back, a fall is believed.
const BELIEVED_AFTER: Duration = Duration::from_secs(10);

/// Whether a line is sent more than it takes.
pub(super) fn shows_it_is_full(loss: f32, queue: Duration) -> bool {
    loss > LOSS || queue > QUEUE
}

/// Watches the estimate.
#[derive(Debug)]
pub(super) struct Steady {
    best: u64,
    reached_at: Option<Instant>,
    set_back_at: Option<Instant>,
}

impl Steady {
    pub(super) fn new() -> Self {
        Self {
            best: 0,
            reached_at: None,
            set_back_at: None,
        }
    }

    /// Takes what the line does. Returns the estimate that is believed, and whether the estimator is to be set to it.
    pub(super) fn watch(&mut self, line: &Line, now: Instant) -> (u64, bool) {
        let full = shows_it_is_full(line.loss, line.queue);
        let long_ago = |at: Option<Instant>, time: Duration| {
            at.is_none_or(|at| now.saturating_duration_since(at) >= time)
        };
        if full || line.estimate >= self.best || long_ago(self.reached_at, BELIEVED_AFTER) {
            self.best = line.estimate;
            self.reached_at = Some(now);
            return (self.best, false);
        }
        let fell = (line.estimate as f64) < self.best as f64 * FALL;
        let set_back = fell && long_ago(self.set_back_at, BETWEEN);
        if set_back {
            self.set_back_at = Some(now);
        }
        if !fell {
            self.reached_at = Some(now);
        }
        (self.best, set_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(estimate: u64, queue: u64, loss: f32) -> Line {
        Line {
            estimate,
            wanted: 0,
            loss,
            queue: Duration::from_millis(queue),
        }
    }

    #[test]
    fn a_fall_counts_only_with_a_queue_or_loss() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut steady = Steady::new();
        assert_eq!(steady.watch(&line(4_000, 5, 0.0), at(0)), (4_000, false));
        assert_eq!(steady.watch(&line(3_800, 5, 0.0), at(100)), (4_000, false));
        assert_eq!(steady.watch(&line(1_200, 5, 0.0), at(200)), (4_000, true));
        assert_eq!(
            steady.watch(&line(1_300, 5, 0.0), at(300)),
            (4_000, false),
            "not at once again"
        );
        assert_eq!(steady.watch(&line(1_300, 5, 0.0), at(2_300)), (4_000, true));
        assert_eq!(
            steady.watch(&line(5_000, 5, 0.0), at(2_400)),
            (5_000, false)
        );
        assert_eq!(
            steady.watch(&line(1_400, 61, 0.0), at(2_500)),
            (1_400, false)
        );
        assert_eq!(
            steady.watch(&line(1_500, 5, 0.0), at(2_600)),
            (1_500, false)
        );
        assert_eq!(steady.watch(&line(900, 5, 0.03), at(2_700)), (900, false));
    }

    #[test]
    fn a_fall_that_lasts_is_believed() {
        let start = Instant::now();
        let mut steady = Steady::new();
        let mut believed = None;
        steady.watch(&line(4_000, 0, 0.0), start);
        for tenth in 1..200 {
            let since = Duration::from_millis(100) * tenth;
            if steady.watch(&line(1_000, 0, 0.0), start + since).0 == 1_000 {
                believed = believed.or(Some(since));
            }
        }
        assert_eq!(believed, Some(Duration::from_secs(10)));
    }
}
