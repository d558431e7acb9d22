//! Discord's ids: 64-bit numbers that travel as decimal strings.
//!
//! Clients differ in how they send them: serenity writes op 4 with JSON integers, others write
//! strings. Both are read; strings are written, as Discord does.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id as integer or decimal string")
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> Result<u64, E> {
        Ok(id)
    }

    fn visit_i64<E: de::Error>(self, id: i64) -> Result<u64, E> {
        u64::try_from(id).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<u64, E> {
        id.parse().map_err(E::custom)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(id: &str) -> Result<Self, Self::Err> {
                id.parse().map(Self)
            }
        }

        impl From<u64> for $name {
            fn from(id: u64) -> Self {
                Self(id)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(IdVisitor).map(Self)
            }
        }
    };
}

id!(
    /// A user: a bot account or a listening member.
    UserId
);
id!(
    /// A guild ("server").
    GuildId
);
id!(
    /// A channel; also the DAVE group id of the call in it.
    ChannelId
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_integers_and_strings_and_writes_strings() {
        assert_eq!(serde_json::from_str::<GuildId>("77").unwrap(), GuildId(77));
        assert_eq!(
            serde_json::from_str::<GuildId>("\"77\"").unwrap(),
            GuildId(77)
        );
        assert!(serde_json::from_str::<GuildId>("\"x\"").is_err());
        assert!(serde_json::from_str::<GuildId>("-1").is_err());
        assert_eq!(serde_json::to_string(&GuildId(77)).unwrap(), "\"77\"");
    }
}
