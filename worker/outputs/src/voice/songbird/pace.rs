//! How punctual the ticks are: each against a schedule of one tick every 20 ms.

use std::time::{Duration, Instant};

/// Length of a frame and of a tick.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// A frame later than this was due in the next tick: the listener's buffer had to bridge it.
const LATE: Duration = TICK;

/// Lateness of ticks since the last [`Pace::restart`].
#[derive(Default)]
pub(super) struct Pace {
    schedule: Option<Schedule>,
}

struct Schedule {
    start: Instant,
    ticks: u32,
}

impl Pace {
    /// The next tick begins a new schedule.
    pub(super) fn restart(&mut self) {
        self.schedule = None;
    }

    /// Counts a tick at `now` and says how late it is.
    ///
    /// A tick before its time means that the one the schedule began with was late itself: the schedule moves forward
    /// to it, so that lateness is measured against the earliest.
    pub(super) fn tick(&mut self, now: Instant) -> Duration {
        let schedule = self.schedule.get_or_insert(Schedule {
            start: now,
            ticks: 0,
        });
        let due = schedule.start + TICK * schedule.ticks;
        schedule.ticks += 1;
        if now < due {
            schedule.start -= due - now;
        }
        now.saturating_duration_since(due)
    }
}

/// Lateness of every frame of a session, in whole milliseconds.
pub(super) struct Lateness {
    /// Frames by lateness; the last bucket holds all that were later.
    by_ms: [u32; 101],
    late: u64,
}

impl Default for Lateness {
    fn default() -> Self {
        Self {
            by_ms: [0; 101],
            late: 0,
        }
    }
}

impl Lateness {
    pub(super) fn record(&mut self, lateness: Duration) {
        let ms = usize::try_from(lateness.as_millis())
            .unwrap_or(usize::MAX)
            .min(self.by_ms.len() - 1);
        self.by_ms[ms] = self.by_ms[ms].saturating_add(1);
        self.late += u64::from(lateness > LATE);
    }

    /// Frames that were more than a tick late.
    pub(super) fn late(&self) -> u64 {
        self.late
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
    fn lateness_is_against_the_schedule_not_the_last_tick() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let late: Vec<_> = [0, 20, 65, 66, 80]
            .map(|at| pace.tick(start + ms(at)))
            .into();
        assert_eq!(late, [ms(0), ms(0), ms(25), ms(6), ms(0)]);
    }

    #[test]
    fn a_late_first_tick_does_not_hide_that_it_was_late() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.tick(start + ms(15));
        pace.tick(start + ms(20)); // the schedule moves to 0
        assert_eq!(pace.tick(start + ms(47)), ms(7));
    }

    #[test]
    fn a_restart_forgives_a_pause() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.tick(start);
        pace.restart();
        assert_eq!(pace.tick(start + ms(5_000)), ms(0));
    }

    #[test]
    fn percentiles() {
        let mut lateness = Lateness::default();
        (0..98).for_each(|_| lateness.record(ms(1)));
        lateness.record(ms(30));
        lateness.record(ms(500));
        assert_eq!(
            (
                lateness.percentile_ms(50),
                lateness.percentile_ms(99),
                lateness.percentile_ms(100)
            ),
            (1, 30, 100)
        );
        assert_eq!(lateness.late(), 2);
        assert_eq!(Lateness::default().percentile_ms(99), 0);
    }
}
