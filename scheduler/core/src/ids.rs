//! Distinct types for what must never be mixed up; none of them has arithmetic.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// From the stored or received number.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The number, for a message or a row.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The one after this.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text_id! {
    /// The caller's id of a session.
    SessionId
}
text_id! {
    /// A worker's configured name.
    WorkerId
}
text_id! {
    /// UUID made when a worker process starts: a restarted worker is a new one.
    Incarnation
}
counter! {
    /// Of a lease; only rises over a session's life.
    FencingToken
}
counter! {
    /// Of the scheduler's leadership; only rises.
    Epoch
}
counter! {
    /// Of a session's desired record; rises by one at every change.
    Generation
}
counter! {
    /// Of an entry of a session's queue: from 1, rises, never used twice within the session.
    EntryId
}
counter! {
    /// A Discord account, by its user id.
    AccountId
}
