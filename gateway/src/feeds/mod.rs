//! What happens in parties, for any number of listeners: one stream from the scheduler a party, not one a listener.
//!
//! ```text
//! scheduler ── Watch ───────▶ states, the newest only ─▶ listener
//!           ── WatchEvents ─▶ events, the last few    ─▶ listener ◀─ ListEvents, whenever it lacks some
//! ```
//!
//! A stream begins with its first listener, is dropped with its last, and outlives the scheduler's restarts. What a
//! listener that reads slowly, or not at all, costs is bounded: of states it is told the newest when it comes to it;
//! events that it missed are read from the store again, from the last one that it has.

mod events;
mod shared;
mod states;

use std::{sync::Arc, time::Duration};

use futures::Stream;
use orb_proto::v1::{Event, Session};
use tonic::{Code, Status};

use self::{events::EventFeed, shared::Shared, states::StateFeed};
use crate::{scheduler_client::SchedulerClient, session_id::SessionId};

/// Pause before a broken stream is opened again. A page extrapolates meanwhile, so a second goes unnoticed.
const RESUME_DELAY: Duration = Duration::from_secs(1);

/// All that is listened to in this process.
pub(crate) struct Feeds {
    scheduler: SchedulerClient,
    states: Shared<StateFeed>,
    events: Shared<EventFeed>,
}

impl Feeds {
    pub(crate) fn new(scheduler: SchedulerClient) -> Self {
        Self {
            scheduler,
            states: Shared::default(),
            events: Shared::default(),
        }
    }

    /// The session now, then at every change, and at least once a second while it plays; ends when the session is
    /// gone. Fails at once when there is none.
    pub(crate) async fn states(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = Arc<Session>> + Send + use<>, Status> {
        let feed = self
            .states
            .join(id, || states::begin(&self.scheduler, id.clone()));
        states::listen(feed, &self.scheduler, id).await
    }

    /// Events in order, each once: those after `after`, or those that happen from now on. Ends and fails as
    /// [`states`](Self::states).
    pub(crate) async fn events(
        &self,
        id: &SessionId,
        after: Option<i64>,
    ) -> Result<impl Stream<Item = Arc<Event>> + Send + use<>, Status> {
        let feed = self
            .events
            .join(id, || events::begin(&self.scheduler, id.clone()));
        events::listen(feed, self.scheduler.clone(), id.clone(), after).await
    }
}

/// Whether a stream that ended so is not opened again.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::NotFound
            | Code::InvalidArgument
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::Unimplemented
    )
}
