//! A session's state: whoever comes late, or reads slowly, is told the newest.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::{Stream, stream};
use orb_proto::v1::{Session, WatchResponse};
use tokio::{sync::watch, time::sleep};
use tonic::Status;

use super::{RESUME_DELAY, is_final, shared::Running};
use crate::{
    scheduler_client::{SchedulerClient, Updates},
    session_id::SessionId,
};

/// What all listeners of a session share.
pub(super) struct StateFeed {
    newest: watch::Receiver<Newest>,
    /// Cleared while the scheduler is away: what is newest then is of before.
    is_live: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Newest {
    /// The scheduler has not answered yet.
    Unknown,
    Is(Arc<Session>),
    /// There never was such a session, or the scheduler could not be asked.
    Refused(Status),
    Gone,
}

struct Telling {
    scheduler: SchedulerClient,
    id: SessionId,
    newest: watch::Sender<Newest>,
    is_live: Arc<AtomicBool>,
}

pub(super) fn begin(
    scheduler: &SchedulerClient,
    id: SessionId,
) -> (StateFeed, impl Future<Output = ()> + Send + use<>) {
    let (sender, newest) = watch::channel(Newest::Unknown);
    let is_live = Arc::new(AtomicBool::new(true));
    let telling = Telling {
        scheduler: scheduler.clone(),
        id,
        newest: sender,
        is_live: Arc::clone(&is_live),
    };
    (StateFeed { newest, is_live }, telling.run())
}

impl Telling {
    async fn run(self) {
        let mut updates = match self.scheduler.watch(&self.id).await {
            Ok(updates) => Some(updates),
            Err(status) => {
                self.newest.send_replace(Newest::Refused(status));
                return;
            }
        };
        loop {
            let interrupted = match updates.take() {
                Some(updates) => self.pass_on(updates).await,
                None => match self.scheduler.watch(&self.id).await {
                    Ok(again) => {
                        updates = Some(again);
                        continue;
                    }
                    Err(status) => Some(status),
                },
            };
            if interrupted.is_some_and(|status| is_final(status.code())) {
                self.newest.send_replace(Newest::Gone);
                return;
            }
            self.is_live.store(false, Ordering::Relaxed);
            sleep(RESUME_DELAY).await;
        }
    }

    /// Until the stream ends: by itself (`None`), or as the status says.
    async fn pass_on(&self, mut updates: Updates<WatchResponse>) -> Option<Status> {
        loop {
            match updates.message().await {
                Ok(Some(WatchResponse { session })) => {
                    if let Some(session) = session {
                        self.newest.send_replace(Newest::Is(Arc::new(session)));
                        self.is_live.store(true, Ordering::Relaxed);
                    }
                }
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    }
}

pub(super) async fn listen(
    feed: Arc<Running<StateFeed>>,
    scheduler: &SchedulerClient,
    id: &SessionId,
) -> Result<impl Stream<Item = Arc<Session>> + Send + use<>, Status> {
    if !feed.feed.is_live.load(Ordering::Relaxed) {
        // Old listeners extrapolate from what they heard in time; a new one would take a state of before for a fresh
        // one. Answered means that the feed is about to be live again.
        scheduler.get(id).await?;
    }
    let mut newest = feed.feed.newest.clone();
    let known = newest
        .wait_for(|newest| !matches!(newest, Newest::Unknown))
        .await
        .map_err(|_| Status::internal("the session's feed has ended without a word"))?
        .clone();
    if let Newest::Refused(status) = known {
        return Err(status);
    }
    newest.mark_changed();
    Ok(stream::unfold(
        (newest, feed),
        async |(mut newest, feed)| {
            newest.changed().await.ok()?;
            let Newest::Is(session) = newest.borrow_and_update().clone() else {
                return None;
            };
            Some((session, (newest, feed)))
        },
    ))
}
