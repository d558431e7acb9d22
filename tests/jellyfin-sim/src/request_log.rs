//! What was asked and what was sent, for tests to look at. No keys.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{Method, header};
use http_body_util::BodyExt;
use serde::Serialize;

use crate::auth::find_token;
use crate::query::{Query, without_keys};
use crate::state::SimState;

/// Older requests are forgotten.
const MAX_RECORDS: usize = 10_000;

/// One request, as it stood when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// Milliseconds from the start of the simulator to the request.
    pub at_ms: u64,
    /// `GET`, `HEAD`, `POST` …
    pub method: String,
    /// As the client spelt it, without the query.
    pub path: String,
    /// The query with the values of keys replaced by `…`; empty when there was none.
    pub query: String,
    /// The `Range` header.
    pub range: Option<String>,
    /// Where the token stood that counts in this version: `Authorization`, `ApiKey`, `api_key`,
    /// `X-Emby-Token`, `X-MediaBrowser-Token`; `None` without one. It need not have been valid.
    pub auth: Option<&'static str>,
    /// The status answered, `None` as long as there is none.
    pub status: Option<u16>,
    /// Bytes of the body given to the connection so far; the system's socket buffer may hold the last
    /// of them.
    pub bytes_sent: u64,
    /// Whether the answer is over: sent whole, cut by a fault, or dropped by the client.
    pub ended: bool,
}

/// The requests since the start.
pub(crate) struct RequestLog {
    started: Instant,
    entries: Mutex<VecDeque<Arc<Entry>>>,
}

struct Entry {
    /// With the parts that change (`status`, `bytes_sent`, `ended`) as they were at first.
    request: RequestRecord,
    /// 0 = none yet.
    status: AtomicU16,
    bytes_sent: AtomicU64,
    ended: AtomicBool,
}

impl RequestLog {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            entries: Mutex::default(),
        }
    }

    /// Milliseconds since the start.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    pub(crate) fn snapshot(&self) -> Vec<RequestRecord> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let now = |entry: &Arc<Entry>| RequestRecord {
            status: Some(entry.status.load(Ordering::Acquire)).filter(|&status| status != 0),
            bytes_sent: entry.bytes_sent.load(Ordering::Acquire),
            ended: entry.ended.load(Ordering::Acquire),
            ..entry.request.clone()
        };
        entries.iter().map(now).collect()
    }

    fn add(&self, request: RequestRecord) -> Ended {
        let entry = Arc::new(Entry {
            request,
            status: AtomicU16::new(0),
            bytes_sent: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == MAX_RECORDS {
            entries.pop_front();
        }
        entries.push_back(entry.clone());
        Ended(entry)
    }
}

/// Middleware around everything: records each request but the simulator's own.
pub(crate) async fn record(
    State(state): State<Arc<SimState>>,
    request: Request,
    next: Next,
) -> Response {
    let (uri, headers) = (request.uri(), request.headers());
    if uri.path().starts_with("/_sim/") {
        return next.run(request).await;
    }
    let is_head = request.method() == Method::HEAD;
    let entry = state.log.add(RequestRecord {
        at_ms: state.log.elapsed_ms(),
        method: request.method().to_string(),
        path: uri.path().to_owned(),
        query: without_keys(uri.query().unwrap_or_default()),
        range: headers
            .get(header::RANGE)
            .map(|range| String::from_utf8_lossy(range.as_bytes()).into_owned()),
        auth: find_token(state.version, headers, &Query::of(uri)).map(|(_, place)| place),
        status: None,
        bytes_sent: 0,
        ended: false,
    });
    let response = next.run(request).await;
    entry
        .0
        .status
        .store(response.status().as_u16(), Ordering::Release);
    if is_head {
        return response; // no body is sent, whatever it holds
    }
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            entry.0.bytes_sent.fetch_add(bytes as u64, Ordering::AcqRel);
            frame
        }))
    })
}

/// Marks an entry as ended when it is dropped: with the body, or with the unanswered request.
struct Ended(Arc<Entry>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}
