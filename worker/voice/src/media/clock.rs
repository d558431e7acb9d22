//! RTP timestamps.

use std::time::{Duration, Instant};

/// RTP timestamps that follow the clock: a pause is in them, and no two frames have the same.
pub(super) struct RtpClock {
    /// Ticks a second.
    rate: i128,
    /// The least from a frame to the next, in ticks.
    step: i64,
    start: u32,
    epoch: Instant,
    /// Of the last frame, in ticks since the epoch.
    last: Option<i64>,
}

impl RtpClock {
    /// Of sound: Opus in RTP counts 48,000 a second, whatever the sound was (RFC 7587, section 4.1), and a frame has 20 ms.
    pub(super) fn of_sound(start: u32, epoch: Instant) -> Self {
        Self::new(48_000, 960, start, epoch)
    }

    /// Of pictures: 90,000 a second (RFC 6184, section 5.1). Those that are made up for at once are a tenth of a
    /// millisecond apart: receivers take packets with one time for one picture.
    pub(super) fn of_pictures(start: u32, epoch: Instant) -> Self {
        Self::new(90_000, 9, start, epoch)
    }

    fn new(rate: i128, step: i64, start: u32, epoch: Instant) -> Self {
        Self {
            rate,
            step,
            start,
            epoch,
            last: None,
        }
    }

    /// The timestamp of the next frame, which is due at `due`, and the moment that it stands for. What only leads up to a
    /// film's begin may be due before the epoch.
    pub(super) fn at(&mut self, due: Instant) -> (u32, Instant) {
        const NANOS: i128 = 1_000_000_000;
        let since = match due.checked_duration_since(self.epoch) {
            Some(since) => since.as_nanos() as i128,
            None => -(self.epoch.duration_since(due).as_nanos() as i128),
        };
        let by_clock = (since * self.rate).div_euclid(NANOS) as i64;
        let ticks = self
            .last
            .map_or(by_clock, |last| by_clock.max(last + self.step));
        self.last = Some(ticks);
        let nanos = i128::from(ticks) * NANOS / self.rate;
        let off = Duration::from_nanos(nanos.unsigned_abs() as u64);
        let moment = if nanos < 0 {
            self.epoch.checked_sub(off).unwrap_or(self.epoch)
        } else {
            self.epoch + off
        };
        // Wraps, as RTP's do.
        (self.start.wrapping_add(ticks as u32), moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_and_picture_of_one_moment_say_the_same_moment() {
        let epoch = Instant::now();
        let mut sound = RtpClock::of_sound(u32::MAX, epoch);
        let mut pictures = RtpClock::of_pictures(5, epoch);
        for ms in [20, 41, 83, 125, 3_600_000] {
            let due = epoch + Duration::from_millis(ms);
            let (sound_time, sound_moment) = sound.at(due);
            let (picture_time, picture_moment) = pictures.at(due);
            assert_eq!(sound_time, u32::MAX.wrapping_add((ms * 48) as u32), "{ms}");
            assert_eq!(picture_time, 5 + (ms * 90) as u32, "{ms}");
            assert_eq!((sound_moment, picture_moment), (due, due), "{ms}");
        }
    }

    #[test]
    fn what_is_due_at_once_has_times_of_its_own_and_their_moments() {
        let epoch = Instant::now();
        let mut pictures = RtpClock::of_pictures(0, epoch);
        let due = epoch + Duration::from_secs(1);
        for late in 0..3 {
            let moment = due + Duration::from_micros(100 * late);
            assert_eq!(pictures.at(due), ((90_000 + 9 * late) as u32, moment));
        }
        let before = epoch + Duration::from_millis(10);
        assert_eq!(pictures.at(before).0, 90_027, "never back");
    }

    #[test]
    fn what_leads_up_to_the_begin_of_a_film_does_not_move_what_follows() {
        let lead_in = Instant::now();
        let begin = lead_in + Duration::from_secs(1);
        let epoch = lead_in + Duration::from_millis(950);
        let mut pictures = RtpClock::of_pictures(1_000_000, epoch);
        for number in 0..600_u32 {
            let (time, moment) = pictures.at(lead_in);
            let expected = lead_in + Duration::from_micros(100) * number;
            assert_eq!(time, 1_000_000 + 4500 - 90_000 + 9 * number);
            assert_eq!(moment, expected);
        }
        assert_eq!(pictures.at(begin), (1_004_500, begin));
    }
}
