//! `/UserViews`, `/Items` and `/UserItems/Resume`: looking around in the library.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use crate::auth::Caller;
use crate::catalog::Index;
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
    let items = slice.cut(&found);
    let total = if slice.counts {
        found.len()
    } else {
        items.len()
    };
    let options = DtoOptions::of(&query);
    Ok(dto::page(
        &state,
        items,
        total,
        slice.start,
        &options,
        Some(user),
    ))
}

/// `startIndex`, `limit` and `enableTotalRecordCount` of the lists that are whole before they are cut.
pub(crate) struct Slice {
    pub(crate) start: usize,
    pub(crate) counts: bool,
    limit: usize,
}

impl Slice {
    pub(crate) fn read(query: &Query) -> Result<Self, StatusCode> {
        let number = |name| query.parse::<usize>(name).or(Err(StatusCode::BAD_REQUEST));
        let counts = query.parse("enabletotalrecordcount");
        Ok(Self {
            start: number("startindex")?.unwrap_or(0),
            counts: counts.or(Err(StatusCode::BAD_REQUEST))?.unwrap_or(true),
            limit: number("limit")?.unwrap_or(usize::MAX),
        })
    }

    /// This page.
    pub(crate) fn cut<'a>(&self, found: &'a [Index]) -> &'a [Index] {
        let end = self.start.saturating_add(self.limit).min(found.len());
        found.get(self.start..end).unwrap_or_default()
    }
}

/// A token is asked for, and nothing is done (`/Sessions/Capabilities…`, `/Sessions/Playing/Ping`).
pub(crate) async fn accept(_: Caller) -> StatusCode {
    StatusCode::NO_CONTENT
}
