//! Bits a second, over the last one.

use std::time::{Duration, Instant};

/// A second in this many pieces.
const PIECES: u64 = 20;
const PIECE: Duration = Duration::from_millis(1000 / PIECES);

/// Counts what goes by.
#[derive(Clone, Debug)]
pub(super) struct RateMeter {
    start: Instant,
    /// Bits of each of the last pieces of time, by their number modulo [`PIECES`].
    pieces: [u64; PIECES as usize],
    /// The number of the newest piece.
    newest: u64,
}

impl RateMeter {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            pieces: [0; PIECES as usize],
            newest: 0,
        }
    }

    pub(super) fn add(&mut self, bytes: usize, now: Instant) {
        self.advance(now);
        self.pieces[(self.newest % PIECES) as usize] += bytes as u64 * 8;
    }

    /// The whole pieces of the last second, and as much of the present one as there is.
    pub(super) fn rate(&mut self, now: Instant) -> u64 {
        self.advance(now);
        self.pieces.iter().sum()
    }

    fn advance(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.start);
        let piece = (since.as_millis() / PIECE.as_millis()) as u64;
        if piece >= self.newest + PIECES {
            self.pieces.fill(0);
        } else {
            for gone in self.newest + 1..=piece {
                self.pieces[(gone % PIECES) as usize] = 0;
            }
        }
        self.newest = self.newest.max(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_has_its_rate_and_silence_none() {
        let start = Instant::now();
        let mut meter = RateMeter::new(start);
        let at = |ms| start + Duration::from_millis(ms);
        for ms in 0..3_000 {
            meter.add(125, at(ms));
        }
        let rate = meter.rate(at(3_000));
        assert!((950_000..=1_000_000).contains(&rate), "{rate}");
        assert_eq!(meter.rate(at(4_001)), 0);
        // Time that runs back is the newest time.
        meter.add(1, at(0));
        assert_eq!(meter.rate(at(4_001)), 8);
    }
}
