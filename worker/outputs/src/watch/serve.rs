//! The worker's HTTP side of `watch`. It is reached by the gateway alone, which checks the viewers.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio_util::io::ReaderStream;

use super::WatchRuns;

/// Which sessions of this worker can be watched.
#[derive(Debug, Default)]
pub struct WatchRegistry {
    sessions: RwLock<HashMap<String, Arc<WatchRuns>>>,
}

/// Takes its session out of the registry when it is dropped.
#[derive(Debug)]
pub struct Registered {
    registry: Arc<WatchRegistry>,
    session_id: String,
    runs: Arc<WatchRuns>,
}

impl WatchRegistry {
    /// Makes a session reachable, instead of an older one of the same id, until the returned guard is dropped.
    #[must_use = "the session is reachable only while this is kept"]
    pub fn register(
        self: &Arc<Self>,
        session_id: impl Into<String>,
        runs: Arc<WatchRuns>,
    ) -> Registered {
        let session_id = session_id.into();
        let mut sessions = self
            .sessions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        sessions.insert(session_id.clone(), Arc::clone(&runs));
        drop(sessions);
        Registered {
            registry: Arc::clone(self),
            session_id,
            runs,
        }
    }

    fn get(&self, session_id: &str) -> Option<Arc<WatchRuns>> {
        self.sessions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(session_id)
            .cloned()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut sessions = self
            .registry
            .sessions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // A lease that ended and came back has registered its successor already.
        if sessions
            .get(&self.session_id)
            .is_some_and(|runs| Arc::ptr_eq(runs, &self.runs))
        {
            sessions.remove(&self.session_id);
        }
    }
}

/// `GET /watch/{session_id}/index.m3u8` and `GET /watch/{session_id}/{run}/{file}`, both with `bearer` only.
///
/// A session, run or file that is not there is 404; a playlist whose first segment is not there within two seconds is
/// 404 with `Retry-After`.
pub fn router(registry: Arc<WatchRegistry>, bearer: SecretString) -> Router {
    Router::new()
        .route("/watch/{session_id}/index.m3u8", get(playlist))
        .route("/watch/{session_id}/{run}/{file}", get(file))
        .route_layer(middleware::from_fn_with_state(
            Arc::new(bearer),
            check_bearer,
        ))
        .with_state(registry)
}

async fn check_bearer(
    State(bearer): State<Arc<SecretString>>,
    request: Request,
    next: Next,
) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    let expected = bearer.expose_secret().as_bytes();
    // An empty secret is a missing configuration, not an open door.
    if !expected.is_empty() && bool::from(given.ct_eq(expected)) {
        return next.run(request).await;
    }
    (
        StatusCode::UNAUTHORIZED,
        [(header::WWW_AUTHENTICATE, "Bearer")],
    )
        .into_response()
}

async fn playlist(
    State(registry): State<Arc<WatchRegistry>>,
    Path(session_id): Path<String>,
) -> Response {
    let Some(runs) = registry.get(&session_id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match runs.playlist().await {
        Some(text) => {
            let headers = [
                (header::CONTENT_TYPE, "application/vnd.apple.mpegurl"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (headers, text).into_response()
        }
        None => (StatusCode::NOT_FOUND, [(header::RETRY_AFTER, "1")]).into_response(),
    }
}

async fn file(
    State(registry): State<Arc<WatchRegistry>>,
    Path((session_id, run, file)): Path<(String, String, String)>,
) -> Response {
    let path = registry
        .get(&session_id)
        .and_then(|runs| runs.file(&run, &file));
    let Some(path) = path else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match open(&path).await {
        Ok((length, body)) => {
            let headers: [(HeaderName, HeaderValue); 3] = [
                (header::CONTENT_TYPE, content_type(&file)),
                (header::CONTENT_LENGTH, length.into()),
                // A run's name is never used again, so neither is the address.
                (
                    header::CACHE_CONTROL,
                    HeaderValue::from_static("private, max-age=3600, immutable"),
                ),
            ];
            (headers, body).into_response()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            StatusCode::NOT_FOUND.into_response()
        }
        Err(error) => {
            tracing::warn!(%session_id, %run, %file, %error, "HLS file not readable");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn open(path: &std::path::Path) -> io::Result<(u64, Body)> {
    let file = tokio::fs::File::open(path).await?;
    let length = file.metadata().await?.len();
    Ok((
        length,
        Body::from_stream(ReaderStream::with_capacity(file, 64 * 1024)),
    ))
}

fn content_type(file: &str) -> HeaderValue {
    HeaderValue::from_static(match file {
        "init.mp4" => "video/mp4",
        _ => "video/iso.segment",
    })
}
