//! How long packets wait on their way, from when they were sent and when they arrived.
//!
//! The receiver's clock is not ours, so a transit time alone says nothing; but what it is longer than the shortest one
//! of the last while is time in a queue. A round trip would say the same with the way back in it, and with the time that
//! the receiver gathers arrivals before it reports them.
//!
//! Such news is old: it is about packets that were sent a queue ago. So once there is a queue, what counts is what was sent
//! since, at the rate at which packets arrive.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Packets whose time of sending is remembered: more than a second of 8 Mbit/s. A power of two.
const REMEMBERED: usize = 1 << 10;

/// For so long, and up to twice that, the shortest transit time is remembered. Long enough that a queue that stands since
/// a while is not taken for the way itself, short enough for a way that changed and for clocks that drift apart.
const BASE_FOR: Duration = Duration::from_secs(10);

/// A jump of the receiver's clock, or of its count, is no queue.
const MOST: i64 = 60_000_000;

/// A wait like this is a queue: what arrives now arrives at the line's rate.
const QUEUE: Duration = Duration::from_millis(100);

/// The line's rate is taken from the arrivals of so long a time, µs.
const RATE_OVER: i64 = 400_000;

/// Receivers report arrivals so often, or a little less (libwebrtc: 50 to 250 ms).
const REPORTED_EVERY: Duration = Duration::from_millis(50);

/// So many of them make a rate.
const ENOUGH: usize = 10;

/// A line that has stopped shows no longer wait than this.
const MOST_TO_COME: Duration = Duration::from_secs(5);

/// A packet on its way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    number: u16,
    at: Instant,
    size: usize,
    /// Bytes that were sent up to this one.
    total: u64,
}

/// Transit times of the packets of one connection.
#[derive(Debug)]
pub(super) struct Queue {
    start: Instant,
    /// By number modulo [`REMEMBERED`].
    sent: Vec<Option<Sent>>,
    /// Bytes sent, and up to the newest packet that is known to have arrived.
    total: u64,
    total_arrived: u64,
    /// Arrivals of the last [`RATE_OVER`] of the receiver's clock, with sizes.
    arrivals: VecDeque<(i64, usize)>,
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
            total: 0,
            total_arrived: 0,
            arrivals: VecDeque::new(),
            base: None,
            base_before: None,
            base_began: start,
            fresh: None,
            last: Duration::ZERO,
        }
    }

    /// A packet left, with this number among all of the connection's.
    pub(super) fn sent(&mut self, number: u16, size: usize, at: Instant) {
        self.total += size as u64;
        self.sent[usize::from(number) % REMEMBERED] = Some(Sent {
            number,
            at,
            size,
            total: self.total,
        });
    }

    /// It is known to have arrived, at this time of the receiver's clock. Counted once.
    pub(super) fn arrived(&mut self, number: u16, at: Duration, now: Instant) {
        let place = &mut self.sent[usize::from(number) % REMEMBERED];
        let Some(sent) = place.take_if(|sent| sent.number == number) else {
            return;
        };
        let at = micros(at);
        let transit = at - micros(sent.at.saturating_duration_since(self.start));
        let least = self.least();
        if least.is_some_and(|base| (transit - base).abs() > MOST) {
            (self.base, self.base_before, self.fresh) = (None, None, None);
            self.arrivals.clear();
        }
        if now.saturating_duration_since(self.base_began) >= BASE_FOR {
            self.base_before = self.base.take();
            self.base_began = now;
        }
        self.base = Some(self.base.map_or(transit, |base| base.min(transit)));
        self.fresh = Some(self.fresh.map_or(transit, |fresh| fresh.min(transit)));
        self.total_arrived = self.total_arrived.max(sent.total);
        self.arrivals.push_back((at, sent.size));
        let is_old = |first: &(i64, usize)| at - first.0 > RATE_OVER;
        while self.arrivals.len() > REMEMBERED || self.arrivals.front().is_some_and(is_old) {
            self.arrivals.pop_front();
        }
    }

    /// How long a packet that leaves now will wait; `rtt` is the least round trip time. Of what arrived since the last call
    /// the shortest wait counts: a burst waits for itself, which is no queue that stands. Where nothing arrived, what was
    /// known last.
    pub(super) fn take(&mut self, rtt: Duration) -> Duration {
        if let (Some(fresh), Some(base)) = (self.fresh.take(), self.least()) {
            let wait = u64::try_from(fresh - base).unwrap_or_default();
            self.last = Duration::from_micros(wait);
        }
        let now = (self.last >= QUEUE).then(|| self.still_to_come(rtt));
        now.flatten().unwrap_or(self.last)
    }

    /// The wait by [`Queue::take`], as of the packets that arrived last.
    pub(super) fn last(&self) -> Duration {
        self.last
    }

    /// How long the line takes for what was sent and not reported yet, without the time that reports take.
    fn still_to_come(&self, rtt: Duration) -> Option<Duration> {
        let (first, last) = (self.arrivals.front()?, self.arrivals.back()?);
        let bytes: usize = self.arrivals.iter().skip(1).map(|(_, size)| size).sum();
        let took = u64::try_from(last.0 - first.0).ok()?;
        if self.arrivals.len() < ENOUGH || bytes == 0 {
            return None;
        }
        let to_come = u128::from(self.total - self.total_arrived);
        let micros = to_come * u128::from(took) / bytes as u128;
        let takes = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        Some(takes.min(MOST_TO_COME).saturating_sub(rtt + REPORTED_EVERY))
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

    const FAR_CLOCK: Duration = Duration::from_hours(250);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_longer_than_the_shortest_is_queue() {
        let start = Instant::now();
        let mut queue = Queue::new(start);
        let mut send = |number: u16, at: u64, takes: u64| {
            queue.sent(number, 1_000, start + ms(at));
            queue.arrived(number, FAR_CLOCK + ms(at + takes), start + ms(at + takes));
        };
        send(65_535, 0, 40);
        send(0, 20, 45);
        assert_eq!(queue.take(ms(0)), ms(0));
        let mut send = |number: u16, at: u64, takes: u64| {
            queue.sent(number, 1_000, start + ms(at));
            queue.arrived(number, FAR_CLOCK + ms(at + takes), start + ms(at + takes));
        };
        send(1, 40, 300);
        send(2, 60, 260);
        assert_eq!(queue.take(ms(0)), ms(220), "the least of both");
        assert_eq!(queue.take(ms(0)), ms(220), "nothing new");
    }

    #[test]
    fn a_longer_way_is_the_base_after_a_while() {
        let start = Instant::now();
        let mut queue = Queue::new(start);
        let mut last = Duration::MAX;
        for number in 0..400_u16 {
            let at = u64::from(number) * 100;
            let takes = if number < 50 { 40 } else { 100 };
            queue.sent(number, 1_000, start + ms(at));
            queue.arrived(number, FAR_CLOCK + ms(at + takes), start + ms(at + takes));
            last = queue.take(ms(0));
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
        queue.sent(6, 1_000, start);
        queue.arrived(6, FAR_CLOCK, start);
        queue.arrived(6, FAR_CLOCK + ms(500), start);
        assert_eq!(queue.take(ms(0)), ms(0));
        queue.sent(7, 1_000, start + ms(20));
        queue.arrived(7, Duration::ZERO, start + ms(20));
        queue.sent(8, 1_000, start + ms(40));
        queue.arrived(8, Duration::from_secs(u64::MAX / 2_000_000), start + ms(40));
        assert_eq!(queue.take(ms(0)), ms(0));
    }

    #[test]
    fn what_was_sent_into_a_queue_counts() {
        let start = Instant::now();
        let mut queue = Queue::new(start);
        // A packet each 5 ms; the line takes one each 10 ms from the hundredth on. The last 60 are not reported yet.
        for number in 0..200_u16 {
            queue.sent(number, 1_000, start + ms(u64::from(number) * 5));
        }
        for number in 0..140_u16 {
            let sent = u64::from(number) * 5;
            let waits = u64::from(number.saturating_sub(100)) * 5;
            queue.arrived(number, FAR_CLOCK + ms(sent + 40 + waits), start + ms(995));
            if number == 100 {
                assert_eq!(queue.take(ms(80)), ms(0));
            }
            if number == 138 {
                queue.take(ms(80));
            }
        }
        assert_eq!(queue.last(), ms(5));
        let said = queue.take(ms(80));
        assert_eq!(queue.last(), ms(195));
        // 60 packets at one each 10 ms, without the 130 ms that reports take.
        assert!((ms(440)..ms(480)).contains(&said), "{said:?}");
    }
}
