//! Where one film went over into the next: measured by what is in their sound.
//!
//! Films begin with second 0, so a small number that comes after a greater one is of the next film. From the click of the
//! last second of the one to that of the first second of the other it should be as long as the seconds that lie between
//! them: whatever is more is a gap, whatever is less was cut off. (The first click of a film may be cut by its encoder, so
//! that second 1 is the first sure one.)

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::ears::{CodedSecond, EarReport, Moment};
use crate::heard::{Heard, HeardPacket};

/// RTP timestamps count so many a millisecond.
const RTP_PER_MS: f64 = 48.0;

/// Sound in a packet.
const PACKET: Duration = Duration::from_millis(20);

/// One film's end and the next one's beginning, as the member heard them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Join {
    /// The last second of the film that ended: it is as long as all others.
    pub after: u32,
    /// When the first sure second of the next one came in.
    pub at: Moment,
    /// Media time between the two films, in ms, by the time stamps of the packets: below zero, something is missing.
    pub gap_ms: f64,
    /// The same by the number of packets with sound: what is less than [`gap_ms`](Self::gap_ms) was not sent at all.
    pub sent_ms: f64,
    /// Silence frames in between.
    pub silence_frames: usize,
    /// The longest time between two packets around it, by their arrival, in ms; 20 is the least.
    pub longest_ms: f64,
}

impl Heard {
    /// All joins in a report of this snapshot, in their order, of which both sides came by one connection.
    pub fn joins(&self, report: &EarReport) -> Vec<Join> {
        let sure: Vec<&CodedSecond> = report.seconds.iter().filter(|one| one.confirmed).collect();
        let pairs = sure.windows(2).map(|pair| (pair[0], pair[1]));
        pairs
            .filter(|(last, first)| first.second < last.second && first.second <= 1)
            .filter_map(|(last, first)| self.join(last, first))
            .collect()
    }

    /// Film that came to the member from the click of one second to that of another, in ms: packets with sound are
    /// counted, whatever was between them, over all connections.
    pub fn film_ms(&self, from: &CodedSecond, to: &CodedSecond) -> f64 {
        let packets = self.packets();
        let sound: Vec<&HeardPacket> = packets.into_iter().filter(|one| !one.silence).collect();
        let place = |at: Instant| {
            let before = sound.partition_point(|packet| packet.at <= at);
            let packet = before.checked_sub(1).map(|last| sound[last]);
            let packets_ms = before.saturating_sub(1) as f64 * ms(PACKET);
            packets_ms + packet.map_or(0.0, |packet| within(packet, at))
        };
        place(to.moment.at) - place(from.moment.at)
    }

    fn join(&self, last: &CodedSecond, first: &CodedSecond) -> Option<Join> {
        let mut connections = self.connections.iter();
        let connection = connections.find(|one| one.info.ssrc == last.ssrc)?;
        if first.ssrc != last.ssrc {
            return None;
        }
        let packets = &connection.packets;
        let place = |at: Instant| {
            let after = packets.partition_point(|packet| packet.at <= at);
            after.checked_sub(1)
        };
        let (from, to) = (place(last.moment.at)?, place(first.moment.at)?);
        let ticks = first.rtp_time.wrapping_sub(last.rtp_time);
        let clicks_apart = f64::from(ticks) / RTP_PER_MS;
        let seconds = f64::from(first.second) * 1000.0;
        let between = &packets[from..=to];
        let arrivals = between.windows(2).map(|pair| ms(pair[1].at - pair[0].at));
        Some(Join {
            after: last.second,
            at: first.moment,
            gap_ms: clicks_apart - seconds - 1000.0,
            sent_ms: self.film_ms(last, first) - seconds - 1000.0,
            silence_frames: between.iter().filter(|packet| packet.silence).count(),
            longest_ms: arrivals.fold(0.0, f64::max),
        })
    }
}

/// Where in a packet a moment is, in ms.
fn within(packet: &HeardPacket, at: Instant) -> f64 {
    ms(at.saturating_duration_since(packet.at).min(PACKET))
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ears::tests::{encoded, heard, steady};
    use crate::heard::OPUS_SILENCE;

    /// Two films, the second one from its beginning; what comes between and what is left of the first is the test's.
    fn join(change: impl FnOnce(&mut Vec<Vec<u8>>), later: Duration) -> Join {
        let start = Instant::now();
        let mut opus = encoded(3..6, 128_000);
        change(&mut opus);
        let first = opus.len();
        opus.extend(encoded(0..4, 128_000));
        let mut packets = steady(opus, start);
        for packet in &mut packets[first..] {
            packet.at += later;
            packet.timestamp += (later.as_secs_f64() * 48_000.0) as u32;
        }
        let heard = heard(packets, start);
        let joins = heard.joins(&heard.listen().unwrap());
        let [join] = joins[..] else {
            panic!("{joins:?}")
        };
        assert_eq!(join.after, 5);
        join
    }

    fn is_near(measured: f64, expected: f64) -> bool {
        (measured - expected).abs() < 3.0
    }

    #[test]
    fn films_one_after_the_other_have_no_gap() {
        let join = join(|_| {}, Duration::ZERO);
        assert!(
            is_near(join.gap_ms, 0.0) && is_near(join.sent_ms, 0.0),
            "{join:?}"
        );
        assert_eq!(join.silence_frames, 0);
        assert!(is_near(join.longest_ms, 20.0), "{join:?}");
    }

    #[test]
    fn silence_and_nothing_at_all_are_gaps_and_no_film() {
        let silence = |opus: &mut Vec<Vec<u8>>| opus.extend(vec![OPUS_SILENCE.to_vec(); 5]);
        let silent = join(silence, Duration::ZERO);
        assert!(
            is_near(silent.gap_ms, 100.0) && is_near(silent.sent_ms, 0.0),
            "{silent:?}"
        );
        assert_eq!(silent.silence_frames, 5);
        let late = join(|_| {}, Duration::from_secs(2));
        assert!(
            is_near(late.gap_ms, 2_000.0) && is_near(late.sent_ms, 0.0),
            "{late:?}"
        );
        assert!(is_near(late.longest_ms, 2_020.0), "{late:?}");
    }

    #[test]
    fn an_end_that_was_cut_off_is_missing() {
        let cut = join(|opus| opus.truncate(3 * 50 - 4), Duration::ZERO);
        assert!(
            is_near(cut.gap_ms, -80.0) && is_near(cut.sent_ms, -80.0),
            "{cut:?}"
        );
    }

    #[test]
    fn film_is_counted_over_what_lies_between() {
        let start = Instant::now();
        let mut opus = encoded(10..14, 128_000);
        opus.splice(100..100, vec![OPUS_SILENCE.to_vec(); 7]);
        let heard = heard(steady(opus, start), start);
        let seconds = heard.listen().unwrap().seconds;
        let film_ms = heard.film_ms(&seconds[0], seconds.last().unwrap());
        assert!(is_near(film_ms, 3_000.0), "{film_ms}");
    }
}
