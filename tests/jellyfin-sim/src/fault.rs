//! Faults that are scripted: what goes wrong, for which requests, how often.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::Error;

/// More scripted faults than any test needs; one more is refused.
const MAX_FAULTS: usize = 1_000;

/// A fault and the requests that it befalls. In JSON:
/// `{"scope":"stream","item":"abc","after":2,"times":1,"kind":"truncate","after_bytes":100000}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The requests it is for; without it, [`Scope::All`].
    #[serde(default)]
    pub scope: Scope,
    /// The item it is for; without it, every item.
    #[serde(default)]
    pub item: Option<String>,
    /// The paths it is for, in any case, `*` for anything: `/items/*/playbackinfo`; without it, every path.
    #[serde(default)]
    pub path: Option<String>,
    /// How many requests that it would befall are let through first.
    #[serde(default)]
    pub after: u32,
    /// How many requests it is for; without it, until it is cleared.
    #[serde(default)]
    pub times: Option<u32>,
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
}

impl Fault {
    /// For every request until it is cleared; narrow it with the methods below.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            scope: Scope::All,
            item: None,
            path: None,
            after: 0,
            times: None,
            kind,
        }
    }

    /// For these requests alone.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// For this item alone.
    #[must_use]
    pub fn item(self, id: impl Into<String>) -> Self {
        Self {
            item: Some(id.into()),
            ..self
        }
    }

    /// For paths like this alone: in any case, `*` for anything.
    #[must_use]
    pub fn path(self, pattern: impl Into<String>) -> Self {
        Self {
            path: Some(pattern.into()),
            ..self
        }
    }

    /// Only after `count` requests that it fits have passed unharmed.
    #[must_use]
    pub fn after(self, count: u32) -> Self {
        Self {
            after: count,
            ..self
        }
    }

    /// For the next `count` requests that it fits.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self {
            times: Some(count),
            ..self
        }
    }
}

/// Which requests a fault is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// `/Videos/{id}/stream…`
    Stream,
    /// `/Items/{id}/Download`
    Download,
    /// Everything that Jellyfin answers, the API too; never `/_sim/…`.
    #[default]
    All,
}

/// What goes wrong. Byte counts are of the body of one answer, not of the file: a request with
/// `Range: bytes=1000-` begins to count at 1000.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Answers with this status (400 to 599) and an empty body.
    Status {
        /// The status code.
        status: u16,
    },
    /// Sends nothing for `ms` milliseconds, then goes on as if nothing had been.
    Stall {
        /// After so many bytes of the body; without it, before the status line.
        #[serde(default)]
        after_bytes: Option<u64>,
        /// How long, in milliseconds.
        ms: u64,
    },
    /// Closes the connection after so many bytes of the body, whatever `Content-Length` said.
    Truncate {
        /// How many bytes are sent.
        after_bytes: u64,
    },
    /// Sends the body no faster than this.
    Slow {
        /// At least 1.
        bytes_per_second: u64,
    },
    /// Resets the connection (RST), which also takes from the client what it had not read yet.
    Reset {
        /// After so many bytes of the body; without it, before the status line.
        #[serde(default)]
        after_bytes: Option<u64>,
    },
    /// Answers 302.
    Redirect {
        /// The `Location`, as it is.
        to: String,
    },
    /// Answers 200 with bytes that are no media file.
    NotMedia,
    /// Answers with a page of HTML, as a proxy in between does.
    Html {
        /// The status code, 200 to 599; without it, 200.
        #[serde(default = "ok")]
        status: u16,
    },
}

fn ok() -> u16 {
    200
}

/// The faults in force, oldest first.
#[derive(Default)]
pub(crate) struct FaultBoard(Mutex<VecDeque<Fault>>);

impl FaultBoard {
    pub(crate) fn add(&self, fault: Fault) -> Result<(), Error> {
        let refuse = |problem| Err(Error::Fault { problem });
        match &fault.kind {
            FaultKind::Status { status }
                if !(400..600).contains(status) || StatusCode::from_u16(*status).is_err() =>
            {
                return refuse("status must be 400 to 599");
            }
            FaultKind::Html { status } if !(200..600).contains(status) => {
                return refuse("status must be 200 to 599");
            }
            FaultKind::Slow {
                bytes_per_second: 0,
            } => {
                return refuse("bytes_per_second must be at least 1");
            }
            FaultKind::Redirect { to } if http::HeaderValue::from_str(to).is_err() => {
                return refuse("to must be a url");
            }
            _ if fault.times == Some(0) => {
                return refuse("times must be at least 1, or left out for ever");
            }
            _ => {}
        }
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() >= MAX_FAULTS {
            return refuse("too many of them; clear some");
        }
        faults.push_back(fault);
        Ok(())
    }

    pub(crate) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The oldest fault that fits the request (a path in lower case) and lets it through no more; counts it
    /// as used.
    pub(crate) fn take(&self, path: &str) -> Option<FaultKind> {
        let (scope, item) = classify(path)?;
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = faults.iter_mut().position(|fault| {
            let due = fault.fits(path, scope, item) && fault.after == 0;
            if !due && fault.fits(path, scope, item) {
                fault.after -= 1;
            }
            due
        })?;
        let fault = &mut faults[at];
        let kind = fault.kind.clone();
        match &mut fault.times {
            None => {}
            Some(1) => drop(faults.remove(at)),
            Some(times) => *times -= 1,
        }
        Some(kind)
    }
}

impl Fault {
    fn fits(&self, path: &str, scope: Scope, item: Option<&str>) -> bool {
        let same_item = |wanted: &String| item.is_some_and(|i| i.eq_ignore_ascii_case(wanted));
        (self.scope == Scope::All || self.scope == scope)
            && self.item.as_ref().is_none_or(same_item)
            && self
                .path
                .as_ref()
                .is_none_or(|pattern| is_like(path, pattern))
    }
}

/// Whether a path in lower case is like a pattern in which `*` stands for anything.
fn is_like(path: &str, pattern: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let Some((start, rest)) = pattern.split_once('*') else {
        return path == pattern;
    };
    let Some(mut path) = path.strip_prefix(start) else {
        return false;
    };
    let (between, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in between.split('*') {
        let Some(at) = path.find(part) else {
            return false;
        };
        path = &path[at + part.len()..];
    }
    path.ends_with(end)
}

/// What a path (in lower case) asks for and of which item; `None` for the simulator's own.
fn classify(path: &str) -> Option<(Scope, Option<&str>)> {
    let mut segments = path.split('/').skip(1);
    match (segments.next()?, segments.next(), segments.next()) {
        ("_sim", ..) => None,
        ("videos", item, Some(file)) if file.starts_with("stream") => Some((Scope::Stream, item)),
        ("items", item, Some("download")) => Some((Scope::Download, item)),
        ("items" | "videos" | "shows" | "useritems" | "userplayeditems", item, _) => {
            Some((Scope::All, item))
        }
        _ => Some((Scope::All, None)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn status(status: u16) -> Fault {
        Fault::new(FaultKind::Status { status })
    }

    #[test]
    fn scope_item_and_count_narrow_it() {
        let board = FaultBoard::default();
        board
            .add(status(500).scope(Scope::Stream).item("A").times(2))
            .unwrap();
        board.add(status(404).scope(Scope::Download)).unwrap();
        assert_eq!(board.take("/videos/b/stream"), None);
        assert_eq!(board.take("/items/a"), None);
        assert_eq!(
            board.take("/videos/a/stream.mkv"),
            Some(FaultKind::Status { status: 500 })
        );
        assert_eq!(
            board.take("/videos/a/stream"),
            Some(FaultKind::Status { status: 500 })
        );
        assert_eq!(board.take("/videos/a/stream"), None);
        for _ in 0..3 {
            assert_eq!(
                board.take("/items/x/download"),
                Some(FaultKind::Status { status: 404 })
            );
        }
        board.clear();
        assert_eq!(board.take("/items/x/download"), None);
    }

    #[test]
    fn all_is_the_api_too_but_not_the_simulator() {
        let board = FaultBoard::default();
        board.add(status(503)).unwrap();
        assert!(board.take("/system/info/public").is_some());
        assert!(board.take("/items").is_some());
        assert!(board.take("/_sim/fault").is_none());
    }

    #[test]
    fn paths_are_like_patterns() {
        for (pattern, path, expected) in [
            ("/Items", "/items", true),
            ("/items", "/items/a", false),
            ("/items*", "/items/a", true),
            ("/items/*/playbackinfo", "/items/a/playbackinfo", true),
            ("/items/*/playbackinfo", "/items/a/download", false),
            ("*/images/*", "/items/a/images/primary", true),
            ("/shows/*/seasons*x", "/shows/a/seasons", false),
            ("/a*a", "/a", false),
            ("*", "/anything", true),
        ] {
            assert_eq!(is_like(path, pattern), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn some_pass_before_it_begins() {
        let board = FaultBoard::default();
        board
            .add(status(401).path("/items*").after(2).times(1))
            .unwrap();
        assert_eq!(board.take("/items"), None);
        assert_eq!(board.take("/users"), None);
        assert_eq!(board.take("/items/a"), None);
        assert_eq!(
            board.take("/items"),
            Some(FaultKind::Status { status: 401 })
        );
        assert_eq!(board.take("/items"), None);
    }

    #[test]
    fn json_is_flat() {
        let fault: Fault =
            serde_json::from_str(r#"{"scope":"stream","times":1,"kind":"stall","ms":5}"#).unwrap();
        let kind = FaultKind::Stall {
            after_bytes: None,
            ms: 5,
        };
        assert_eq!(fault, Fault::new(kind).scope(Scope::Stream).times(1));
    }

    #[test]
    fn impossible_faults_are_refused() {
        let board = FaultBoard::default();
        for fault in [
            status(200),
            status(600),
            status(500).times(0),
            Fault::new(FaultKind::Html { status: 199 }),
            Fault::new(FaultKind::Slow {
                bytes_per_second: 0,
            }),
            Fault::new(FaultKind::Redirect { to: "a\nb".into() }),
        ] {
            assert_eq!(board.add(fault).unwrap_err().code(), "fault_invalid");
        }
    }
}
