//! How late packets are, each against the schedule that its RTP timestamp gives.

use std::time::{Duration, Instant};

use crate::statistics::Samples;

/// Opus in RTP counts 48,000 a second, whatever the sound was (RFC 7587, section 4.1).
const TICKS_PER_SECOND: u64 = 48_000;

/// From one wake of the bare thread to the next; packets come as often.
const TICK: Duration = Duration::from_millis(20);

/// A machine that wakes a thread no later than this is not in its way.
const PUNCTUAL: Duration = Duration::from_millis(1);

/// Something that was due at a certain time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) late: Duration,
}

/// Arrivals as values in ms.
pub(crate) fn lateness<'a>(arrivals: impl IntoIterator<Item = &'a Arrival>) -> Samples {
    let mut samples = Samples::default();
    for arrival in arrivals {
        samples.push_ms(arrival.late);
    }
    samples
}

/// The packets of one stream, each late against the earliest packet's schedule. `packets` are `(arrival, timestamp)` by
/// arrival.
///
/// Sender and member count on the same clock, so no rate is fitted: a stream that falls behind is late from then on.
pub(crate) fn of_stream(packets: &[(Instant, u32)]) -> Vec<Arrival> {
    of_stream_at(TICKS_PER_SECOND, packets)
}

/// The same where timestamps count so many a second.
pub(crate) fn of_stream_at(ticks_per_second: u64, packets: &[(Instant, u32)]) -> Vec<Arrival> {
    let Some(&(first_at, first_timestamp)) = packets.first() else {
        return Vec::new();
    };
    // Nanoseconds between due and arrival, both counted from the first packet.
    let offset = |&(at, timestamp): &(Instant, u32)| {
        let ticks = u64::from(timestamp.wrapping_sub(first_timestamp));
        let due = ticks * 1_000_000_000 / ticks_per_second;
        at.duration_since(first_at).as_nanos() as i64 - due as i64
    };
    let earliest = packets.iter().map(offset).min().unwrap_or_default();
    let late = |packet| Duration::from_nanos((offset(packet) - earliest) as u64);
    packets
        .iter()
        .map(|packet| Arrival {
            at: packet.0,
            late: late(packet),
        })
        .collect()
}

/// How punctual this machine lets anybody be: a thread that does nothing but sleep to every 20 ms, for `length`.
/// What is measured of packets cannot be better, since a thread like this one stamps their arrival, too.
pub(crate) fn of_a_bare_thread(length: Duration) -> Vec<Arrival> {
    let start = Instant::now();
    let mut wakes = Vec::new();
    let mut due = start + TICK;
    while due < start + length {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let at = Instant::now();
        wakes.push(Arrival {
            at,
            late: at.saturating_duration_since(due),
        });
        due += TICK;
    }
    wakes
}

/// Those of `packets` that arrived while the bare thread was punctual: what is left when the machine's own pauses,
/// which no program can help, are taken out.
pub(crate) fn undisturbed(packets: &[Arrival], bare: &[Arrival]) -> Vec<Arrival> {
    let punctual = |packet: &&Arrival| {
        // The wake after the packet was due saw the same stretch of time; the one before it, what led to it.
        let next = bare.partition_point(|wake| wake.at < packet.at);
        let around = &bare[next.saturating_sub(1)..bare.len().min(next + 1)];
        around.len() == 2 && around.iter().all(|wake| wake.late <= PUNCTUAL)
    };
    packets.iter().filter(punctual).copied().collect()
}

/// Whether the bare thread was punctual from one moment to the other.
pub(crate) fn is_calm(bare: &[Arrival], from: Instant, to: Instant) -> bool {
    // The first wake after the end saw the end.
    let begin = bare.partition_point(|wake| wake.at < from);
    let end = bare.partition_point(|wake| wake.at < to) + 1;
    let during = bare.get(begin..end);
    during.is_some_and(|during| during.iter().all(|wake| wake.late <= PUNCTUAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(arrivals_ms: &[u64], first_timestamp: u32) -> Vec<(Instant, u32)> {
        let start = Instant::now();
        let timestamps = (0..).map(|n: u32| first_timestamp.wrapping_add(n * 960));
        arrivals_ms
            .iter()
            .map(|ms| start + Duration::from_millis(*ms))
            .zip(timestamps)
            .collect()
    }

    fn late(arrivals_ms: &[u64], first_timestamp: u32) -> Samples {
        lateness(&of_stream(&packets(arrivals_ms, first_timestamp)))
    }

    #[test]
    fn is_counted_from_the_earliest_packet() {
        // The first one was late itself, by 3 ms; the third by 5 ms.
        let late = late(&[3, 20, 45, 60], 0);
        assert!((late.max() - 5.0).abs() < 0.001, "{}", late.describe());
        assert!(late.percentile(0.0) < 0.001);
        assert!((late.percentile(75.0) - 3.0).abs() < 0.001);
    }

    #[test]
    fn timestamps_go_round() {
        let late = late(&[0, 20, 40], u32::MAX - 1000);
        assert!(late.max() < 0.001, "{}", late.describe());
    }

    #[test]
    fn a_stream_that_falls_behind_stays_late() {
        let late = late(&[0, 20, 70, 90, 110], 0);
        assert!((late.median() - 30.0).abs() < 0.001, "{}", late.describe());
    }

    #[test]
    fn pauses_of_the_machine_are_taken_out() {
        let start = Instant::now();
        let arrival = |at: u64, late: u64| Arrival {
            at: start + Duration::from_millis(at),
            late: Duration::from_millis(late),
        };
        let bare = [
            arrival(20, 0),
            arrival(40, 0),
            arrival(90, 30),
            arrival(100, 0),
        ];
        let packets = [
            arrival(30, 7),
            arrival(85, 40),
            arrival(95, 30),
            arrival(500, 0),
        ];
        let left = lateness(&undisturbed(&packets, &bare));
        assert_eq!(left.len(), 1, "{}", left.describe());
        assert!((left.max() - 7.0).abs() < 0.001);

        let at = |ms| start + Duration::from_millis(ms);
        assert!(is_calm(&bare, at(5), at(30)));
        assert!(!is_calm(&bare, at(5), at(60)));
        // Of what came later nobody knows.
        assert!(!is_calm(&bare, at(95), at(500)));
    }
}
