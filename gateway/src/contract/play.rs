//! `POST /sessions/{id}/play`.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use orb_proto::v1::{Item, PlayRequest};
use utoipa::ToSchema;

use super::{ACTOR, SessionStatus, present, settled_code};
use crate::{
    app::Gateway,
    body::JsonBody,
    command_id::{CommandId, IdempotencyKey},
    json_fields::Fields,
    problem::{Problem, ProblemBody},
    session_id::{SessionId, SessionPath},
};

/// Longest item that a duration is believed for; bounds the arithmetic, not the film.
const MAX_DURATION_SECONDS: i64 = 1_000_000_000;

/// Body of `POST /sessions/{id}/play`. `title` and `mediaType` may stand in `playback`, at the top, or both.
#[derive(Debug, ToSchema)]
#[schema(as = Play, rename_all = "camelCase", examples(json!({
    "queueEntryId": 12, "jellyfinSourceId": "abc123", "title": "Movie Title", "mediaType": "movie",
    "playback": {
        "itemId": "abc123", "sourceId": "abc123", "title": "Movie Title", "mediaType": "movie",
        "streamUrl": "http://jellyfin:8096/Videos/abc123/stream", "downloadUrl": null, "durationSeconds": 5420,
        "posterUrl": null, "year": "2024", "tmdbId": "1234", "imdbId": "tt1234567", "episode": null,
    },
})))]
pub(super) struct PlayBody {
    /// The caller's id of the queue entry; the same entry and item again changes nothing while it plays.
    #[schema(minimum = 1)]
    queue_entry_id: i64,
    /// Used where `playback.sourceId` is missing.
    jellyfin_source_id: Option<String>,
    /// Used where `playback.title` is missing.
    title: Option<String>,
    /// Used where `playback.mediaType` is missing.
    media_type: Option<String>,
    playback: Playback,
}

/// What to play, and from where.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
struct Playback {
    /// Jellyfin's id of the item; where missing, the source's id (a film's are the same).
    item_id: Option<String>,
    /// Jellyfin's id of the media source.
    source_id: Option<String>,
    /// Shown as `currentTitle`.
    title: Option<String>,
    /// `movie`, `episode` and so on.
    media_type: Option<String>,
    /// Primary source, opened as given. Its origin must be an allowed one.
    #[schema(min_length = 1)]
    stream_url: String,
    /// Tried when the primary cannot be opened or dies.
    download_url: Option<String>,
    /// Length of the item.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    duration_seconds: Option<i64>,
    /// Picture of the item. This and what follows is only shown; anything but a string is kept as JSON text.
    #[schema(value_type = Option<serde_json::Value>)]
    poster_url: Option<String>,
    /// Year of the item, usually a string.
    #[schema(value_type = Option<serde_json::Value>)]
    year: Option<String>,
    /// Id at themoviedb.org.
    #[schema(value_type = Option<serde_json::Value>)]
    tmdb_id: Option<String>,
    /// Id at imdb.com.
    #[schema(value_type = Option<serde_json::Value>)]
    imdb_id: Option<String>,
    /// Set for an episode, such as `S01E02` or `{"season": 1, "number": 2}`.
    #[schema(value_type = Option<serde_json::Value>)]
    episode: Option<String>,
}

impl PlayBody {
    fn read(fields: &Fields<'_>) -> Result<Self, Problem> {
        let queue_entry_id = fields.integer("queueEntryId")?.filter(|id| *id > 0);
        let playback = fields.object("playback")?;
        Ok(Self {
            queue_entry_id: queue_entry_id.ok_or_else(|| {
                fields.wrong("queueEntryId", "is required and must be a positive integer")
            })?,
            jellyfin_source_id: fields.text("jellyfinSourceId")?,
            title: fields.text("title")?,
            media_type: fields.text("mediaType")?,
            playback: Playback::read(
                &playback
                    .ok_or_else(|| fields.wrong("playback", "is required and must be an object"))?,
            )?,
        })
    }

    fn into_item(self) -> Result<Item, Problem> {
        let playback = self.playback;
        let source_id = playback.source_id.or(self.jellyfin_source_id);
        let item_id = playback
            .item_id
            .or_else(|| source_id.clone())
            .ok_or_else(|| {
                Problem::invalid_field("playback.itemId", "playback.itemId is required")
            })?;
        Ok(Item {
            queue_entry_id: self.queue_entry_id,
            source_id: source_id.unwrap_or_else(|| item_id.clone()),
            item_id,
            title: playback.title.or(self.title).unwrap_or_default(),
            media_type: playback.media_type.or(self.media_type).unwrap_or_default(),
            stream_url: playback.stream_url,
            download_url: playback.download_url.unwrap_or_default(),
            duration_ms: playback.duration_seconds.unwrap_or_default() * 1000,
            poster_url: playback.poster_url.unwrap_or_default(),
            year: playback.year.unwrap_or_default(),
            tmdb_id: playback.tmdb_id.unwrap_or_default(),
            imdb_id: playback.imdb_id.unwrap_or_default(),
            episode: playback.episode.unwrap_or_default(),
            ..Item::default()
        })
    }
}

impl Playback {
    fn read(fields: &Fields<'_>) -> Result<Self, Problem> {
        let duration_seconds = fields.integer("durationSeconds")?;
        if duration_seconds.is_some_and(|seconds| !(0..=MAX_DURATION_SECONDS).contains(&seconds)) {
            return Err(fields.wrong("durationSeconds", "must be zero or more"));
        }
        Ok(Self {
            item_id: fields.text("itemId")?,
            source_id: fields.text("sourceId")?,
            title: fields.text("title")?,
            media_type: fields.text("mediaType")?,
            stream_url: fields.required_text("streamUrl")?,
            download_url: fields.text("downloadUrl")?,
            duration_seconds,
            poster_url: fields.shown("posterUrl"),
            year: fields.shown("year"),
            tmdb_id: fields.shown("tmdbId"),
            imdb_id: fields.shown("imdbId"),
            episode: fields.shown("episode"),
        })
    }
}

/// Plays an item from its start; replaces what plays.
///
/// Waits at most 5 s for the worker. The same entry and item again changes nothing while it loads, plays or is
/// paused; after an end it plays anew.
#[utoipa::path(post, operation_id = "playInSession", path = "/sessions/{id}/play", tag = "worker contract", request_body = PlayBody,
    params(SessionPath, IdempotencyKey),
    responses(
    (status = 200, description = "The worker has done it.", body = SessionStatus),
    (status = 202, description = "Durable, and still under way.", body = SessionStatus),
    (status = 409, description = "The session's state does not allow it, or the key was used for another call.",
        body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn play(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    command_id: CommandId,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<SessionStatus>), Problem> {
    let item = PlayBody::read(&Fields::of(&body))?.into_item()?;
    let request = PlayRequest {
        session_id: id.into_string(),
        item: Some(item),
        command_id: command_id.0,
        actor: ACTOR.to_owned(),
        ..PlayRequest::default()
    };
    let response = gateway.scheduler.play(request).await?;
    Ok((
        settled_code(response.settled),
        Json(present(response.session)?.into()),
    ))
}
