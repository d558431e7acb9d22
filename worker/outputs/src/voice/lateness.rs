//! How late frames went out.

use std::time::Duration;

use super::clock::TICK;

/// A frame later than this was due in the next tick: the listener's buffer had to bridge it.
const LATE: Duration = TICK;

/// Lateness of every frame of an entry, in whole milliseconds.
pub(super) struct Lateness {
    /// Frames by lateness; the last bucket holds all that were later.
    by_ms: [u32; 101],
}

impl Default for Lateness {
    fn default() -> Self {
        Self { by_ms: [0; 101] }
    }
}

impl Lateness {
    /// True when it was more than a tick.
    pub(super) fn record(&mut self, lateness: Duration) -> bool {
        let ms = usize::try_from(lateness.as_millis())
            .unwrap_or(usize::MAX)
            .min(self.by_ms.len() - 1);
        self.by_ms[ms] = self.by_ms[ms].saturating_add(1);
        lateness > LATE
    }

    /// The lateness that `percent` of the frames did not exceed, in ms; 100 stands for that and more.
    pub(super) fn percentile_ms(&self, percent: u64) -> u32 {
        let total: u64 = self.by_ms.iter().map(|n| u64::from(*n)).sum();
        let mut seen = 0;
        let found = self.by_ms.iter().position(|n| {
            seen += u64::from(*n);
            seen * 100 >= total * percent
        });
        found.unwrap_or_default() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn percentiles() {
        let mut lateness = Lateness::default();
        assert!((0..98).all(|_| !lateness.record(ms(1))));
        assert!(lateness.record(ms(30)) && lateness.record(ms(500)));
        assert_eq!(
            (
                lateness.percentile_ms(50),
                lateness.percentile_ms(99),
                lateness.percentile_ms(100)
            ),
            (1, 30, 100)
        );
        assert_eq!(Lateness::default().percentile_ms(99), 0);
    }
}
