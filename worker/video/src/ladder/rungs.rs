//! The encodings among which is chosen.

use crate::Error;

/// One encoding of the film.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rung {
    /// In pixels, even.
    pub width: u32,
    /// In pixels, even.
    pub height: u32,
    /// Frames a second.
    pub frame_rate: f64,
    /// Of the picture alone; the encoder's `-b:v` and `-maxrate`. For a copy, the film's own.
    pub bits_per_second: u64,
}

impl Rung {
    /// Pixels of a frame.
    pub fn pixels(&self) -> u32 {
        self.width.saturating_mul(self.height)
    }
}

/// Lines and kbit/s. Steps of about √2: an estimate that is held to 1.5 times of what is sent still shows the next one.
const STEPS: [(u32, u64); 9] = [
    (240, 350),
    (360, 500),
    (360, 700),
    (480, 1000),
    (540, 1400),
    (720, 2000),
    (720, 2800),
    (720, 4000),
    (1080, 5600),
];
/// From here on a film of more than 30 frames a second keeps them.
const FULL_FRAME_RATE_FROM: u64 = 4000;

/// Rungs with rising bit rates; at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder(Vec<Rung>);

impl Ladder {
    /// Takes rungs in the order of rising bit rates. A copy of the film may be the top one.
    pub fn new(rungs: Vec<Rung>) -> Result<Self, Error> {
        if rungs.first().is_none_or(|rung| rung.bits_per_second == 0) {
            return Err(Error::Ladder("it needs a rung with a bit rate"));
        }
        if !rungs.is_sorted_by(|a, b| a.bits_per_second < b.bits_per_second) {
            return Err(Error::Ladder("bit rates must rise from rung to rung"));
        }
        Ok(Self(rungs))
    }

    /// The usual rungs for a film of this size and rate, none above `most_bits_per_second` but the lowest.
    pub fn for_film(width: u32, height: u32, frame_rate: f64, most_bits_per_second: u64) -> Self {
        let (width, height) = (width.max(2), height.max(2));
        let rung = |&(lines, kbit): &(u32, u64)| {
            let lines = lines.min(height);
            let columns = u64::from(width) * u64::from(lines) / u64::from(height);
            let mut frame_rate = frame_rate;
            while kbit < FULL_FRAME_RATE_FROM && frame_rate.is_finite() && frame_rate > 30.5 {
                frame_rate /= 2.0;
            }
            Rung {
                width: (columns as u32 & !1).max(2),
                height: (lines & !1).max(2),
                frame_rate,
                bits_per_second: kbit * 1000,
            }
        };
        let fits =
            |&&(lines, kbit): &&(u32, u64)| lines <= height && kbit * 1000 <= most_bits_per_second;
        let (lowest, others) = (STEPS.iter().take(1), STEPS.iter().skip(1).filter(fits));
        Self(lowest.chain(others).map(rung).collect())
    }

    /// The rungs, lowest bit rate first.
    pub fn rungs(&self) -> &[Rung] {
        &self.0
    }

    /// The highest rung that passes, or the lowest of all.
    pub fn highest(&self, passes: impl FnMut(&Rung) -> bool) -> usize {
        self.0.iter().rposition(passes).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_film_has_no_rung_larger_than_itself() {
        let ladder = Ladder::for_film(1280, 534, 24.0, 3_000_000);
        let sizes: Vec<_> = ladder
            .rungs()
            .iter()
            .map(|rung| (rung.width, rung.height, rung.bits_per_second / 1000))
            .collect();
        assert_eq!(
            sizes,
            [
                (574, 240, 350),
                (862, 360, 500),
                (862, 360, 700),
                (1150, 480, 1000)
            ]
        );
    }

    #[test]
    fn low_rungs_halve_high_frame_rates() {
        let ladder = Ladder::for_film(1920, 1080, 59.94, 10_000_000);
        let rates: Vec<f64> = ladder.rungs().iter().map(|rung| rung.frame_rate).collect();
        assert_eq!(
            rates,
            [
                29.97, 29.97, 29.97, 29.97, 29.97, 29.97, 29.97, 59.94, 59.94
            ]
        );
    }

    #[test]
    fn rungs_must_rise() {
        let rung = Ladder::for_film(640, 360, 25.0, 0).rungs()[0];
        assert_eq!(Ladder::new(vec![]).unwrap_err().code(), "config_invalid");
        assert!(Ladder::new(vec![rung, rung]).is_err());
        assert!(Ladder::new(vec![rung]).is_ok());
    }

    proptest! {
        #[test]
        fn every_film_has_a_ladder(w in 0_u32..20_000, h in 0_u32..20_000, fps in 0.0..500.0, most in 0_u64..20_000_000) {
            let ladder = Ladder::for_film(w, h, fps, most);
            for rung in ladder.rungs() {
                prop_assert!(rung.width % 2 == 0 && rung.height % 2 == 0 && rung.pixels() > 0);
            }
            prop_assert!(Ladder::new(ladder.rungs().to_vec()).is_ok());
        }
    }
}
