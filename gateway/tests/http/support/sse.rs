//! Reads server-sent events.

use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::time::timeout;

use super::PATIENCE;

pub(crate) struct Events {
    response: reqwest::Response,
    buffer: String,
}

/// One event, as it stood on the wire.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SseEvent {
    pub(crate) id: Option<i64>,
    /// `message` where the stream names none.
    pub(crate) kind: String,
    pub(crate) data: Value,
}

impl SseEvent {
    /// `None` for a comment that keeps the connection alive.
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        Some(Self {
            id: field("id").map(|id| id.parse().unwrap()),
            kind: field("event").unwrap_or("message").to_owned(),
            data: serde_json::from_str(field("data")?).unwrap(),
        })
    }
}

impl Events {
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let request = request.header("Accept", "text/event-stream");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            buffer: String::new(),
        }
    }

    /// The next event's data; none when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        Some(self.next_event().await?.data)
    }

    /// The next event; none when the stream has ended.
    pub(crate) async fn next_event(&mut self) -> Option<SseEvent> {
        timeout(PATIENCE, async {
            loop {
                if let Some(end) = self.buffer.find("\n\n") {
                    let event: String = self.buffer.drain(..end + 2).collect();
                    match SseEvent::parse(&event) {
                        Some(event) => return Some(event),
                        None => continue,
                    }
                }
                let chunk = self.response.chunk().await.unwrap()?;
                self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        })
        .await
        .expect("an event, or the end of the stream")
    }

    /// The next event of the party's history: one that bears an id.
    pub(crate) async fn next_row(&mut self) -> Option<SseEvent> {
        loop {
            let event = self.next_event().await?;
            if event.id.is_some() {
                return Some(event);
            }
        }
    }
}
