//! Why a call was refused. Nothing was changed by a refused call.

use serde::{Deserialize, Serialize};

use crate::admission::Lack;
use crate::{AccountKind, EntryId};

const NO_CAPACITY: &str = "no_capacity";

/// The class of a refusal: what a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The input is wrong; the same again is refused again.
    Invalid,
    /// There is no such session.
    NotFound,
    /// It contradicts what is there.
    Conflict,
    /// The session's state does not allow it.
    Precondition,
    /// There is no room now; try again later.
    Capacity,
    /// It is not what the caller saw any more; look again.
    Changed,
    /// A bound is reached, and waiting does not help.
    Full,
}

/// A refusal with its stable code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What a caller can do about it.
    pub kind: RefusalKind,
    /// Stable, of `docs/errors.md`.
    pub code: String,
    /// One sentence that says what to do next.
    pub message: String,
    /// The field at fault, in the API's spelling.
    pub field: Option<String>,
    /// When trying again may help, with [`RefusalKind::Capacity`].
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    fn new(kind: RefusalKind, code: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.to_owned(),
            message: message.into(),
            field: None,
            retry_after_ms: None,
        }
    }

    /// Bad input that names its field.
    pub fn invalid(field: &str, code: &str, message: impl Into<String>) -> Self {
        Self {
            field: Some(field.to_owned()),
            ..Self::new(RefusalKind::Invalid, code, message)
        }
    }

    /// Whether the same call may succeed later without any other change by the caller.
    pub fn is_retryable(&self) -> bool {
        self.kind == RefusalKind::Capacity
    }

    pub(crate) fn not_found(session: &crate::SessionId) -> Self {
        Self::new(
            RefusalKind::NotFound,
            "session_not_found",
            format!("there is no session {session}; create it first"),
        )
    }

    pub(crate) fn conflict(session: &crate::SessionId) -> Self {
        Self::new(
            RefusalKind::Conflict,
            "session_conflict",
            format!(
                "session {session} exists already for another guild or voice channel; use a new id"
            ),
        )
    }

    pub(crate) fn nothing_playing() -> Self {
        Self::new(
            RefusalKind::Precondition,
            "nothing_playing",
            "nothing is playing in this session; play something first",
        )
    }

    pub(crate) fn seek_out_of_range(message: String) -> Self {
        Self::invalid("position_ms", "seek_out_of_range", message)
    }

    /// `kind`: the one that is needed.
    pub(crate) fn no_free_account(kind: AccountKind) -> Self {
        let message = match kind {
            AccountKind::Bot => {
                "no Discord account is free for this server; stop another party in it or add an account"
            }
            AccountKind::User => {
                "no user account is free to go live, and bots cannot; stop another party with a picture, add one to \
                 ORB_DISCORD__GOLIVE_TOKENS, or create the party without goLive"
            }
        };
        Self::new(RefusalKind::Capacity, "no_free_account", message)
    }

    /// The installation sends no picture into voice channels.
    pub(crate) fn golive_off() -> Self {
        Self {
            field: Some("go_live".to_owned()),
            ..Self::new(
                RefusalKind::Precondition,
                "golive_off",
                "this installation sends no picture into voice channels; create the party without goLive, \
                 or have its operator read docs/golive.md",
            )
        }
    }

    /// The accounts that are free have sent as many joins as Discord takes in a minute.
    pub(crate) fn joins_limited(retry_after_ms: u64) -> Self {
        Self {
            retry_after_ms: Some(retry_after_ms),
            ..Self::new(
                RefusalKind::Capacity,
                "joins_limited",
                "Discord lets an account join so many channels a minute, and that many were joined; \
                 try again, or add an account",
            )
        }
    }

    /// Nobody can take it.
    pub(crate) fn no_capacity(lack: Lack, retry_after_ms: u64) -> Self {
        let message = match lack {
            Lack::Worker => "no worker is attached; start one, or try again",
            Lack::GoLiveWorker => {
                "no worker that is attached sends pictures into voice channels; \
                 start one with ORB_GOLIVE=accept-account-risk"
            }
            Lack::Room => "all workers are full; try again, stop another party, or add a worker",
        };
        Self {
            retry_after_ms: Some(retry_after_ms),
            ..Self::new(RefusalKind::Capacity, NO_CAPACITY, message)
        }
    }

    /// A play that was held back, and another call about its session came.
    pub(crate) fn overtaken() -> Self {
        let message =
            "there was no room for it before the next call about this session came; play again";
        Self {
            retry_after_ms: Some(0),
            ..Self::new(RefusalKind::Capacity, NO_CAPACITY, message)
        }
    }

    pub(crate) fn is_for_lack_of_room(&self) -> bool {
        self.code == NO_CAPACITY
    }

    /// Another version than the caller saw.
    pub(crate) fn queue_changed(version: u64) -> Self {
        Self::new(
            RefusalKind::Changed,
            "queue_changed",
            format!("the queue was changed meanwhile, and is at version {version}; read it again"),
        )
    }

    pub(crate) fn entry_not_found(entry: EntryId) -> Self {
        Self::new(
            RefusalKind::NotFound,
            "entry_not_found",
            format!("entry {entry} does not wait in this queue; read the queue again"),
        )
    }

    pub(crate) fn queue_full(message: String) -> Self {
        Self::new(RefusalKind::Full, "queue_full", message)
    }

    pub(crate) fn queue_empty() -> Self {
        Self::new(
            RefusalKind::Precondition,
            "queue_empty",
            "nothing plays and nothing is queued; add something to the queue first",
        )
    }

    pub(crate) fn no_previous_entry() -> Self {
        Self::new(
            RefusalKind::Precondition,
            "no_previous_entry",
            "nothing has ended in this session yet that could be played again",
        )
    }

    pub(crate) fn command_id_reused() -> Self {
        Self::new(
            RefusalKind::Conflict,
            "command_id_reused",
            "this command id was used for another request; use a new one",
        )
    }
}
