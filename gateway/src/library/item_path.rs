//! The id of an item, as it stands in a path.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use utoipa::IntoParams;

use super::refusal::no_such_id;
use crate::{catalogue::ItemId, problem::Problem};

/// Documents the `{id}` of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "documents the path; ItemId reads it")]
pub(super) struct ItemPath {
    /// The item's id, as the library has it.
    #[param(pattern = "^[A-Za-z0-9-]{1,64}$", example = "abc123")]
    id: String,
}

/// The only parameter of the route; anything that can be no id is a 404.
impl<S: Send + Sync> FromRequestParts<S> for ItemId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Rejected when the path is no UTF-8 once decoded.
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| no_such_id())?;
        let (_, text) = params.iter().next().ok_or_else(no_such_id)?;
        Self::parse(text).ok_or_else(no_such_id)
    }
}
