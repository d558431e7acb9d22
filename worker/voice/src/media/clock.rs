//! RTP timestamps.

use std::time::{Duration, Instant};

/// RTP timestamps that follow the clock: a pause is in them, and no two frames have the same.
pub(super) struct RtpClock {
    /// Ticks a second.
    rate: u64,
    /// The least from a frame to the next.
    step: u64,
    start: u32,
    epoch: Instant,
    /// Of the last frame, since the epoch.
    ticks: u64,
}

impl RtpClock {
    /// Of sound: Opus in RTP counts 48,000 a second, whatever the sound was (RFC 7587, section 4.1), and a frame has 20 ms.
    pub(super) fn of_sound(start: u32, epoch: Instant) -> Self {
        Self::new(48_000, 960, start, epoch)
    }

    /// Of pictures: 90,000 a second (RFC 6184, section 5.1). Those that are made up for at once are a millisecond apart:
    /// receivers take packets with one time for one picture.
    pub(super) fn of_pictures(start: u32, epoch: Instant) -> Self {
        Self::new(90_000, 90, start, epoch)
    }

    fn new(rate: u64, step: u64, start: u32, epoch: Instant) -> Self {
        Self {
            rate,
            step,
            start,
            epoch,
            ticks: 0,
        }
    }

    /// The timestamp of the next frame, which is due at `due`, and the moment that it stands for.
    pub(super) fn at(&mut self, due: Instant) -> (u32, Instant) {
        const NANOS: u128 = 1_000_000_000;
        let since = due.saturating_duration_since(self.epoch).as_nanos();
        let by_clock = (since * u128::from(self.rate) / NANOS) as u64;
        self.ticks = by_clock.max(self.ticks + self.step);
        let nanos = u128::from(self.ticks) * NANOS / u128::from(self.rate);
        let moment = self.epoch + Duration::from_nanos(nanos as u64);
        // Wraps, as RTP's do.
        (self.start.wrapping_add(self.ticks as u32), moment)
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
            assert_eq!(
                sound_time,
                u32::MAX.wrapping_add((ms.max(20) * 48) as u32),
                "{ms}"
            );
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
            let moment = due + Duration::from_millis(late);
            assert_eq!(pictures.at(due), ((90_000 + 90 * late) as u32, moment));
        }
        let before = epoch + Duration::from_millis(10);
        assert_eq!(pictures.at(before).0, 90_270, "never back");
    }
}
