//! Playlist and segments, fetched from the worker that holds the session's lease.
//!
//! Each request asks the scheduler where that worker is: the answer comes from its memory, and a take-over is
//! seen at once. Segments are named by run and sequence and never change, so whatever stands before the gateway
//! may keep them.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use orb_proto::v1::LocateWatchResponse;
use utoipa::IntoParams;

use super::link::{Viewer, ViewerPath};
use super::worker_media::media_not_found;
use crate::{
    app::Gateway,
    problem::{Problem, ProblemBody},
};

const PLAYLIST_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// The playlist.
///
/// `EXT-X-PROGRAM-DATE-TIME` is 1970-01-01T00:00:00Z plus the media time. Segments are listed up to about 16 s
/// ahead of the channel.
#[utoipa::path(get, operation_id = "getWatchPlaylist", path = "/watch/{session}/{sig}/index.m3u8", tag = "watch", security(()),
    params(ViewerPath),
    responses(
    (status = 200, description = "The playlist.", body = String, content_type = "application/vnd.apple.mpegurl"),
    (status = 404, description = "The session has no stream now.",
        body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn playlist(
    State(gateway): State<Arc<Gateway>>,
    viewer: Viewer,
) -> Result<Response, Problem> {
    let session = viewer.session;
    let output = output_of(&gateway, &session).await?;
    let response = gateway
        .worker_media
        .fetch(&output, &[session.as_str(), "index.m3u8"])
        .await?;
    Ok(stream(response, PLAYLIST_TYPE, NO_STORE))
}

/// Documents the end of a segment's path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "documents the path")]
struct SegmentPath {
    /// As in the playlist: one encoder's run.
    run: String,
    /// As in the playlist.
    file: String,
}

/// A segment, or the initialisation of a run.
#[utoipa::path(get, operation_id = "getWatchSegment", path = "/watch/{session}/{sig}/{run}/{file}", tag = "watch", security(()),
    params(ViewerPath, SegmentPath),
    responses(
    (status = 200, description = "The segment.", body = String, content_type = "video/mp4"),
    (status = 404, description = "There is no such segment.",
        body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn segment(
    State(gateway): State<Arc<Gateway>>,
    viewer: Viewer,
    path: Result<Path<(String, String, String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((_, _, run, file)) = path.map_err(|_| media_not_found())?;
    let content_type = content_type(&file).filter(|_| is_plain_name(&run) && is_plain_name(&file));
    let content_type = content_type.ok_or_else(media_not_found)?;
    let session = viewer.session;
    let output = output_of(&gateway, &session).await?;
    let response = gateway
        .worker_media
        .fetch(&output, &[session.as_str(), &run, &file])
        .await?;
    Ok(stream(response, content_type, IMMUTABLE))
}

async fn output_of(
    gateway: &Gateway,
    session: &crate::session_id::SessionId,
) -> Result<LocateWatchResponse, Problem> {
    Ok(gateway.scheduler.locate_watch(session).await?)
}

/// Letters, digits, `.`, `_`, `-`, not beginning with a dot: nothing that means something in a path.
fn is_plain_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=80).contains(&name.len()) && !name.starts_with('.') && name.chars().all(allowed)
}

fn content_type(file: &str) -> Option<HeaderValue> {
    let (_, extension) = file.rsplit_once('.')?;
    match extension {
        "mp4" => Some(HeaderValue::from_static("video/mp4")),
        "m4s" => Some(HeaderValue::from_static("video/iso.segment")),
        "vtt" => Some(HeaderValue::from_static("text/vtt")),
        _ => None,
    }
}

fn stream(response: reqwest::Response, content_type: HeaderValue, cache: HeaderValue) -> Response {
    let length = response.content_length();
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, cache),
    ];
    let mut answer = (headers, Body::from_stream(response.bytes_stream())).into_response();
    if let Some(length) = length {
        answer
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    answer
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn file_names_are_plain_and_of_known_kinds() {
        for good in ["init.mp4", "00000017.m4s", "run-1_2"] {
            assert!(is_plain_name(good), "{good}");
        }
        for bad in [
            "",
            "..",
            ".hidden",
            "a/b",
            "a\\b",
            "a%2fb",
            "a b",
            "é",
            &"x".repeat(81),
        ] {
            assert!(!is_plain_name(bad), "{bad}");
        }
        assert!(content_type("x.m4s").is_some());
        assert!(content_type("x.html").is_none() && content_type("m4s").is_none());
    }
}
