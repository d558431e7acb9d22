//! `/Shows…`: seasons, episodes, and the one to watch next (`TvShowsController`, `NextUpService`).

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::accounts::UserIndex;
use crate::auth::Caller;
use crate::browse::Slice;
use crate::catalog::{Index, Kind};
use crate::dto::{self, DtoOptions};
use crate::ids;
use crate::query::Query;
use crate::state::SimState;
use crate::viewer::{ItemId, KnownUser, Viewer};

/// `GET /Shows/{id}/Seasons`: by number, the specials first.
pub(crate) async fn seasons(
    State(state): State<Arc<SimState>>,
    Viewer { user, .. }: Viewer,
    ItemId(id): ItemId,
    query: Query,
) -> Result<Response, StatusCode> {
    let series = of_kind(&state, &id, Kind::Series)?;
    let special = query
        .parse::<bool>("isspecialseason")
        .or(Err(StatusCode::BAD_REQUEST))?;
    let mut seasons = state.catalog.get(series).children.clone();
    seasons.retain(|&season| {
        special.is_none_or(|special| (state.catalog.get(season).number == Some(0)) == special)
    });
    let options = DtoOptions::of(&query);
    Ok(dto::page(
        &state,
        &seasons,
        seasons.len(),
        0,
        &options,
        user,
    ))
}

/// `GET /Shows/{id}/Episodes`, of all seasons or of `seasonId` or `season`. Missing ones are left out for a
/// user, and given to an API key.
pub(crate) async fn episodes(
    State(state): State<Arc<SimState>>,
    Viewer { caller, user }: Viewer,
    ItemId(id): ItemId,
    query: Query,
) -> Result<Response, StatusCode> {
    let catalog = &state.catalog;
    let number = query
        .parse::<u32>("season")
        .or(Err(StatusCode::BAD_REQUEST))?;
    let missing = query
        .parse::<bool>("ismissing")
        .or(Err(StatusCode::BAD_REQUEST))?;
    let mut found: Vec<Index> = if let Some(season) = query.get("seasonid") {
        let season = of_kind(&state, season, Kind::Season)?;
        catalog.get(season).children.clone()
    } else {
        let series = of_kind(&state, &id, Kind::Series)?;
        let in_season = |&index: &Index| number.is_none() || catalog.get(index).season == number;
        catalog.episodes_of(series).filter(in_season).collect()
    };
    let with_missing = caller == Caller::ApiKey;
    found.retain(|&index| {
        let is_missing = catalog.get(index).is_missing();
        (with_missing || !is_missing) && missing.is_none_or(|missing| missing == is_missing)
    });
    if let Some(start) = query.get("startitemid").map(ids::key) {
        let start = catalog.find(&start);
        let skipped = found
            .iter()
            .take_while(|&&index| Some(index) != start)
            .count();
        found.drain(..skipped);
    }
    let slice = Slice::read(&query)?;
    let options = DtoOptions::of(&query);
    let items = slice.cut(&found);
    Ok(dto::page(
        &state,
        items,
        found.len(),
        slice.start,
        &options,
        user,
    ))
}

/// `GET /Shows/NextUp`: of one series, or of each that the user has begun, the last watched first.
pub(crate) async fn next_up(
    State(state): State<Arc<SimState>>,
    KnownUser(user): KnownUser,
    query: Query,
) -> Result<Response, StatusCode> {
    let catalog = &state.catalog;
    let resumable = query
        .parse::<bool>("enableresumable")
        .or(Err(StatusCode::BAD_REQUEST))?;
    let one = query.get("seriesid").and_then(|id| catalog.find(id));
    let series: Vec<(Option<SystemTime>, Index)> = match one {
        Some(series) if catalog.get(series).kind == Kind::Series => vec![(None, series)],
        _ => {
            let is_series = |index: &Index| catalog.get(*index).kind == Kind::Series;
            let last = |series| (last_played(&state, user, series), series);
            let mut begun: Vec<_> = catalog.all().filter(is_series).map(last).collect();
            begun.retain(|(last, _)| last.is_some());
            begun.sort_by_key(|(last, _)| Reverse(*last));
            begun
        }
    };
    let mut found: Vec<Index> = series
        .into_iter()
        .filter_map(|(_, series)| next_episode(&state, user, series))
        .collect();
    if resumable == Some(false) {
        found.retain(|&episode| state.user_data.get(user, episode).position_ticks == 0);
    }
    let slice = Slice::read(&query)?;
    // Where nobody counts there is no total at all (`TVSeriesManager.GetResult`).
    let total = if slice.counts { found.len() } else { 0 };
    let options = DtoOptions::of(&query);
    let items = slice.cut(&found);
    Ok(dto::page(
        &state,
        items,
        total,
        slice.start,
        &options,
        Some(user),
    ))
}

/// The first episode that was not played after the last one that was, by their numbers. Specials do not count,
/// and what has no file is not next.
fn next_episode(state: &SimState, user: UserIndex, series: Index) -> Option<Index> {
    let regular = |index: &Index| state.catalog.get(*index).season != Some(0);
    let episodes: Vec<Index> = state.catalog.episodes_of(series).filter(regular).collect();
    let played = |index: Index| state.user_data.get(user, index).played;
    let after = episodes
        .iter()
        .rposition(|&index| played(index))
        .map_or(0, |last| last + 1);
    let mut rest = episodes[after..].iter().copied();
    rest.find(|&index| !state.catalog.get(index).is_missing() && !played(index))
}

/// When something of a series was last played.
fn last_played(state: &SimState, user: UserIndex, series: Index) -> Option<SystemTime> {
    let episodes = state.catalog.episodes_of(series);
    episodes
        .filter_map(|episode| state.user_data.get(user, episode).last_played)
        .max()
}

fn of_kind(state: &SimState, id: &str, kind: Kind) -> Result<Index, StatusCode> {
    let found = state
        .catalog
        .entry(id)
        .filter(|(_, entry)| entry.kind == kind);
    found.map(|(index, _)| index).ok_or(StatusCode::NOT_FOUND)
}
