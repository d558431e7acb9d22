//! The sound of a generated film: where one is in it can be heard and measured.
//!
//! From each full second of media: 40 ms of 1000 Hz at −6 dBFS (2000 Hz at 0, 10, 20 … s), then from
//! 100 ms on ten slots of 50 ms, slot `i` with 3000 Hz at −12 dBFS when bit `i` (least significant
//! first) of `second mod 1024` is 1. All else is silence. Every tone is a whole number of periods from
//! phase 0, so none begins or ends with a crack.

use std::f64::consts::TAU;

/// Samples a second.
pub(crate) const SAMPLE_RATE: usize = 48_000;

const MS: usize = SAMPLE_RATE / 1000;
const CLICK: usize = 40 * MS;
const NUMBER_AT: usize = 100 * MS;
const SLOT: usize = 50 * MS;
const SLOTS: usize = 10;
const CLICK_DBFS: f64 = -6.0;
const SLOT_DBFS: f64 = -12.0;

/// One second, mono, beginning at media second `second`.
pub(crate) fn second_samples(second: u64) -> Vec<i16> {
    let mut samples = vec![0; SAMPLE_RATE];
    let pitch = if second.is_multiple_of(10) {
        2000.0
    } else {
        1000.0
    };
    tone(&mut samples[..CLICK], pitch, CLICK_DBFS);
    for slot in (0..SLOTS).filter(|slot| (second >> slot) & 1 == 1) {
        tone(
            &mut samples[NUMBER_AT + slot * SLOT..][..SLOT],
            3000.0,
            SLOT_DBFS,
        );
    }
    samples
}

fn tone(samples: &mut [i16], hertz: f64, dbfs: f64) {
    let peak = f64::from(i16::MAX) * 10f64.powf(dbfs / 20.0);
    for (i, sample) in samples.iter_mut().enumerate() {
        *sample = (peak * (TAU * hertz * i as f64 / SAMPLE_RATE as f64).sin()).round() as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loud(samples: &[i16], from_ms: usize, to_ms: usize) -> bool {
        samples[from_ms * MS..to_ms * MS].iter().any(|&s| s != 0)
    }

    fn upward_crossings(samples: &[i16]) -> usize {
        samples.windows(2).filter(|w| w[0] <= 0 && w[1] > 0).count()
    }

    #[test]
    fn a_second_says_its_number() {
        let samples = second_samples(1024 + 0b10_0000_0101);
        assert_eq!(upward_crossings(&samples[..CLICK]), 40);
        assert!(!loud(&samples, 40, 100));
        let slots: Vec<bool> = (0..10)
            .map(|i| loud(&samples, 100 + 50 * i, 150 + 50 * i))
            .collect();
        assert_eq!(
            slots,
            [
                true, false, true, false, false, false, false, false, false, true
            ]
        );
        assert_eq!(upward_crossings(&samples[NUMBER_AT..][..SLOT]), 150);
        assert!(!loud(&samples, 600, 1000));
    }

    #[test]
    fn every_tenth_click_is_higher() {
        assert_eq!(upward_crossings(&second_samples(20)[..CLICK]), 80);
        assert_eq!(upward_crossings(&second_samples(21)[..CLICK]), 40);
    }

    #[test]
    fn levels_are_as_said() {
        let samples = second_samples(1);
        let peak = |s: &[i16]| s.iter().map(|s| s.abs()).max();
        assert_eq!(peak(&samples[..CLICK]), Some(16_422)); // 32767 × 10^(−6/20)
        assert_eq!(peak(&samples[NUMBER_AT..][..SLOT]), Some(8_231));
    }
}
