//! Libraries, search, an item, what is in it, and what comes next.

use std::sync::Arc;

use axum::{Json, extract::State};
use orb_jellyfin::client::{ItemKind, ItemQuery};
use utoipa::IntoParams;

use super::{
    item::LibraryItem,
    item_path::ItemPath,
    page::{self, Page, PageQuery},
    refusal::problem,
};
use crate::{app::Gateway, catalogue::ItemId, problem::Problem, query::Query};

/// What can be searched for.
const KINDS: [ItemKind; 6] = [
    ItemKind::Movie,
    ItemKind::Series,
    ItemKind::Season,
    ItemKind::Episode,
    ItemKind::Collection,
    ItemKind::Video,
];

/// The library's libraries: films, shows, and whatever else its owner has.
#[utoipa::path(get, path = "/api/v1/library", tag = "library",
    responses((status = 200, description = "All of them.", body = Page)))]
pub(super) async fn libraries(State(gateway): State<Arc<Gateway>>) -> Result<Json<Page>, Problem> {
    let libraries = gateway.library()?.libraries().await;
    let libraries = libraries.map_err(|error| problem(&error))?;
    Ok(Json(Page::of(&libraries, |id| gateway.image_url(id))))
}

/// Documents the query of a search.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents the query; it is read field by field")]
pub(super) struct SearchQuery {
    /// What the title has in it, 200 bytes at most; the best match comes first. Missing: everything, by title.
    #[param(max_length = 200, example = "steel")]
    q: Option<String>,
    /// Of these, separated by commas: movie, series, season, episode, collection, video. Missing: movies, series,
    /// episodes and collections.
    #[param(example = "movie,series")]
    kinds: Option<String>,
}

/// Searches the whole library by title.
#[utoipa::path(get, path = "/api/v1/library/search", tag = "library", params(SearchQuery, PageQuery),
    responses((status = 200, description = "A part of what was found.", body = Page)))]
pub(super) async fn search(
    State(gateway): State<Arc<Gateway>>,
    query: Query,
) -> Result<Json<Page>, Problem> {
    let page = page::read(&query)?;
    let kinds = query.text("kinds").map(read_kinds).transpose()?;
    let usual = ItemQuery::search(query.text("q").unwrap_or_default());
    let kinds = kinds.unwrap_or_else(|| usual.kinds.clone());
    let wanted = match query.text("q").map(str::trim).filter(|q| !q.is_empty()) {
        Some(_) => usual.kinds(&kinds),
        None => ItemQuery::of(&kinds),
    };
    let wanted = wanted.page(page.start_index, page.limit);
    let found = gateway.library()?.items(&wanted).await;
    let found = found.map_err(|error| problem(&error))?;
    Ok(Json(Page::of(&found, |id| gateway.image_url(id))))
}

fn read_kinds(text: &str) -> Result<Vec<ItemKind>, Problem> {
    let kinds = text.split(',').map(|name| {
        let known = KINDS.iter().find(|kind| kind.as_str() == name.trim());
        known.copied()
    });
    // In one order, and each once: the same search is cached once.
    let named: Option<Vec<_>> = kinds.collect();
    let named = named.ok_or_else(|| {
        let known = KINDS.map(ItemKind::as_str).join(", ");
        Problem::invalid_field(
            "kinds",
            format!("kinds must be of {known}, separated by commas"),
        )
    })?;
    Ok(KINDS
        .into_iter()
        .filter(|kind| named.contains(kind))
        .collect())
}

/// One item.
#[utoipa::path(get, path = "/api/v1/library/items/{id}", tag = "library", params(ItemPath),
    responses((status = 200, description = "The item.", body = LibraryItem)))]
pub(super) async fn item(
    State(gateway): State<Arc<Gateway>>,
    id: ItemId,
) -> Result<Json<LibraryItem>, Problem> {
    let item = gateway.library()?.item(id.as_str()).await;
    let item = item.map_err(|error| problem(&error))?;
    Ok(Json(LibraryItem::of(&item, |id| gateway.image_url(id))))
}

/// What is in an item: the seasons of a series, the episodes of a season, the items of a library, folder or collection.
///
/// Nothing is in a film.
#[utoipa::path(get, path = "/api/v1/library/items/{id}/children", tag = "library", params(ItemPath, PageQuery),
    responses((status = 200, description = "A part of it.", body = Page)))]
pub(super) async fn children(
    State(gateway): State<Arc<Gateway>>,
    id: ItemId,
    query: Query,
) -> Result<Json<Page>, Problem> {
    let page = page::read(&query)?;
    let client = gateway.library()?;
    let item = client.item(id.as_str()).await;
    let item = item.map_err(|error| problem(&error))?;
    let image = |id: &str| gateway.image_url(id);
    let found = match (item.kind, &item.series_id) {
        (ItemKind::Series, _) => {
            let seasons = client.seasons(&item.id).await;
            seasons.map(|seasons| Page::of(&seasons, image).cut(page))
        }
        (ItemKind::Season, Some(series)) => {
            let episodes = client.episodes(series, Some(&item.id), page).await;
            episodes.map(|episodes| Page::of(&episodes, image))
        }
        (kind, _) if kind.is_video() => Ok(Page::empty(page)),
        _ => {
            let inside = ItemQuery::children(&item.id).page(page.start_index, page.limit);
            let inside = client.items(&inside).await;
            inside.map(|inside| Page::of(&inside, image))
        }
    };
    found.map(Json).map_err(|error| problem(&error))
}

/// Documents the query of `next-up`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents the query; it is read field by field")]
pub(super) struct NextUpQuery {
    /// The series.
    #[param(
        rename = "seriesId",
        pattern = "^[A-Za-z0-9-]{1,64}$",
        example = "abc999"
    )]
    series_id: String,
}

/// The episode of a series that the library's user would see next; an empty page when all were seen.
#[utoipa::path(get, path = "/api/v1/library/next-up", tag = "library", params(NextUpQuery),
    responses((status = 200, description = "One episode, or none.", body = Page)))]
pub(super) async fn next_up(
    State(gateway): State<Arc<Gateway>>,
    query: Query,
) -> Result<Json<Page>, Problem> {
    let rule = "seriesId is required and must be 1 to 64 letters, digits and dashes";
    let series = query.text("seriesId").and_then(ItemId::parse);
    let series = series.ok_or_else(|| Problem::invalid_field("seriesId", rule))?;
    let client = gateway.library()?;
    // Jellyfin has nothing next of a series that is not there; whether it is there is worth an answer of its own.
    let item = client.item(series.as_str()).await;
    item.map_err(|error| problem(&error))?;
    let next = client.next_up(series.as_str()).await;
    let next = next.map_err(|error| problem(&error))?;
    let items = next.iter();
    let items: Vec<_> = items
        .map(|item| LibraryItem::of(item, |id| gateway.image_url(id)))
        .collect();
    Ok(Json(Page {
        total: u32::from(!items.is_empty()),
        start: 0,
        items,
    }))
}

/// What the library's user has begun and not seen to its end, the latest first.
#[utoipa::path(get, path = "/api/v1/library/continue-watching", tag = "library", params(PageQuery),
    responses((status = 200, description = "A part of it.", body = Page)))]
pub(super) async fn continue_watching(
    State(gateway): State<Arc<Gateway>>,
    query: Query,
) -> Result<Json<Page>, Problem> {
    let page = page::read(&query)?;
    let begun = gateway.library()?.continue_watching(page).await;
    let begun = begun.map_err(|error| problem(&error))?;
    Ok(Json(Page::of(&begun, |id| gateway.image_url(id))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn kinds_are_one_list_for_one_meaning() {
        let expected = vec![ItemKind::Movie, ItemKind::Episode];
        for same in ["movie,episode", "episode, movie", "episode,movie,movie"] {
            assert_eq!(read_kinds(same).unwrap(), expected, "{same}");
        }
        for wrong in ["", "movie,", "Movie", "library", "movie;episode"] {
            assert_eq!(
                read_kinds(wrong).unwrap_err().code(),
                "invalid_argument",
                "{wrong}"
            );
        }
    }
}
