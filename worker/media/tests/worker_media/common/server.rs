//! A file server whose paths say what goes wrong.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::watch;

/// Bytes that a faulty body sends before its fault.
pub const BEFORE_FAULT: usize = 400_000;

/// A running server. Paths, each with the name of a file that was `put`:
///
/// - `/ok/{file}`, with ranges; `/plain/{file}` without
/// - `/cut/{file}`: each body breaks off after [`BEFORE_FAULT`]
/// - `/stall/{file}`: the first body goes silent after [`BEFORE_FAULT`]
/// - `/status/{code}`, `/redirect?to=…`, `/hang`
#[derive(Clone)]
pub struct Server {
    pub origin: String,
    state: Shared,
}

#[derive(Clone, Default)]
struct Shared {
    files: Arc<Mutex<HashMap<String, Bytes>>>,
    requests: Arc<Mutex<Vec<Request>>>,
    down_until: Arc<Mutex<Option<tokio::time::Instant>>>,
    held: watch::Sender<bool>,
}

/// What was asked.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub authorization: Option<String>,
}

impl Server {
    pub async fn start() -> Self {
        let state = Shared::default();
        let app = Router::new()
            .route("/{kind}/{name}", get(file))
            .route("/redirect", get(redirect))
            .route("/hang", get(std::future::pending::<()>))
            .with_state(state.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { origin, state }
    }

    pub async fn with(path: PathBuf) -> Self {
        let server = Self::start().await;
        server.put("film", std::fs::read(path).unwrap());
        server
    }

    pub fn put(&self, name: &str, data: Vec<u8>) {
        let mut files = self.state.files.lock().unwrap();
        files.insert(name.to_owned(), data.into());
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// No byte leaves for this long, on any connection.
    pub fn go_silent(&self, time: Duration) {
        *self.state.down_until.lock().unwrap() = Some(tokio::time::Instant::now() + time);
    }

    /// No byte leaves, on any connection, until [`let_go`](Self::let_go): what is started meanwhile gets nowhere.
    pub fn hold(&self) {
        self.state.held.send_replace(true);
    }

    /// Takes [`hold`](Self::hold) back.
    pub fn let_go(&self) {
        self.state.held.send_replace(false);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }
}

impl Shared {
    fn note(&self, path: &str, headers: &HeaderMap) -> usize {
        let authorization = headers.get(header::AUTHORIZATION);
        let mut requests = self.requests.lock().unwrap();
        requests.push(Request {
            path: path.to_owned(),
            authorization: authorization.map(|v| v.to_str().unwrap().to_owned()),
        });
        requests.iter().filter(|r| r.path == path).count()
    }
}

async fn redirect(
    State(state): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    state.note("/redirect", &headers);
    (StatusCode::FOUND, [(header::LOCATION, query["to"].clone())]).into_response()
}

async fn file(
    State(state): State<Shared>,
    Path((kind, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let nth = state.note(&format!("/{kind}/{name}"), &headers);
    if kind == "status" {
        return StatusCode::from_u16(name.parse().unwrap())
            .unwrap()
            .into_response();
    }
    let Some(data) = state.files.lock().unwrap().get(&name).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let total = data.len();
    let range = headers.get(header::RANGE).and_then(|value| {
        let (first, last) = value
            .to_str()
            .ok()?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        let last = last.parse().unwrap_or(total - 1);
        Some((first.parse::<usize>().ok()?, last.min(total - 1)))
    });
    let response = Response::builder().header(header::CONTENT_TYPE, "video/x-matroska");
    let (response, part) = match range.filter(|_| kind != "plain") {
        Some((first, _)) if first >= total => {
            return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
        }
        Some((first, last)) => (
            response.status(StatusCode::PARTIAL_CONTENT).header(
                header::CONTENT_RANGE,
                format!("bytes {first}-{last}/{total}"),
            ),
            data.slice(first..=last),
        ),
        None => (response, data),
    };
    let fault = match kind.as_str() {
        "cut" => Some(false),
        "stall" if nth <= 2 => Some(true),
        _ => None,
    };
    response
        .header(header::CONTENT_LENGTH, part.len())
        .body(Body::from_stream(body(state, &part, fault)))
        .unwrap()
}

/// `fault`: none, break off, or go silent.
fn body(
    state: Shared,
    part: &Bytes,
    fault: Option<bool>,
) -> impl futures::Stream<Item = io::Result<Bytes>> + Send + use<> {
    let mut sent = 0;
    let chunks: Vec<Bytes> = (0..part.len())
        .step_by(16_384)
        .map(|at| part.slice(at..(at + 16_384).min(part.len())))
        .collect();
    futures::stream::iter(chunks).then(move |chunk| {
        let state = state.clone();
        sent += chunk.len();
        let faulty = fault.filter(|_| sent > BEFORE_FAULT);
        async move {
            let until = *state.down_until.lock().unwrap();
            if let Some(until) = until {
                tokio::time::sleep_until(until).await;
            }
            let mut held = state.held.subscribe();
            held.wait_for(|held| !held).await.unwrap();
            match faulty {
                None => Ok(chunk),
                Some(true) => std::future::pending().await,
                Some(false) => Err(io::Error::other("cut")),
            }
        }
    })
}
