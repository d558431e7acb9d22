//! How much of each packet a connection's memory holds, and for how long.
//!
//! Measured in bytes a packet: [`HeardDetail::Sound`] takes 88 and the Opus packet (some 300 at
//! 128 kbit/s), [`HeardDetail::Arrivals`] takes 16. Ten minutes of one stream are about 12 MB or
//! half a megabyte.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock::SimClock;
use crate::heard::HeardPacket;

/// Packets a second that are kept at most: twice what Opus in frames of 20 ms needs, so that a
/// client that floods does not fill the memory.
const LARGEST_RATE: u64 = 100;

/// What is kept of the packets that a member hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeardDetail {
    /// Everything, the Opus packets as well: the sound can be listened to.
    Sound,
    /// Arrival, sequence number, timestamp and whether it could be decrypted, for benches with
    /// many streams. Packets are decrypted all the same; there is no sound to listen to.
    Arrivals,
}

/// A packet without its sound.
#[derive(Clone, Copy)]
struct Arrived {
    /// Nanoseconds since the connection was opened.
    after_ns: u64,
    timestamp: u32,
    sequence: u16,
    flags: u8,
}

const DAVE_ENCRYPTED: u8 = 1;
const DECRYPTED: u8 = 1 << 1;
const SILENCE: u8 = 1 << 2;
const IN_THE_CLEAR: u8 = 1 << 3;
const DOWNGRADED: u8 = 1 << 4;

impl Arrived {
    fn new(packet: &HeardPacket, opened_at: Instant) -> Self {
        let after = packet.at.saturating_duration_since(opened_at);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        Self {
            after_ns: u64::try_from(after.as_nanos()).unwrap_or(u64::MAX),
            timestamp: packet.timestamp,
            sequence: packet.sequence,
            flags: flag(packet.dave_encrypted, DAVE_ENCRYPTED)
                | flag(packet.decrypted, DECRYPTED)
                | flag(packet.silence, SILENCE)
                | flag(packet.in_the_clear, IN_THE_CLEAR)
                | flag(packet.downgraded, DOWNGRADED),
        }
    }

    fn at(self, opened_at: Instant) -> Instant {
        opened_at + Duration::from_nanos(self.after_ns)
    }

    /// The packet as far as it is known: only the listener's own decryption counts.
    fn packet(self, opened_at: Instant, clock: SimClock) -> HeardPacket {
        let at = self.at(opened_at);
        let has = |flag: u8| self.flags & flag != 0;
        HeardPacket {
            at,
            unix_ns: clock.unix_ns(at),
            sequence: self.sequence,
            timestamp: self.timestamp,
            dave_encrypted: has(DAVE_ENCRYPTED),
            decrypted: has(DECRYPTED),
            members: 1,
            decrypted_by: u16::from(has(DECRYPTED)),
            downgraded: has(DOWNGRADED),
            silence: has(SILENCE),
            in_the_clear: has(IN_THE_CLEAR),
            opus: None,
        }
    }
}

/// The packets of one connection that are kept, by arrival.
pub(crate) struct KeptPackets {
    opened_at: Instant,
    window: Duration,
    capacity: usize,
    packets: Packets,
}

enum Packets {
    Sound(VecDeque<HeardPacket>),
    Arrivals(VecDeque<Arrived>),
}

impl KeptPackets {
    pub(crate) fn new(detail: HeardDetail, window: Duration, opened_at: Instant) -> Self {
        let capacity = LARGEST_RATE.saturating_mul(window.as_secs().saturating_add(1));
        Self {
            opened_at,
            window,
            capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
            packets: match detail {
                HeardDetail::Sound => Packets::Sound(VecDeque::new()),
                HeardDetail::Arrivals => Packets::Arrivals(VecDeque::new()),
            },
        }
    }

    /// Keeps a packet that came after all others; what is too old or too much goes.
    pub(crate) fn push(&mut self, packet: HeardPacket) {
        let (now, opened_at) = (packet.at, self.opened_at);
        let (window, room) = (self.window, self.capacity.saturating_sub(1));
        let old = |at: Instant| now.saturating_duration_since(at) > window;
        match &mut self.packets {
            Packets::Sound(kept) => {
                while kept.len() > room || kept.front().is_some_and(|one| old(one.at)) {
                    kept.pop_front();
                }
                kept.push_back(packet);
            }
            Packets::Arrivals(kept) => {
                while kept.len() > room || kept.front().is_some_and(|one| old(one.at(opened_at))) {
                    kept.pop_front();
                }
                kept.push_back(Arrived::new(&packet, opened_at));
            }
        }
    }

    /// A copy of what arrived from `since` on.
    pub(crate) fn since(&self, since: Option<Instant>, clock: SimClock) -> Vec<HeardPacket> {
        let opened_at = self.opened_at;
        let before = |at: Instant| since.is_some_and(|since| at < since);
        match &self.packets {
            Packets::Sound(kept) => {
                let from = kept.partition_point(|one| before(one.at));
                kept.range(from..).cloned().collect()
            }
            Packets::Arrivals(kept) => {
                let from = kept.partition_point(|one| before(one.at(opened_at)));
                let packet = |one: &Arrived| one.packet(opened_at, clock);
                kept.range(from..).map(packet).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn packet(at: Instant, sequence: u16, clock: SimClock) -> HeardPacket {
        HeardPacket {
            at,
            unix_ns: clock.unix_ns(at),
            sequence,
            timestamp: u32::from(sequence) * 960,
            dave_encrypted: true,
            decrypted: sequence.is_multiple_of(2),
            members: 1,
            decrypted_by: u16::from(sequence.is_multiple_of(2)),
            downgraded: false,
            silence: sequence.is_multiple_of(3),
            in_the_clear: sequence.is_multiple_of(5),
            opus: Some(Bytes::from_static(b"opus")),
        }
    }

    #[test]
    fn arrivals_are_sixteen_bytes_and_tell_all_but_the_sound() {
        assert_eq!(size_of::<Arrived>(), 16);
        let (start, clock) = (Instant::now(), SimClock::start());
        let window = Duration::from_mins(1);
        let mut sound = KeptPackets::new(HeardDetail::Sound, window, start);
        let mut arrivals = KeptPackets::new(HeardDetail::Arrivals, window, start);
        for n in 0..30 {
            let one = packet(start + Duration::from_millis(20) * u32::from(n), n, clock);
            sound.push(one.clone());
            arrivals.push(one);
        }
        let since = Some(start + Duration::from_millis(200));
        let (sound, arrivals) = (sound.since(since, clock), arrivals.since(since, clock));
        assert_eq!((sound.len(), arrivals.len()), (20, 20));
        for (mut expected, found) in sound.into_iter().zip(arrivals) {
            expected.opus = None;
            assert_eq!(format!("{found:?}"), format!("{expected:?}"));
        }
    }

    #[test]
    fn a_flood_does_not_fill_the_memory() {
        let (start, clock) = (Instant::now(), SimClock::start());
        for detail in [HeardDetail::Sound, HeardDetail::Arrivals] {
            let mut kept = KeptPackets::new(detail, Duration::from_secs(9), start);
            for n in 0..5000 {
                kept.push(packet(
                    start + Duration::from_millis(1) * u32::from(n),
                    n,
                    clock,
                ));
            }
            let kept = kept.since(None, clock);
            assert_eq!(kept.len(), 1000);
            assert_eq!(kept.last().map(|one| one.sequence), Some(4999));
        }
    }
}
