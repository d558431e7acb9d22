//! A party's events across lost connections.

use futures::stream::{self, BoxStream, StreamExt};

use crate::Error;
use crate::client::{Client, EventStream, Patience, StreamEvent};

/// What there is to know.
#[derive(Debug)]
pub(crate) enum Turn {
    /// There is a connection (again).
    Connected,
    /// There is none any more, for this reason; another one is on its way. Told once for each loss.
    Lost(String),
    Event(StreamEvent),
    /// The server does not know the party any more.
    Gone,
}

/// Follows a party; of what happened, all that came `after` this event, each once. An error is final.
pub(crate) fn follow<'a>(
    client: &'a Client,
    party: &str,
    after: Option<String>,
) -> BoxStream<'a, Result<Turn, Error>> {
    let follower = Follower {
        client,
        party: party.to_owned(),
        last_event_id: after,
        stream: None,
        patience: Patience::endless(),
        lost: false,
    };
    let turns = stream::unfold(follower, |mut follower| async move {
        let turn = follower.next().await;
        Some((turn, follower))
    });
    turns.boxed()
}

struct Follower<'a> {
    client: &'a Client,
    party: String,
    last_event_id: Option<String>,
    stream: Option<EventStream<'a>>,
    patience: Patience,
    /// A loss was told.
    lost: bool,
}

impl Follower<'_> {
    async fn next(&mut self) -> Result<Turn, Error> {
        loop {
            let error = match &mut self.stream {
                Some(stream) => match stream.next().await {
                    Ok(Some(event)) => {
                        // A connection that brings something was worth it.
                        self.patience = Patience::endless();
                        if let StreamEvent::Happened { id: Some(id), .. } = &event {
                            self.last_event_id = Some(id.clone());
                        }
                        return Ok(Turn::Event(event));
                    }
                    Ok(None) => None,
                    Err(error) => Some(error),
                },
                None => {
                    let after = self.last_event_id.as_deref();
                    match EventStream::open(self.client, &self.party, after).await {
                        Ok(stream) => {
                            self.stream = Some(stream);
                            self.lost = false;
                            return Ok(Turn::Connected);
                        }
                        Err(error) => Some(error),
                    }
                }
            };
            self.stream = None;
            let reason = match error {
                None => "the server has ended the connection".to_owned(),
                Some(Error::Refused(problem)) if problem.status == 404 => return Ok(Turn::Gone),
                Some(error) => passing(error)?,
            };
            if !std::mem::replace(&mut self.lost, true) {
                return Ok(Turn::Lost(reason));
            }
            let pause = self.patience.next_pause(None).unwrap_or_default();
            tokio::time::sleep(pause).await;
        }
    }
}

/// Why there is no connection just now; an error when there will be none without a change.
fn passing(error: Error) -> Result<String, Error> {
    match error {
        Error::Unreachable { server, reason } => Ok(format!("{server} does not answer ({reason})")),
        Error::Refused(problem) if problem.status >= 500 => Ok(problem.detail),
        // A proxy that speaks for a gateway that is being replaced.
        Error::Garbled { server, reason } => Ok(format!("{server}: {reason}")),
        other => Err(other),
    }
}
