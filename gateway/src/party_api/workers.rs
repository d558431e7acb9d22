//! The pool, for operators.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, RawPathParams, State},
    http::{StatusCode, request::Parts},
};
use orb_proto::v1::{self, WorkerInfo};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{app::Gateway, problem::Problem};

/// All workers that the scheduler has heard of.
#[derive(Serialize, ToSchema)]
pub(super) struct Workers {
    /// Ordered by id.
    workers: Vec<Worker>,
}

/// A worker process.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({
    "id": "worker-1", "incarnation": "0198c5a2-7d6e-4000-8000-000000000001", "standing": "ready",
    "totalMillicores": 4000, "freeMillicores": 3980, "partyIds": ["friday"], "silentMs": 120,
    "goLive": true, "pictures": 1,
})))]
pub(super) struct Worker {
    /// Its `ORB_WORKER_ID`.
    id: String,
    /// Made at its start: a restarted worker has another one.
    incarnation: String,
    standing: Standing,
    /// In thousandths of a core.
    #[schema(minimum = 0)]
    total_millicores: u32,
    /// As it said last, less what was promised since.
    #[schema(minimum = 0)]
    free_millicores: u32,
    /// Parties that it holds, ordered by id.
    party_ids: Vec<String>,
    /// Since its last beat; null when this leader has heard none.
    #[schema(required, minimum = 0)]
    silent_ms: Option<i64>,
    /// It can send a picture into a voice channel: it was started with `ORB_GOLIVE`. False while this leader has not
    /// heard of it.
    go_live: bool,
    /// How many of its parties are to have one.
    #[schema(minimum = 0)]
    pictures: u32,
}

/// What can be expected of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WorkerStanding)]
enum Standing {
    /// Heard of, and takes parties.
    Ready,
    /// Hands over what it holds, and takes nothing new.
    Draining,
    /// Not heard of: its parties go elsewhere, or have gone.
    Suspect,
    /// The scheduler is new and has not heard of it yet.
    Unknown,
}

impl From<WorkerInfo> for Worker {
    fn from(worker: WorkerInfo) -> Self {
        Self {
            standing: worker.standing().into(),
            id: worker.worker_id,
            incarnation: worker.incarnation,
            total_millicores: worker.total_millicores,
            free_millicores: worker.free_millicores,
            party_ids: worker.session_ids,
            silent_ms: Some(worker.silent_ms).filter(|silent| *silent >= 0),
            go_live: worker.go_live,
            pictures: worker.pictures,
        }
    }
}

impl From<v1::WorkerStanding> for Standing {
    fn from(standing: v1::WorkerStanding) -> Self {
        match standing {
            v1::WorkerStanding::Ready => Self::Ready,
            v1::WorkerStanding::Draining => Self::Draining,
            v1::WorkerStanding::Suspect => Self::Suspect,
            v1::WorkerStanding::Unspecified | v1::WorkerStanding::Unknown => Self::Unknown,
        }
    }
}

/// All workers, ordered by id.
#[utoipa::path(get, operation_id = "listWorkers", path = "/api/v1/workers", tag = "workers",
    responses((status = 200, description = "The pool.", body = Workers)))]
pub(super) async fn list(State(gateway): State<Arc<Gateway>>) -> Result<Json<Workers>, Problem> {
    let workers = gateway.scheduler.workers().await?;
    Ok(Json(Workers {
        workers: workers.into_iter().map(Worker::from).collect(),
    }))
}

/// The `{workerId}` of a path.
pub(super) struct WorkerId(String);

impl<S: Send + Sync> FromRequestParts<S> for WorkerId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Rejected when the path is no UTF-8 once decoded.
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| worker_not_found())?;
        let (_, id) = params.iter().next().ok_or_else(worker_not_found)?;
        Ok(Self(id.to_owned()))
    }
}

fn worker_not_found() -> Problem {
    let detail = "no worker with this id is attached; GET /api/v1/workers has those that are";
    Problem::new(StatusCode::NOT_FOUND, "worker_not_found", detail)
}

/// Documents the `{workerId}` of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "documents the path; WorkerId reads it")]
pub(super) struct WorkerPath {
    /// Its `ORB_WORKER_ID`.
    #[param(rename = "workerId", min_length = 1, example = "worker-1")]
    worker_id: String,
}

/// A worker that is about to go.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({"id": "worker-1", "standing": "draining"})))]
pub(super) struct Drained {
    id: String,
    standing: Standing,
}

/// Has a worker hand over all its parties and exit, as SIGTERM to it would; again: no change.
#[utoipa::path(post, operation_id = "drainWorker", path = "/api/v1/workers/{workerId}/drain", tag = "workers",
    params(WorkerPath),
    responses((status = 202, description = "It is about to go; it has not gone yet.", body = Drained)))]
pub(super) async fn drain(
    State(gateway): State<Arc<Gateway>>,
    WorkerId(id): WorkerId,
) -> Result<(StatusCode, Json<Drained>), Problem> {
    gateway.scheduler.drain_worker(id.clone()).await?;
    let standing = Standing::Draining;
    Ok((StatusCode::ACCEPTED, Json(Drained { id, standing })))
}
