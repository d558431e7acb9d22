//! One way of a line: delay, loss, a bottleneck with a queue. Time is told.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};

/// What IP and UDP add to each datagram.
const OVERHEAD: usize = 28;

pub(super) struct Link {
    pub(super) delay: Duration,
    /// Added to it, up to so much; packets stay in order, as on a wireless link that waits for its turn.
    pub(super) jitter: Duration,
    /// Share of packets that vanish.
    pub(super) loss: f64,
    pub(super) bits_per_second: Option<u64>,
    /// What the bottleneck keeps; more is dropped.
    pub(super) queue: Duration,
    /// When the bottleneck has sent what it holds.
    free_at: Option<Instant>,
    under_way: VecDeque<(Instant, Vec<u8>)>,
    random: SmallRng,
    /// The longest wait at the bottleneck since the last look.
    longest_wait: Duration,
}

impl Link {
    pub(super) fn new(delay: Duration) -> Self {
        Self {
            delay,
            jitter: Duration::ZERO,
            loss: 0.0,
            bits_per_second: None,
            queue: Duration::from_secs(1),
            free_at: None,
            under_way: VecDeque::new(),
            random: SmallRng::seed_from_u64(7),
            longest_wait: Duration::ZERO,
        }
    }

    pub(super) fn send(&mut self, packet: &[u8], now: Instant) {
        if self.random.random_bool(self.loss) {
            return;
        }
        let mut leaves = now;
        if let Some(rate) = self.bits_per_second {
            let begins = self.free_at.map_or(now, |free| free.max(now));
            if begins - now > self.queue {
                return;
            }
            self.longest_wait = self.longest_wait.max(begins - now);
            let bits = (packet.len() + OVERHEAD) as f64 * 8.0;
            leaves = begins + Duration::from_secs_f64(bits / rate as f64);
            self.free_at = Some(leaves);
        }
        let jitter = self.jitter.mul_f64(self.random.random());
        let arrives = leaves + self.delay + jitter;
        let before = self.under_way.back().map(|(at, _)| *at);
        let arrives = before.map_or(arrives, |before| before.max(arrives));
        self.under_way.push_back((arrives, packet.to_vec()));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _)| *at)
    }

    pub(super) fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.next().filter(|at| *at <= now)?;
        self.under_way.pop_front().map(|(_, packet)| packet)
    }

    pub(super) fn take_longest_wait(&mut self) -> Duration {
        std::mem::take(&mut self.longest_wait)
    }
}
