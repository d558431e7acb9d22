#![allow(clippy::unwrap_used)]

use super::*;

const PACKET: usize = 1_100;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// When each packet of a picture leaves that is due at once, if nothing else lets it out.
fn leave(spread: &mut Spread, packets: usize, from: Instant) -> Vec<Duration> {
    let mut now = from;
    let mut left = Vec::new();
    while left.len() < packets {
        if spread.is_open(now) {
            spread.sent(PACKET, now);
            left.push(now - from);
        } else {
            let next = spread.opens_at(now).unwrap();
            assert!(next > now, "it is closed, so it opens later");
            now = next;
        }
    }
    left
}

/// The most that waits before a line which takes exactly `bits_per_second`, as time.
fn longest_queue(left: &[Duration], bits_per_second: u64) -> Duration {
    let one = Duration::from_secs_f64(PACKET as f64 * 8.0 / bits_per_second as f64);
    let (mut free_at, mut longest) = (Duration::ZERO, Duration::ZERO);
    for at in left {
        longest = longest.max(free_at.saturating_sub(*at));
        free_at = free_at.max(*at) + one;
    }
    longest
}

fn wake_ups(left: &[Duration]) -> usize {
    left.chunk_by(|one, next| one == next).count()
}

/// What str0m's pacer alone would take for it: 1.1 times of the estimate, in bursts of 40 ms.
fn by_str0m(packets: usize, bits_per_second: u64) -> Duration {
    let burst = bits_per_second as f64 * 1.1 * 0.04 / 8.0;
    let waits = (packets * PACKET) as f64 / burst;
    ms(40) * (waits.ceil() as u32 - 1)
}

#[test]
fn a_key_frame_leaves_faster_than_the_line_is_known_to_be() {
    // Of a film of 80 % of that rate, with one each second that is five times as large as the other pictures.
    for bits_per_second in [1_500_000, 3_000_000, 4_000_000] {
        let now = Instant::now();
        let mut spread = Spread::new(bits_per_second, now);
        let packets = (bits_per_second as usize * 8 / 10 / 8 * 5 / 28).div_ceil(PACKET);
        let left = leave(&mut spread, packets, now);
        let whole = *left.last().unwrap();
        println!("measured: {packets} packets on {bits_per_second} bit/s: {whole:?}");
        assert!(
            whole * 3 / 2 < by_str0m(packets, bits_per_second),
            "{whole:?}"
        );
        assert!(wake_ups(&left) <= 13, "{left:?}");
    }
}

#[test]
fn the_pace_is_bounded_on_both_sides() {
    for (bits_per_second, least, most) in [
        (2_000_000, 7.5e6, 8.5e6),
        (3_600_000, 8.5e6, 9.5e6),
        (9_000_000, 9.5e6, 10.5e6),
    ] {
        let now = Instant::now();
        let mut spread = Spread::new(bits_per_second, now);
        // No more than may be ahead of the line.
        let packets = (bits_per_second as f64 / 8.0 * AHEAD.as_secs_f64()) as usize / PACKET;
        let left = leave(&mut spread, packets, now);
        let last = *left.last().unwrap();
        let before = left.iter().filter(|at| **at < last).count();
        let rate = before as f64 * PACKET as f64 * 8.0 / last.as_secs_f64();
        assert!((least..most).contains(&rate), "{bits_per_second}: {rate}");
    }
}

/// The bound that keeps a narrow line from losing packets of a burst of ours: even a key frame of two seconds of it
/// leaves as fast as the line carries it, after the first tenth of a second or so.
#[test]
fn a_narrow_line_has_little_waiting_whatever_the_picture() {
    for bits_per_second in [300_000, 1_500_000, 6_000_000] {
        let now = Instant::now();
        let mut spread = Spread::new(bits_per_second, now);
        let packets = (2 * bits_per_second as usize) / 8 / PACKET;
        let left = leave(&mut spread, packets, now);
        let queue = longest_queue(&left, bits_per_second);
        let packet = Duration::from_secs_f64(PACKET as f64 * 8.0 / bits_per_second as f64);
        assert!(queue <= AHEAD + packet, "{bits_per_second}: {queue:?}");
        let whole = *left.last().unwrap();
        assert!(whole <= ms(2_000), "{bits_per_second}: {whole:?}");
        assert!(whole >= ms(1_700), "{bits_per_second}: {whole:?}");
    }
}

#[test]
fn a_film_without_end_leaves_no_faster_than_the_line() {
    let start = Instant::now();
    let mut spread = Spread::new(1_500_000, start);
    let left = leave(&mut spread, 1_700, start);
    let rate = 1_700.0 * PACKET as f64 * 8.0 / left.last().unwrap().as_secs_f64();
    assert!(rate <= 1_530_000.0, "{rate}");
}

#[test]
fn where_a_queue_stands_str0ms_pacer_goes_alone() {
    let now = Instant::now();
    let mut spread = Spread::new(3_000_000, now);
    spread.line(3_000_000, true, now);
    assert!(!spread.is_open(now));
    assert_eq!(spread.opens_at(now), None);
    spread.line(3_000_000, false, now);
    assert!(spread.is_open(now));
}

#[test]
fn what_the_other_pacer_lets_out_counts_too() {
    let now = Instant::now();
    let mut spread = Spread::new(1_500_000, now);
    for _ in 0..30 {
        spread.sent(PACKET, now);
    }
    let opens = spread.opens_at(now).unwrap();
    // 33,000 bytes left; 23,437 may be ahead, less a burst of 5,000: 14,563 have to pass at 187,500 a second.
    let expected = ms(77);
    assert!(opens - now >= expected && opens - now <= expected + ms(1));
    assert!(!spread.is_open(opens.checked_sub(ms(1)).unwrap()));
    assert!(spread.is_open(opens + Duration::from_micros(1)));
}
