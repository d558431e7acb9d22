//! What tells a call from its repetition.

use axum::{extract::FromRequestParts, http::request::Parts};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::problem::Problem;

/// Longest command id; the scheduler stores it with the outcome of the call.
const MAX_LENGTH: usize = 255;

/// The caller's `Idempotency-Key`, else one that is made here, once a request: it is kept across the gateway's own
/// retries.
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
            Ok(id) if id.len() <= MAX_LENGTH => Ok(Self(id.to_owned())),
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
pub(crate) struct IdempotencyKey {
    /// The same key again gets the first answer, whatever happened since.
    #[param(rename = "Idempotency-Key", max_length = 255, example = "6f1d2c4e")]
    idempotency_key: Option<String>,
}
