//! A party's stream of events, as one connection bears it.

use futures::StreamExt;
use futures::stream::BoxStream;

use super::sse::{SseEvent, SseParser};
use super::{Call, Client};
use crate::Error;

/// What came.
#[derive(Debug)]
pub(crate) enum StreamEvent {
    /// The party as it is now: JSON of a `Party`.
    State(String),
    /// Something that happened, with its id to go on after: JSON of an event.
    Happened { id: Option<String>, json: String },
}

/// An open stream. It ends with the connection; whoever wants more opens another one.
pub(crate) struct EventStream<'a> {
    client: &'a Client,
    bytes: BoxStream<'static, Result<Vec<u8>, reqwest::Error>>,
    parser: SseParser,
    /// Complete, and not handed out yet, the last one first.
    waiting: Vec<SseEvent>,
}

impl<'a> EventStream<'a> {
    /// Of the party; what happened after `last_event_id` comes first.
    pub(crate) async fn open(
        client: &'a Client,
        party: &str,
        last_event_id: Option<&str>,
    ) -> Result<Self, Error> {
        let call: Call<'a> = client.get(&["parties", party, "events"]);
        let response = call.open_stream(last_event_id).await?;
        let bytes = response
            .bytes_stream()
            .map(|piece| piece.map(|bytes| bytes.to_vec()));
        Ok(Self {
            client,
            bytes: bytes.boxed(),
            parser: SseParser::default(),
            waiting: Vec::new(),
        })
    }

    /// The next one; none when the server has ended the stream. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Result<Option<StreamEvent>, Error> {
        loop {
            if let Some(event) = self.waiting.pop() {
                return Ok(Some(match event.name.as_str() {
                    "state" => StreamEvent::State(event.data),
                    _ => StreamEvent::Happened {
                        id: event.id,
                        json: event.data,
                    },
                }));
            }
            let Some(piece) = self.bytes.next().await else {
                return Ok(None);
            };
            let piece = piece.map_err(|error| self.client.unreachable(&error))?;
            let events = self.parser.push(&piece);
            self.waiting = events.map_err(|_| self.client.garbled("its stream has no lines"))?;
            self.waiting.reverse();
        }
    }
}
