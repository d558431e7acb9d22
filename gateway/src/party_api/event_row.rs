//! One event as a caller sees it.

use orb_proto::v1::Event;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Something that happened in a party. Bears no URL and no secret.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({
    "id": 17, "type": "pause", "at": "2026-01-01T20:15:00Z", "cause": "call", "actor": "api",
    "payload": {"cause": "call", "actor": "api", "entryId": 2, "generation": 4},
})))]
pub(super) struct EventRow {
    /// Rises, with gaps.
    #[schema(minimum = 1)]
    id: i64,
    /// Such as `play`, `pause`, `auto_advance`.
    #[serde(rename = "type")]
    kind: String,
    /// RFC 3339, UTC.
    #[schema(required, format = DateTime)]
    at: Option<String>,
    /// What brought it about: `call`, `auto_advance`, `worker_lost` and so on.
    #[schema(required)]
    cause: Option<String>,
    /// Who: `X-Orb-Actor` of the call, `contract`, `scheduler` or a worker.
    #[schema(required)]
    actor: Option<String>,
    /// Whatever belongs to an event of this type.
    #[schema(value_type = Object)]
    payload: Map<String, Value>,
}

impl From<&Event> for EventRow {
    fn from(event: &Event) -> Self {
        let payload: Map<String, Value> =
            serde_json::from_str(&event.payload_json).unwrap_or_default();
        let text = |name: &str| payload.get(name)?.as_str().map(str::to_owned);
        Self {
            id: event.id,
            kind: event.event_type.clone(),
            at: event.created_at.map(|time| time.to_string()),
            cause: text("cause"),
            actor: text("actor"),
            payload,
        }
    }
}
