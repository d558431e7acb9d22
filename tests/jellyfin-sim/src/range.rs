//! Which bytes a `Range` header asks for (RFC 9110, section 14).

use std::ops::Range;

/// What to answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// 200 with everything: no range, several ranges, or one that cannot be read.
    Whole,
    /// 206 with these bytes; never empty.
    Part(Range<u64>),
    /// 416: nothing of the file lies in it.
    Unsatisfiable,
}

/// Reads `bytes=a-b`, `bytes=a-` or `bytes=-n` for a file of `size` bytes.
pub(crate) fn select(header: Option<&str>, size: u64) -> Selection {
    let Some((first, last)) = header.and_then(single_range) else {
        return Selection::Whole;
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Selection::Whole,
    };
    if range.is_empty() {
        Selection::Unsatisfiable
    } else {
        Selection::Part(range)
    }
}

fn single_range(header: &str) -> Option<(&str, &str)> {
    let (unit, range) = header.split_once('=')?;
    let (first, last) = range.split_once('-')?;
    unit.trim()
        .eq_ignore_ascii_case("bytes")
        .then_some((first.trim(), last.trim()))
}

/// Digits alone; a number too large for a file is the largest one.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_a_thousand_bytes() {
        for (header, expected) in [
            ("bytes=0-", 0..1000),
            ("bytes=0-0", 0..1),
            ("bytes=10-19", 10..20),
            ("Bytes = 10 - 19", 10..20),
            ("bytes=990-5000", 990..1000),
            ("bytes=-10", 990..1000),
            ("bytes=-5000", 0..1000),
            ("bytes=0-99999999999999999999999", 0..1000),
        ] {
            assert_eq!(
                select(Some(header), 1000),
                Selection::Part(expected),
                "{header}"
            );
        }
    }

    #[test]
    fn beyond_the_end_is_unsatisfiable() {
        for header in ["bytes=1000-", "bytes=1000-1001", "bytes=-0"] {
            assert_eq!(
                select(Some(header), 1000),
                Selection::Unsatisfiable,
                "{header}"
            );
        }
        assert_eq!(select(Some("bytes=0-"), 0), Selection::Unsatisfiable);
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        assert_eq!(select(None, 1000), Selection::Whole);
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "items=0-1",
            "bytes=0-1,5-6",
            "bytes=+1-2",
        ] {
            assert_eq!(select(Some(header), 1000), Selection::Whole, "{header}");
        }
    }
}
