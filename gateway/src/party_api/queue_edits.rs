//! Remove, clear, reorder, move: each one change, whole or not at all.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, RawPathParams, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use orb_proto::v1::{Clear, EditQueueRequest, Move, Remove, Reorder, edit_queue_request::Edit};
use utoipa::{IntoParams, ToSchema};

use super::{
    caller::{Caller, CallerHeaders},
    if_match::{IfMatch, IfMatchHeader},
    queue_view::{Queue, present},
};
use crate::{
    app::Gateway,
    body::JsonBody,
    json_fields::Fields,
    problem::Problem,
    session_id::{SessionId, SessionPath},
};

async fn edit(
    gateway: &Gateway,
    id: SessionId,
    caller: Caller,
    if_match: IfMatch,
    edit: Edit,
) -> Result<Response, Problem> {
    let request = EditQueueRequest {
        session_id: id.into_string(),
        command_id: caller.command_id,
        actor: caller.actor,
        fingerprint: Vec::new(),
        if_version: if_match.version(),
        edit: Some(edit),
    };
    let response = gateway.scheduler.edit_queue(request).await;
    let response = response.map_err(|status| if_match.problem(&status))?;
    Ok(present(response.queue, gateway)?.into_response())
}

/// The `{entryId}` of a path. What can be no entry's id names none.
pub(super) struct EntryId(u64);

impl<S: Send + Sync> FromRequestParts<S> for EntryId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| entry_not_found())?;
        let id = params.iter().find(|(name, _)| *name == "entryId");
        let id = id.and_then(|(_, text)| text.parse().ok());
        id.filter(|id| *id > 0)
            .map(Self)
            .ok_or_else(entry_not_found)
    }
}

fn entry_not_found() -> Problem {
    let detail =
        "no such entry waits in this queue; GET /api/v1/parties/{id}/queue has those that do";
    Problem::new(StatusCode::NOT_FOUND, "entry_not_found", detail)
}

/// Documents the `{entryId}` of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "documents the path; EntryId reads it")]
pub(super) struct EntryPath {
    /// An entry that waits.
    #[param(rename = "entryId", minimum = 1, example = 4)]
    entry_id: u64,
}

/// Removes an entry that waits.
#[utoipa::path(delete, operation_id = "removeFromQueue", path = "/api/v1/parties/{id}/queue/{entryId}", tag = "queue",
    params(SessionPath, EntryPath, CallerHeaders, IfMatchHeader),
    responses((status = 200, description = "The queue without it.", body = Queue,
        headers(("ETag" = String, description = "Of the queue as it is now.")))))]
pub(super) async fn remove(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    EntryId(entry): EntryId,
    caller: Caller,
    if_match: IfMatch,
) -> Result<Response, Problem> {
    let entry_ids = vec![entry];
    edit(
        &gateway,
        id,
        caller,
        if_match,
        Edit::Remove(Remove { entry_ids }),
    )
    .await
}

/// Removes all that waits.
#[utoipa::path(delete, operation_id = "clearQueue", path = "/api/v1/parties/{id}/queue", tag = "queue",
    params(SessionPath, CallerHeaders, IfMatchHeader),
    responses((status = 200, description = "The queue with nothing that waits.", body = Queue,
        headers(("ETag" = String, description = "Of the queue as it is now.")))))]
pub(super) async fn clear(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    caller: Caller,
    if_match: IfMatch,
) -> Result<Response, Problem> {
    edit(&gateway, id, caller, if_match, Edit::Clear(Clear {})).await
}

/// Body of `PUT /api/v1/parties/{id}/queue/order`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", examples(json!({"entryIds": [5, 3, 4]})))]
#[allow(dead_code, reason = "documents the body; it is read field by field")]
pub(super) struct QueueOrder {
    /// All entries that wait, in their new order.
    #[schema(max_items = 1000)]
    entry_ids: Vec<u64>,
}

/// Puts all that waits in another order. Refused when these are not exactly the entries that wait.
#[utoipa::path(put, operation_id = "reorderQueue", path = "/api/v1/parties/{id}/queue/order", tag = "queue", request_body = QueueOrder,
    params(SessionPath, CallerHeaders, IfMatchHeader),
    responses((status = 200, description = "The queue in its new order.", body = Queue,
        headers(("ETag" = String, description = "Of the queue as it is now.")))))]
pub(super) async fn reorder(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    caller: Caller,
    if_match: IfMatch,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let rule = "is required and must be an array of positive integers";
    let positive = |id: &serde_json::Value| id.as_u64().filter(|id| *id > 0);
    let entry_ids = Fields::of(&body).required_list("entryIds", rule, positive)?;
    edit(
        &gateway,
        id,
        caller,
        if_match,
        Edit::Reorder(Reorder { entry_ids }),
    )
    .await
}

/// Body of `POST /api/v1/parties/{id}/queue/{entryId}/move`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", examples(json!({"toIndex": 0})))]
#[allow(dead_code, reason = "documents the body; it is read field by field")]
pub(super) struct MoveEntry {
    /// Among those that wait, counted from 0; beyond the end: to the end.
    #[schema(minimum = 0)]
    to_index: i64,
}

/// Moves an entry among those that wait.
#[utoipa::path(post, operation_id = "moveInQueue", path = "/api/v1/parties/{id}/queue/{entryId}/move", tag = "queue", request_body = MoveEntry,
    params(SessionPath, EntryPath, CallerHeaders, IfMatchHeader),
    responses((status = 200, description = "The queue in its new order.", body = Queue,
        headers(("ETag" = String, description = "Of the queue as it is now.")))))]
pub(super) async fn move_entry(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    EntryId(entry_id): EntryId,
    caller: Caller,
    if_match: IfMatch,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let fields = Fields::of(&body);
    let to_index = fields.integer("toIndex")?.filter(|index| *index >= 0);
    let to_index = to_index.ok_or_else(|| {
        fields.wrong(
            "toIndex",
            "is required and must be an integer of zero or more",
        )
    })?;
    let to_index = u32::try_from(to_index).unwrap_or(u32::MAX);
    edit(
        &gateway,
        id,
        caller,
        if_match,
        Edit::Move(Move { entry_id, to_index }),
    )
    .await
}
