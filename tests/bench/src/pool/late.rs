//! Packets that come late or never, in a stretch of time.

use std::time::{Duration, Instant};

use discord_sim::Heard;

use super::track::is_film;
use crate::lateness::{self, Arrival};

/// Packets come so often.
const TICK: Duration = Duration::from_millis(20);

/// What a member got of what was due in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Packets that came behind schedule by more than [`Self::LATE`].
    pub(super) late: usize,
    /// Packets that never came.
    pub(super) missing: usize,
    /// Packets that came in time.
    pub(super) punctual: usize,
}

impl Stretch {
    /// Most clients have buffered less.
    pub(super) const LATE: Duration = Duration::from_millis(40);

    /// Ask for it when what was due has had the time to come.
    pub(super) fn of(heard: &Heard, from: Instant, to: Instant) -> Self {
        let mut arrivals = Vec::new();
        for connection in &heard.connections {
            let film = connection.packets.iter().filter(|packet| is_film(packet));
            let packets: Vec<_> = film.map(|packet| (packet.at, packet.timestamp)).collect();
            // Late against the best that its whole connection did, not its part of the stretch.
            arrivals.extend(lateness::of_stream(&packets));
        }
        Self::of_arrivals(&arrivals, from, to)
    }

    fn of_arrivals(arrivals: &[Arrival], from: Instant, to: Instant) -> Self {
        let mut due: Vec<(Instant, bool)> = arrivals
            .iter()
            .filter_map(|one| Some((one.at.checked_sub(one.late)?, one.late > Self::LATE)))
            .filter(|(due, _)| (from..to).contains(due))
            .collect();
        due.sort_unstable();
        let late = due.iter().filter(|(_, late)| *late).count();
        // The edges count, too: a stream that ends in the middle misses all the rest.
        let times = due.iter().map(|(due, _)| *due);
        let begins: Vec<Instant> = [from].into_iter().chain(times.clone()).collect();
        let ends = times.chain([to]);
        let missing = begins.iter().zip(ends).map(|(begin, end)| {
            let ticks = (end - *begin + TICK / 2).div_duration_f64(TICK) as usize;
            ticks.saturating_sub(1)
        });
        Self {
            late,
            missing: missing.sum(),
            punctual: due.len() - late,
        }
    }

    /// What a listener without a buffer of [`Self::LATE`] or more missed.
    pub(super) fn lost(self) -> usize {
        self.late + self.missing
    }
}

impl std::iter::Sum for Stretch {
    fn sum<I: Iterator<Item = Self>>(stretches: I) -> Self {
        stretches.fold(Self::default(), |sum, one| Self {
            late: sum.late + one.late,
            missing: sum.missing + one.missing,
            punctual: sum.punctual + one.punctual,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_and_missing_packets_are_counted_in_their_stretch() {
        let start = Instant::now() + Duration::from_secs(1);
        let ms = Duration::from_millis;
        let arrival = |due: u64, late: u64| Arrival {
            at: start + ms(due + late),
            late: ms(late),
        };
        let count = |arrivals: &[Arrival]| {
            let stretch = Stretch::of_arrivals(arrivals, start, start + ms(200));
            (stretch.punctual, stretch.late, stretch.missing)
        };
        let steady: Vec<Arrival> = (0..10).map(|n| arrival(10 + 20 * n, n % 3)).collect();
        assert_eq!(count(&steady), (10, 0, 0));
        // One late, two away.
        let mut broken = steady.clone();
        broken[3] = arrival(70, 41);
        broken.drain(5..7);
        assert_eq!(count(&broken), (7, 1, 2));
        // Away from the middle on.
        assert_eq!(count(&steady[..5]), (5, 0, 5));
        assert_eq!(count(&[]), (0, 0, 9));
    }
}
