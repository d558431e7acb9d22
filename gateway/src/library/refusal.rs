//! What goes wrong in Jellyfin, as a caller is told it: what to do, and neither address nor key.

use std::time::Duration;

use axum::http::StatusCode;
use orb_jellyfin::Error;

use crate::{catalogue::ItemId, problem::Problem};

/// A server that is away or in trouble: a restart takes it some seconds.
const AWAY_RETRY: Duration = Duration::from_secs(5);

/// Something that a person has to mend.
const MISCONFIGURED_RETRY: Duration = Duration::from_mins(1);

/// 503s of every call that asks Jellyfin: code, and what it says.
pub(crate) const AWAY: [(&str, &str); 4] = [
    (
        "library_unavailable",
        "Jellyfin does not answer, or is in trouble; try again in a moment, the gateway's log says more",
    ),
    (
        "library_unauthorized",
        "Jellyfin refuses the API key; make one in its dashboard under API Keys and set ORB_JELLYFIN_API_KEY to it",
    ),
    (
        "library_misconfigured",
        "no Jellyfin answers at ORB_JELLYFIN_URL; set it to the server's base URL, where redirects end",
    ),
    (
        "library_too_old",
        "Jellyfin is too old; update the server to the version that the gateway's log names",
    ),
];

/// What the caller is told. What is the operator's business goes to the log.
pub(super) fn problem(error: &Error) -> Problem {
    match error {
        Error::ItemNotFound { id } => match ItemId::parse(id) {
            Some(id) => id.not_found(),
            None => no_such_id(),
        },
        Error::NotPlayable { id, problem } => not_playable(id, problem),
        Error::QueryInvalid { problem, fix } => {
            Problem::invalid_field("q", format!("{problem}; {fix}"))
        }
        error => {
            tracing::warn!(code = error.code(), %error, "no answer from the library");
            away(error)
        }
    }
}

/// An id that no item can have.
pub(super) fn no_such_id() -> Problem {
    let detail = "an item's id is 1 to 64 letters, digits and dashes; look for it with GET /api/v1/library/search";
    Problem::new(StatusCode::NOT_FOUND, "library_item_not_found", detail)
}

/// There is an item, and no way to play it.
pub(super) fn not_playable(id: &str, problem: &str) -> Problem {
    let detail = format!("item {id} cannot be played: {problem}; choose another one");
    Problem::new(StatusCode::CONFLICT, "library_item_not_playable", detail)
}

/// Jellyfin answers, but not within the time of a call.
pub(super) fn too_slow() -> Problem {
    unavailable("library_unavailable", AWAY_RETRY)
}

fn away(error: &Error) -> Problem {
    match error {
        Error::KeyRefused { .. } => unavailable("library_unauthorized", MISCONFIGURED_RETRY),
        Error::VersionTooOld { .. } => unavailable("library_too_old", MISCONFIGURED_RETRY),
        Error::NotJellyfin { .. } | Error::RedirectRefused { .. } => {
            unavailable("library_misconfigured", MISCONFIGURED_RETRY)
        }
        Error::UserNotFound { .. } => {
            let detail = "Jellyfin has no such user, or none that is enabled; set ORB_JELLYFIN__USER to one's name";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Problem::new(status, "library_misconfigured", detail)
                .with_retry_after(MISCONFIGURED_RETRY)
        }
        _ => too_slow(),
    }
}

fn unavailable(code: &'static str, retry_after: Duration) -> Problem {
    let known = AWAY.iter().find(|(known, _)| *known == code);
    let (_, detail) = known.expect("each code that is used here is in the list");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, *detail).with_retry_after(retry_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_told_neither_address_nor_target() {
        let origin = || "http://jellyfin.internal:8096".to_owned();
        for (error, code) in [
            (
                Error::Unreachable {
                    origin: origin(),
                    problem: "does not answer in time",
                },
                "library_unavailable",
            ),
            (
                Error::NotJellyfin {
                    origin: origin(),
                    problem: "it answers with something else than json",
                },
                "library_misconfigured",
            ),
            (
                Error::RedirectRefused { target: origin() },
                "library_misconfigured",
            ),
            (
                Error::UserNotFound {
                    name: "anna".to_owned(),
                },
                "library_misconfigured",
            ),
            (Error::KeyRefused { status: 401 }, "library_unauthorized"),
            (Error::ServerError { status: 500 }, "library_unavailable"),
            (Error::AnswerTruncated, "library_unavailable"),
            (Error::Refused { status: 400 }, "library_unavailable"),
        ] {
            let problem = problem(&error);
            assert_eq!((problem.status().as_u16(), problem.code()), (503, code));
            let shown = format!("{problem:?}");
            assert!(
                !shown.contains("internal:") && !shown.contains("anna"),
                "{shown}"
            );
        }
    }

    #[test]
    fn an_id_that_is_none_is_not_quoted() {
        let problem = problem(&Error::ItemNotFound {
            id: "<script>".to_owned(),
        });
        assert_eq!(problem.code(), "library_item_not_found");
        assert!(!format!("{problem:?}").contains("script"));
    }
}
