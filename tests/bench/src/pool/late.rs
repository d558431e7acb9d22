//! Packets that come late or never, in a stretch of time.

use std::time::{Duration, Instant};

use discord_sim::Heard;

use super::track::is_film;
use crate::lateness;

/// Packets come so often.
const TICK: Duration = Duration::from_millis(20);

/// What a member got in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Packets that came behind schedule by more than [`Self::LATE`], and those that never came.
    pub(super) late: usize,
    /// So many were due.
    pub(super) expected: usize,
}

impl Stretch {
    /// Most clients have buffered less.
    pub(super) const LATE: Duration = Duration::from_millis(40);

    pub(super) fn of(heard: &Heard, from: Instant, to: Instant) -> Self {
        let mut punctual = 0;
        for connection in &heard.connections {
            let film = connection.packets.iter().filter(|packet| is_film(packet));
            let packets: Vec<_> = film.map(|packet| (packet.at, packet.timestamp)).collect();
            // Late against the best that its whole connection did, not its part of the stretch.
            punctual += lateness::of_stream(&packets)
                .into_iter()
                .filter(|one| one.late <= Self::LATE && (from..to).contains(&one.at))
                .count();
        }
        let expected = (to - from).div_duration_f64(TICK) as usize;
        // The first and the last one lie on the edges, and may be a tick's fraction off.
        let late = expected.saturating_sub(punctual);
        Self {
            late: if late <= EDGES { 0 } else { late },
            expected,
        }
    }
}

/// Packets that fall out of a stretch since it does not begin and end with one.
const EDGES: usize = 2;

impl std::iter::Sum for Stretch {
    fn sum<I: Iterator<Item = Self>>(stretches: I) -> Self {
        stretches.fold(Self::default(), |sum, one| Self {
            late: sum.late + one.late,
            expected: sum.expected + one.expected,
        })
    }
}
