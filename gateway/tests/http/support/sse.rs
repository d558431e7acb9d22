//! Reads server-sent events.

use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::time::timeout;

use super::PATIENCE;

pub(crate) struct Events {
    response: reqwest::Response,
    buffer: String,
}

impl Events {
    pub(crate) async fn open(request: RequestBuilder) -> Self {
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
        timeout(PATIENCE, async {
            loop {
                if let Some(end) = self.buffer.find("\n\n") {
                    let event: String = self.buffer.drain(..end + 2).collect();
                    // Anything else is a comment that keeps the connection alive.
                    if let Some(data) = event.strip_prefix("data: ") {
                        return Some(serde_json::from_str(data).unwrap());
                    }
                    continue;
                }
                let chunk = self.response.chunk().await.unwrap()?;
                self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        })
        .await
        .expect("an event, or the end of the stream")
    }
}
