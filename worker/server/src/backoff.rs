//! How a worker comes back after its stream was cut.

use std::time::Duration;

use rand::Rng;

/// Exponential back-off with jitter. The first try is at once: a stream that was merely reset is back
/// before the scheduler's `reset_grace` is over; only what fails again waits.
#[derive(Debug, Clone, Copy)]
pub struct Reconnect {
    /// The first wait.
    pub min: Duration,
    /// The wait stops growing here.
    pub max: Duration,
    /// At most so much is added by chance.
    pub jitter: Duration,
}

impl Reconnect {
    /// The wait before try number `failures` + 1.
    pub(crate) fn wait(&self, failures: u32, rng: &mut impl Rng) -> Duration {
        if failures == 0 {
            return Duration::ZERO;
        }
        let grown = self
            .min
            .saturating_mul(1 << (failures - 1).min(16))
            .min(self.max);
        // Jitter grows with the wait, so that an early retry stays early.
        let jitter = self.jitter.min(grown);
        grown + jitter.mul_f64(rng.random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_at_once_grows_and_stays_within_its_bounds() {
        let reconnect = Reconnect {
            min: Duration::from_millis(50),
            max: Duration::from_secs(2),
            jitter: Duration::from_secs(2),
        };
        let mut rng = rand::rng();
        assert_eq!(reconnect.wait(0, &mut rng), Duration::ZERO);
        for failures in 1..40 {
            let wait = reconnect.wait(failures, &mut rng);
            assert!(
                wait >= Duration::from_millis(50) && wait <= Duration::from_secs(4),
                "{wait:?}"
            );
        }
        assert!(reconnect.wait(1, &mut rng) <= Duration::from_millis(100));
        assert!(reconnect.wait(30, &mut rng) >= Duration::from_secs(2));
    }
}
