//! `/healthz` and `/readyz`.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::Gateway,
    problem::{Problem, ProblemBody},
};

/// What the process around the gateway knows of its own readiness. Whether the scheduler answers is checked by
/// the gateway itself, at each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Everything that this process needs is there.
    Ready,
    /// Something is missing; one sentence, without secrets, says what.
    NotReady(String),
}

pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
}

/// Answer of a process that is well.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({"status": "ok"})))]
struct Well {
    /// `ok`.
    status: &'static str,
}

/// The process lives.
#[utoipa::path(get, operation_id = "getHealth", path = "/healthz", tag = "operation", security(()), responses(
    (status = 200, description = "The process lives.", body = Well),
))]
async fn healthz() -> Json<Well> {
    Json(Well { status: "ok" })
}

/// Calls would be accepted.
#[utoipa::path(get, operation_id = "getReadiness", path = "/readyz", tag = "operation", security(()), responses(
    (status = 200, description = "`POST /sessions` and `play` would be accepted.", body = Well),
    (status = 503, description = "They would not; `detail` says what is missing.",
        body = ProblemBody, content_type = "application/problem+json"),
))]
async fn readyz(State(gateway): State<Arc<Gateway>>) -> Result<Json<Well>, Problem> {
    let readiness = gateway.readiness.borrow().clone();
    if let Readiness::NotReady(missing) = readiness {
        return Err(not_ready(missing));
    }
    if !gateway.scheduler.answers().await {
        return Err(not_ready(
            "the scheduler does not answer this gateway".to_owned(),
        ));
    }
    Ok(Json(Well { status: "ok" }))
}

fn not_ready(detail: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail)
}
