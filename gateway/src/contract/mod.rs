//! The worker contract over HTTP: each call one gRPC call, each answer the whole status object.

mod control;
mod json_fields;
mod play;
mod sessions;
mod status;

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use orb_proto::v1::Session;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

pub(crate) use json_fields::Fields;
pub(crate) use status::{EndReason, PlaybackState, SessionStatus};

use crate::{app::Gateway, problem::Problem};

/// Longest command id; the scheduler stores it with the outcome of the call.
const MAX_COMMAND_ID: usize = 255;

pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(sessions::create))
        .routes(routes!(sessions::get))
        .routes(routes!(play::play))
        .routes(routes!(control::control))
}

/// Tells a call from its repetition: the caller's `Idempotency-Key`, else one that is made here and kept across
/// the gateway's own retries.
pub(crate) struct CommandId(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for CommandId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts
            .headers
            .get("idempotency-key")
            .filter(|value| !value.is_empty())
        else {
            return Ok(Self(Uuid::new_v4().to_string()));
        };
        match value.to_str() {
            Ok(id) if id.len() <= MAX_COMMAND_ID => Ok(Self(id.to_owned())),
            _ => Err(Problem::invalid_field(
                "Idempotency-Key",
                "must be at most 255 visible ASCII characters",
            )),
        }
    }
}

/// Documents the header that [`CommandId`] reads.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "documents the header")]
struct IdempotencyKey {
    /// The same key again gets the first answer, whatever happened since.
    #[param(rename = "Idempotency-Key", max_length = 255)]
    idempotency_key: Option<String>,
}

/// The session of an answer; an answer without one is the scheduler's failure.
fn present(session: Option<Session>) -> Result<Session, Problem> {
    session.ok_or_else(|| {
        tracing::error!("the scheduler answered without a session");
        Problem::internal()
    })
}

/// 200 when a worker has done it, 202 when it is durable and still under way.
fn settled_code(settled: bool) -> StatusCode {
    if settled {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    }
}
