//! How fast pictures leave. Pure: time is passed in.
//!
//! str0m's pacer lets out 1.1 times of what the line is taken to carry, 40 ms of it at once. By that a key frame is whole only when the line
//! could have carried it, 25 to 180 ms after its time, also on a line that has far more room than is known of it. So
//! pictures leave faster, as libwebrtc's do ([`FACTOR`]); in bursts, since each costs a wake-up.
//!
//! What is faster than the line waits in the line, and routers keep a tenth of a second of it or some more. So what leaves
//! is counted against what the line is taken to carry ([`AHEAD`]), and where a queue stands already, or packets are lost,
//! nothing leaves faster than by str0m's pacer, which goes on beside this one.

use std::time::{Duration, Instant};

/// Times what the line is taken to carry. libwebrtc's `kDefaultPaceMultiplier`, `goog_cc_network_control.cc`.
const FACTOR: f64 = 2.5;

/// But no less, in bits a second: what is known of a line is bounded by what is sent, since GCC goes no higher than 1.5 times
/// of it, and most lines take this much.
const LEAST_PACE: f64 = 8e6;

/// And no more: a key frame of 50 KB leaves in the time of one picture.
const MOST_PACE: f64 = 10e6;

/// A burst is what leaves by the pace in so long. It costs a wake-up; libwebrtc's pacer had this grain, its newer ones have
/// up to 40 ms.
const BURST: Duration = Duration::from_millis(5);

/// No more may be ahead of the line than it is taken to carry in so long: half of what a home router keeps as a rule.
const AHEAD: Duration = Duration::from_millis(125);

/// No line is taken to be narrower, in bits a second.
const NARROWEST: u64 = 50_000;

/// Lets bursts out.
#[derive(Debug)]
pub(super) struct Spread {
    /// Bytes a second that the line is taken to carry.
    line: f64,
    /// It shows a queue, or loss.
    full: bool,
    /// Bytes that left, less what the line has carried since.
    ahead: f64,
    /// Bytes that left, less what may leave by the pace.
    debt: f64,
    /// Between two bursts.
    resting: bool,
    /// When `ahead` and `debt` were as they are.
    at: Instant,
}

impl Spread {
    /// For a line that is taken to carry so many bits a second.
    pub(super) fn new(bits_per_second: u64, now: Instant) -> Self {
        Self {
            line: bytes(bits_per_second),
            full: false,
            ahead: 0.0,
            debt: 0.0,
            resting: false,
            at: now,
        }
    }

    /// What the line is taken to carry from now on, in bits a second, and whether it shows a queue or loss.
    pub(super) fn line(&mut self, bits_per_second: u64, full: bool, now: Instant) {
        self.pass(now);
        self.line = bytes(bits_per_second);
        self.full = full;
    }

    /// A packet left.
    pub(super) fn sent(&mut self, bytes: usize, now: Instant) {
        self.pass(now);
        self.ahead += bytes as f64;
        self.debt += bytes as f64;
        let burst = self.burst();
        self.resting |= self.debt >= burst || self.ahead >= self.most_ahead();
    }

    /// Whether the next packet may leave now.
    pub(super) fn is_open(&mut self, now: Instant) -> bool {
        self.pass(now);
        if self.resting && self.rest().is_zero() {
            self.resting = false;
        }
        !self.resting && !self.full
    }

    /// When the next packet may leave, if none may now. `None`: nothing is said here, str0m's pacer goes alone.
    pub(super) fn opens_at(&mut self, now: Instant) -> Option<Instant> {
        self.pass(now);
        (self.resting && !self.full).then(|| now + self.rest())
    }

    /// Until the line has room for a whole burst, and the pace allows one.
    fn rest(&self) -> Duration {
        let room = self.most_ahead() - self.burst();
        let for_line = (self.ahead - room) / self.line;
        let for_pace = self.debt / self.pace();
        Duration::from_secs_f64(for_line.max(for_pace).max(0.0))
    }

    fn pass(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.ahead = (self.ahead - self.line * passed).max(0.0);
        self.debt = (self.debt - self.pace() * passed).max(0.0);
        self.at = self.at.max(now);
    }

    /// Bytes a second.
    fn pace(&self) -> f64 {
        (FACTOR * self.line).clamp(LEAST_PACE / 8.0, MOST_PACE / 8.0)
    }

    fn burst(&self) -> f64 {
        let burst = self.pace() * BURST.as_secs_f64();
        burst.min(self.most_ahead() / 2.0)
    }

    fn most_ahead(&self) -> f64 {
        self.line * AHEAD.as_secs_f64()
    }
}

fn bytes(bits_per_second: u64) -> f64 {
    bits_per_second.max(NARROWEST) as f64 / 8.0
}

#[cfg(test)]
mod tests;
