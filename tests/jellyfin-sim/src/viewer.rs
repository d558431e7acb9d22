//! For whom a call is: the caller, or whom an API key or administrator asks for by `userId`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::accounts::UserIndex;
use crate::auth::Caller;
use crate::ids;
use crate::query::Query;
use crate::state::SimState;

/// The user that a call is for, from the path (`/Users/{user}/…`, kept for old clients), the query
/// (`userId`), or the token (`RequestHelpers.GetUserId`). An API key without `userId` is for nobody.
///
/// As an extractor it answers 401 without a token, 403 when a user asks for another's things, 404 for a user
/// that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Viewer {
    pub(crate) caller: Caller,
    pub(crate) user: Option<UserIndex>,
}

impl Viewer {
    /// The viewer when the request asks for `wanted`.
    pub(crate) fn of(state: &SimState, caller: Caller, wanted: &str) -> Result<Self, StatusCode> {
        let own = caller.user();
        if ids::key(wanted).is_empty() {
            return Ok(Self { caller, user: own });
        }
        let user = state.accounts.by_id(wanted);
        let may = own.is_none_or(|own| user == Some(own) || state.accounts.get(own).administrator);
        if !may {
            return Err(StatusCode::FORBIDDEN);
        }
        match user {
            Some(_) => Ok(Self { caller, user }),
            None => Err(StatusCode::NOT_FOUND),
        }
    }
}

impl FromRequestParts<Arc<SimState>> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<SimState>,
    ) -> Result<Self, Response> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let in_path = path_parameter(parts, "user").await;
        let in_query = Query::of(&parts.uri).get("userid").map(ToOwned::to_owned);
        let wanted = in_path.or(in_query).unwrap_or_default();
        Self::of(state, caller, &wanted).map_err(IntoResponse::into_response)
    }
}

/// The user of a call that makes no sense without one; as an extractor it answers 400 to an API key that
/// names nobody, as `UserManager.GetUserById` does for the empty id.
pub(crate) struct KnownUser(pub(crate) UserIndex);

impl FromRequestParts<Arc<SimState>> for KnownUser {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<SimState>,
    ) -> Result<Self, Response> {
        let viewer = Viewer::from_request_parts(parts, state).await?;
        let refused = || (StatusCode::BAD_REQUEST, PROCESSING_ERROR).into_response();
        viewer.user.map(Self).ok_or_else(refused)
    }
}

/// What Jellyfin says of every exception outside of development (`ExceptionMiddleware`).
pub(crate) const PROCESSING_ERROR: &str = "Error processing request.";

/// The item in a path, whatever else stands there.
pub(crate) struct ItemId(pub(crate) String);

impl FromRequestParts<Arc<SimState>> for ItemId {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<SimState>) -> Result<Self, StatusCode> {
        let id = path_parameter(parts, "id").await;
        id.map(Self).ok_or(StatusCode::NOT_FOUND)
    }
}

async fn path_parameter(parts: &mut Parts, name: &str) -> Option<String> {
    let path = Path::<HashMap<String, String>>::from_request_parts(parts, &()).await;
    path.ok()?.0.remove(name)
}
