//! What each call of the party API may be refused for: its codes, by status.
//!
//! The schema of each answer names the codes, so that a fuzzer finds one that is missing here.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::problems::body_problems;
use crate::{catalogue, library, problem::Problem};

/// Status, code, and what it says.
type Refusal = (u16, &'static str, &'static str);

/// Of every call but those to the library.
const ALWAYS: &[Refusal] = &[(
    503,
    "scheduler_unavailable",
    "the scheduler cannot be reached; send the same call again, with the same Idempotency-Key",
)];

/// Of every call that changes something.
const CHANGES: &[Refusal] = &[(
    403,
    "page_header_missing",
    "a call that is authorised by cookie must bear the header X-Orb-Page: 1",
)];

/// Of every call that bears an `Idempotency-Key` and an `X-Orb-Actor`.
const COMMANDS: &[Refusal] = &[
    (
        409,
        "command_id_reused",
        "this Idempotency-Key was used for another request; use a new one",
    ),
    (
        422,
        "invalid_argument",
        "X-Orb-Actor must be 1 to 128 printable ASCII characters",
    ),
];

/// Of calls that may have something play that did not.
const STARTS: &[Refusal] = &[
    (
        503,
        "no_capacity",
        "no worker has room for another party; try again later",
    ),
    (
        503,
        "no_free_account",
        "all accounts are in other parties of this guild; stop one, or add a token",
    ),
    (
        503,
        "joins_limited",
        "Discord takes no further join from any account now; try again later",
    ),
];

const NOT_PLAYABLE: Refusal = (
    409,
    "library_item_not_playable",
    "item abc123 cannot be played: there is no file for it; choose another one",
);

const ITEM_NOT_FOUND: Refusal = (
    404,
    "library_item_not_found",
    "the library has no item abc123; look for it with GET /api/v1/library/search",
);

/// Of calls that name an item of the library, to be played.
const LIBRARY: &[Refusal] = &[
    ITEM_NOT_FOUND,
    NOT_PLAYABLE,
    (422, "source_invalid", "the item's source is no http(s) URL"),
    (
        422,
        "source_not_allowed",
        "the item's source has an origin that is not allowed; see ORB_JELLYFIN__ALLOWED_ORIGINS",
    ),
    (
        422,
        "no_source_origin",
        "no origin of sources is configured; set ORB_JELLYFIN_URL",
    ),
    (
        422,
        "too_long",
        "the item's texts are longer than 3,000 bytes in all",
    ),
];

/// Of edits of the queue.
const EDITS: &[Refusal] = &[(
    412,
    "queue_changed",
    "the queue is another one by now; read it again, then decide",
)];

const ENTRY_NOT_FOUND: Refusal = (
    404,
    "entry_not_found",
    "no such entry waits in this queue; GET /api/v1/parties/{id}/queue has those that do",
);

const NOTHING_PLAYING: Refusal = (
    409,
    "nothing_playing",
    "nothing plays that could be acted on",
);

const INVALID_ARGUMENT: Refusal = (
    422,
    "invalid_argument",
    "a field has a value that is not allowed",
);

/// What one call alone may be refused for.
fn own(method: &str, path: &str) -> Vec<&'static [Refusal]> {
    match (method, path.trim_start_matches("/api/v1")) {
        ("post", "/parties") => vec![
            STARTS,
            &[
                (
                    409,
                    "session_conflict",
                    "this id is taken by another guild or channel; use a new one",
                ),
                (
                    409,
                    "golive_off",
                    "this installation sends no picture into voice channels; create the party without goLive",
                ),
                (422, "invalid_id", "guildId must be a Discord id: digits"),
                (422, "missing_field", "a required field is missing"),
                (422, "too_long", "title is longer than 200 characters"),
            ],
        ],
        ("post", "/parties/{id}/play") => vec![
            STARTS,
            LIBRARY,
            &[
                ENTRY_NOT_FOUND,
                (
                    409,
                    "queue_empty",
                    "nothing plays and nothing is queued; add something to the queue",
                ),
            ],
        ],
        ("post", "/parties/{id}/pause") => vec![&[NOTHING_PLAYING]],
        ("post", "/parties/{id}/resume") => vec![STARTS, &[NOTHING_PLAYING]],
        ("post", "/parties/{id}/seek") => vec![&[
            NOTHING_PLAYING,
            (
                422,
                "seek_out_of_range",
                "the position is below zero, or beyond the item's end",
            ),
        ]],
        ("post", "/parties/{id}/skip") => vec![STARTS],
        ("post", "/parties/{id}/previous") => vec![
            STARTS,
            &[(
                409,
                "no_previous_entry",
                "nothing was played before; there is nothing to go back to",
            )],
        ],
        ("post", "/parties/{id}/queue") => vec![
            STARTS,
            LIBRARY,
            EDITS,
            &[
                (
                    409,
                    "queue_changed",
                    "the queue is another one by now; read it again, then decide",
                ),
                (
                    409,
                    "queue_full",
                    "1,000 entries wait already; remove some first",
                ),
            ],
        ],
        ("put", "/parties/{id}/queue/order") => vec![
            EDITS,
            &[(
                409,
                "queue_changed",
                "these are not exactly the entries that wait; read the queue again",
            )],
        ],
        ("delete", "/parties/{id}/queue") => vec![EDITS],
        ("delete" | "post", path) if path.starts_with("/parties/{id}/queue/{entryId}") => {
            vec![EDITS, &[ENTRY_NOT_FOUND]]
        }
        ("get", "/parties/{id}/events" | "/library/search" | "/library/continue-watching") => {
            vec![&[INVALID_ARGUMENT]]
        }
        ("get", "/library/items/{id}") => vec![&[ITEM_NOT_FOUND]],
        ("get", "/library/items/{id}/sources") => vec![&[ITEM_NOT_FOUND, NOT_PLAYABLE]],
        ("get", "/library/items/{id}/children" | "/library/next-up") => {
            vec![&[ITEM_NOT_FOUND, INVALID_ARGUMENT]]
        }
        ("get", "/library/items/{id}/image") => vec![&[
            INVALID_ARGUMENT,
            ITEM_NOT_FOUND,
            (
                404,
                "library_image_not_found",
                "the library has no such picture of item abc123",
            ),
        ]],
        ("post", "/workers/{workerId}/drain") => vec![&[(
            404,
            "worker_not_found",
            "no worker with this id is attached; look at its ORB_WORKER_ID",
        )]],
        ("get", "/demo-item") => vec![&[(
            404,
            "no_demo_item",
            "only the demo has an item of its own to play",
        )]],
        _ => Vec::new(),
    }
}

fn of(method: &str, path: &str, operation: &Value) -> Vec<Problem> {
    let is_change = method != "get";
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let is_command = parameters
        .filter_map(|parameter| parameter["name"].as_str())
        .any(|name| name == "Idempotency-Key");
    let in_library = path.starts_with("/api/v1/library");
    let mut lists = Vec::new();
    lists.extend((!in_library).then_some(ALWAYS));
    lists.extend(is_change.then_some(CHANGES));
    lists.extend(is_command.then_some(COMMANDS));
    lists.extend(own(method, path));
    let mut problems = vec![Problem::unauthenticated(), Problem::internal()];
    problems.extend(lists.into_iter().flatten().map(|(status, code, detail)| {
        let status = StatusCode::from_u16(*status).expect("the lists have statuses of HTTP");
        Problem::new(status, *code, *detail)
    }));
    if path.contains("/parties/{id}") {
        problems.push(Problem::session_not_found());
    }
    if !operation["requestBody"].is_null() {
        problems.extend(body_problems().map(|(_, problem)| problem));
    }
    let asks_jellyfin = in_library
        || problems
            .iter()
            .any(|problem| problem.code() == "library_item_not_found");
    if asks_jellyfin {
        problems.push(catalogue::not_configured());
        problems.extend(
            library::AWAY
                .map(|(code, detail)| Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)),
        );
    }
    problems
}

/// To a call of the party API: an answer for each status, with all its codes.
pub(super) fn add(method: &str, path: &str, operation: &mut Value) {
    let mut by_status = BTreeMap::<String, BTreeMap<String, Problem>>::new();
    for problem in of(method, path, operation) {
        let codes = by_status
            .entry(problem.status().as_str().to_owned())
            .or_default();
        codes.insert(problem.code().to_owned(), problem);
    }
    let responses = operation["responses"].as_object_mut();
    let responses = responses.expect("each call documents its answers");
    for (status, codes) in by_status {
        responses.insert(status, response(&codes));
    }
}

fn response(codes: &BTreeMap<String, Problem>) -> Value {
    let names: Vec<_> = codes.keys().collect();
    let listed: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let examples: Map<_, _> = codes
        .iter()
        .map(|(code, problem)| (code.clone(), json!({"value": problem})))
        .collect();
    json!({
        "description": format!("Refused: {}.", listed.join(", ")),
        "content": {"application/problem+json": {
            "schema": {
                "allOf": [{"$ref": "#/components/schemas/Problem"}],
                "properties": {"code": {"enum": names}},
            },
            "examples": examples,
        }},
    })
}
