//! Links for viewers.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::Gateway,
    body::OptionalJsonBody,
    json_fields::Fields,
    problem::Problem,
    session_id::{SessionId, SessionPath},
    watch::{LinkTerms, ViewerId},
};

/// Shortest life of a watch link that may be asked for.
const MIN_LINK_TTL: i64 = 60;

/// Body of `POST /api/v1/parties/{id}/watch-links`; may be left out.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", examples(json!({"viewerId": "viewer-1", "expiresInSeconds": 3600})))]
#[allow(dead_code, reason = "documents the body")]
pub(super) struct WatchLinkTerms {
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
#[schema(examples(json!({
    "url": "/watch/friday/1767297600.viewer-1.c2lnbmF0dXJl", "expiresAt": "2026-01-01T20:00:00Z",
})))]
pub(super) struct WatchLink {
    /// Address of the viewer's page; a path when the gateway was not told its public URL. The stream stands
    /// below it, at `index.m3u8`.
    url: String,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Makes a link with which one viewer can watch, without a token.
#[utoipa::path(post, operation_id = "makeWatchLink", path = "/api/v1/parties/{id}/watch-links", tag = "parties",
    request_body = Option<WatchLinkTerms>,
    params(SessionPath),
    responses((status = 201, description = "The link.", body = WatchLink)))]
pub(super) async fn make_watch_link(
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
