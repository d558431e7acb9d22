//! How long to wait between attempts.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng};

#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
    rng: SmallRng,
}

impl Backoff {
    pub(super) fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self {
            first,
            most,
            failures: 0,
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Twice as long each time, up to the most; between half of that and the whole, so that a thousand connections
    /// which were cut together do not come back together.
    pub(super) fn next_wait(&mut self) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1 << self.failures.min(16))
            .min(self.most);
        self.failures += 1;
        doubled.mul_f64(self.rng.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_most_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2), 1);
        let waits: Vec<_> = (0..40).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] <= Duration::from_millis(100));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(2)));
        assert!(waits[39] >= Duration::from_secs(1));
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }
}
