//! What should have come to the member and did not.

use std::time::Duration;

use discord_sim::HeardPacket;

use super::TICK;

/// 20 ms of RTP's clock for Opus, which counts 48,000 a second.
const TIMESTAMPS_A_TICK: u32 = 960;

/// Of some streams, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deficit {
    /// Sent, but not in their place at the member: holes in the sequence numbers.
    lost: u64,
    /// Ticks of the RTP clock for which nothing was sent.
    skipped: u64,
    /// The member had no key for them.
    undecryptable: u64,
    /// Streams with fewer packets than their length asks for, by more than one at each end.
    short: u64,
}

impl Deficit {
    /// Adds one stream's packets of a time of this `length`, by arrival.
    pub(super) fn add(&mut self, packets: &[&HeardPacket], length: Duration) {
        for pair in packets.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            let numbers = after.sequence.wrapping_sub(before.sequence);
            let ticks = after.timestamp.wrapping_sub(before.timestamp) / TIMESTAMPS_A_TICK;
            let lost = u64::from(numbers.wrapping_sub(1));
            self.lost += lost;
            self.skipped += u64::from(ticks).saturating_sub(1 + lost);
        }
        let spoiled = packets.iter().filter(|packet| !packet.decrypted);
        self.undecryptable += spoiled.count() as u64;
        let expected = (length.as_nanos() / TICK.as_nanos()) as usize;
        self.short += u64::from(packets.len() + 2 < expected);
    }

    pub(super) fn describe(&self) -> String {
        if *self == Self::default() {
            return "no deficit".to_owned();
        }
        format!(
            "{} packets lost, {} ticks skipped, {} packets undecryptable, {} streams short",
            self.lost, self.skipped, self.undecryptable, self.short
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn packet(sequence: u16, tick: u32) -> HeardPacket {
        HeardPacket {
            at: Instant::now(),
            unix_ns: 0,
            sequence,
            timestamp: tick.wrapping_mul(TIMESTAMPS_A_TICK),
            dave_encrypted: true,
            decrypted: true,
            members: 1,
            decrypted_by: 1,
            downgraded: false,
            silence: false,
            in_the_clear: false,
            opus: None,
        }
    }

    fn deficit(packets: &[HeardPacket], ticks: u32) -> Deficit {
        let mut deficit = Deficit::default();
        deficit.add(&packets.iter().collect::<Vec<_>>(), ticks * TICK);
        deficit
    }

    #[test]
    fn lost_and_skipped_are_told_apart() {
        let whole = [packet(u16::MAX, 0), packet(0, 1), packet(1, 2)];
        assert_eq!(deficit(&whole, 3), Deficit::default());
        let lost = deficit(&[packet(1, 1), packet(3, 3), packet(4, 4)], 4);
        assert_eq!((lost.lost, lost.skipped, lost.short), (1, 0, 0));
        let skipped = deficit(&[packet(1, 1), packet(2, 3), packet(3, 9)], 9);
        assert_eq!((skipped.lost, skipped.skipped, skipped.short), (0, 6, 1));
    }

    #[test]
    fn what_the_member_cannot_decrypt_is_missing() {
        let mut spoiled = packet(1, 1);
        spoiled.decrypted = false;
        assert_eq!(deficit(&[spoiled], 1).undecryptable, 1);
    }
}
