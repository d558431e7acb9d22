//! Who asks for a change, and whether it asked before.

use axum::{extract::FromRequestParts, http::request::Parts};
use utoipa::IntoParams;

use crate::{command_id::CommandId, problem::Problem};

/// Whoever does not say who it is.
const ANYONE: &str = "api";

const MAX_ACTOR: usize = 128;

/// What each call that changes something bears beside its body.
pub(super) struct Caller {
    pub(super) command_id: String,
    /// For the event rows.
    pub(super) actor: String,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let CommandId(command_id) = CommandId::from_request_parts(parts, state).await?;
        let actor = match parts.headers.get("x-orb-actor") {
            None => ANYONE.to_owned(),
            Some(value) => value
                .to_str()
                .ok()
                .filter(|actor| is_actor(actor))
                .ok_or_else(|| {
                    Problem::invalid_field(
                        "X-Orb-Actor",
                        "X-Orb-Actor must be 1 to 128 printable ASCII characters",
                    )
                })?
                .to_owned(),
        };
        Ok(Self { command_id, actor })
    }
}

fn is_actor(text: &str) -> bool {
    let printable = |c: char| c == ' ' || c.is_ascii_graphic();
    (1..=MAX_ACTOR).contains(&text.len()) && text.chars().all(printable)
}

/// Documents the headers that [`Caller`] reads.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "documents the headers")]
pub(super) struct CallerHeaders {
    /// The same key again gets the first answer, whatever happened since.
    #[param(rename = "Idempotency-Key", max_length = 255, example = "6f1d2c4e")]
    idempotency_key: Option<String>,
    /// Who asks, for the event rows; `api` where missing.
    #[param(
        rename = "X-Orb-Actor",
        min_length = 1,
        max_length = 128,
        example = "discord:123"
    )]
    x_orb_actor: Option<String>,
}
