//! Times of a film: as people write them, and as they are shown.

use std::str::FromStr;

/// Where to seek.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SeekTarget {
    /// Seconds from the start.
    To(f64),
    /// Seconds from where playback is, forwards or (below zero) backwards.
    By(f64),
}

/// What is said of a time that cannot be read.
const EXPECTED: &str = "expected seconds, minutes:seconds or hours:minutes:seconds, such as 90, 1:30 or 1:02:03; or +30, \
                        -10 from where it is";

impl FromStr for SeekTarget {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let seconds = |text| seconds(text).ok_or(EXPECTED);
        if let Some(forwards) = text.strip_prefix('+') {
            return Ok(Self::By(seconds(forwards)?));
        }
        // Some keyboards and documents make a minus sign of a hyphen.
        match text.strip_prefix(['-', '\u{2212}']) {
            Some(backwards) => Ok(Self::By(-seconds(backwards)?)),
            None => Ok(Self::To(seconds(text)?)),
        }
    }
}

/// `[[hours:]minutes:]seconds`. What stands before a colon is whole, and what stands after one is below 60.
fn seconds(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split(':').collect();
    let (last, before) = parts.split_last()?;
    if before.len() > 2 {
        return None;
    }
    let is_number = last.starts_with(|c: char| c.is_ascii_digit())
        && last.chars().all(|c| c.is_ascii_digit() || c == '.');
    let mut total: f64 = last.parse().ok().filter(|_| is_number)?;
    if !before.is_empty() && total >= 60.0 {
        return None;
    }
    for (index, part) in before.iter().rev().enumerate() {
        let is_number = !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
        let value: u32 = part.parse().ok().filter(|_| is_number)?;
        let is_first = index + 1 == before.len();
        if !is_first && value >= 60 {
            return None;
        }
        total += f64::from(value) * if index == 0 { 60.0 } else { 3600.0 };
    }
    Some(total)
}

/// `1:02:03`, or `2:03` below an hour.
pub(crate) fn clock(ms: u64) -> String {
    let seconds = ms / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, expected) in [
            ("90", SeekTarget::To(90.0)),
            ("0", SeekTarget::To(0.0)),
            ("1:30", SeekTarget::To(90.0)),
            ("1:02:03", SeekTarget::To(3723.0)),
            ("90:00", SeekTarget::To(5400.0)),
            ("100:00:00", SeekTarget::To(360_000.0)),
            ("1:30.5", SeekTarget::To(90.5)),
            ("+30", SeekTarget::By(30.0)),
            ("-10", SeekTarget::By(-10.0)),
            ("-1:30", SeekTarget::By(-90.0)),
            ("\u{2212}10", SeekTarget::By(-10.0)),
        ] {
            assert_eq!(text.parse::<SeekTarget>().unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "", "+", "-", "abc", "1:", ":30", "1:60", "1:60:00", "1:2:3:4", "++3", "--3", "inf",
            "nan", "1e3", "1.2.3", "1.5:00", "+-3", "-+3", "1: 30",
        ] {
            assert!(text.parse::<SeekTarget>().is_err(), "{text}");
        }
    }

    #[test]
    fn shows_hours_where_there_are_any() {
        for (ms, text) in [
            (0, "0:00"),
            (59_999, "0:59"),
            (61_000, "1:01"),
            (3_723_000, "1:02:03"),
        ] {
            assert_eq!(clock(ms), text);
        }
    }
}
