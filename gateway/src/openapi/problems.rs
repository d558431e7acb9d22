//! Problems that all calls of a kind may answer with.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::problem::Problem;

/// To a call outside the party API, by what it is.
pub(super) fn add(path: &str, operation: &mut Value) {
    let mut problems = Vec::new();
    let needs_token = operation["security"].is_null();
    let names_session = path.contains("{id}") || path.contains("{session}");
    if needs_token {
        problems.push(("The token is missing or wrong.", Problem::unauthenticated()));
    }
    if path.starts_with("/watch/") {
        let problem = Problem::new(
            StatusCode::FORBIDDEN,
            "link_expired",
            "this watch link has expired; ask for a new one",
        );
        problems.push(("The link is invalid or expired.", problem));
    }
    if names_session {
        problems.push(("No session has this id.", Problem::session_not_found()));
    }
    if needs_token || names_session {
        problems.push((
            "A fault of the gateway or the scheduler.",
            Problem::internal(),
        ));
        let detail = "no worker has room for another party; try again later";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_capacity", detail);
        problems.push((
            "Not now: no capacity, no free account, or no scheduler. `Retry-After` says when.",
            problem,
        ));
    }
    if !operation["requestBody"].is_null() {
        problems.extend(body_problems());
        if needs_token {
            let detail = "a call that is authorised by cookie must bear the header X-Orb-Page: 1";
            let problem = Problem::new(StatusCode::FORBIDDEN, "page_header_missing", detail);
            problems.push(("Authorised by cookie, without `X-Orb-Page`.", problem));
        }
    }
    if let Some(responses) = operation["responses"].as_object_mut() {
        for (description, problem) in problems {
            let status = problem.status().as_str().to_owned();
            responses
                .entry(status)
                .or_insert_with(|| response(description, &problem));
        }
    }
}

/// Of every call with a body.
pub(super) fn body_problems() -> [(&'static str, Problem); 4] {
    [
        (
            "The body is no JSON.",
            Problem::new(
                StatusCode::BAD_REQUEST,
                "malformed_json",
                "the body is empty; send a JSON object",
            ),
        ),
        (
            "The body did not arrive in time.",
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_timeout",
                "the body did not arrive in time; send it again",
            ),
        ),
        (
            "The body is too large.",
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "the body is larger than 1 MiB",
            ),
        ),
        (
            "A field is missing, of a wrong type, or has a value that is not allowed; `field` names it.",
            Problem::invalid_field(
                "guildId",
                "guildId is required and must be a string that is not empty",
            ),
        ),
    ]
}

fn response(description: &str, problem: &Problem) -> Value {
    json!({
        "description": description,
        "content": {"application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "example": problem,
        }},
    })
}
