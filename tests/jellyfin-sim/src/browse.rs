//! `/UserViews`, `/Items` and `/UserItems/Resume`: looking around in the library.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use crate::auth::Caller;
use crate::dto::{self, DtoOptions};
use crate::item_query::ItemQuery;
use crate::query::Query;
use crate::state::SimState;
use crate::viewer::{ItemId, KnownUser, Viewer};

/// `GET /UserViews`: the libraries of a user.
pub(crate) async fn views(
    State(state): State<Arc<SimState>>,
    KnownUser(user): KnownUser,
) -> Response {
    let views = state.catalog.views();
    let all = DtoOptions::all();
    dto::page(&state, views, views.len(), 0, &all, Some(user))
}

/// `GET /Items`.
pub(crate) async fn list(
    State(state): State<Arc<SimState>>,
    Viewer { user, .. }: Viewer,
    query: Query,
) -> Result<Response, StatusCode> {
    let items = ItemQuery::read(&query, &state.catalog)?;
    let found = items.find(state.version, &state.catalog, &state.user_data, user);
    let options = DtoOptions::of(&query);
    let page = dto::page(
        &state,
        &found.items,
        found.total,
        found.start,
        &options,
        user,
    );
    Ok(page)
}

/// `GET /Items/{id}`: all that there is to say of one.
pub(crate) async fn get_one(
    State(state): State<Arc<SimState>>,
    KnownUser(user): KnownUser,
    ItemId(id): ItemId,
) -> Result<Json<Value>, StatusCode> {
    let index = state.catalog.find(&id).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(dto::item(
        &state,
        index,
        &DtoOptions::all(),
        Some(user),
    )))
}

/// `GET /UserItems/Resume`: "continue watching", the last played first.
pub(crate) async fn resume(
    State(state): State<Arc<SimState>>,
    KnownUser(user): KnownUser,
    query: Query,
) -> Result<Response, StatusCode> {
    let slice = Slice::read(&query)?;
    let media_types = query.list("mediatypes");
    let kinds = query.list("includeitemtypes");
    let mut found = state.user_data.resumable(user);
    found.retain(|&index| {
        let kind = state.catalog.get(index).kind;
        let among = |names: &[&str], name| {
            names.is_empty() || names.iter().any(|n| n.eq_ignore_ascii_case(name))
        };
        among(&media_types, kind.media_type()) && among(&kinds, kind.name())
    });
    Ok(slice.page(&state, &found, &DtoOptions::of(&query), Some(user)))
}

/// `startIndex`, `limit` and `enableTotalRecordCount` of the lists that are whole before they are cut.
pub(crate) struct Slice {
    start: usize,
    limit: usize,
    counts: bool,
}

impl Slice {
    pub(crate) fn read(query: &Query) -> Result<Self, StatusCode> {
        let number = |name| query.parse::<usize>(name).or(Err(StatusCode::BAD_REQUEST));
        let counts = query.parse("enabletotalrecordcount");
        Ok(Self {
            start: number("startindex")?.unwrap_or(0),
            limit: number("limit")?.unwrap_or(usize::MAX),
            counts: counts.or(Err(StatusCode::BAD_REQUEST))?.unwrap_or(true),
        })
    }

    pub(crate) fn page(
        &self,
        state: &SimState,
        found: &[u32],
        options: &DtoOptions,
        user: Option<usize>,
    ) -> Response {
        let end = self.start.saturating_add(self.limit).min(found.len());
        let items = found.get(self.start..end).unwrap_or_default();
        let total = if self.counts {
            found.len()
        } else {
            items.len()
        };
        dto::page(state, items, total, self.start, options, user)
    }
}

/// A token is asked for, and nothing is done (`/Sessions/Capabilities…`, `/Sessions/Playing/Ping`).
pub(crate) async fn accept(_: Caller) -> StatusCode {
    StatusCode::NO_CONTENT
}
