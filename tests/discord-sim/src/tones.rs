//! The sound track that tells the time, and how it is read.
//!
//! Each full second of the film begins with a *click*: 40 ms of 1000 Hz at -6 dBFS, 2000 Hz at
//! every tenth second. From 100 ms on follow ten slots of 50 ms: slot `i` carries 3000 Hz at
//! -12 dBFS when bit `i` of the second modulo 1024 is set, else silence.
//!
//! ```text
//!  0    40   100  150  200        550  600                1000 ms
//!  ├click┤     ├ b0 ┼ b1 ┼  ...   ┼ b9 ┤      silence       ├click
//! ```

use std::f32::consts::TAU;
use std::ops::Range;

/// Samples a second of what [`coded_sound`] makes: Opus's own rate.
pub const SOUND_RATE: u32 = 48_000;

/// Codes count modulo this.
pub const CODE_MODULUS: u32 = 1 << BITS;

const BITS: usize = 10;
const CLICK_HZ: f32 = 1000.0;
const TENTH_CLICK_HZ: f32 = 2000.0;
const BIT_HZ: f32 = 3000.0;
const CLICK_MS: usize = 40;
const BITS_FROM_MS: usize = 100;
const BIT_MS: usize = 50;
const CLICK_LEVEL: f32 = 0.501; // -6 dBFS
const BIT_LEVEL: f32 = 0.251; // -12 dBFS

/// What a click must at least have: 18 dB below what it is made with, for mixing down and
/// normalising change the level.
const CLICK_THRESHOLD: f32 = 0.06;
/// Share of a window's power that must be the tone itself, so that music is no click.
const CLICK_PURITY: f32 = 0.5;
/// Shortest and longest click.
const CLICK_LENGTH_MS: Range<usize> = 15..61;
/// A slot at least this loud, as a share of its click, is a 1. It is made with half of it.
const BIT_ONE: f32 = 0.25;
/// A slot at most this loud, as a share of its click, is a 0; anything between cannot be read.
const BIT_ZERO: f32 = 0.1;
/// Left out at both ends of a slot: the codec smears edges.
const BIT_MARGIN_MS: usize = 10;

/// The sound of these seconds of a film: mono, 48 kHz.
///
/// For tests of whoever hears it. A film generator makes the same with ffmpeg.
pub fn coded_sound(seconds: Range<u32>) -> Vec<f32> {
    let samples = |ms: usize| ms * SOUND_RATE as usize / 1000;
    let mut sound = Vec::with_capacity(samples(1000) * seconds.len());
    for second in seconds {
        let start = sound.len();
        sound.resize(start + samples(1000), 0.0);
        let mut tone = |from_ms: usize, length_ms: usize, hz: f32, level: f32| {
            let from = start + samples(from_ms);
            for (n, sample) in sound[from..from + samples(length_ms)]
                .iter_mut()
                .enumerate()
            {
                *sample = level * (TAU * hz * n as f32 / SOUND_RATE as f32).sin();
            }
        };
        let tenth = second.is_multiple_of(10);
        let hz = if tenth { TENTH_CLICK_HZ } else { CLICK_HZ };
        tone(0, CLICK_MS, hz, CLICK_LEVEL);
        for bit in (0..BITS).filter(|bit| second >> bit & 1 == 1) {
            tone(BITS_FROM_MS + bit * BIT_MS, BIT_MS, BIT_HZ, BIT_LEVEL);
        }
    }
    sound
}

/// A click in a stretch of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FoundClick {
    /// Index of its first sample.
    pub(crate) start: usize,
    /// Whether it is that of a tenth second.
    pub(crate) tenth: bool,
    /// Its amplitude; full scale is 1.
    pub(crate) level: f32,
}

/// Finds the clicks in `sound`, which has `rate` samples a second.
pub(crate) fn find_clicks(sound: &[f32], rate: usize) -> Vec<FoundClick> {
    let window = rate / 100; // 10 ms: whole cycles of both tones
    let hop = (rate / 500).max(1); // 2 ms
    let loudness: Vec<(f32, bool)> = (0..=sound.len().saturating_sub(window))
        .step_by(hop)
        .map(|from| loudness(&sound[from..(from + window).min(sound.len())], rate))
        .collect();
    let mut clicks = Vec::new();
    let mut at = 0;
    while at < loudness.len() {
        let loud = loudness[at..]
            .iter()
            .take_while(|(level, _)| *level >= CLICK_THRESHOLD)
            .count();
        if loud == 0 {
            at += 1;
            continue;
        }
        let burst = &loudness[at..at + loud];
        let (peak, tenth) =
            burst.iter().copied().fold(
                (0.0, false),
                |most, one| if one.0 > most.0 { one } else { most },
            );
        // A window that is half as loud as the loudest one has the edge in its middle.
        let half = |(level, _): &(f32, bool)| *level >= peak / 2.0;
        let first = burst.iter().position(half).unwrap_or(0);
        let last = burst.iter().rposition(half).unwrap_or(0);
        if CLICK_LENGTH_MS.contains(&((last - first) * hop * 1000 / rate)) {
            // One that the sound begins with has no quieter window before it.
            let start = match at + first {
                0 => 0,
                edge => edge * hop + window / 2,
            };
            clicks.push(FoundClick {
                start,
                tenth,
                level: peak,
            });
        }
        at += loud;
    }
    clicks
}

/// How loud the louder of the two click tones is in `window`, and whether it is the tenth's; 0
/// when the window is mostly something else.
fn loudness(window: &[f32], rate: usize) -> (f32, bool) {
    let power = window.iter().map(|sample| sample * sample).sum::<f32>() / window.len() as f32;
    // Most of any sound is too quiet; the two filters are spared.
    if power < CLICK_THRESHOLD * CLICK_THRESHOLD / 2.0 {
        return (0.0, false);
    }
    let click = amplitude(window, CLICK_HZ, rate);
    let tenth = amplitude(window, TENTH_CLICK_HZ, rate);
    let level = click.max(tenth);
    if level * level / 2.0 >= CLICK_PURITY * power {
        (level, tenth > click)
    } else {
        (0.0, false)
    }
}

/// Reads the code after a click: the second modulo
/// [`CODE_MODULUS`]. `None`: the sound ends too early, or is no clear code.
pub(crate) fn read_code(sound: &[f32], rate: usize, click: FoundClick) -> Option<u32> {
    let samples = |ms: usize| ms * rate / 1000;
    let mut code = 0;
    for bit in 0..BITS {
        let slot = click.start + samples(BITS_FROM_MS + bit * BIT_MS);
        let middle = slot + samples(BIT_MARGIN_MS)..slot + samples(BIT_MS - BIT_MARGIN_MS);
        let level = amplitude(sound.get(middle)?, BIT_HZ, rate);
        if level >= BIT_ONE * click.level {
            code |= 1 << bit;
        } else if level > BIT_ZERO * click.level {
            return None;
        }
    }
    Some(code)
}

/// Amplitude of the tone `hz` in `window` (Goertzel's algorithm).
fn amplitude(window: &[f32], hz: f32, rate: usize) -> f32 {
    if window.is_empty() {
        return 0.0;
    }
    let step = TAU * hz / rate as f32;
    let coefficient = 2.0 * step.cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in window {
        (one, two) = (sample + coefficient * one - two, one);
    }
    let power = one * one + two * two - coefficient * one * two;
    2.0 * power.max(0.0).sqrt() / window.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: usize = SOUND_RATE as usize;

    #[test]
    fn reads_the_seconds_that_were_made() {
        for from in [0, 509, 1019] {
            let sound = coded_sound(from..from + 10);
            let clicks = find_clicks(&sound, RATE);
            assert_eq!(clicks.len(), 10);
            for (n, click) in clicks.iter().enumerate() {
                let second = from + n as u32;
                assert!(click.start.abs_diff(n * RATE) <= RATE / 500, "{click:?}");
                assert_eq!(click.tenth, second.is_multiple_of(10));
                let code = read_code(&sound, RATE, *click);
                assert_eq!(code, Some(second % CODE_MODULUS));
            }
        }
    }

    #[test]
    fn other_sound_is_no_click() {
        let tone = |hz: f32, level: f32| -> Vec<f32> {
            (0..RATE)
                .map(|n| level * (TAU * hz * n as f32 / RATE as f32).sin())
                .collect()
        };
        assert!(find_clicks(&tone(1000.0, 0.5), RATE).is_empty(), "too long");
        assert!(find_clicks(&tone(440.0, 0.9), RATE).is_empty());
        assert!(find_clicks(&vec![0.0; RATE], RATE).is_empty());
        assert!(find_clicks(&[], RATE).is_empty());
        let quiet: Vec<f32> = coded_sound(3..5).iter().map(|one| one * 0.05).collect();
        assert!(find_clicks(&quiet, RATE).is_empty());
    }

    #[test]
    fn a_code_is_read_at_any_level() {
        for gain in [0.15, 0.5, 1.9] {
            let sound: Vec<f32> = coded_sound(683..684).iter().map(|one| one * gain).collect();
            let clicks = find_clicks(&sound, RATE);
            assert_eq!(read_code(&sound, RATE, clicks[0]), Some(683));
        }
    }

    #[test]
    fn a_code_that_is_cut_or_muddy_is_not_read() {
        let mut sound = coded_sound(7..8);
        let click = find_clicks(&sound, RATE)[0];
        assert_eq!(read_code(&sound, RATE, click), Some(7));
        assert_eq!(read_code(&sound[..RATE / 2], RATE, click), None);
        for sample in &mut sound[RATE / 20..] {
            *sample *= 0.35;
        }
        assert_eq!(read_code(&sound, RATE, click), None);
    }
}
