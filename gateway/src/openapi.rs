//! The API document, `/api/openapi.json`.
//!
//! Each handler documents its own answers. What is the same for all calls of a kind (problems of bodies, tokens,
//! links, an unreachable scheduler) is added here, so that no handler can forget one. The examples are the
//! problems themselves.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use crate::{app, problem::Problem};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Orb Stream",
        description = "Watch parties in voice channels: the worker contract, and what its dashboard and viewers need.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "worker contract", description = "What the bot speaks."),
        (name = "parties", description = "The same sessions, for a dashboard."),
        (name = "watch", description = "For viewers, behind a signed link of their own."),
        (name = "page", description = "What the dashboard's page itself needs."),
        (name = "operation", description = "For whoever runs it."),
    ),
)]
struct Header;

/// The whole document: OpenAPI 3.1, as served at `/api/openapi.json`.
pub fn document() -> Value {
    let (_, open) = app::open_routes().split_for_parts();
    let (_, closed) = app::token_routes().split_for_parts();
    let mut document = Header::openapi();
    document.merge(open);
    document.merge(closed);
    let mut document =
        serde_json::to_value(document).expect("an OpenAPI document has string keys only");
    document["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer"},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "pageCookie": {"type": "apiKey", "in": "cookie", "name": "orb_page",
            "description": "From POST /login. Calls that change something must also bear `X-Orb-Page: 1`."},
    });
    add_conditions(&mut document["components"]["schemas"]);
    document["security"] = json!([{"bearer": []}, {"apiKey": []}, {"pageCookie": []}]);
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
                add_problems(path, operation);
            }
        }
    }
    document
}

/// What derived schemas cannot say: a field that counts because of another one.
fn add_conditions(schemas: &mut Value) {
    let text = json!({"type": "string", "minLength": 1});
    let in_playback = |field: &str| json!({"properties": {"playback": {"required": [field], "properties": {field: text}}}});
    schemas["Play"]["anyOf"] = json!([
        in_playback("itemId"),
        in_playback("sourceId"),
        {"required": ["jellyfinSourceId"], "properties": {"jellyfinSourceId": text}},
    ]);
    // With any other action the target is an unknown field like all others, and not looked at.
    let target = schemas["Control"]["properties"]["positionSeconds"].take();
    schemas["Control"]["properties"]["positionSeconds"] =
        json!({"description": target["description"]});
    schemas["Control"]["if"] = json!({"properties": {"action": {"const": "seek"}}});
    schemas["Control"]["then"] =
        json!({"required": ["positionSeconds"], "properties": {"positionSeconds": target}});
}

fn add_problems(path: &str, operation: &mut Value) {
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

fn body_problems() -> [(&'static str, Problem); 4] {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_documents_its_problems() {
        let document = document();
        assert!(
            document["openapi"]
                .as_str()
                .is_some_and(|version| version.starts_with("3.1"))
        );
        let statuses = |path: &str, method: &str| {
            let responses = document["paths"][path][method]["responses"].as_object();
            responses
                .map(|responses| responses.keys().cloned().collect::<Vec<_>>().join(" "))
                .unwrap_or_default()
        };
        assert_eq!(
            statuses("/sessions", "post"),
            "200 201 400 401 403 408 409 413 422 500 503"
        );
        assert_eq!(statuses("/sessions/{id}", "get"), "200 401 404 500 503");
        assert_eq!(
            statuses("/sessions/{id}/play", "post"),
            "200 202 400 401 403 404 408 409 413 422 500 503"
        );
        assert_eq!(
            statuses("/sessions/{id}/control", "post"),
            "200 202 400 401 403 404 408 409 413 422 500 503"
        );
        assert_eq!(
            statuses("/watch/{session}/{sig}/state", "get"),
            "200 403 404 500 503"
        );
        assert_eq!(statuses("/healthz", "get"), "200");
        assert_eq!(statuses("/readyz", "get"), "200 503");
    }

    #[test]
    fn every_reference_resolves() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap_or_default();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
