//! The queue, and adding to it.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use orb_proto::v1::{Add, EditQueueRequest, edit_queue_request::Edit};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    caller::{Caller, CallerHeaders},
    fingerprint::fingerprint,
    if_match::{IfMatch, IfMatchHeader},
    queue_view::{AddedToQueue, Queue, present},
};
use crate::{
    app::Gateway,
    body::JsonBody,
    catalogue::ItemId,
    json_fields::Fields,
    problem::Problem,
    session_id::{SessionId, SessionPath},
};

/// Items that one call may add, as the scheduler has it.
const MAX_ITEMS: usize = 200;

/// The queue as it is now.
#[utoipa::path(get, operation_id = "getQueue", path = "/api/v1/parties/{id}/queue", tag = "queue",
    params(SessionPath),
    responses((status = 200, description = "The queue.", body = Queue,
        headers(("ETag" = String, description = "Of this version, for `If-Match`.")))))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
) -> Result<Response, Problem> {
    let queue = gateway.scheduler.queue(&id).await?;
    Ok(Queue::of(queue, &gateway).into_response())
}

/// Body of `POST /api/v1/parties/{id}/queue`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", examples(json!({"itemIds": ["abc123", "def456"], "next": false})))]
#[allow(dead_code, reason = "documents the body; it is read field by field")]
pub(super) struct AddItems {
    /// Items of the library, at most 200. A series stands for its next or first playable episode, a season or a
    /// collection for its items.
    #[schema(min_items = 1, max_items = 200, value_type = Vec<String>)]
    item_ids: Vec<String>,
    /// Ahead of all that waits, in the order given; else behind it.
    next: Option<bool>,
}

fn read_item_ids(fields: &Fields<'_>) -> Result<Vec<ItemId>, Problem> {
    let rule =
        "is required and must be an array of 1 to 200 ids of 1 to 64 letters, digits or dashes";
    let ids = fields.required_list("itemIds", rule, |id| ItemId::parse(id.as_str()?))?;
    if ids.is_empty() || ids.len() > MAX_ITEMS {
        return Err(fields.wrong("itemIds", rule));
    }
    Ok(ids)
}

/// Adds items, all or none.
#[utoipa::path(post, operation_id = "addToQueue", path = "/api/v1/parties/{id}/queue", tag = "queue", request_body = AddItems,
    params(SessionPath, CallerHeaders, IfMatchHeader),
    responses((status = 201, description = "They wait, or the first of them plays.", body = AddedToQueue,
        headers(("ETag" = String, description = "Of the queue as it is now.")))))]
pub(super) async fn add(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    caller: Caller,
    if_match: IfMatch,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let fields = Fields::of(&body);
    let item_ids = read_item_ids(&fields)?;
    let next = fields.boolean("next")?.unwrap_or_default();
    let asked = json!({
        "call": "queue", "party": id.as_str(), "next": next, "ifVersion": if_match.version(),
        "itemIds": item_ids.iter().map(ItemId::as_str).collect::<Vec<_>>(),
    });
    let items = gateway.catalogue()?.items(&item_ids, MAX_ITEMS).await?;
    let request = EditQueueRequest {
        session_id: id.into_string(),
        command_id: caller.command_id,
        actor: caller.actor,
        fingerprint: fingerprint(&asked),
        if_version: if_match.version(),
        edit: Some(Edit::Add(Add { items, next })),
    };
    let response = gateway.scheduler.edit_queue(request).await;
    let response = response.map_err(|status| if_match.problem(&status))?;
    let added = AddedToQueue {
        added: response.added_entry_ids,
        queue: present(response.queue, &gateway)?,
    };
    Ok(added.into_response())
}
