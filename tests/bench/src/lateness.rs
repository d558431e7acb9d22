//! How late packets are, each against the schedule that its RTP timestamp gives.

use std::time::{Duration, Instant};

use crate::statistics::Samples;

/// Opus in RTP counts 48,000 a second, whatever the sound was (RFC 7587, section 4.1).
const TICKS_PER_SECOND: u64 = 48_000;

/// Lateness of each packet of one stream, in ms: arrival against the earliest packet's schedule. `packets` are
/// `(arrival, timestamp)` by arrival.
///
/// Sender and member count on the same clock, so no rate is fitted: a stream that falls behind is late from then on.
pub(crate) fn lateness(packets: &[(Instant, u32)]) -> Samples {
    let Some(&(first_at, first_timestamp)) = packets.first() else {
        return Samples::default();
    };
    // Nanoseconds between due and arrival, both counted from the first packet.
    let offsets = packets.iter().map(|&(at, timestamp)| {
        let ticks = u64::from(timestamp.wrapping_sub(first_timestamp));
        let due = ticks * 1_000_000_000 / TICKS_PER_SECOND;
        at.duration_since(first_at).as_nanos() as i64 - due as i64
    });
    let offsets: Vec<i64> = offsets.collect();
    let earliest = offsets.iter().copied().min().unwrap_or_default();
    let mut samples = Samples::default();
    for offset in offsets {
        samples.push_ms(Duration::from_nanos((offset - earliest) as u64));
    }
    samples
}

/// How punctual this machine lets anybody be: a thread that does nothing but sleep to every 20 ms, for `length`.
/// What is measured of packets cannot be better, since a thread like this one stamps their arrival, too.
pub(crate) fn of_a_bare_thread(length: Duration) -> Samples {
    const TICK: Duration = Duration::from_millis(20);
    let start = Instant::now();
    let mut samples = Samples::default();
    let mut due = start + TICK;
    while due < start + length {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        samples.push_ms(due.elapsed());
        due += TICK;
    }
    samples
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

    #[test]
    fn is_counted_from_the_earliest_packet() {
        // The first one was late itself, by 3 ms; the third by 5 ms.
        let late = lateness(&packets(&[3, 20, 45, 60], 0));
        assert!((late.max() - 5.0).abs() < 0.001, "{}", late.describe());
        assert!(late.percentile(0.0) < 0.001);
        assert!((late.percentile(75.0) - 3.0).abs() < 0.001);
    }

    #[test]
    fn timestamps_go_round() {
        let late = lateness(&packets(&[0, 20, 40], u32::MAX - 1000));
        assert!(late.max() < 0.001, "{}", late.describe());
    }

    #[test]
    fn a_stream_that_falls_behind_stays_late() {
        let late = lateness(&packets(&[0, 20, 70, 90, 110], 0));
        assert!((late.median() - 30.0).abs() < 0.001, "{}", late.describe());
    }
}
