//! A queue as a caller sees it.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use orb_proto::v1;
use serde::Serialize;
use utoipa::ToSchema;

use super::if_match::etag;
use crate::{app::Gateway, catalogue::ItemId, problem::Problem};

/// All entries of a party, in order: what ended (the newest 100), what plays, what waits.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({"version": 7, "entries": [{
    "entryId": 2, "status": "playing", "title": "Movie Title", "mediaType": "movie", "itemId": "abc123",
    "sourceId": "abc123", "year": "2024", "episode": null, "durationSeconds": 5420, "summary": "A film.",
    "imageUrl": "/api/v1/library/items/abc123/image", "addedBy": "api", "error": null,
    "createdAt": "2026-01-01T20:00:00Z",
}]})))]
pub(super) struct Queue {
    /// Rises at every change, be it an edit or an advance.
    #[schema(minimum = 0)]
    version: u64,
    entries: Vec<QueueEntry>,
}

/// The queue after entries were added.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({"added": [3], "version": 8, "entries": [{
    "entryId": 3, "status": "queued", "title": "Movie Title", "mediaType": "movie", "itemId": "abc123",
    "sourceId": "abc123", "year": "2024", "episode": null, "durationSeconds": 5420, "summary": "A film.",
    "imageUrl": "/api/v1/library/items/abc123/image", "addedBy": "api", "error": null,
    "createdAt": "2026-01-01T20:00:00Z",
}]})))]
pub(super) struct AddedToQueue {
    /// Ids of the entries that this call added, in order.
    pub(super) added: Vec<u64>,
    #[serde(flatten)]
    pub(super) queue: Queue,
}

/// Something that was, is or will be played.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct QueueEntry {
    /// Never used twice in a party.
    #[schema(minimum = 1)]
    entry_id: u64,
    status: QueueStatus,
    title: String,
    /// `movie`, `episode` and so on.
    media_type: String,
    /// Jellyfin's id of the item.
    item_id: String,
    /// Jellyfin's id of the media source.
    source_id: String,
    #[schema(required)]
    year: Option<String>,
    /// Such as `S01E02`; null for a film.
    #[schema(required)]
    episode: Option<String>,
    /// Null while unknown.
    #[schema(required, minimum = 0)]
    duration_seconds: Option<i64>,
    #[schema(required)]
    summary: Option<String>,
    /// A picture of the item, behind the same token; null where there is no library. A path when the gateway was not
    /// told its public URL.
    #[schema(required)]
    image_url: Option<String>,
    /// `X-Orb-Actor` of the call that added it, or `contract`.
    added_by: String,
    /// Why it failed.
    #[schema(required)]
    error: Option<String>,
    /// RFC 3339, UTC.
    #[schema(required, format = DateTime)]
    created_at: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum QueueStatus {
    /// It waits.
    Queued,
    Playing,
    Played,
    Skipped,
    Failed,
}

impl Queue {
    pub(super) fn of(queue: v1::Queue, gateway: &Gateway) -> Self {
        let entries = queue.entries.into_iter();
        Self {
            version: queue.version,
            entries: entries
                .map(|entry| QueueEntry::of(entry, gateway))
                .collect(),
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn into_response(self) -> Response {
        answer(StatusCode::OK, self.version, &self)
    }
}

impl AddedToQueue {
    pub(super) fn into_response(self) -> Response {
        answer(StatusCode::CREATED, self.queue.version(), &self)
    }
}

fn answer(status: StatusCode, version: u64, body: &impl Serialize) -> Response {
    (status, [(header::ETAG, etag(version))], Json(body)).into_response()
}

/// The queue of an answer; an answer without one is the scheduler's failure.
pub(super) fn present(queue: Option<v1::Queue>, gateway: &Gateway) -> Result<Queue, Problem> {
    let queue = queue.ok_or_else(|| {
        tracing::error!("the scheduler answered without a queue");
        Problem::internal()
    })?;
    Ok(Queue::of(queue, gateway))
}

impl QueueEntry {
    fn of(entry: v1::QueueEntry, gateway: &Gateway) -> Self {
        let status = entry.status().into();
        let item = entry.item.unwrap_or_default();
        Self {
            entry_id: item.entry_id,
            status,
            image_url: image_url(&item.item_id, gateway),
            title: item.title,
            media_type: item.media_type,
            item_id: item.item_id,
            source_id: item.source_id,
            year: not_empty(item.year),
            episode: not_empty(item.episode),
            duration_seconds: (item.duration_ms > 0).then_some(item.duration_ms / 1000),
            summary: not_empty(item.summary),
            added_by: entry.actor,
            error: not_empty(entry.error),
            created_at: entry.created_at.map(|time| time.to_string()),
        }
    }
}

fn not_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// The bot may call an item what it likes; only what can be looked up has a picture.
fn image_url(item_id: &str, gateway: &Gateway) -> Option<String> {
    gateway.catalogue.as_ref()?;
    let id = ItemId::parse(item_id)?;
    Some(gateway.image_url(id.as_str()))
}

impl From<v1::QueueStatus> for QueueStatus {
    fn from(status: v1::QueueStatus) -> Self {
        match status {
            v1::QueueStatus::Unspecified | v1::QueueStatus::Queued => Self::Queued,
            v1::QueueStatus::Playing => Self::Playing,
            v1::QueueStatus::Played => Self::Played,
            v1::QueueStatus::Skipped => Self::Skipped,
            v1::QueueStatus::Failed => Self::Failed,
        }
    }
}
