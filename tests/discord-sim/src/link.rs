//! A way between a client and the voice server that is not perfect: loss, delay, jitter, and a bandwidth with a queue
//! before it.
//!
//! Pure: a datagram is offered with the time at which it came, and the answer is when it comes out at the other end, if
//! it does. Datagrams never overtake one another.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::Error;

/// What IPv4 and UDP add to each datagram on the wire.
const HEADERS: usize = 28;

/// The queue before a bandwidth that names none: as much as passes in this time. Home routers have about that.
const USUAL_QUEUE: Duration = Duration::from_millis(250);

/// Which way along a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkDirection {
    /// What the client sends.
    Up,
    /// What it is sent: feedback, and the media of others.
    Down,
}

/// How bad a way is. The default is a perfect one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkShape {
    /// Share of the datagrams that is lost, 0 to 100.
    pub loss_percent: f64,
    /// How long each takes, in milliseconds.
    pub delay_ms: u64,
    /// What comes on top at random: 0 up to this, in milliseconds.
    pub jitter_ms: u64,
    /// Bits a second that pass, UDP and IP headers included; none: any number.
    pub bits_per_second: Option<u64>,
    /// Bytes that wait for their turn at most; what comes after is lost. None: what passes in 250 ms.
    pub queue_bytes: Option<u64>,
}

impl LinkShape {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(0.0..=100.0).contains(&self.loss_percent) {
            return Err(Error::Fault("loss_percent must be 0 to 100".to_owned()));
        }
        if self.bits_per_second == Some(0) {
            return Err(Error::Fault(
                "bits_per_second must not be 0; a loss_percent of 100 lets nothing through"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    fn queue(&self, bits_per_second: u64) -> Duration {
        match self.queue_bytes {
            Some(bytes) => time_of(bytes, bits_per_second),
            None => USUAL_QUEUE,
        }
    }
}

/// How long this many bytes take.
fn time_of(bytes: u64, bits_per_second: u64) -> Duration {
    let nanos = u128::from(bytes) * 8 * 1_000_000_000 / u128::from(bits_per_second.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// How a datagram gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// When it comes out.
    pub(crate) out: Instant,
    /// How long it waited for its turn before it was sent on.
    pub(crate) waited: Duration,
}

/// One direction of one connection.
pub(crate) struct Link {
    shape: LinkShape,
    rng: StdRng,
    /// Until then the bandwidth is taken by what came before.
    busy_until: Option<Instant>,
    /// When the last one came out.
    last_out: Option<Instant>,
}

impl Link {
    /// The same seed loses and delays the same datagrams.
    pub(crate) fn new(shape: LinkShape, seed: u64) -> Self {
        Self {
            shape,
            rng: StdRng::seed_from_u64(seed),
            busy_until: None,
            last_out: None,
        }
    }

    /// Whether datagrams may have to wait for their turn.
    pub(crate) fn queues(&self) -> bool {
        self.shape.bits_per_second.is_some()
    }

    /// Takes another shape. What waits has its turn already; what is still to be sent of it takes the new bandwidth
    /// before anything that comes later.
    pub(crate) fn reshape(&mut self, shape: LinkShape, now: Instant) {
        let before = std::mem::replace(&mut self.shape, shape);
        let rates = before.bits_per_second.zip(shape.bits_per_second);
        let (Some(busy_until), Some((old, new))) = (self.busy_until, rates) else {
            self.busy_until = None;
            return;
        };
        let left = busy_until.saturating_duration_since(now).as_nanos();
        let left = left * u128::from(old) / u128::from(new.max(1));
        let left = Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX));
        self.busy_until = Some(now + left);
    }

    /// A datagram of so many bytes comes in. `None`: it is lost, by chance or for want of room.
    pub(crate) fn offer(&mut self, at: Instant, bytes: usize) -> Option<Passage> {
        let shape = self.shape;
        if shape.loss_percent > 0.0 && self.rng.random_bool(shape.loss_percent / 100.0) {
            return None;
        }
        let mut waited = Duration::ZERO;
        let mut sent = at;
        if let Some(rate) = shape.bits_per_second {
            let turn = self.busy_until.map_or(at, |busy| busy.max(at));
            waited = turn - at;
            let lasts = time_of((bytes + HEADERS) as u64, rate);
            // An empty queue takes any datagram: what is being sent does not wait.
            if !waited.is_zero() && waited + lasts > shape.queue(rate) {
                return None;
            }
            sent = turn + lasts;
            self.busy_until = Some(sent);
        }
        let jitter = match shape.jitter_ms {
            0 => 0,
            most => self.rng.random_range(0..=most * 1_000),
        };
        let way = Duration::from_millis(shape.delay_ms) + Duration::from_micros(jitter);
        let out = (sent + way).max(self.last_out.unwrap_or(sent));
        self.last_out = Some(out);
        Some(Passage { out, waited })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn shape() -> LinkShape {
        LinkShape::default()
    }

    #[test]
    fn a_perfect_way_changes_nothing() {
        let start = Instant::now();
        let mut link = Link::new(shape(), 1);
        for n in 0..100 {
            let at = start + MILLISECOND * n;
            let passage = link.offer(at, 1200).unwrap();
            assert_eq!((passage.out, passage.waited), (at, Duration::ZERO));
        }
    }

    #[test]
    fn loses_about_as_much_as_told_and_the_same_for_a_seed() {
        let lost = |seed| -> Vec<bool> {
            let shape = LinkShape {
                loss_percent: 10.0,
                ..shape()
            };
            let (mut link, start) = (Link::new(shape, seed), Instant::now());
            (0..2000)
                .map(|_| link.offer(start, 100).is_none())
                .collect()
        };
        let (first, again, other) = (lost(1), lost(1), lost(2));
        assert_eq!(first, again);
        assert_ne!(first, other);
        let count = first.iter().filter(|lost| **lost).count();
        assert!((150..=250).contains(&count), "{count}");
    }

    #[test]
    fn delay_and_jitter_keep_the_order() {
        let shape = LinkShape {
            delay_ms: 40,
            jitter_ms: 30,
            ..shape()
        };
        let (mut link, start) = (Link::new(shape, 3), Instant::now());
        let mut last = start;
        let mut ways = Vec::new();
        for n in 0..500 {
            let at = start + MILLISECOND * n;
            let out = link.offer(at, 100).unwrap().out;
            assert!(out >= last && out >= at + 40 * MILLISECOND);
            ways.push(out - at);
            last = out;
        }
        assert!(*ways.iter().max().unwrap() <= 70 * MILLISECOND);
        assert!(ways.iter().max() > ways.iter().min());
    }

    #[test]
    fn a_bandwidth_spaces_datagrams_and_builds_a_queue_that_overflows() {
        // 1000 bytes a millisecond: with its headers a datagram of 972 takes exactly that.
        let shape = LinkShape {
            bits_per_second: Some(8_000_000),
            queue_bytes: Some(10_000),
            ..shape()
        };
        let (mut link, start) = (Link::new(shape, 4), Instant::now());
        let passages: Vec<_> = (0..15).map(|_| link.offer(start, 972)).collect();
        for (n, passage) in (0..10).zip(&passages) {
            let passage = passage.unwrap();
            assert_eq!(passage.waited, MILLISECOND * n);
            assert_eq!(passage.out, start + MILLISECOND * (n + 1));
        }
        assert!(passages[10..].iter().all(Option::is_none));
        // Five milliseconds later half of it is gone.
        let later = link.offer(start + 5 * MILLISECOND, 972).unwrap();
        assert_eq!(later.waited, 5 * MILLISECOND);
        // And when nothing waits any more, nothing waits.
        let late = link.offer(start + 50 * MILLISECOND, 972).unwrap();
        assert_eq!(late.waited, Duration::ZERO);
    }

    #[test]
    fn what_waits_takes_longer_when_the_bandwidth_shrinks() {
        let shape = |rate| LinkShape {
            bits_per_second: Some(rate),
            queue_bytes: Some(100_000),
            ..shape()
        };
        let (mut link, start) = (Link::new(shape(8_000_000), 5), Instant::now());
        for _ in 0..10 {
            link.offer(start, 972).unwrap();
        }
        link.reshape(shape(4_000_000), start + 5 * MILLISECOND);
        let next = link.offer(start + 5 * MILLISECOND, 972).unwrap();
        assert_eq!(next.waited, 10 * MILLISECOND);
        link.reshape(LinkShape::default(), start + 6 * MILLISECOND);
        let next = link.offer(start + 6 * MILLISECOND, 972).unwrap();
        assert_eq!(next.waited, Duration::ZERO);
    }

    #[test]
    fn nonsense_is_refused() {
        let lossy = |loss_percent| LinkShape {
            loss_percent,
            ..shape()
        };
        assert!(lossy(101.0).check().is_err());
        assert!(lossy(f64::NAN).check().is_err());
        assert!(lossy(100.0).check().is_ok());
        let closed = LinkShape {
            bits_per_second: Some(0),
            ..shape()
        };
        assert_eq!(closed.check().unwrap_err().code(), "fault_refused");
    }
}
