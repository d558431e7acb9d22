//! How far a film's picture is from its sound.
//!
//! Sound says the time with the click of each second, pictures show it. Two things are asked of a sender: that it says to
//! receivers when both are to be played (sender reports put the RTP times of both on one clock), and that it sends them
//! then.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::ears::EarReport;
use crate::eyes::TimedPicture;
use crate::seen::{Media, Seen};
use crate::tones::CODE_MODULUS;

/// A picture this near to a second tells where that is. There are two a second at the least.
const NEAR_MS: f64 = 500.0;

/// Picture and sound of one second of film.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Skew {
    /// The second, modulo 1024.
    pub second: u32,
    /// How long after its sound the picture is to be shown, as the sender reports have it, in ms. Below zero: before it.
    pub played_ms: f64,
    /// How long after its sound the picture came, in ms: what a receiver sees that puts nothing in step.
    pub came_ms: f64,
}

impl Seen {
    /// For each sure second of `report`: where its picture is. `pictures` is what [`Seen::look`] gave. Seconds
    /// of which one side is not known are left out. A decoder of Opus plays 6.5 ms late; a sender
    /// that does not make up for it has a skew that is so much smaller.
    pub fn skews(&self, pictures: &[TimedPicture], report: &EarReport) -> Vec<Skew> {
        let sure = report.seconds.iter().filter(|one| one.confirmed);
        sure.filter_map(|second| {
            let seen = self.connections.iter();
            let seen = seen.clone().find(|one| one.info.ssrc == second.ssrc)?;
            let at = second.moment.at;
            let played = seen.sender_time(Media::Sound, second.rtp_time)?;
            let of_connection = pictures.iter().filter(|one| one.ssrc == second.ssrc);
            let (picture, ahead_ms) = of_connection
                .filter_map(|one| Some((one, ahead_ms(one, second.second)?)))
                .min_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()))
                .filter(|(_, ahead)| ahead.abs() <= NEAR_MS)?;
            Some(Skew {
                second: second.second,
                played_ms: ms_between(played, picture.sender?) - ahead_ms,
                came_ms: ms_after(at, picture.moment.at) - ahead_ms,
            })
        })
        .collect()
    }
}

/// How far in the film the picture is after that second.
fn ahead_ms(picture: &TimedPicture, second: u32) -> Option<f64> {
    let round = f64::from(CODE_MODULUS) * 1000.0;
    let shows = picture.media?.as_secs_f64() * 1000.0;
    let ahead = (shows - f64::from(second) * 1000.0).rem_euclid(round);
    Some(if ahead > round / 2.0 {
        ahead - round
    } else {
        ahead
    })
}

fn ms_between(from: Duration, to: Duration) -> f64 {
    (to.as_secs_f64() - from.as_secs_f64()) * 1000.0
}

fn ms_after(from: Instant, to: Instant) -> f64 {
    let after = to.saturating_duration_since(from).as_secs_f64();
    (after - from.saturating_duration_since(to).as_secs_f64()) * 1000.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::SimClock;
    use crate::ears::Moment;
    use crate::ears::tests::{encoded, heard, steady};
    use crate::heard::HeardPacket;
    use crate::seen::{SeenConnection, SeenCounters, SenderReport};

    const NTP: Duration = Duration::from_secs(1_000_000);

    /// Four seconds of film from `from` on. Sound plays at 1,000,000 s on the sender's clock and comes as it plays; of the
    /// pictures a test says how late they are.
    fn skews(from: u32, played_late: Duration, came_late: Duration) -> Vec<Skew> {
        skews_of(from, played_late, came_late, |_| {})
    }

    /// The same; what becomes of the sound's packets on their way is the test's.
    fn skews_of(
        from: u32,
        played_late: Duration,
        came_late: Duration,
        line: impl FnOnce(&mut Vec<HeardPacket>),
    ) -> Vec<Skew> {
        let start = Instant::now();
        let mut packets = steady(encoded(from..from + 4, 128_000), start);
        line(&mut packets);
        let heard = heard(packets, start);
        let info = heard.connections[0].info.clone();
        let clock = SimClock::start();
        let report = SenderReport {
            at: start,
            media: Media::Sound,
            ntp: NTP,
            rtp_time: 0,
        };
        let pictures: Vec<TimedPicture> = (0..4 * 24)
            .map(|frame| {
                let time = Duration::from_millis(frame * 1000 / 24);
                let at = start + time + came_late;
                TimedPicture {
                    moment: Moment {
                        at,
                        unix_ns: clock.unix_ns(at),
                    },
                    rtp_time: 0,
                    sender: Some(NTP + time + played_late),
                    media: Some(Duration::from_secs(from.into()) + time),
                    ssrc: info.ssrc,
                }
            })
            .collect();
        let connection = SeenConnection {
            info,
            closed_at: None,
            counters: SeenCounters::default(),
            pictures: Vec::new(),
            reports: vec![report],
            announced: Vec::new(),
            queue: Vec::new(),
        };
        let seen = Seen {
            connections: vec![connection],
            clock,
            taken_at: start,
        };
        seen.skews(&pictures, &heard.listen().unwrap())
    }

    #[test]
    fn a_film_in_step_is_in_step() {
        let skews = skews(17, Duration::ZERO, Duration::ZERO);
        let seconds: Vec<u32> = skews.iter().map(|one| one.second).collect();
        assert_eq!(seconds, [17, 18, 19, 20]);
        for skew in skews {
            assert!(
                skew.played_ms.abs() < 12.0 && skew.came_ms.abs() < 12.0,
                "{skew:?}"
            );
        }
    }

    #[test]
    fn both_ways_of_being_late_are_told_apart() {
        let [played, came] = [Duration::from_millis(80), Duration::from_millis(150)];
        let skews = skews(17, played, came);
        assert_eq!(skews.len(), 4);
        for skew in skews {
            assert!((skew.played_ms - 80.0).abs() < 12.0, "{skew:?}");
            assert!((skew.came_ms - 150.0).abs() < 12.0, "{skew:?}");
        }
    }

    #[test]
    fn sound_that_was_held_up_is_played_when_it_was_to_be() {
        let none = Duration::ZERO;
        let skews = skews_of(17, none, none, |packets| {
            // Each click's packet comes with the next one.
            for second in packets.chunks_mut(50) {
                second[0].at += Duration::from_millis(19);
            }
        });
        assert_eq!(skews.len(), 4);
        for skew in skews {
            assert!(skew.played_ms.abs() < 12.0, "{skew:?}");
        }
    }

    #[test]
    fn seconds_beyond_what_the_code_counts_to_are_known() {
        assert_eq!(skews(1022, Duration::ZERO, Duration::ZERO).len(), 4);
    }
}
