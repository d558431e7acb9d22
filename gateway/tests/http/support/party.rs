//! `PartyService` and `AdminService` of the scripted scheduler: one queue and one history for all sessions.

use std::{pin::Pin, sync::Mutex};

use futures::{Stream, StreamExt as _, stream};
use orb_proto::v1::{
    DrainWorkerRequest, DrainWorkerResponse, EditQueueRequest, EditQueueResponse, Event,
    GetQueueRequest, GetQueueResponse, Item, ListEventsRequest, ListEventsResponse,
    ListOutputsRequest, ListOutputsResponse, ListWorkersRequest, ListWorkersResponse, Output,
    Queue, QueueEntry, QueueStatus, WatchEventsRequest, WatchEventsResponse, WorkerInfo,
    WorkerStanding, admin_service_server::AdminService, edit_queue_request::Edit,
    party_service_server::PartyService,
};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tonic::{Code, Request, Response, Status};

use super::scheduler::{Call, Reply, Shared, refusal};

/// What an open stream of events is told.
#[derive(Debug, Clone)]
pub(super) enum Told {
    Happened(Event),
    Broken(Status),
}

pub(super) struct Parties {
    queue: Mutex<Queue>,
    events: Mutex<Vec<Event>>,
    told: broadcast::Sender<Told>,
}

impl Default for Parties {
    fn default() -> Self {
        Self {
            queue: Mutex::new(Queue {
                version: 1,
                entries: Vec::new(),
            }),
            events: Mutex::default(),
            told: broadcast::channel(1 << 15).0,
        }
    }
}

impl Parties {
    pub(super) fn put(&self, queue: Queue) {
        *self.queue.lock().unwrap() = queue;
    }

    /// Ids rise by three: nobody may count on them to follow each other.
    pub(super) fn happen(&self, event_type: &str, payload: &str) -> i64 {
        let mut events = self.events.lock().unwrap();
        let id = events.last().map_or(1, |event| event.id + 3);
        let event = Event {
            id,
            session_id: "456".to_owned(),
            event_type: event_type.to_owned(),
            payload_json: payload.to_owned(),
            created_at: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
        };
        events.push(event.clone());
        self.tell(Told::Happened(event));
        id
    }

    pub(super) fn tell(&self, told: Told) {
        // Nobody may be there to hear it.
        let _ = self.told.send(told);
    }

    pub(super) fn keep(&self, events: Vec<Event>) {
        *self.events.lock().unwrap() = events;
    }

    pub(super) fn all(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    pub(super) fn watchers(&self) -> usize {
        self.told.receiver_count()
    }

    fn after(&self, id: i64, limit: usize) -> Vec<Event> {
        let events = self.events.lock().unwrap();
        let newer = events.partition_point(|event| event.id <= id);
        events[newer..].iter().take(limit).cloned().collect()
    }

    /// Compares and sets as the scheduler does; of the edits it knows adding and removing.
    fn edit(&self, request: &EditQueueRequest) -> Result<(Queue, Vec<u64>), Status> {
        let mut queue = self.queue.lock().unwrap();
        if request.if_version != 0 && request.if_version != queue.version {
            return Err(refusal(Code::Aborted, "queue_changed", None));
        }
        queue.version += 1;
        let mut added = Vec::new();
        match request.edit.as_ref().unwrap() {
            Edit::Add(add) => {
                for item in &add.items {
                    let id = queue.entries.len() as u64 + 1;
                    added.push(id);
                    queue.entries.push(entry(id, item.clone(), &request.actor));
                }
            }
            Edit::Remove(remove) => queue.entries.retain(|entry| {
                let id = entry.item.as_ref().unwrap().entry_id;
                !remove.entry_ids.contains(&id)
            }),
            _ => {}
        }
        Ok((queue.clone(), added))
    }
}

fn entry(id: u64, item: Item, actor: &str) -> QueueEntry {
    QueueEntry {
        item: Some(Item {
            entry_id: id,
            stream_url: String::new(),
            download_url: String::new(),
            ..item
        }),
        status: QueueStatus::Queued.into(),
        actor: actor.to_owned(),
        ..QueueEntry::default()
    }
}

#[tonic::async_trait]
impl PartyService for Shared {
    async fn get_queue(
        &self,
        request: Request<GetQueueRequest>,
    ) -> Result<Response<GetQueueResponse>, Status> {
        self.take(request, Call::Queue)?;
        let queue = Some(self.parties.queue.lock().unwrap().clone());
        Ok(Response::new(GetQueueResponse { queue }))
    }

    async fn edit_queue(
        &self,
        request: Request<EditQueueRequest>,
    ) -> Result<Response<EditQueueResponse>, Status> {
        let edit = request.get_ref().clone();
        let Reply(session, _) = self.take(request, Call::Edit)?;
        let (queue, added_entry_ids) = self.parties.edit(&edit)?;
        Ok(Response::new(EditQueueResponse {
            session: Some(session),
            queue: Some(queue),
            added_entry_ids,
        }))
    }

    async fn list_events(
        &self,
        request: Request<ListEventsRequest>,
    ) -> Result<Response<ListEventsResponse>, Status> {
        let asked = request.get_ref().clone();
        self.take(request, Call::Events)?;
        let limit = asked.limit as usize;
        let mut events = self.parties.after(asked.after_id, limit + 1);
        let more = events.len() > limit;
        events.truncate(limit);
        Ok(Response::new(ListEventsResponse { events, more }))
    }

    type WatchEventsStream =
        Pin<Box<dyn Stream<Item = Result<WatchEventsResponse, Status>> + Send>>;

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let after = request.get_ref().after_id;
        let told = BroadcastStream::new(self.parties.told.subscribe());
        self.take(request, Call::WatchEvents)?;
        let missed = self.parties.after(after, usize::MAX);
        let newest = missed.last().map_or(after, |event| event.id);
        let missed = stream::iter(missed).map(Told::Happened);
        let told = told.map(Result::unwrap).filter(move |told| {
            let is_new = !matches!(told, Told::Happened(event) if event.id <= newest);
            futures::future::ready(is_new)
        });
        let responses = missed.chain(told).map(|told| match told {
            Told::Happened(event) => Ok(WatchEventsResponse {
                events: vec![event],
            }),
            Told::Broken(status) => Err(status),
        });
        Ok(Response::new(Box::pin(responses)))
    }

    async fn list_outputs(
        &self,
        request: Request<ListOutputsRequest>,
    ) -> Result<Response<ListOutputsResponse>, Status> {
        self.take(request, |_| Call::Outputs)?;
        let outputs = [("voice", ""), ("watch", ""), ("golive", "it is off")];
        let outputs = outputs.map(|(name, reason)| Output {
            name: name.to_owned(),
            available: reason.is_empty(),
            reason: reason.to_owned(),
        });
        Ok(Response::new(ListOutputsResponse {
            outputs: outputs.into(),
        }))
    }
}

#[tonic::async_trait]
impl AdminService for Shared {
    async fn drain_worker(
        &self,
        request: Request<DrainWorkerRequest>,
    ) -> Result<Response<DrainWorkerResponse>, Status> {
        self.take(request, Call::Drain)?;
        Ok(Response::new(DrainWorkerResponse {}))
    }

    async fn list_workers(
        &self,
        request: Request<ListWorkersRequest>,
    ) -> Result<Response<ListWorkersResponse>, Status> {
        self.take(request, |_| Call::Workers)?;
        let worker = WorkerInfo {
            worker_id: "worker-1".to_owned(),
            incarnation: "i-1".to_owned(),
            standing: WorkerStanding::Draining.into(),
            total_millicores: 4000,
            free_millicores: 3980,
            session_ids: vec!["456".to_owned()],
            silent_ms: 120,
            go_live: true,
            pictures: 1,
        };
        Ok(Response::new(ListWorkersResponse {
            workers: vec![worker],
        }))
    }
}
