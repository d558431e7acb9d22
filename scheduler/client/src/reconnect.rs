//! When to come back after a connection was lost.

use std::time::Duration;

use rand::Rng;

/// Exponential back-off with full jitter: each wait is a random share of what it may be at most, so that a thousand
/// who lost the same scheduler do not come back in step.
///
/// The first try is at once: a stream that was merely reset is back before the scheduler's `reset_grace` is over. Only
/// what fails again waits, and who hears of a new leader at the same moment as all others.
#[derive(Debug, Clone, Copy)]
pub struct Reconnect {
    /// The most that the first wait takes; what it may take doubles at each failure.
    pub min: Duration,
    /// No wait is longer.
    pub max: Duration,
    /// The most that is waited after a new leader was announced.
    pub spread: Duration,
}

impl Reconnect {
    /// The wait after so many failures in a row.
    pub fn wait(&self, failures: u32, rng: &mut impl Rng) -> Duration {
        if failures == 0 {
            return Duration::ZERO;
        }
        let most = self.min.saturating_mul(1 << (failures - 1).min(16));
        share(most.min(self.max), rng)
    }

    /// The wait of one of many who have heard of a new leader.
    pub fn after_announcement(&self, rng: &mut impl Rng) -> Duration {
        share(self.spread, rng)
    }
}

fn share(most: Duration, rng: &mut impl Rng) -> Duration {
    most.mul_f64(rng.random::<f64>())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const RECONNECT: Reconnect = Reconnect {
        min: Duration::from_millis(50),
        max: Duration::from_secs(2),
        spread: Duration::from_millis(100),
    };

    /// The shortest and the longest of many.
    fn range(mut wait: impl FnMut(&mut StdRng) -> Duration) -> (Duration, Duration) {
        let mut rng = StdRng::seed_from_u64(7);
        let waits: Vec<_> = (0..1_000).map(|_| wait(&mut rng)).collect();
        let (shortest, longest) = (waits.iter().min(), waits.iter().max());
        (
            *shortest.expect("there are a thousand"),
            *longest.expect("there are a thousand"),
        )
    }

    #[test]
    fn the_first_try_is_at_once() {
        let (_, longest) = range(|rng| RECONNECT.wait(0, rng));
        assert_eq!(longest, Duration::ZERO);
    }

    #[test]
    fn waits_fill_their_whole_range_which_doubles_up_to_a_bound() {
        for (failures, most) in [(1, 50), (2, 100), (3, 200), (7, 2_000), (40, 2_000)] {
            let most = Duration::from_millis(most);
            let (shortest, longest) = range(|rng| RECONNECT.wait(failures, rng));
            assert!(shortest < most / 20, "{failures}: {shortest:?}");
            assert!(longest <= most && longest > most * 19 / 20, "{longest:?}");
        }
    }

    #[test]
    fn an_announcement_is_answered_within_the_spread_and_evenly() {
        let (shortest, longest) = range(|rng| RECONNECT.after_announcement(rng));
        assert!(shortest < RECONNECT.spread / 20 && longest <= RECONNECT.spread);
        let mut rng = StdRng::seed_from_u64(7);
        let mut tenths = [0; 10];
        for _ in 0..1_000 {
            let wait = RECONNECT.after_announcement(&mut rng);
            tenths[(wait.as_micros() / 10_000) as usize] += 1;
        }
        assert!(tenths.iter().all(|n| (50..200).contains(n)), "{tenths:?}");
    }
}
