//! The worker contract over HTTP: each call one gRPC call, each answer the whole status object.

mod control;
mod picture;
mod play;
mod sessions;
mod status;

use std::sync::Arc;

use axum::http::StatusCode;
use orb_proto::v1::Session;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use status::{EndReason, PlaybackState, SessionStatus};

use crate::{app::Gateway, problem::Problem};

/// Who asks, as the event rows have it.
const ACTOR: &str = "contract";

pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(sessions::create))
        .routes(routes!(sessions::get))
        .routes(routes!(play::play))
        .routes(routes!(control::control))
}

/// The session of an answer; an answer without one is the scheduler's failure.
pub(crate) fn present(session: Option<Session>) -> Result<Session, Problem> {
    session.ok_or_else(|| {
        tracing::error!("the scheduler answered without a session");
        Problem::internal()
    })
}

/// 200 when a worker has done it, 202 when it is durable and still under way.
pub(crate) fn settled_code(settled: bool) -> StatusCode {
    if settled {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    }
}
