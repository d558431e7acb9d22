//! `AdminService`: what operators ask for.

use orb_proto::v1;
use orb_proto::v1::admin_service_server::AdminService;
use orb_scheduler_core::{DrainCause, Event, WorkerId};
use tonic::{Request, Response, Status};

use crate::{Standing, refusals};

pub(crate) struct Admin {
    pub(crate) standing: Standing,
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn drain_worker(
        &self,
        request: Request<v1::DrainWorkerRequest>,
    ) -> Result<Response<v1::DrainWorkerResponse>, Status> {
        let worker = WorkerId::new(request.into_inner().worker_id);
        let leader = self.standing.leader()?;
        if leader.links.get(&worker).is_none() {
            return Err(refusals::worker_not_found(&worker));
        }
        let drain = Event::Drain {
            worker,
            cause: DrainCause::Operator,
        };
        if !leader.event(drain).await {
            return Err(self.standing.refusal());
        }
        Ok(Response::new(v1::DrainWorkerResponse {}))
    }

    async fn list_workers(
        &self,
        _: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }
}
