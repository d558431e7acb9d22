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
use crate::media_file::MediaFile;
use crate::query::Query;
use crate::range::{Selection, select};
use crate::state::SimState;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// `/Videos/{id}/stream` and `/Videos/{id}/stream.{container}`, `GET` and `HEAD`. Only `static=true`: the
/// rest would be a transcode.
pub(crate) async fn stream(
    State(state): State<Arc<SimState>>,
    Path((id, name)): Path<(String, String)>,
    query: Query,
    request: Request,
) -> Result<Response, StatusCode> {
    if name != "stream" && !name.starts_with("stream.") {
        return Err(StatusCode::NOT_FOUND);
    }
    let (parts, _) = request.into_parts();
    if state.stream_needs_auth && Caller::of(&state, &parts).is_none() {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let file = file_of(&state, &id)?;
    if query.parse::<bool>("static") != Ok(Some(true)) {
        return Ok((
            StatusCode::NOT_IMPLEMENTED,
            "jellyfin-sim does not transcode; ask with static=true\n",
        )
            .into_response());
    }
    send(file, &parts.headers).await
}

pub(crate) async fn download(
    State(state): State<Arc<SimState>>,
    _: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, StatusCode> {
    let (_, entry) = state.catalog.entry(&id).ok_or(StatusCode::NOT_FOUND)?;
    // What has no file cannot be downloaded ("Item does not support downloading").
    let file = entry.file.as_ref().ok_or(StatusCode::BAD_REQUEST)?;
    let mut response = send(file, &headers).await?;
    response.headers_mut().insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment"),
    );
    Ok(response)
}

fn file_of<'a>(state: &'a SimState, id: &str) -> Result<&'a MediaFile, StatusCode> {
    let entry = state.catalog.entry(id).map(|(_, entry)| entry);
    let file = entry.and_then(|entry| entry.file.as_deref());
    file.ok_or(StatusCode::NOT_FOUND)
}

async fn send(file: &MediaFile, headers: &HeaderMap) -> Result<Response, StatusCode> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    // A range is for the very file that the client has a part of; without a match it gets all of it.
    let range = text(header::RANGE)
        .filter(|_| text(header::IF_RANGE).is_none_or(|validator| validator == file.etag));
    let selection = select(range, file.size);
    let (status, bytes) = match &selection {
        Selection::Whole => (StatusCode::OK, 0..file.size),
        Selection::Part(part) => (StatusCode::PARTIAL_CONTENT, part.clone()),
        Selection::Unsatisfiable => {
            let size = format!("bytes */{}", file.size);
            let headers = [(header::CONTENT_RANGE, size)];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, file.content_type())
        .header(header::CONTENT_LENGTH, bytes.end - bytes.start)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, &file.etag);
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, file.size);
        response = response.header(header::CONTENT_RANGE, range);
    }
    // Gone since the start: what Jellyfin answers for a file that it cannot find.
    let mut bytes_of_file = File::open(&file.path)
        .await
        .or(Err(StatusCode::NOT_FOUND))?;
    bytes_of_file
        .seek(SeekFrom::Start(bytes.start))
        .await
        .or(Err(StatusCode::INTERNAL_SERVER_ERROR))?;
    let chunks = ReaderStream::with_capacity(bytes_of_file.take(bytes.end - bytes.start), CHUNK);
    response
        .body(Body::from_stream(chunks))
        .or(Err(StatusCode::INTERNAL_SERVER_ERROR))
}
