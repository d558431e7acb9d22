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
        has_tried: false,
        lost: false,
        is_unknown: false,
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
    /// From the second connection on there is a pause before each, also when a server takes and drops them.
    has_tried: bool,
    /// A loss was told.
    lost: bool,
    /// The server did not know the party when it was asked first after a loss. It may have been started again and make its
    /// parties anew, as the demo does: it is asked once more.
    is_unknown: bool,
}

impl Follower<'_> {
    async fn next(&mut self) -> Result<Turn, Error> {
        loop {
            let reason = match self.step().await {
                Ok(Some(turn)) => return Ok(turn),
                Ok(None) => "the server has ended the connection".to_owned(),
                Err(Error::Refused(problem)) if problem.status == 404 => {
                    if !self.lost || std::mem::replace(&mut self.is_unknown, true) {
                        return Ok(Turn::Gone);
                    }
                    continue;
                }
                Err(error) => passing(error)?,
            };
            self.stream = None;
            if !std::mem::replace(&mut self.lost, true) {
                return Ok(Turn::Lost(reason));
            }
        }
    }

    /// Reads on, or connects; none when the stream has ended.
    async fn step(&mut self) -> Result<Option<Turn>, Error> {
        let Some(stream) = &mut self.stream else {
            if std::mem::replace(&mut self.has_tried, true) {
                let pause = self.patience.next_pause(None).unwrap_or_default();
                tokio::time::sleep(pause).await;
            }
            let after = self.last_event_id.as_deref();
            self.stream = Some(EventStream::open(self.client, &self.party, after).await?);
            (self.lost, self.is_unknown) = (false, false);
            return Ok(Some(Turn::Connected));
        };
        let Some(event) = stream.next().await? else {
            return Ok(None);
        };
        // A connection that brings something was worth it.
        self.patience = Patience::endless();
        if let StreamEvent::Happened { id: Some(id), .. } = &event {
            self.last_event_id = Some(id.clone());
        }
        Ok(Some(Turn::Event(event)))
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
