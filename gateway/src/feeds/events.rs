//! A session's events: in order, without a hole, each once.
//!
//! The feed knows the id of the last event that it told, and after a lost stream goes on behind it. A listener knows
//! the id of the last one that it has: events of the shared channel at or before it are those that it read from the
//! store meanwhile; and when the channel has overwritten some before it came to them, it reads them from the store.
//! An event is in the store before it is in the channel, so between the two none is missing.

use std::{collections::VecDeque, sync::Arc};

use futures::{Stream, stream};
use orb_proto::v1::{Event, ListEventsResponse};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    time::sleep,
};
use tonic::Status;

use super::{RESUME_DELAY, is_final, shared::Running};
use crate::{scheduler_client::SchedulerClient, session_id::SessionId};

/// Events of a party that are kept for listeners who have not come to them yet. More than an edit of the queue makes.
const KEPT: usize = 256;

/// Events that a listener reads from the store at once, and then holds until its client has taken them.
const CATCH_UP: u32 = 100;

/// Events that are read at once while the newest one is looked for.
const LOOK: u32 = 500;

/// What all listeners of a session share.
pub(super) struct EventFeed {
    /// Never read: new listeners subscribe with it.
    told: broadcast::Receiver<Arc<Event>>,
    last: watch::Receiver<Last>,
}

/// Id of the last event that was told or was there before, 0 for none; why that cannot be known; `None`: not known yet.
type Last = Option<Result<i64, Status>>;

struct Telling {
    scheduler: SchedulerClient,
    id: SessionId,
    tell: broadcast::Sender<Arc<Event>>,
    last: watch::Sender<Last>,
}

pub(super) fn begin(
    scheduler: &SchedulerClient,
    id: SessionId,
) -> (EventFeed, impl Future<Output = ()> + Send + use<>) {
    let (tell, told) = broadcast::channel(KEPT);
    let (sender, last) = watch::channel(None);
    let telling = Telling {
        scheduler: scheduler.clone(),
        id,
        tell,
        last: sender,
    };
    (EventFeed { told, last }, telling.run())
}

impl Telling {
    async fn run(self) {
        let newest = self.newest().await;
        self.last.send_replace(Some(newest.clone()));
        let Ok(mut last) = newest else {
            return;
        };
        loop {
            match self.pass_on(&mut last).await {
                Err(status) if is_final(status.code()) => return,
                Ok(()) | Err(_) => sleep(RESUME_DELAY).await,
            }
        }
    }

    /// Id of the newest event. Nothing is subscribed to by "from now on": were that stream lost before its first event,
    /// nobody would know where to go on.
    async fn newest(&self) -> Result<i64, Status> {
        let mut last = 0;
        loop {
            let ListEventsResponse { events, more } =
                self.scheduler.events(&self.id, last, LOOK).await?;
            match events.last() {
                Some(event) if more => last = event.id,
                newest => return Ok(newest.map_or(last, |event| event.id)),
            }
        }
    }

    async fn pass_on(&self, last: &mut i64) -> Result<(), Status> {
        let mut updates = self.scheduler.watch_events(&self.id, *last).await?;
        while let Some(update) = updates.message().await? {
            for event in update.events {
                if event.id > *last {
                    *last = event.id;
                    // Nobody listens: then this task is about to be dropped.
                    let _ = self.tell.send(Arc::new(event));
                    // After it was told: who begins to listen in between is told it, or has it behind.
                    self.last.send_replace(Some(Ok(*last)));
                }
            }
        }
        Ok(())
    }
}

struct Listener {
    scheduler: SchedulerClient,
    id: SessionId,
    told: broadcast::Receiver<Arc<Event>>,
    /// Id of the last event that was passed on.
    last: i64,
    /// Read from the store, and not passed on yet.
    missed: VecDeque<Event>,
    /// The store has more that this listener lacks.
    is_behind: bool,
    /// Keeps the feed running.
    _feed: Arc<Running<EventFeed>>,
}

pub(super) async fn listen(
    feed: Arc<Running<EventFeed>>,
    scheduler: SchedulerClient,
    id: SessionId,
    after: Option<i64>,
) -> Result<impl Stream<Item = Arc<Event>> + Send + use<>, Status> {
    // Subscribed before the store is read: what happens meanwhile is in the one or the other.
    let told = feed.feed.told.resubscribe();
    let mut last = feed.feed.last.clone();
    let last = last
        .wait_for(Option::is_some)
        .await
        .map_err(|_| Status::internal("the session's feed has ended without a word"))?
        .clone();
    let listener = Listener {
        told,
        scheduler,
        id,
        last: after.map_or_else(|| last.unwrap_or(Ok(0)), Ok)?,
        missed: VecDeque::new(),
        is_behind: after.is_some(),
        _feed: feed,
    };
    Ok(stream::unfold(listener, async |mut listener| {
        Some((listener.next().await?, listener))
    }))
}

impl Listener {
    async fn next(&mut self) -> Option<Arc<Event>> {
        let event = loop {
            if let Some(event) = self.missed.pop_front() {
                break Arc::new(event);
            }
            if self.is_behind {
                self.catch_up().await?;
                continue;
            }
            match self.told.recv().await {
                Ok(event) if event.id > self.last => break event,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.is_behind = true,
                Err(RecvError::Closed) => return None,
            }
        };
        self.last = event.id;
        Some(event)
    }

    /// `None` when the session is gone.
    async fn catch_up(&mut self) -> Option<()> {
        match self.scheduler.events(&self.id, self.last, CATCH_UP).await {
            Ok(ListEventsResponse { events, more }) => {
                self.is_behind = more && !events.is_empty();
                self.missed = events.into();
            }
            Err(status) if is_final(status.code()) => return None,
            Err(_) => sleep(RESUME_DELAY).await,
        }
        Some(())
    }
}
