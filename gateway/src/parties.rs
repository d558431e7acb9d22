//! What the dashboard needs beyond the contract: the list of parties, their changes, links for viewers.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{Extension, Json, extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::Gateway,
    body::OptionalJsonBody,
    contract::{Fields, SessionStatus},
    events,
    problem::{Problem, ProblemBody},
    serve::Closing,
    session_id::{SessionId, SessionPath},
    watch::{LinkTerms, ViewerId},
};

/// Shortest life of a watch link that may be asked for.
const MIN_LINK_TTL: i64 = 60;

pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(events))
        .routes(routes!(make_watch_link))
        .routes(routes!(demo_item))
}

/// All parties.
#[derive(Serialize, ToSchema)]
struct Parties {
    /// Ordered by id.
    parties: Vec<SessionStatus>,
}

/// All parties, ordered by id.
#[utoipa::path(get, path = "/api/v1/parties", tag = "parties",
    responses((status = 200, description = "The parties.", body = Parties)))]
async fn list(State(gateway): State<Arc<Gateway>>) -> Result<Json<Parties>, Problem> {
    let sessions = gateway.scheduler.list().await?;
    Ok(Json(Parties {
        parties: sessions.into_iter().map(SessionStatus::from).collect(),
    }))
}

/// A party's changes, as server-sent events.
///
/// Each event's data is the status object: first as it is now, then at every change, and at least once a
/// second while it plays.
#[utoipa::path(get, path = "/api/v1/parties/{id}/events", tag = "parties",
    params(SessionPath),
    responses((status = 200, description = "The stream.", body = String, content_type = "text/event-stream")))]
async fn events(
    State(gateway): State<Arc<Gateway>>,
    closing: Option<Extension<Closing>>,
    id: SessionId,
) -> Result<Response, Problem> {
    let changes = events::changes(&gateway, &id).await?;
    Ok(events::sse(changes, closing, SessionStatus::from))
}

/// Body of `POST /api/v1/parties/{id}/watch-links`; may be left out.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", examples(json!({"viewerId": "viewer-1", "expiresInSeconds": 3600})))]
#[allow(dead_code, reason = "documents the body")]
struct WatchLinkTerms {
    /// Who the link is for; random where missing.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    viewer_id: Option<String>,
    /// Life of the link; shortened to the longest that the installation allows.
    #[schema(minimum = 60)]
    expires_in_seconds: Option<i64>,
}

/// A link for one viewer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WatchLink {
    /// Address of the viewer's page; a path when the gateway was not told its public URL. The stream stands
    /// below it, at `index.m3u8`.
    url: String,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Makes a link with which one viewer can watch, without a token.
#[utoipa::path(post, path = "/api/v1/parties/{id}/watch-links", tag = "parties",
    request_body = Option<WatchLinkTerms>,
    params(SessionPath),
    responses((status = 201, description = "The link.", body = WatchLink)))]
async fn make_watch_link(
    State(gateway): State<Arc<Gateway>>,
    id: SessionId,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Result<(StatusCode, Json<WatchLink>), Problem> {
    let fields = Fields::of(&body);
    let viewer = match fields.value("viewerId") {
        None => ViewerId::random(),
        Some(value) => value.as_str().and_then(ViewerId::parse).ok_or_else(|| {
            fields.wrong("viewerId", "must be 1 to 64 characters of [A-Za-z0-9_-]")
        })?,
    };
    let ttl = match fields.integer("expiresInSeconds")? {
        Some(seconds) if seconds < MIN_LINK_TTL => {
            return Err(fields.wrong("expiresInSeconds", "must be 60 or more"));
        }
        Some(seconds) => Duration::from_secs(seconds.unsigned_abs()).min(gateway.watch_link_ttl),
        None => gateway.watch_link_ttl,
    };
    gateway.scheduler.get(&id).await?;
    let terms = LinkTerms::new(viewer, SystemTime::now() + ttl);
    let expires_at = terms.expiry_text();
    let url = gateway.absolute(&terms.path(&gateway.signer, &id));
    Ok((StatusCode::CREATED, Json(WatchLink { url, expires_at })))
}

/// Body of the `play` that "Play again" repeats; the demo has one.
#[utoipa::path(get, path = "/api/v1/demo-item", tag = "page", responses(
    (status = 200, description = "A body for `POST /sessions/{id}/play`.", body = Object),
    (status = 404, description = "There is none.", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn demo_item(
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
