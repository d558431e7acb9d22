//! Request ids, one span and one log line a request.
//!
//! Told are method, *route* (the pattern, never the path: a watch link is a path), status and time taken.
//! Query strings are never looked at, nor headers but the request's id and `traceparent`.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use orb_telemetry::{TRACEPARENT, attribute, continue_trace, failed};
use tracing::{Instrument as _, Span};
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
    let span = span(request.headers(), &method, &route, &id);
    let started = Instant::now();

    let mut response = next.run(request).instrument(span.clone()).await;

    let status = response.status().as_u16();
    let elapsed_ms = started.elapsed().as_millis() as u64;
    attribute(&span, "http.response.status_code", i64::from(status));
    if status >= 500 {
        failed(&span, status.to_string());
    }
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

/// For log lines, and for a trace: the caller's, or, of what changes something, one that begins here. Polls would drown
/// everything else.
fn span(headers: &HeaderMap, method: &Method, route: &str, request_id: &str) -> Span {
    let parent = headers.get(TRACEPARENT);
    let parent = parent.and_then(|value| value.to_str().ok());
    if parent.is_none() && method.is_safe() {
        return tracing::info_span!(target: orb_telemetry::UNTRACED, "http", %method, route, request_id);
    }
    let name = format!("{method} {route}");
    let span = tracing::info_span!(
        "http",
        %method,
        route,
        request_id,
        otel.name = name,
        otel.kind = "server"
    );
    if let Some(parent) = parent {
        continue_trace(&span, parent);
    }
    span
}

fn callers_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let tidy = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!id.is_empty() && id.len() <= MAX_REQUEST_ID && id.chars().all(tidy)).then(|| id.to_owned())
}
