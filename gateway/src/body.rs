//! A JSON object from a request body, whatever its content type says.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use futures::StreamExt as _;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::problem::Problem;

/// Largest body that is looked at. The longest one that the contract has is a few kilobytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// How much of a body that is too large is still read, and thrown away. A client that gets its answer while it
/// is still sending sees a reset connection instead of the 413 (Python's `requests` does), so the rest is taken
/// off the wire first, up to a bound.
const MAX_DISCARDED: usize = 32 * 1024 * 1024;

/// Longest that a body may take to arrive; bounds what a stalled client holds.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The body of a call, an object.
#[derive(Debug)]
pub(crate) struct JsonBody(pub(crate) Map<String, Value>);

/// As [`JsonBody`], but no body and `null` are an empty object.
#[derive(Debug)]
pub(crate) struct OptionalJsonBody(pub(crate) Map<String, Value>);

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        parse(&collect(request.into_body()).await?).map(Self)
    }
}

impl<S: Sync> FromRequest<S> for OptionalJsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = collect(request.into_body()).await?;
        if bytes.is_empty() || bytes.trim_ascii() == b"null" {
            return Ok(Self(Map::new()));
        }
        parse(&bytes).map(Self)
    }
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(malformed("the body is empty; send a JSON object"));
    }
    // The parser's own message is not passed on: it may quote what was sent.
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => {
            let detail = "the body must be a JSON object";
            Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_argument",
                detail,
            ))
        }
        Err(error) => Err(malformed(format!(
            "the body is not valid JSON in UTF-8, see line {} column {}",
            error.line(),
            error.column()
        ))),
    }
}

fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
}

async fn collect(body: Body) -> Result<Vec<u8>, Problem> {
    timeout(BODY_TIMEOUT, read(body)).await.unwrap_or_else(|_| {
        let detail = "the body did not arrive in time; send it again";
        Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            detail,
        ))
    })
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut received = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| malformed("the body was cut off; send it again"))?;
        received += chunk.len();
        if received <= MAX_BODY {
            bytes.extend_from_slice(&chunk);
        } else if received > MAX_DISCARDED {
            break;
        }
    }
    if received > MAX_BODY {
        let detail = "the body is larger than 1 MiB";
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            detail,
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tells_malformed_from_unsuitable() {
        assert_eq!(parse(b"{\"a\":1}").unwrap()["a"], 1);
        let deep = "[".repeat(100_000);
        for bad in [
            &b""[..],
            b"  ",
            b"{",
            b"{\"a\":\xff}",
            b"{\"a\":1}x",
            b"nul",
            deep.as_bytes(),
        ] {
            assert_eq!(parse(bad).unwrap_err().code(), "malformed_json");
        }
        for bad in [&b"[]"[..], b"1", b"null", b"\"x\""] {
            let problem = parse(bad).unwrap_err();
            assert_eq!(
                (problem.code(), problem.status().as_u16()),
                ("invalid_argument", 422)
            );
        }
    }
}
