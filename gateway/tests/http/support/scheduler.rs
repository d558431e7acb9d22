//! A scheduler that answers as a test says, and keeps what it was asked.
//!
//! `SessionService` and `GatewayService` are here, `PartyService` and `AdminService` in `party`.

use std::{
    collections::HashMap,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
};

use futures::{Stream, StreamExt as _, stream};
use orb_proto::v1::{
    ControlRequest, ControlResponse, CreateRequest, CreateResponse, DrainWorkerRequest,
    EditQueueRequest, GetQueueRequest, GetRequest, GetResponse, ListEventsRequest, ListRequest,
    ListResponse, LocateWatchRequest, LocateWatchResponse, PlayRequest, PlayResponse, Queue,
    Session, WatchEventsRequest, WatchRequest, WatchResponse,
    admin_service_server::AdminServiceServer,
    gateway_service_server::{GatewayService, GatewayServiceServer},
    party_service_server::PartyServiceServer,
    session_service_server::{SessionService, SessionServiceServer},
};
use tokio::{net::TcpListener, sync::broadcast};
use tokio_stream::wrappers::{BroadcastStream, TcpListenerStream};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tonic::{Code, Request, Response, Status};

use super::party::{Parties, Told};
use tonic_types::{ErrorDetails, StatusExt as _};

#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a handful in a test")]
pub(crate) enum Call {
    Create(CreateRequest),
    Play(PlayRequest),
    Control(ControlRequest),
    Get(GetRequest),
    List,
    Watch(WatchRequest),
    Queue(GetQueueRequest),
    Edit(EditQueueRequest),
    Events(ListEventsRequest),
    WatchEvents(WatchEventsRequest),
    Workers,
    Outputs,
    Drain(DrainWorkerRequest),
}

/// A session, and what stands beside it (`created`, `settled`).
#[derive(Debug, Clone)]
pub(crate) struct Reply(pub(crate) Session, pub(crate) bool);

type Script = Box<dyn FnMut(&Call) -> Result<Reply, Status> + Send>;

#[derive(Clone)]
pub(crate) struct Scheduler {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    running: TaskTracker,
    /// Stops the server when the last clone goes.
    _guard: Arc<DropGuard>,
}

pub(super) struct Shared {
    script: Mutex<Script>,
    calls: Mutex<Vec<(Call, Option<String>)>>,
    changes: broadcast::Sender<Result<Session, Status>>,
    /// Where the watch output is said to be: a worker's URL and its token.
    worker: Mutex<Option<(String, String)>>,
    pub(super) parties: Parties,
}

/// A refusal as the scheduler makes them: a reason, and for bad input the field.
pub(crate) fn refusal(code: Code, reason: &str, field: Option<&str>) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, "orb.v1", HashMap::new());
    if let Some(field) = field {
        details.add_bad_request_violation(field, "is not allowed");
    }
    Status::with_error_details(code, format!("refused: {reason}"), details)
}

impl Scheduler {
    pub(crate) async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn on(listener: TcpListener) -> Self {
        let scheduler = Self::absent(listener.local_addr().unwrap());
        scheduler.serve(listener);
        scheduler
    }

    /// Begins to serve.
    pub(crate) fn serve(&self, listener: TcpListener) {
        let server = tonic::transport::Server::builder()
            .add_service(SessionServiceServer::from_arc(Arc::clone(&self.shared)))
            .add_service(GatewayServiceServer::from_arc(Arc::clone(&self.shared)))
            .add_service(PartyServiceServer::from_arc(Arc::clone(&self.shared)))
            .add_service(AdminServiceServer::from_arc(Arc::clone(&self.shared)));
        let stopped = self.stop.clone().cancelled_owned();
        let serving =
            server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped);
        self.running.spawn(serving);
    }

    /// A scheduler that is said to be there, and is not.
    pub(crate) fn absent(address: SocketAddr) -> Self {
        let (changes, _) = broadcast::channel(16);
        let script: Script = Box::new(|_| Ok(Reply(Session::default(), true)));
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            calls: Mutex::default(),
            changes,
            worker: Mutex::default(),
            parties: Parties::default(),
        });
        let stop = CancellationToken::new();
        let guard = Arc::new(stop.clone().drop_guard());
        Self {
            address,
            shared,
            stop,
            running: TaskTracker::new(),
            _guard: guard,
        }
    }

    /// Stops the server; returns when nothing listens any more.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, calls are answered so.
    pub(crate) fn answer(
        &self,
        script: impl FnMut(&Call) -> Result<Reply, Status> + Send + 'static,
    ) {
        *self.shared.script.lock().unwrap() = Box::new(script);
    }

    /// From now on, sessions can be watched at this worker.
    pub(crate) fn watched_at(&self, worker_url: &str, worker_token: &str) {
        let worker = (worker_url.to_owned(), worker_token.to_owned());
        *self.shared.worker.lock().unwrap() = Some(worker);
    }

    /// Sends a change to all that watch now.
    pub(crate) fn change(&self, change: Result<Session, Status>) {
        self.shared.changes.send(change).unwrap();
    }

    /// From now on, this is the queue, until an edit changes it.
    pub(crate) fn queue(&self, queue: Queue) {
        self.shared.parties.put(queue);
    }

    /// Has an event happen, in every session; answers its id.
    pub(crate) fn happen(&self, event_type: &str, payload: &str) -> i64 {
        self.shared.parties.happen(event_type, payload)
    }

    /// Breaks the streams of events that there are now.
    pub(crate) fn break_event_streams(&self, status: Status) {
        self.shared.parties.tell(Told::Broken(status));
    }

    /// What a scheduler is after its restart, before it serves: another process with the same store.
    pub(crate) fn absent_with_events_of(old: &Self, address: SocketAddr) -> Self {
        let scheduler = Self::absent(address);
        scheduler.shared.parties.keep(old.shared.parties.all());
        scheduler
    }

    /// How many follow the events now.
    pub(crate) fn event_watchers(&self) -> usize {
        self.shared.parties.watchers()
    }

    /// How many watch now.
    pub(crate) fn watchers(&self) -> usize {
        self.shared.changes.receiver_count()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared
            .calls
            .lock()
            .unwrap()
            .iter()
            .map(|(call, _)| call.clone())
            .collect()
    }

    pub(crate) fn authorizations(&self) -> Vec<Option<String>> {
        self.shared
            .calls
            .lock()
            .unwrap()
            .iter()
            .map(|(_, authorization)| authorization.clone())
            .collect()
    }
}

impl Shared {
    pub(super) fn take<T>(
        &self,
        request: Request<T>,
        wrap: impl FnOnce(T) -> Call,
    ) -> Result<Reply, Status> {
        let authorization = request.metadata().get("authorization");
        let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
        let call = wrap(request.into_inner());
        self.calls
            .lock()
            .unwrap()
            .push((call.clone(), authorization));
        (self.script.lock().unwrap())(&call)
    }
}

#[tonic::async_trait]
impl GatewayService for Shared {
    async fn locate_watch(
        &self,
        request: Request<LocateWatchRequest>,
    ) -> Result<Response<LocateWatchResponse>, Status> {
        let LocateWatchRequest { session_id } = request.into_inner();
        let Reply(session, _) =
            (self.script.lock().unwrap())(&Call::Get(GetRequest { session_id }))?;
        let worker = self.worker.lock().unwrap().clone();
        let (worker_url, worker_token) = session
            .watch
            .and(worker)
            .ok_or_else(|| refusal(Code::NotFound, "no_watch_output", None))?;
        Ok(Response::new(LocateWatchResponse {
            worker_url,
            worker_token,
        }))
    }
}

#[tonic::async_trait]
impl SessionService for Shared {
    async fn create(
        &self,
        request: Request<CreateRequest>,
    ) -> Result<Response<CreateResponse>, Status> {
        let Reply(session, created) = self.take(request, Call::Create)?;
        Ok(Response::new(CreateResponse {
            session: Some(session),
            created,
        }))
    }

    async fn play(&self, request: Request<PlayRequest>) -> Result<Response<PlayResponse>, Status> {
        let Reply(session, settled) = self.take(request, Call::Play)?;
        Ok(Response::new(PlayResponse {
            session: Some(session),
            settled,
        }))
    }

    async fn control(
        &self,
        request: Request<ControlRequest>,
    ) -> Result<Response<ControlResponse>, Status> {
        let Reply(session, settled) = self.take(request, Call::Control)?;
        Ok(Response::new(ControlResponse {
            session: Some(session),
            settled,
        }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let Reply(session, _) = self.take(request, Call::Get)?;
        Ok(Response::new(GetResponse {
            session: Some(session),
        }))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let Reply(session, _) = self.take(request, |_| Call::List)?;
        Ok(Response::new(ListResponse {
            sessions: vec![session],
        }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let changes = BroadcastStream::new(self.changes.subscribe()).map(|change| change.unwrap());
        let Reply(session, _) = self.take(request, Call::Watch)?;
        let all = stream::once(async { Ok(session) }).chain(changes);
        let responses = all.map(|change| {
            change.map(|session| WatchResponse {
                session: Some(session),
            })
        });
        Ok(Response::new(Box::pin(responses)))
    }
}
