//! `AdminService`: what operators ask for.

use orb_proto::v1;
use orb_proto::v1::admin_service_server::AdminService;
use orb_scheduler_core::{DrainCause, Event, WorkerId, WorkerStanding, WorkerView};
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
        let leader = self.standing.leader()?;
        let workers = leader.workers().await;
        let workers = workers.ok_or_else(|| self.standing.refusal())?;
        Ok(Response::new(v1::ListWorkersResponse {
            workers: workers.iter().map(info).collect(),
        }))
    }
}

fn info(worker: &WorkerView) -> v1::WorkerInfo {
    let mut info = v1::WorkerInfo {
        worker_id: worker.worker.to_string(),
        incarnation: worker.incarnation.to_string(),
        total_millicores: worker.total_millicores,
        free_millicores: worker.free_millicores,
        session_ids: worker.sessions.iter().map(ToString::to_string).collect(),
        silent_ms: worker.silent_ms.map_or(-1, |ms| ms as i64),
        go_live: worker.go_live,
        pictures: u32::try_from(worker.pictures).unwrap_or(u32::MAX),
        ..v1::WorkerInfo::default()
    };
    info.set_standing(match worker.standing {
        WorkerStanding::Ready => v1::WorkerStanding::Ready,
        WorkerStanding::Draining => v1::WorkerStanding::Draining,
        WorkerStanding::Suspect => v1::WorkerStanding::Suspect,
        WorkerStanding::Unknown => v1::WorkerStanding::Unknown,
    });
    info
}
