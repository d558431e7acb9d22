//! `PartyService`: the queue, and what happened.

use std::sync::Arc;

use orb_jellyfin::SourcePolicy;
use orb_proto::v1;
use orb_proto::v1::edit_queue_request::Edit;
use orb_proto::v1::party_service_server::PartyService;
use orb_scheduler_core::{EntryId, Item, Refusal, Request as Wanted, SessionId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::calls::{Asked, call, request_hash};
use crate::convert::queue;
use crate::event_feed::{self, Feed};
use crate::{LeaderHandle, Standing, outputs, refusals, source_check, spans};

/// Answers that wait for a follower who does not read: beyond them it is left where it is, and reads on from there.
const WATCH_QUEUE: usize = 2;

/// Events of a page, when the caller does not say.
const PAGE: u32 = 100;

/// Events of a page, whatever the caller says.
const MAX_PAGE: u32 = 500;

/// In place of an event's id: only what happens from now on.
const FROM_NOW_ON: i64 = -1;

pub(crate) struct Parties {
    pub(crate) standing: Standing,
    pub(crate) sources: Arc<SourcePolicy>,
    pub(crate) cancel: CancellationToken,
}

impl Parties {
    fn checked(&self, items: Vec<v1::Item>) -> Result<Vec<Item>, Refusal> {
        let items = items.into_iter().enumerate();
        let check = |(index, item)| {
            let place = format!("items[{index}]");
            source_check::item(&self.sources, &place, item)
        };
        items.map(check).collect()
    }
}

#[tonic::async_trait]
impl PartyService for Parties {
    type WatchEventsStream = ReceiverStream<Result<v1::WatchEventsResponse, Status>>;

    async fn get_queue(
        &self,
        request: Request<v1::GetQueueRequest>,
    ) -> Result<Response<v1::GetQueueResponse>, Status> {
        let id = SessionId::new(request.into_inner().session_id);
        let leader = self.standing.leader()?;
        let queue = match leader.views.queue(&id) {
            Some(queue) => queue::queue(&queue),
            None => queue::queue(&leader.rows.session(&id).await?.queue_view()),
        };
        Ok(Response::new(v1::GetQueueResponse { queue: Some(queue) }))
    }

    async fn edit_queue(
        &self,
        request: Request<v1::EditQueueRequest>,
    ) -> Result<Response<v1::EditQueueResponse>, Status> {
        let trace = spans::origin(request.metadata());
        let mut request = request.into_inner();
        let command_id = std::mem::take(&mut request.command_id);
        let actor = std::mem::take(&mut request.actor);
        let request_hash = request_hash("edit", &request, &request.fingerprint);
        let mut edit = request.edit.ok_or_else(|| refusals::missing("edit"))?;
        let items = match &mut edit {
            Edit::Add(add) => self.checked(std::mem::take(&mut add.items)),
            _ => Ok(Vec::new()),
        };
        let items = items.map_err(|refusal| refusals::status(&refusal))?;
        let asked = Asked {
            session_id: request.session_id,
            command_id,
            actor,
            request_hash,
            wanted: Wanted::Edit(queue::edit(request.if_version, edit, items)),
            trace,
        };
        let (session, answer) = call(&self.standing, asked).await?;
        let edited = answer.edited.ok_or_else(refusals::unavailable)?;
        Ok(Response::new(v1::EditQueueResponse {
            session: Some(session),
            queue: Some(queue::queue(&edited.queue)),
            added_entry_ids: edited.added.into_iter().map(EntryId::get).collect(),
        }))
    }

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        let request = request.into_inner();
        let limit = match request.limit {
            0 => PAGE,
            limit => limit.min(MAX_PAGE),
        };
        let id = SessionId::new(request.session_id);
        let leader = self.standing.leader()?;
        // One more than asked for tells whether there are more.
        let found = leader.rows.events(&id, request.after_id, limit + 1).await?;
        if found.is_empty() {
            check_known(&leader, &id).await?;
        }
        let read = found.len();
        let found = found.into_iter().map(queue::event);
        let events = event_feed::page(found.take(limit as usize));
        let more = events.len() < read;
        Ok(Response::new(v1::ListEventsResponse { events, more }))
    }

    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let request = request.into_inner();
        let id = SessionId::new(request.session_id);
        let leader = self.standing.leader()?;
        check_known(&leader, &id).await?;
        let feed = leader.feeds.follow(&id);
        let after = match request.after_id {
            FROM_NOW_ON => feed.newest().await?,
            after => after,
        };
        let (sender, stream) = mpsc::channel(WATCH_QUEUE);
        let (standing, cancel) = (self.standing.clone(), self.cancel.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = leader.gone.cancelled() => {
                    // A watcher that does not read finds the end of the stream.
                    let _ = sender.try_send(Err(standing.refusal()));
                }
                () = sender.closed() => {}
                () = follow(&feed, after, &sender) => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn list_outputs(
        &self,
        _: Request<v1::ListOutputsRequest>,
    ) -> Result<Response<v1::ListOutputsResponse>, Status> {
        let leader = self.standing.leader()?;
        let no_picture = leader.no_picture().await;
        let no_picture = no_picture.map_err(|_| self.standing.refusal())?;
        let ready = *self.standing.readiness().borrow();
        let outputs = outputs::all(ready, no_picture);
        Ok(Response::new(v1::ListOutputsResponse { outputs }))
    }
}

/// Refused when there never was such a session.
async fn check_known(leader: &LeaderHandle, id: &SessionId) -> Result<(), Status> {
    if leader.views.get(id).is_none() {
        leader.rows.session(id).await?;
    }
    Ok(())
}

/// What happened after that event, then all that happens. Nothing is read for a follower who does not read.
async fn follow(
    feed: &Feed,
    mut after: i64,
    sender: &mpsc::Sender<Result<v1::WatchEventsResponse, Status>>,
) {
    let mut wakes = feed.wakes();
    loop {
        let Ok(place) = sender.reserve().await else {
            return;
        };
        wakes.borrow_and_update();
        let events = match feed.after(after).await {
            Ok(events) => events,
            Err(status) => {
                place.send(Err(status));
                return;
            }
        };
        if let Some(newest) = events.last() {
            after = newest.id;
            place.send(Ok(v1::WatchEventsResponse { events }));
        } else {
            drop(place);
            if wakes.changed().await.is_err() {
                return;
            }
        }
    }
}
