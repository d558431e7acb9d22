//! The name of a Go Live stream: `guild:<guild>:<channel>:<user>` (userdoccers, "Stream Key").

use std::{fmt, str::FromStr};

/// Where a stream is, and whose. A user has one stream a voice channel at most, so a stream that is made anew in the
/// same channel has the same key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct StreamKey {
    pub(crate) guild: u64,
    pub(crate) channel: u64,
    pub(crate) user: u64,
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "guild:{}:{}:{}", self.guild, self.channel, self.user)
    }
}

/// It is of a private call, or no key at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NoGuildStream;

impl FromStr for StreamKey {
    type Err = NoGuildStream;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ids = text.strip_prefix("guild:").ok_or(NoGuildStream)?;
        let mut ids = ids.split(':').map(str::parse);
        let mut next = || ids.next().and_then(Result::ok).ok_or(NoGuildStream);
        let key = Self {
            guild: next()?,
            channel: next()?,
            user: next()?,
        };
        if ids.next().is_some() {
            return Err(NoGuildStream);
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = StreamKey {
            guild: 1,
            channel: 2,
            user: 3,
        };
        assert_eq!(key.to_string().parse(), Ok(key));
        for text in [
            "call:1:2",
            "guild:1:2",
            "guild:1:2:3:4",
            "guild:a:2:3",
            "",
            "guild:",
        ] {
            assert_eq!(text.parse::<StreamKey>(), Err(NoGuildStream), "{text}");
        }
    }
}
