//! `Range` and `Content-Range`, the forms that ffmpeg and file servers use.

/// `bytes=first-` or `bytes=first-last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) first: u64,
    /// Inclusive.
    pub(crate) last: Option<u64>,
}

impl ByteRange {
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?.trim();
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let first = first.parse().ok()?;
        let last = match last {
            "" => None,
            text => Some(text.parse().ok()?),
        };
        last.is_none_or(|last| last >= first)
            .then_some(Self { first, last })
    }

    pub(crate) fn header(self) -> String {
        match self.last {
            Some(last) => format!("bytes={}-{last}", self.first),
            None => format!("bytes={}-", self.first),
        }
    }
}

/// `bytes first-last/total`, total `*` if unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    /// Inclusive.
    pub(crate) last: u64,
    pub(crate) total: Option<u64>,
}

impl ContentRange {
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?.trim();
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some(Self {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
            total: total.parse().ok(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = |first, last| Some(ByteRange { first, last });
        for (text, parsed) in [
            ("bytes=0-", range(0, None)),
            ("bytes=5-9", range(5, Some(9))),
            ("bytes=9-5", None),
            ("bytes=-5", None),
            ("bytes=0-1,3-4", None),
            ("items=0-", None),
        ] {
            assert_eq!(ByteRange::parse(text.as_bytes()), parsed, "{text}");
        }
        let back = ByteRange {
            first: 5,
            last: Some(9),
        };
        assert_eq!(back.header(), "bytes=5-9");
    }

    #[test]
    fn content_ranges() {
        let parsed = ContentRange::parse(b"bytes 5-9/100");
        let known = ContentRange {
            first: 5,
            last: 9,
            total: Some(100),
        };
        assert_eq!(parsed, Some(known));
        assert_eq!(
            ContentRange::parse(b"bytes 5-9/*").and_then(|r| r.total),
            None
        );
        assert_eq!(ContentRange::parse(b"bytes */100"), None);
    }
}
