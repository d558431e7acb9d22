#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn config(mbit: u64, spread_ms: u32) -> PaceConfig {
    PaceConfig {
        bits_per_second: mbit * 1_000_000,
        spread: MS * spread_ms,
        ..PaceConfig::default()
    }
}

#[test]
fn a_key_frame_leaves_in_bursts_at_the_rate() {
    // 48 kB at 6 Mbit/s take 64 ms.
    let mut pacer = Pacer::new(config(6, 80));
    let packets: Vec<Departure> = pacer.frame(MS * 1000, 48_000).collect();
    assert_eq!(packets.len(), 40);
    let times: Vec<u128> = packets.iter().map(|p| p.at.as_micros()).collect();
    assert_eq!(
        times[..9],
        [
            1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_006_400, 1_006_400, 1_006_400, 1_006_400,
            1_012_800
        ]
    );
    assert_eq!(pacer.free_at(), MS * 1064);
}

#[test]
fn a_frame_behind_a_large_one_waits_and_the_next_is_on_time() {
    let mut pacer = Pacer::new(config(6, 80));
    pacer.frame(Duration::ZERO, 48_000).for_each(drop);
    let second = pacer.frame(MS * 42, 6_000).next().unwrap();
    assert_eq!(second.at, MS * 64);
    let third = pacer.frame(MS * 84, 6_000).next().unwrap();
    assert_eq!(third.at, MS * 84);
}

#[test]
fn what_does_not_fit_into_the_spread_exceeds_the_rate() {
    let mut pacer = Pacer::new(config(1, 80));
    let last = pacer.frame(Duration::ZERO, 480_000).last().unwrap();
    assert!(last.at < MS * 80, "{last:?}");
}

#[test]
fn extremes_do_no_harm() {
    let mut pacer = Pacer::new(PaceConfig {
        bits_per_second: 0,
        packet: 0,
        burst: 0,
        spread: Duration::MAX,
    });
    assert_eq!(pacer.frame(Duration::MAX, 3).count(), 3);
    assert_eq!(pacer.frame(Duration::MAX, usize::MAX).take(5).count(), 5);
    assert_eq!(pacer.frame(Duration::MAX, 0).count(), 0);
}

proptest! {
    /// In no window does more leave than the rate and one burst, while frames fit into the spread; and all of each
    /// frame leaves, in order, within the spread.
    #[test]
    fn bursts_are_bounded(
        sizes in prop::collection::vec(1_usize..60_000, 1..30),
        fits in any::<bool>(),
    ) {
        let spread = if fits { Duration::from_mins(1) } else { MS * 80 };
        let config = PaceConfig { spread, ..PaceConfig::default() };
        let mut pacer = Pacer::new(config);
        let mut all: Vec<Departure> = Vec::new();
        for (i, &bytes) in sizes.iter().enumerate() {
            let due = MS * 42 * i as u32;
            let packets: Vec<Departure> = pacer.frame(due, bytes).collect();
            prop_assert_eq!(packets.iter().map(|p| p.bytes).sum::<usize>(), bytes);
            prop_assert!(packets.iter().all(|p| p.bytes <= config.packet));
            prop_assert!(packets.iter().all(|p| p.at >= due && p.at <= due + spread));
            all.extend(packets);
        }
        prop_assert!(all.is_sorted_by_key(|p| p.at));
        let burst = config.burst * config.packet;
        for (i, first) in all.iter().enumerate() {
            let mut sent = 0;
            for packet in &all[i..] {
                sent += packet.bytes;
                let window = packet.at.saturating_sub(first.at).as_secs_f64();
                let rate = config.bits_per_second as f64 / 8.0 * window;
                // A window may begin and end with a burst.
                prop_assert!(!fits || sent as f64 <= rate + 2.0 * burst as f64 + 1.0, "{sent} in {window}");
            }
        }
    }

    /// Sound that is sent at its own times beside the picture finds at most one burst leaving at the same moment.
    #[test]
    fn sound_waits_for_one_burst_at_most(sizes in prop::collection::vec(1_usize..60_000, 1..30)) {
        let config = PaceConfig { spread: Duration::from_mins(1), ..PaceConfig::default() };
        let mut pacer = Pacer::new(config);
        let mut all: Vec<Departure> = Vec::new();
        for (i, &bytes) in sizes.iter().enumerate() {
            all.extend(pacer.frame(MS * 42 * i as u32, bytes));
        }
        for bursts in all.chunk_by(|a, b| a.at == b.at) {
            let together: usize = bursts.iter().map(|p| p.bytes).sum();
            prop_assert!(together <= config.burst * config.packet);
        }
    }
}
