//! When each packet of a frame leaves.
//!
//! # Mental model
//!
//! A key frame is 40 packets and more. Sent at once, they overflow the queue of a home router, and sound waits behind
//! them. So a frame leaves in bursts of a few packets, at the line's rate, each at its time:
//!
//! ```text
//!  frame of 6 packets   ▓▓▓▓▓▓
//!  leaves as            ▓▓ ▓▓ ▓▓      burst, then as long a pause as the burst takes at `rate`
//!  sound                 ♪    ♪       never waits for more than a burst
//! ```
//!
//! A frame has left [at the latest](PaceConfig::spread) so long after it was due: where the rate does not allow that,
//! it is exceeded, because a frame that comes late is worse than a queue. Sound does not pass through here.

use std::time::Duration;

/// How a [`Pacer`] spreads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceConfig {
    /// Bits a second on the wire. Above the rung's own, else every frame takes until the next one: `WebRTC` takes 2.5
    /// times as much.
    pub bits_per_second: u64,
    /// Bytes of a full packet.
    pub packet: usize,
    /// Packets that leave together: fewer timers, and sound waits for so many at most.
    pub burst: usize,
    /// From when a frame is due until its last packet leaves, at most.
    pub spread: Duration,
}

impl Default for PaceConfig {
    /// For 2.5 Mbit/s of picture; the spread is two frames of 24 a second.
    fn default() -> Self {
        Self {
            bits_per_second: 6_250_000,
            packet: 1200,
            burst: 4,
            spread: Duration::from_millis(80),
        }
    }
}

/// One packet's leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// When.
    pub at: Duration,
    /// Its bytes.
    pub bytes: usize,
}

/// Spreads the frames of one film.
#[derive(Debug, Clone)]
pub struct Pacer {
    config: PaceConfig,
    /// When what was planned has left.
    free_at: Duration,
}

impl Pacer {
    /// A pacer with nothing planned. Sizes of 0 count as 1, a rate of 0 as 1.
    pub fn new(config: PaceConfig) -> Self {
        let mut pacer = Self {
            config: PaceConfig {
                packet: config.packet.max(1),
                burst: config.burst.max(1),
                ..config
            },
            free_at: Duration::ZERO,
        };
        pacer.set_rate(config.bits_per_second);
        pacer
    }

    /// The rate from the next frame on.
    pub fn set_rate(&mut self, bits_per_second: u64) {
        self.config.bits_per_second = bits_per_second.max(1);
    }

    /// When nothing of what was planned is left to send.
    pub fn free_at(&self) -> Duration {
        self.free_at
    }

    /// Plans a frame of `bytes` that is due at `at`, which never runs back. Its packets come in order.
    pub fn frame(&mut self, at: Duration, bytes: usize) -> Departures {
        let PaceConfig {
            bits_per_second,
            packet,
            burst,
            spread,
        } = self.config;
        let from = at.max(self.free_at);
        let nanos = bytes as u128 * 8 * 1_000_000_000 / u128::from(bits_per_second);
        let at_rate = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        // Frames before it have left by their own time plus the spread, so some of this one's is left unless both are
        // due at the same moment.
        let takes = at_rate.min(at.saturating_add(spread).saturating_sub(from));
        self.free_at = from + takes;
        Departures {
            from,
            takes,
            bytes,
            sent: 0,
            burst: packet.saturating_mul(burst),
            packet,
        }
    }
}

/// The packets of one frame.
#[derive(Debug, Clone)]
pub struct Departures {
    from: Duration,
    takes: Duration,
    bytes: usize,
    sent: usize,
    burst: usize,
    packet: usize,
}

impl Iterator for Departures {
    type Item = Departure;

    fn next(&mut self) -> Option<Departure> {
        let left = self.bytes - self.sent;
        if left == 0 {
            return None;
        }
        // All of a burst leave when its first byte is due.
        let burst_begins = self.sent - self.sent % self.burst;
        let nanos = self.takes.as_nanos() * burst_begins as u128 / self.bytes as u128;
        let departure = Departure {
            // At most `takes`, which was a Duration.
            at: self.from + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)),
            bytes: left.min(self.packet),
        };
        self.sent += departure.bytes;
        Some(departure)
    }
}

#[cfg(test)]
mod tests;
