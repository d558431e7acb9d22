//! Applies faults to requests and answers.

use std::future;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, BodyDataStream, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use tokio::time::{Instant, sleep, sleep_until};

use crate::connection::Connection;
use crate::fault::FaultKind;
use crate::state::SimState;

/// A slow body is sent in so many pieces a second.
const SLOW_STEPS_PER_SECOND: u64 = 20;

/// Length of a body that is no media.
const NOT_MEDIA_BYTES: usize = 64 * 1024;

/// What a reverse proxy shows in place of a server that it cannot reach.
const PROXY_PAGE: &str = "<!doctype html>\n<html><head><title>Bad gateway</title></head>\n\
    <body><h1>Bad gateway</h1><p>The server did not answer in time.</p></body></html>\n";

/// Middleware: lets the request through, or lets it suffer.
pub(crate) async fn apply_faults(
    State(state): State<Arc<SimState>>,
    Extension(connection): Extension<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let Some(kind) = state.faults.take(request.uri().path()) else {
        return next.run(request).await;
    };
    tracing::debug!(path = request.uri().path(), ?kind, "fault");
    match kind {
        FaultKind::Status { status } => StatusCode::from_u16(status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR) // checked when it was added
            .into_response(),
        FaultKind::Redirect { to } => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        FaultKind::NotMedia => {
            ([(header::CONTENT_TYPE, "video/x-matroska")], not_media()).into_response()
        }
        FaultKind::Html { status } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK); // checked, too
            (status, Html(PROXY_PAGE)).into_response()
        }
        FaultKind::Reset { after_bytes: None } => {
            connection.reset();
            future::pending().await // dropped with the connection
        }
        FaultKind::Stall {
            after_bytes: None,
            ms,
        } => {
            sleep(Duration::from_millis(ms)).await;
            next.run(request).await
        }
        FaultKind::Slow { bytes_per_second } => {
            with_body(next.run(request).await, |body| slow(body, bytes_per_second))
        }
        FaultKind::Stall {
            after_bytes: Some(bytes),
            ms,
        } => with_body(next.run(request).await, |body| {
            cut(body, bytes, Cut::Stall(ms), connection)
        }),
        FaultKind::Truncate { after_bytes } => with_body(next.run(request).await, |body| {
            cut(body, after_bytes, Cut::Close, connection)
        }),
        FaultKind::Reset {
            after_bytes: Some(bytes),
        } => with_body(next.run(request).await, |body| {
            cut(body, bytes, Cut::Reset, connection)
        }),
    }
}

/// Replaces the body and keeps its length in the header, so that a cut one is short of it.
fn with_body(mut response: Response, change: impl FnOnce(BodyDataStream) -> Body) -> Response {
    let length = response.body().size_hint().exact();
    if let Some(length) = length {
        response
            .headers_mut()
            .entry(header::CONTENT_LENGTH)
            .or_insert(HeaderValue::from(length));
    }
    response.map(|body| change(body.into_data_stream()))
}

/// What happens at the cut.
#[derive(Clone, Copy)]
enum Cut {
    Stall(u64),
    Close,
    Reset,
}

fn cut(body: BodyDataStream, after: u64, cut: Cut, connection: Connection) -> Body {
    let head_left = after;
    let pieces = stream::unfold((body, Some(head_left), Bytes::new()), move |state| {
        let connection = connection.clone();
        async move {
            let (mut body, mut left, mut held) = state;
            if left == Some(0) {
                connection.flushed().await;
                match cut {
                    Cut::Stall(ms) => sleep(Duration::from_millis(ms)).await,
                    Cut::Close => connection.close(),
                    Cut::Reset => connection.reset(),
                }
                if !matches!(cut, Cut::Stall(_)) {
                    future::pending::<()>().await; // dropped with the connection
                }
                left = None;
            }
            while held.is_empty() {
                match body.next().await? {
                    Ok(bytes) => held = bytes,
                    Err(error) => return Some((Err(error), (body, left, held))),
                }
            }
            let now = match left {
                Some(left) => {
                    held.split_to(held.len().min(usize::try_from(left).unwrap_or(usize::MAX)))
                }
                None => std::mem::take(&mut held),
            };
            let left = left.map(|left| left - now.len() as u64);
            Some((Ok(now), (body, left, held)))
        }
    });
    Body::from_stream(pieces)
}

fn slow(body: BodyDataStream, bytes_per_second: u64) -> Body {
    let step = usize::try_from(bytes_per_second / SLOW_STEPS_PER_SECOND)
        .unwrap_or(usize::MAX)
        .max(1);
    let pieces = stream::unfold(
        (body, Bytes::new(), Instant::now()),
        move |state| async move {
            let (mut body, mut held, due) = state;
            while held.is_empty() {
                match body.next().await? {
                    Ok(bytes) => held = bytes,
                    Err(error) => return Some((Err(error), (body, held, due))),
                }
            }
            sleep_until(due).await;
            let now = held.split_to(held.len().min(step));
            let next = due + Duration::from_secs_f64(now.len() as f64 / bytes_per_second as f64);
            Some((Ok(now), (body, held, next)))
        },
    );
    Body::from_stream(pieces)
}

/// The same noise each time; it begins with text, so that no probe takes it for anything.
fn not_media() -> Vec<u8> {
    let mut bytes = b"<html>this is no media file</html>\n".to_vec();
    let mut x: u32 = 1;
    bytes.resize_with(NOT_MEDIA_BYTES, || {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 24) as u8
    });
    bytes
}
