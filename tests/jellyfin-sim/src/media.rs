//! The film's bytes: `/Videos/{id}/stream` and `/Items/{id}/Download`.

use std::io::SeekFrom;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::auth::Caller;
use crate::library::Title;
use crate::query::Query;
use crate::range::{Selection, select};
use crate::state::SimState;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// `/Videos/{id}/stream` and `/Videos/{id}/stream.{container}`, `GET` and `HEAD`. Only `static=true`: the
/// rest would be a transcode.
pub(crate) async fn stream(
    State(state): State<Arc<SimState>>,
    Path((id, file)): Path<(String, String)>,
    query: Query,
    request: Request,
) -> Result<Response, StatusCode> {
    if file != "stream" && !file.starts_with("stream.") {
        return Err(StatusCode::NOT_FOUND);
    }
    let (parts, _) = request.into_parts();
    if state.stream_needs_auth && Caller::of(&state, &parts).is_none() {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let title = state.library.find(&id).ok_or(StatusCode::NOT_FOUND)?;
    if query.parse::<bool>("static") != Ok(Some(true)) {
        return Ok((
            StatusCode::NOT_IMPLEMENTED,
            "jellyfin-sim does not transcode; ask with static=true\n",
        )
            .into_response());
    }
    send(title, &parts.headers).await
}

pub(crate) async fn download(
    State(state): State<Arc<SimState>>,
    _: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, StatusCode> {
    let title = state.library.find(&id).ok_or(StatusCode::NOT_FOUND)?;
    let mut response = send(title, &headers).await?;
    response.headers_mut().insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment"),
    );
    Ok(response)
}

async fn send(title: &Title, headers: &HeaderMap) -> Result<Response, StatusCode> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    // A range is for the very file that the client has a part of; without a match it gets all of it.
    let range = text(header::RANGE)
        .filter(|_| text(header::IF_RANGE).is_none_or(|validator| validator == title.etag));
    let selection = select(range, title.size);
    let (status, bytes) = match &selection {
        Selection::Whole => (StatusCode::OK, 0..title.size),
        Selection::Part(part) => (StatusCode::PARTIAL_CONTENT, part.clone()),
        Selection::Unsatisfiable => {
            let size = format!("bytes */{}", title.size);
            let headers = [(header::CONTENT_RANGE, size)];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, title.content_type())
        .header(header::CONTENT_LENGTH, bytes.end - bytes.start)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, &title.etag);
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, title.size);
        response = response.header(header::CONTENT_RANGE, range);
    }
    // Gone since the start: what Jellyfin answers for a file that it cannot find.
    let mut file = File::open(&title.film.path)
        .await
        .or(Err(StatusCode::NOT_FOUND))?;
    file.seek(SeekFrom::Start(bytes.start))
        .await
        .or(Err(StatusCode::INTERNAL_SERVER_ERROR))?;
    let chunks = ReaderStream::with_capacity(file.take(bytes.end - bytes.start), CHUNK);
    response
        .body(Body::from_stream(chunks))
        .or(Err(StatusCode::INTERNAL_SERVER_ERROR))
}
