//! When the estimator is to look for room that it would not find by itself.
//!
//! GCC holds its estimate to 1.5 times of what arrives, and str0m probes beyond that while less than 65 % of the estimate
//! is sent. A film at one bit rate stands right between: after a narrow line has become wide again, its estimate stays
//! (str0m's own way out takes fifteen seconds without any change). Begun anew from where it is, the estimator probes as at
//! the start: two bursts of 15 ms.

use std::time::{Duration, Instant};

/// The line must be quiet for so long.
const QUIET_FOR: Duration = Duration::from_secs(2);

/// From one search to the next; doubled by each that found nothing, since a line that is full has no use for bursts.
const AGAIN_AFTER: Duration = Duration::from_secs(4);
const AGAIN_AFTER_MOST: Duration = Duration::from_secs(32);

/// After so long a search has found what it finds.
const FOUND_WITHIN: Duration = Duration::from_secs(2);

/// A line without more loss and queue than this is quiet.
const LITTLE_LOSS: f32 = 0.02;
const SHORT_QUEUE: Duration = Duration::from_millis(30);

/// What the line does, all of it: with sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) estimate: u64,
    pub(super) wanted: u64,
    pub(super) loss: f32,
    pub(super) queue: Duration,
}

/// Decides when to search.
#[derive(Debug)]
pub(super) struct Room {
    quiet_since: Option<Instant>,
    again_after: Duration,
    searched_at: Option<Instant>,
    /// The estimate when the last search began, until that has been judged.
    found_if_above: Option<u64>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            quiet_since: None,
            again_after: AGAIN_AFTER,
            searched_at: None,
            found_if_above: None,
        }
    }

    /// Whether to search now. To be asked about ten times a second.
    pub(super) fn look(&mut self, line: Line, now: Instant) -> bool {
        let since_search = self.searched_at.map(|at| now.saturating_duration_since(at));
        if since_search.is_some_and(|since| since >= FOUND_WITHIN)
            && let Some(before) = self.found_if_above.take()
        {
            self.again_after = if line.estimate > before + before / 10 {
                AGAIN_AFTER
            } else {
                (self.again_after * 2).min(AGAIN_AFTER_MOST)
            };
        }
        let quiet = line.loss <= LITTLE_LOSS && line.queue <= SHORT_QUEUE;
        if line.estimate >= line.wanted || !quiet {
            self.quiet_since = None;
            return false;
        }
        let quiet_since = *self.quiet_since.get_or_insert(now);
        let search = now.saturating_duration_since(quiet_since) >= QUIET_FOR
            && since_search.is_none_or(|since| since >= self.again_after);
        if search {
            self.searched_at = Some(now);
            self.found_if_above = Some(line.estimate);
        }
        search
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUCK: Line = Line {
        estimate: 1_500_000,
        wanted: 2_000_000,
        loss: 0.0,
        queue: Duration::ZERO,
    };

    /// When it searches, in seconds, if `line` says what the line does then.
    fn searches(line: impl Fn(Duration, usize) -> Line) -> Vec<u64> {
        let start = Instant::now();
        let mut room = Room::new();
        let mut found = Vec::new();
        for tick in 0..1_000_u32 {
            let since = Duration::from_millis(100) * tick;
            if room.look(line(since, found.len()), start + since) {
                found.push(since.as_secs());
            }
        }
        found
    }

    #[test]
    fn a_full_line_is_searched_ever_less() {
        assert_eq!(searches(|_, _| STUCK), [2, 10, 26, 58, 90]);
    }

    #[test]
    fn what_was_found_is_followed_until_there_is_enough() {
        let growing = |_, searched: usize| Line {
            estimate: 1_500_000 + 200_000 * searched as u64,
            ..STUCK
        };
        assert_eq!(searches(growing), [2, 6, 10]);
    }

    #[test]
    fn a_line_that_is_not_quiet_is_left_alone() {
        let lossy = |_, _| Line {
            loss: 0.05,
            ..STUCK
        };
        assert!(searches(lossy).is_empty());
        let queued = |since: Duration, _| Line {
            queue: Duration::from_millis(since.as_secs() % 2 * 50),
            ..STUCK
        };
        assert!(searches(queued).is_empty());
        let enough = |_, _| Line {
            estimate: 2_000_000,
            ..STUCK
        };
        assert!(searches(enough).is_empty());
    }
}
