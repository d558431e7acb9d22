//! A listener of server-sent events.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::waiting::until;

/// One event as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct SentEvent {
    /// `id`, where it has one.
    pub id: Option<i64>,
    /// `event`.
    pub kind: String,
    /// `data`.
    pub data: Value,
}

/// What a listener has been told. It stops listening when it is dropped.
pub struct EventStream {
    told: Arc<Mutex<Vec<SentEvent>>>,
    reading: AbortOnDropHandle<()>,
}

impl EventStream {
    /// Reads the answer for as long as it goes on.
    pub(crate) fn read(mut response: Response) -> Self {
        let told = Arc::<Mutex<Vec<SentEvent>>>::default();
        let tell = Arc::clone(&told);
        let reading = tokio::spawn(async move {
            let mut unread = Vec::new();
            // An error is an end too: the server was killed.
            while let Ok(Some(bytes)) = response.chunk().await {
                unread.extend_from_slice(&bytes);
                while let Some(end) = unread.windows(2).position(|pair| pair == b"\n\n") {
                    let block: Vec<u8> = unread.drain(..end + 2).collect();
                    let event = parse(&String::from_utf8_lossy(&block));
                    tell.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(event);
                }
            }
        });
        Self {
            told,
            reading: AbortOnDropHandle::new(reading),
        }
    }

    /// All that was told, states too.
    pub fn told(&self) -> Vec<SentEvent> {
        self.lock().clone()
    }

    /// The ids of the events that were told, in the order in which they came.
    pub fn ids(&self) -> Vec<i64> {
        self.lock().iter().filter_map(|event| event.id).collect()
    }

    /// Waits until something that fits was told.
    pub async fn hears(&self, what: &str, within: Duration, fits: impl Fn(&SentEvent) -> bool) {
        until(what, within, async || {
            self.lock().iter().any(&fits).then_some(())
        })
        .await;
    }

    /// Whether the server has ended it.
    pub fn has_ended(&self) -> bool {
        self.reading.is_finished()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SentEvent>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One block of lines; `None` for one that has comments alone.
fn parse(block: &str) -> Option<SentEvent> {
    let field = |name: &str| {
        let mut lines = block.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    Some(SentEvent {
        id: field("id").map(|id| id.parse().expect("ids are numbers")),
        data: serde_json::from_str(field("data")?).expect("data is JSON"),
        kind: field("event").unwrap_or("message").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_are_events_or_comments() {
        let event = parse("id: 17\nevent: pause\ndata: {\"id\":17}\n\n");
        let expected = SentEvent {
            id: Some(17),
            kind: "pause".to_owned(),
            data: json!({"id": 17}),
        };
        assert_eq!(event, Some(expected));
        let state = parse("event: state\ndata: {}\n\n").expect("an event");
        assert_eq!((state.id, state.kind.as_str()), (None, "state"));
        assert_eq!(parse(": \n\n"), None);
    }
}
