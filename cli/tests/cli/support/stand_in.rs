//! The party API as far as the client looks at it: it answers from memory, and keeps what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The connection is cut in the middle of the answer, and the request was carried out.
    Cut,
    /// 503 with this `Retry-After`.
    Busy { seconds: u64 },
    /// A proxy's 502, in HTML.
    BadGateway,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `POST /api/v1/parties/a/pause`, query included.
    pub(crate) what: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Memory {
    answers: BTreeMap<String, (u16, Value)>,
    /// Each for the next request whose beginning is this.
    faults: Vec<(String, Fault)>,
    seen: Vec<Seen>,
    /// Streams for those who ask for one, the first for the first.
    streams: VecDeque<mpsc::UnboundedReceiver<String>>,
}

type Shared = Arc<Mutex<Memory>>;

/// Dropping it ends it.
pub(crate) struct StandIn {
    pub(crate) url: String,
    memory: Shared,
    server: JoinHandle<()>,
}

impl StandIn {
    /// With one party and its queue.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let memory = Shared::default();
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&memory));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let stand_in = Self {
            url,
            memory,
            server,
        };
        stand_in.answers("GET /parties", 200, json!({ "parties": [party()] }));
        stand_in.answers("GET /parties/movie-night", 200, party());
        stand_in.answers("GET /parties/movie-night/queue", 200, queue());
        stand_in
    }

    /// What it says to a request (below `/api/v1`, without its query) from now on.
    pub(crate) fn answers(&self, what: &str, status: u16, body: Value) {
        self.memory
            .lock()
            .unwrap()
            .answers
            .insert(what.to_owned(), (status, body));
    }

    /// How the next requests fail that begin so (such as `POST`), in this order.
    pub(crate) fn fails(&self, what: &str, faults: &[Fault]) {
        let faults = faults.iter().map(|fault| (what.to_owned(), fault.clone()));
        self.memory.lock().unwrap().faults.extend(faults);
    }

    /// The next one who asks for a stream of events gets what is sent here, until it is dropped.
    pub(crate) fn stream(&self) -> mpsc::UnboundedSender<String> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.memory.lock().unwrap().streams.push_back(receiver);
        sender
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.memory.lock().unwrap().seen.clone()
    }

    /// The requests that change something.
    pub(crate) fn changes(&self) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|seen| !seen.what.starts_with("GET "));
        seen
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(memory): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().strip_prefix("/api/v1").unwrap_or(uri.path());
    let what = format!("{method} {path}");
    let mut memory = memory.lock().unwrap();
    memory.seen.push(Seen {
        what: format!("{method} {}", uri.path_and_query().unwrap().as_str()),
        headers: headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let response = |status: u16, kind: &str, body: Body| {
        Response::builder()
            .status(status)
            .header("content-type", kind)
            .body(body)
            .unwrap()
    };
    let fault = memory
        .faults
        .iter()
        .position(|(beginning, _)| what.starts_with(beginning));
    match fault.map(|index| memory.faults.remove(index).1) {
        Some(Fault::Cut) => {
            let pieces = futures::stream::iter([Ok("{\"id\":"), Err(std::io::Error::other("cut"))]);
            return response(200, "application/json", Body::from_stream(pieces));
        }
        Some(Fault::Busy { seconds }) => {
            let mut busy = response(
                503,
                "application/problem+json",
                problem(503, "no_capacity").to_string().into(),
            );
            busy.headers_mut().insert("retry-after", seconds.into());
            return busy;
        }
        Some(Fault::BadGateway) => {
            return response(502, "text/html", "<h1>Bad Gateway</h1>".into());
        }
        None => {}
    }
    if headers
        .get("authorization")
        .is_none_or(|token| token != "Bearer the-token")
    {
        return response(
            401,
            "application/problem+json",
            problem(401, "unauthenticated").to_string().into(),
        );
    }
    if headers
        .get("accept")
        .is_some_and(|kind| kind == "text/event-stream")
        && let Some(stream) = memory.streams.pop_front()
    {
        let pieces = UnboundedReceiverStream::new(stream).map(Ok::<_, std::io::Error>);
        return response(200, "text/event-stream", Body::from_stream(pieces));
    }
    let missing = (404, problem(404, "session_not_found"));
    let (status, body) = memory.answers.get(&what).unwrap_or(&missing);
    let kind = if *status < 400 {
        "application/json"
    } else {
        "application/problem+json"
    };
    let mut answered = response(*status, kind, body.to_string().into());
    if let Some(version) = body.get("version") {
        answered
            .headers_mut()
            .insert("etag", format!("\"{version}\"").parse().unwrap());
    }
    answered
}

fn problem(status: u16, code: &str) -> Value {
    json!({ "type": format!("urn:orb:problem:{code}"), "title": code, "status": status, "code": code,
            "detail": "this is why; this is what to do" })
}

/// As the gateway's document has it.
pub(crate) fn party() -> Value {
    json!({
        "id": "movie-night", "title": "Movie night", "ownerUserId": null, "guildId": "1", "voiceChannelId": "2",
        "textChannelId": "3", "atQueueEnd": "wait", "status": "playing", "entryId": 2, "queueVersion": 5, "queued": 2,
        "createdAt": "2026-01-01T20:00:00Z", "sessionId": "movie-night", "workerSessionId": "w",
        "workerStatus": "connected", "playbackState": "playing", "currentTitle": "千と千尋の神隠し", "positionSeconds": 63,
        "positionMs": 63_400, "durationSeconds": 7500, "lastError": null, "queueEntryId": null, "endReason": null,
        "updatedAt": "2026-01-01T20:15:00Z", "plan": "video copied", "capabilities": ["voice", "watch"],
        "generation": 3, "health": null,
    })
}

pub(crate) fn queue() -> Value {
    let entry = |id: u64, status: &str, title: &str, seconds: u64| {
        json!({
            "entryId": id, "status": status, "title": title, "mediaType": "movie", "itemId": format!("i{id}"),
            "sourceId": "s", "year": null, "episode": null, "durationSeconds": seconds, "summary": null,
            "imageUrl": null, "addedBy": "api", "error": null, "createdAt": "2026-01-01T20:00:00Z",
        })
    };
    let mut entries = vec![
        entry(1, "failed", "Broken", 60),
        entry(2, "playing", "千と千尋の神隠し", 7500),
        entry(3, "queued", "Alien", 7020),
        entry(4, "queued", "The Show", 1500),
    ];
    entries[0]["error"] = "the file is damaged".into();
    entries[2]["year"] = "1979".into();
    entries[3]["episode"] = "S01E02".into();
    json!({ "version": 5, "entries": entries })
}
