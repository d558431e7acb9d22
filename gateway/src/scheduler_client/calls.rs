//! One method a call.

use orb_proto::v1::{
    ControlRequest, ControlResponse, CreateRequest, CreateResponse, DrainWorkerRequest,
    EditQueueRequest, EditQueueResponse, GetQueueRequest, GetRequest, ListEventsRequest,
    ListEventsResponse, ListOutputsRequest, ListRequest, ListWorkersRequest, LocateWatchRequest,
    LocateWatchResponse, Output, PlayRequest, PlayResponse, Queue, Session, WatchEventsRequest,
    WatchEventsResponse, WatchRequest, WatchResponse, WorkerInfo,
    admin_service_client::AdminServiceClient, gateway_service_client::GatewayServiceClient,
    party_service_client::PartyServiceClient, session_service_client::SessionServiceClient,
};
use tonic::Status;

use super::{SchedulerClient, Updates};
use crate::session_id::SessionId;

impl SchedulerClient {
    pub(crate) async fn create(&self, request: CreateRequest) -> Result<CreateResponse, Status> {
        self.call(request, async |channel, request| {
            SessionServiceClient::new(channel).create(request).await
        })
        .await
    }

    pub(crate) async fn play(&self, request: PlayRequest) -> Result<PlayResponse, Status> {
        self.call(request, async |channel, request| {
            SessionServiceClient::new(channel).play(request).await
        })
        .await
    }

    pub(crate) async fn control(&self, request: ControlRequest) -> Result<ControlResponse, Status> {
        self.call(request, async |channel, request| {
            SessionServiceClient::new(channel).control(request).await
        })
        .await
    }

    pub(crate) async fn get(&self, id: &SessionId) -> Result<Session, Status> {
        let request = GetRequest {
            session_id: id.as_str().to_owned(),
        };
        let response = self
            .call(request, async |channel, request| {
                SessionServiceClient::new(channel).get(request).await
            })
            .await?;
        response
            .session
            .ok_or_else(|| Status::internal("GetResponse without a session"))
    }

    pub(crate) async fn list(&self) -> Result<Vec<Session>, Status> {
        let response = self
            .call(ListRequest {}, async |channel, request| {
                SessionServiceClient::new(channel).list(request).await
            })
            .await?;
        Ok(response.sessions)
    }

    /// The stream has no deadline; only its beginning has.
    pub(crate) async fn watch(&self, id: &SessionId) -> Result<Updates<WatchResponse>, Status> {
        let request = WatchRequest {
            session_id: id.as_str().to_owned(),
        };
        let (stream, route) = self
            .call_routed(request, async |channel, request| {
                SessionServiceClient::new(channel).watch(request).await
            })
            .await?;
        Ok(Updates { stream, route })
    }

    pub(crate) async fn queue(&self, id: &SessionId) -> Result<Queue, Status> {
        let request = GetQueueRequest {
            session_id: id.as_str().to_owned(),
        };
        let response = self
            .call(request, async |channel, request| {
                PartyServiceClient::new(channel).get_queue(request).await
            })
            .await?;
        response
            .queue
            .ok_or_else(|| Status::internal("GetQueueResponse without a queue"))
    }

    pub(crate) async fn edit_queue(
        &self,
        request: EditQueueRequest,
    ) -> Result<EditQueueResponse, Status> {
        self.call(request, async |channel, request| {
            PartyServiceClient::new(channel).edit_queue(request).await
        })
        .await
    }

    /// Events after `after`, oldest first, at most `limit`.
    pub(crate) async fn events(
        &self,
        id: &SessionId,
        after: i64,
        limit: u32,
    ) -> Result<ListEventsResponse, Status> {
        let request = ListEventsRequest {
            session_id: id.as_str().to_owned(),
            after_id: after,
            limit,
        };
        self.call(request, async |channel, request| {
            PartyServiceClient::new(channel).list_events(request).await
        })
        .await
    }

    /// Events after `after`, and each that happens; as [`watch`](Self::watch).
    pub(crate) async fn watch_events(
        &self,
        id: &SessionId,
        after: i64,
    ) -> Result<Updates<WatchEventsResponse>, Status> {
        let request = WatchEventsRequest {
            session_id: id.as_str().to_owned(),
            after_id: after,
        };
        let (stream, route) = self
            .call_routed(request, async |channel, request| {
                PartyServiceClient::new(channel).watch_events(request).await
            })
            .await?;
        Ok(Updates { stream, route })
    }

    /// Where the session's watch output is.
    pub(crate) async fn locate_watch(&self, id: &SessionId) -> Result<LocateWatchResponse, Status> {
        let request = LocateWatchRequest {
            session_id: id.as_str().to_owned(),
        };
        self.call(request, async |channel, request| {
            GatewayServiceClient::new(channel)
                .locate_watch(request)
                .await
        })
        .await
    }

    /// By what ways a new party could be sent now.
    pub(crate) async fn outputs(&self) -> Result<Vec<Output>, Status> {
        let response = self
            .call(ListOutputsRequest {}, async |channel, request| {
                PartyServiceClient::new(channel).list_outputs(request).await
            })
            .await?;
        Ok(response.outputs)
    }

    /// The pool, ordered by id.
    pub(crate) async fn workers(&self) -> Result<Vec<WorkerInfo>, Status> {
        let response = self
            .call(ListWorkersRequest {}, async |channel, request| {
                AdminServiceClient::new(channel).list_workers(request).await
            })
            .await?;
        Ok(response.workers)
    }

    /// Has a worker hand over what it holds, and exit.
    pub(crate) async fn drain_worker(&self, worker_id: String) -> Result<(), Status> {
        let request = DrainWorkerRequest { worker_id };
        self.call(request, async |channel, request| {
            AdminServiceClient::new(channel).drain_worker(request).await
        })
        .await?;
        Ok(())
    }
}
