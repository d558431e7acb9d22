//! How often a stream is made anew.
//!
//! Discord documents no limit for op 18. A stream that ends again and again has a reason that trying does not mend, and
//! an account that asks all the time is a nuisance: so there are few tries, with growing pauses, and then no more.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Streams that are made in one guild within [`WINDOW`] at most, the first one included.
const CREATIONS: usize = 4;
const WINDOW: Duration = Duration::from_mins(1);

/// From a try to the next one. The first one comes at once: a stream that was lost for no reason of its own is back
/// before a viewer has turned away.
const PAUSES: [Duration; CREATIONS - 1] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_secs(20),
];

/// When the next one may be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    Now,
    At(Instant),
    /// It has been tried often enough.
    Never,
}

/// The tries of the last minute.
#[derive(Default)]
pub(super) struct Pacing {
    made: VecDeque<Instant>,
}

impl Pacing {
    pub(super) fn next(&mut self, now: Instant) -> Turn {
        while self.made.front().is_some_and(|at| *at + WINDOW <= now) {
            self.made.pop_front();
        }
        let Some(last) = self.made.back() else {
            return Turn::Now;
        };
        match PAUSES.get(self.made.len() - 1) {
            None => Turn::Never,
            Some(pause) if *last + *pause <= now => Turn::Now,
            Some(pause) => Turn::At(*last + *pause),
        }
    }

    pub(super) fn made(&mut self, now: Instant) {
        self.made.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_tries_a_minute_with_growing_pauses() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pacing = Pacing::default();
        let mut tries = Vec::new();
        let mut now = start;
        while let turn @ (Turn::Now | Turn::At(_)) = pacing.next(now) {
            if let Turn::At(later) = turn {
                assert!(later > now);
                now = later;
            }
            assert_eq!(pacing.next(now), Turn::Now);
            pacing.made(now);
            tries.push(now);
        }
        assert_eq!(tries, [start, start, at(5), at(25)]);
        assert_eq!(pacing.next(at(59)), Turn::Never);
        assert_eq!(
            pacing.next(at(60)),
            Turn::Now,
            "two of them are a minute old"
        );
    }
}
