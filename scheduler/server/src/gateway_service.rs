//! `GatewayService`: what gateways need to know and callers must not.

use orb_proto::v1;
use orb_proto::v1::gateway_service_server::GatewayService;
use orb_scheduler_core::SessionId;
use tonic::{Request, Response, Status};

use crate::{Standing, refusals};

pub(crate) struct Gateways {
    pub(crate) standing: Standing,
}

#[tonic::async_trait]
impl GatewayService for Gateways {
    async fn locate_watch(
        &self,
        request: Request<v1::LocateWatchRequest>,
    ) -> Result<Response<v1::LocateWatchResponse>, Status> {
        let id = SessionId::new(request.into_inner().session_id);
        let leader = self.standing.leader()?;
        let view = leader
            .views
            .get(&id)
            .ok_or_else(|| refusals::session_not_found(&id))?;
        let link = view
            .watch_latency_ms
            .and(view.worker)
            .and_then(|worker| leader.links.get(&worker))
            .ok_or_else(refusals::no_watch_output)?;
        Ok(Response::new(v1::LocateWatchResponse {
            worker_url: link.media_url,
            worker_token: link.media_token,
        }))
    }
}
