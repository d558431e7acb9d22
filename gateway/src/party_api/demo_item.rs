//! What "Play again" of the demo's page repeats.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};

use crate::{app::Gateway, problem::Problem};

/// Body of the `play` that "Play again" repeats; the demo has one.
#[utoipa::path(get, operation_id = "getDemoItem", path = "/api/v1/demo-item", tag = "page", responses(
    (status = 200, description = "A body for `POST /sessions/{id}/play`.", body = Object,
        example = json!({"queueEntryId": 1, "playback": {"itemId": "abc123", "streamUrl": "http://jellyfin/film"}})),
))]
pub(super) async fn demo_item(
    State(gateway): State<Arc<Gateway>>,
) -> Result<Json<serde_json::Value>, Problem> {
    gateway.demo_item.clone().map(Json).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "no_demo_item",
            "only the demo has an item of its own to play",
        )
    })
}
