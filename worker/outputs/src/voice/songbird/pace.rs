//! How punctual the ticks are: each against a schedule of one tick every 20 ms.

use std::time::{Duration, Instant};

use crate::voice::clock::TICK;

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
}
