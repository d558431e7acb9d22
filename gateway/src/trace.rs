//! Request ids, and one log line a request.
//!
//! Logged are method, *route* (the pattern, never the path: a watch link is a path), status and time taken.
//! Query strings and headers are never looked at.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::Instrument as _;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID: usize = 64;

/// Gives the request an id (the caller's own, if it is a tidy one), a span, and a log line.
pub(crate) async fn trace(request: Request, next: Next) -> Response {
    let id = callers_id(request.headers()).unwrap_or_else(|| Uuid::new_v4().to_string());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("-", MatchedPath::as_str)
        .to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!("http", %method, route, request_id = id);
    let started = Instant::now();

    let mut response = next.run(request).instrument(span.clone()).await;

    let status = response.status().as_u16();
    let elapsed_ms = started.elapsed().as_millis() as u64;
    span.in_scope(|| match status {
        500.. => tracing::warn!(status, elapsed_ms, "request failed"),
        400..500 => tracing::info!(status, elapsed_ms, "request refused"),
        // Segments and polls would drown everything else.
        _ if method.is_safe() => tracing::debug!(status, elapsed_ms, "request served"),
        _ => tracing::info!(status, elapsed_ms, "request served"),
    });
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

fn callers_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let tidy = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!id.is_empty() && id.len() <= MAX_REQUEST_ID && id.chars().all(tidy)).then(|| id.to_owned())
}
