//! `/UserItems/{id}/UserData` and `/UserPlayedItems/{id}`: what a user has seen, read and set by hand.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::Value;

use crate::body::Body;
use crate::query::Query;
use crate::state::SimState;
use crate::user_data::{parse_date, user_data_dto};
use crate::viewer::{ItemId, KnownUser};

/// `GET /UserItems/{id}/UserData`.
pub(crate) async fn get(
    State(state): State<Arc<SimState>>,
    KnownUser(user): KnownUser,
    ItemId(id): ItemId,
) -> Result<Json<Value>, StatusCode> {
    let item = state.catalog.find(&id).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(user_data_dto(
        &state.catalog,
        &state.user_data,
        user,
        item,
    )))
}

/// `POST /UserItems/{id}/UserData`: sets the fields that are given, and those alone. Nothing is rounded: a
/// position stays where it was set.
pub(crate) async fn set(
    State(state): State<Arc<SimState>>,
    KnownUser(user): KnownUser,
    ItemId(id): ItemId,
    body: Body,
) -> Result<Json<Value>, StatusCode> {
    let item = state.catalog.find(&id).ok_or(StatusCode::NOT_FOUND)?;
    let whole = |name| {
        body.number(name)
            .map(|n| n.map(|n| u64::try_from(n).unwrap_or(0)))
    };
    let (position, count) = (whole("PlaybackPositionTicks")?, whole("PlayCount")?);
    let played_at = body
        .text("LastPlayedDate")
        .map(|date| parse_date(date).ok_or(()));
    let played_at = played_at.transpose().or(Err(StatusCode::BAD_REQUEST))?;
    state.user_data.change(user, item, |data| {
        data.position_ticks = position.unwrap_or(data.position_ticks);
        data.play_count = count.map_or(data.play_count, |count| count as u32);
        data.played = body.truth("Played").unwrap_or(data.played);
        data.favorite = body.truth("IsFavorite").unwrap_or(data.favorite);
        data.last_played = played_at.or(data.last_played);
    });
    Ok(Json(user_data_dto(
        &state.catalog,
        &state.user_data,
        user,
        item,
    )))
}

/// `POST /UserPlayedItems/{id}`: seen, with all that lies in it.
pub(crate) async fn mark_played(
    State(state): State<Arc<SimState>>,
    KnownUser(user): KnownUser,
    ItemId(id): ItemId,
    query: Query,
) -> Result<Json<Value>, StatusCode> {
    let item = state.catalog.find(&id).ok_or(StatusCode::NOT_FOUND)?;
    let when = query.get("dateplayed").and_then(parse_date);
    for video in state.catalog.videos_in(item) {
        state
            .user_data
            .change(user, video, |data| data.mark_played(when));
    }
    Ok(Json(user_data_dto(
        &state.catalog,
        &state.user_data,
        user,
        item,
    )))
}

/// `DELETE /UserPlayedItems/{id}`: not seen, nor anything in it.
pub(crate) async fn mark_unplayed(
    State(state): State<Arc<SimState>>,
    KnownUser(user): KnownUser,
    ItemId(id): ItemId,
) -> Result<Json<Value>, StatusCode> {
    let item = state.catalog.find(&id).ok_or(StatusCode::NOT_FOUND)?;
    for video in state.catalog.videos_in(item) {
        state
            .user_data
            .change(user, video, crate::user_data::UserData::mark_unplayed);
    }
    Ok(Json(user_data_dto(
        &state.catalog,
        &state.user_data,
        user,
        item,
    )))
}
