//! How long packets wait on their way, from when they were sent and when they arrived.
//!
//! The receiver's clock is not ours, so a transit time alone says nothing; but what it is longer than the shortest one
//! of the last while is time in a queue. A round trip would say the same with the way back in it, and with the time that
//! the receiver gathers arrivals before it reports them.

use std::time::{Duration, Instant};

/// Packets whose time of sending is remembered: more than a second of 8 Mbit/s. A power of two.
const REMEMBERED: usize = 1 << 10;

/// For so long, and up to twice that, the shortest transit time is remembered. Long enough that a queue that stands since
/// a while is not taken for the way itself, short enough for a way that changed and for clocks that drift apart.
const BASE_FOR: Duration = Duration::from_secs(10);

/// A jump of the receiver's clock, or of its count, is no queue.
const MOST: i64 = 60_000_000;

/// Transit times of the packets of one connection.
#[derive(Debug)]
pub(super) struct Queue {
    start: Instant,
    /// By number modulo [`REMEMBERED`].
    sent: Vec<Option<(u16, Instant)>>,
    /// Shortest transit time, µs, of this span of [`BASE_FOR`] and the one before.
    base: Option<i64>,
    base_before: Option<i64>,
    base_began: Instant,
    /// Shortest since [`Queue::take`].
    fresh: Option<i64>,
    last: Duration,
}

impl Queue {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            sent: vec![None; REMEMBERED],
            base: None,
            base_before: None,
            base_began: start,
            fresh: None,
            last: Duration::ZERO,
        }
    }

    /// A packet left, with this number among all of the connection's.
    pub(super) fn sent(&mut self, number: u16, now: Instant) {
        self.sent[usize::from(number) % REMEMBERED] = Some((number, now));
    }

    /// It is known to have arrived, at this time of the receiver's clock. Counted once.
    pub(super) fn arrived(&mut self, number: u16, at: Duration, now: Instant) {
        let place = &mut self.sent[usize::from(number) % REMEMBERED];
        let Some((_, sent)) = place.take_if(|(sent, _)| *sent == number) else {
            return;
        };
        let sent = sent.saturating_duration_since(self.start);
        let transit = micros(at) - micros(sent);
        if self
            .least()
            .is_some_and(|base| (transit - base).abs() > MOST)
        {
            (self.base, self.base_before, self.fresh) = (None, None, None);
        }
        if now.saturating_duration_since(self.base_began) >= BASE_FOR {
            self.base_before = self.base.take();
            self.base_began = now;
        }
        self.base = Some(self.base.map_or(transit, |base| base.min(transit)));
        self.fresh = Some(self.fresh.map_or(transit, |fresh| fresh.min(transit)));
    }

    /// The shortest wait among the packets that are known to have arrived since the last call: a burst waits for itself,
    /// which is no queue that stands. Without any, what it was.
    pub(super) fn take(&mut self) -> Duration {
        if let (Some(fresh), Some(base)) = (self.fresh.take(), self.least()) {
            let wait = u64::try_from(fresh - base).unwrap_or_default();
            self.last = Duration::from_micros(wait);
        }
        self.last
    }

    fn least(&self) -> Option<i64> {
        self.base.into_iter().chain(self.base_before).min()
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR_CLOCK: Duration = Duration::from_secs(900_000);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_longer_than_the_shortest_is_queue() {
        let start = Instant::now();
        let mut queue = Queue::new(start);
        let mut send = |number: u16, at: u64, takes: u64| {
            queue.sent(number, start + ms(at));
            queue.arrived(number, FAR_CLOCK + ms(at + takes), start + ms(at + takes));
        };
        send(65_535, 0, 40);
        send(0, 20, 45);
        assert_eq!(queue.take(), ms(0));
        let mut send = |number: u16, at: u64, takes: u64| {
            queue.sent(number, start + ms(at));
            queue.arrived(number, FAR_CLOCK + ms(at + takes), start + ms(at + takes));
        };
        send(1, 40, 300);
        send(2, 60, 260);
        assert_eq!(queue.take(), ms(220), "the least of both");
        assert_eq!(queue.take(), ms(220), "nothing new");
    }

    #[test]
    fn a_longer_way_is_the_base_after_a_while() {
        let start = Instant::now();
        let mut queue = Queue::new(start);
        let mut last = Duration::MAX;
        for number in 0..400_u16 {
            let at = u64::from(number) * 100;
            let takes = if number < 50 { 40 } else { 100 };
            queue.sent(number, start + ms(at));
            queue.arrived(number, FAR_CLOCK + ms(at + takes), start + ms(at + takes));
            last = queue.take();
            if (60..100).contains(&number) {
                assert_eq!(last, ms(60));
            }
        }
        assert_eq!(last, ms(0));
    }

    #[test]
    fn unknown_packets_and_a_clock_that_jumps_are_no_queue() {
        let start = Instant::now();
        let mut queue = Queue::new(start);
        queue.arrived(5, FAR_CLOCK, start);
        queue.sent(6, start);
        queue.arrived(6, FAR_CLOCK, start);
        queue.arrived(6, FAR_CLOCK + ms(500), start);
        assert_eq!(queue.take(), ms(0));
        queue.sent(7, start + ms(20));
        queue.arrived(7, Duration::ZERO, start + ms(20));
        queue.sent(8, start + ms(40));
        queue.arrived(8, Duration::from_secs(u64::MAX / 2_000_000), start + ms(40));
        assert_eq!(queue.take(), ms(0));
    }
}
