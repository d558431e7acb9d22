//! `If-Match` (RFC 9110, 13.1.1) on edits of a queue: the version that the caller saw.

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
};
use tonic::Status;
use utoipa::IntoParams;

use crate::problem::Problem;

/// The queue's version as its entity tag.
pub(super) fn etag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("quoted digits are a header's value")
}

/// What an edit depends on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// Nothing.
    Any,
    Version(u64),
}

impl IfMatch {
    fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let weak = text.strip_prefix("W/");
        let tag = weak
            .unwrap_or(text)
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .filter(|tag| !tag.contains('"'));
        let Some(tag) = tag else {
            let rule = "If-Match must be * or one entity tag, such as the ETag of the queue";
            return Err(Problem::invalid_field("If-Match", rule));
        };
        // A weak tag matches nothing here, nor does one that we never gave out.
        match tag.parse() {
            Ok(version) if weak.is_none() && version > 0 => Ok(Self::Version(version)),
            _ => Err(changed()),
        }
    }

    /// As the scheduler has it.
    pub(super) fn version(&self) -> u64 {
        match self {
            Self::Any => 0,
            Self::Version(version) => *version,
        }
    }

    /// A refusal of the edit: with the header, that the queue has changed is a condition that failed.
    pub(super) fn problem(&self, status: &Status) -> Problem {
        let problem = Problem::of_party(status);
        match self {
            Self::Version(_) if problem.code() == changed().code() => {
                problem.with_status(StatusCode::PRECONDITION_FAILED)
            }
            _ => problem,
        }
    }
}

fn changed() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "queue_changed",
        "the queue is another one by now; read it again, then decide",
    )
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.headers.get(header::IF_MATCH) {
            None => Ok(Self::Any),
            Some(value) => Self::parse(value.to_str().unwrap_or_default()),
        }
    }
}

/// Documents the header that [`IfMatch`] reads.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "documents the header")]
pub(super) struct IfMatchHeader {
    /// `ETag` of the queue that the caller saw: refused with 412 when it is another one by now.
    #[param(rename = "If-Match", example = "\"7\"")]
    if_match: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn takes_what_it_gave_out() {
        let given = etag(7);
        assert_eq!(
            IfMatch::parse(given.to_str().unwrap()),
            Ok(IfMatch::Version(7))
        );
        assert_eq!(IfMatch::parse(" * "), Ok(IfMatch::Any));
        for (text, status) in [
            ("W/\"7\"", 412),
            ("\"abc\"", 412),
            ("\"0\"", 412),
            ("7", 422),
            ("\"7\", \"8\"", 422),
            ("", 422),
        ] {
            let problem = IfMatch::parse(text).unwrap_err();
            assert_eq!(problem.status().as_u16(), status, "{text}");
        }
    }
}
