//! The API document, `/api/openapi.json`.
//!
//! Each handler documents its own answers. What is the same for all calls of a kind (problems of bodies, tokens,
//! links, an unreachable scheduler) is added by `problems`, so that no handler can forget one, and what each call of
//! the party API may be refused for by `refusals`. The examples are the problems themselves.

mod problems;
mod refusals;

use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::app;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Orb Stream",
        description = "Watch parties in voice channels: the worker contract, the party API, and what viewers need.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "worker contract", description = "What the bot speaks."),
        (name = "parties", description = "The same sessions, for everyone else."),
        (name = "playback", description = "What plays in a party."),
        (name = "queue", description = "What will be played, and what was."),
        (name = "library", description = "What there is to watch."),
        (name = "workers", description = "The pool, for operators."),
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
    add_examples(&mut document["components"]["schemas"]);
    document["security"] = json!([{"bearer": []}, {"apiKey": []}, {"pageCookie": []}]);
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                if path.starts_with("/api/v1/") {
                    refusals::add(method, path, operation);
                } else {
                    problems::add(path, operation);
                }
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
    let only = |field: &str, other: &str, kind: &str| json!({"required": [field], "properties": {field: {"type": kind}, other: {"type": "null"}}});
    schemas["SeekInParty"]["oneOf"] = json!([
        only("positionSeconds", "bySeconds", "number"),
        only("bySeconds", "positionSeconds", "number"),
    ]);
    schemas["PlayFromParty"]["not"] = json!({
        "required": ["itemId", "entryId"],
        "properties": {"itemId": {"type": "string"}, "entryId": {"type": "integer"}},
    });
}

/// Of lists: their element's own.
fn add_examples(schemas: &mut Value) {
    for (list, field, element) in [
        ("Parties", "parties", "Party"),
        ("Events", "events", "EventRow"),
        ("Workers", "workers", "Worker"),
        ("LibraryPage", "items", "LibraryItem"),
    ] {
        let mut example = json!({ field: [schemas[element]["examples"][0]] });
        if list == "Events" {
            example["next"] = Value::Null;
        }
        if list == "LibraryPage" {
            example["start"] = json!(0);
            example["total"] = json!(1);
        }
        schemas[list]["examples"] = json!([example]);
    }
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

    fn operations(document: &Value) -> Vec<(String, Value)> {
        let paths = document["paths"].as_object().into_iter().flatten();
        let all = paths.flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.map(move |(method, operation)| (format!("{method} {path}"), operation.clone()))
        });
        all.collect()
    }

    #[test]
    fn calls_of_the_party_api_document_each_code() {
        let document = document();
        let codes = |path: &str, method: &str, status: &str| {
            let response = &document["paths"][path][method]["responses"][status];
            let content = &response["content"]["application/problem+json"];
            let codes = content["schema"]["properties"]["code"]["enum"].clone();
            let examples = content["examples"].as_object();
            let examples = examples.map(|examples| examples.keys().cloned().collect::<Vec<_>>());
            let mut sorted: Vec<String> = serde_json::from_value(codes).unwrap_or_default();
            sorted.sort();
            assert_eq!(Some(&sorted), examples.as_ref(), "{method} {path} {status}");
            sorted.join(" ")
        };
        let queue = "/api/v1/parties/{id}/queue";
        assert_eq!(codes(queue, "post", "412"), "queue_changed");
        assert_eq!(
            codes(queue, "post", "409"),
            "command_id_reused library_item_not_playable queue_changed queue_full"
        );
        assert_eq!(
            codes(queue, "post", "404"),
            "library_item_not_found session_not_found"
        );
        assert_eq!(
            codes("/api/v1/parties/{id}/play", "post", "409"),
            "command_id_reused library_item_not_playable queue_empty"
        );
        assert_eq!(codes("/api/v1/workers", "get", "401"), "unauthenticated");
        let search = "/api/v1/library/search";
        assert_eq!(codes(search, "get", "422"), "invalid_argument");
        assert_eq!(
            codes(search, "get", "503"),
            "library_misconfigured library_not_configured library_too_old library_unauthorized library_unavailable"
        );
        assert_eq!(
            codes("/api/v1/library/items/{id}/image", "get", "404"),
            "library_image_not_found library_item_not_found"
        );
        assert_eq!(
            codes("/api/v1/parties/{id}/pause", "post", "403"),
            "page_header_missing"
        );
        assert_eq!(
            codes("/api/v1/parties/{id}/queue/{entryId}", "delete", "404"),
            "entry_not_found session_not_found"
        );
    }

    #[test]
    fn every_call_has_a_name_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for (name, operation) in operations(&document()) {
            let id = operation["operationId"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(!id.is_empty() && seen.insert(id.clone()), "{name}: {id}");
        }
    }

    #[test]
    fn every_body_has_an_example() {
        let document = document();
        for (name, operation) in operations(&document) {
            let request = operation["requestBody"]["content"].as_object();
            let responses = operation["responses"].as_object().into_iter().flatten();
            let contents = responses
                .filter_map(|(_, response)| response["content"].as_object())
                .chain(request);
            for (kind, media) in contents.flatten() {
                if !kind.ends_with("json") {
                    continue;
                }
                let mut shown = vec![media.clone(), media["schema"].clone()];
                // `Option<T>` is one of null and T.
                let mut refs = vec![media["schema"]["$ref"].clone()];
                for one in media["schema"]["oneOf"].as_array().into_iter().flatten() {
                    refs.push(one["$ref"].clone());
                }
                for reference in refs.iter().filter_map(Value::as_str) {
                    let pointer = reference.trim_start_matches('#');
                    shown.push(document.pointer(pointer).cloned().unwrap_or_default());
                }
                let has_one = |at: &Value| !at["example"].is_null() || !at["examples"].is_null();
                assert!(shown.iter().any(has_one), "{name}: {kind}: {media}");
            }
        }
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
