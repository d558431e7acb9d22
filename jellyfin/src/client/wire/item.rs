//! Items and lists of them.

use std::collections::HashMap;

use serde::Deserialize;

use super::{ms, or_default};
use crate::client::{Chapter, ImageTags, ItemKind, LibraryItem, Page};

/// `BaseItemDtoQueryResult`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::client) struct Items {
    // Not optional: it is what makes an answer a list of Jellyfin's.
    items: Vec<Item>,
    total_record_count: Option<u32>,
}

impl Items {
    /// `start_index` and at most `limit` entries, as they were asked for: not every call repeats them.
    pub(in crate::client) fn into_page(self, start_index: u32, limit: u32) -> Page<LibraryItem> {
        // Calls without paging leave the total at 0.
        let seen = match self.items.len() as u32 {
            0 => 0,
            here => start_index.saturating_add(here),
        };
        let items = self.items.into_iter().take(limit as usize);
        Page {
            items: items.map(Item::into_item).collect(),
            start_index,
            total: self.total_record_count.unwrap_or_default().max(seen),
        }
    }
}

/// `BaseItemDto`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::client) struct Item {
    id: String,
    #[serde(default)]
    r#type: String,
    name: Option<String>,
    production_year: Option<i32>,
    overview: Option<String>,
    run_time_ticks: Option<i64>,
    premiere_date: Option<String>,
    series_id: Option<String>,
    series_name: Option<String>,
    season_id: Option<String>,
    parent_index_number: Option<i32>,
    index_number: Option<i32>,
    #[serde(default, deserialize_with = "or_default")]
    genres: Vec<String>,
    official_rating: Option<String>,
    community_rating: Option<f64>,
    #[serde(default, deserialize_with = "or_default")]
    provider_ids: HashMap<String, Option<String>>,
    #[serde(default, deserialize_with = "or_default")]
    image_tags: HashMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    backdrop_image_tags: Vec<String>,
    series_primary_image_tag: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    chapters: Vec<WireChapter>,
    #[serde(default, deserialize_with = "or_default")]
    user_data: UserData,
    collection_type: Option<String>,
    location_type: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    is_folder: bool,
    #[serde(default, deserialize_with = "or_default")]
    is_place_holder: bool,
    pub(in crate::client) display_order: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct UserData {
    played: bool,
    playback_position_ticks: i64,
    unplayed_item_count: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireChapter {
    #[serde(default)]
    start_position_ticks: i64,
    name: Option<String>,
}

impl Item {
    pub(in crate::client) fn into_item(self) -> LibraryItem {
        let kind = ItemKind::from_jellyfin(&self.r#type);
        let mut provider_ids = self.provider_ids;
        let mut provider = |name: &str| provider_ids.remove(name).flatten();
        let mut image_tags = self.image_tags;
        let mut image = |name: &str| image_tags.remove(name);
        let in_series = |number| {
            matches!(kind, ItemKind::Season | ItemKind::Episode)
                .then_some(number)
                .flatten()
        };
        let (season, episode) = if kind == ItemKind::Season {
            (in_series(self.index_number), None)
        } else {
            (
                in_series(self.parent_index_number),
                in_series(self.index_number),
            )
        };
        let is_there = self.location_type.as_deref() != Some("Virtual") && !self.is_place_holder;
        LibraryItem {
            kind,
            // A series without a title has an empty one; nothing else identifies it to a person.
            name: self.name.unwrap_or_default(),
            year: self.production_year,
            overview: self.overview.filter(|text| !text.is_empty()),
            runtime_ms: ms(self.run_time_ticks).filter(|&ms| ms > 0),
            premiere: self.premiere_date,
            series_id: self.series_id,
            series_name: self.series_name,
            season_id: self.season_id,
            season,
            episode,
            genres: self.genres,
            official_rating: self.official_rating,
            community_rating: self.community_rating,
            tmdb_id: provider("Tmdb"),
            imdb_id: provider("Imdb"),
            images: ImageTags {
                primary: image("Primary"),
                thumb: image("Thumb"),
                logo: image("Logo"),
                backdrop: self.backdrop_image_tags.into_iter().next(),
                series_primary: self.series_primary_image_tag,
            },
            chapters: self
                .chapters
                .into_iter()
                .map(|chapter| Chapter {
                    start_ms: ms(Some(chapter.start_position_ticks)).unwrap_or_default(),
                    name: chapter.name.filter(|name| !name.is_empty()),
                })
                .collect(),
            played: self.user_data.played,
            resume_ms: ms(Some(self.user_data.playback_position_ticks)).filter(|&ms| ms > 0),
            unplayed_count: self.user_data.unplayed_item_count,
            collection_type: self.collection_type,
            playable: kind.is_video() && !self.is_folder && is_there,
            id: self.id,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, from_value, json};

    use super::*;

    fn item(json: Value) -> LibraryItem {
        from_value::<Item>(json).unwrap().into_item()
    }

    #[test]
    fn an_episode_is_read() {
        let episode = item(json!({
            "Id": "e1", "Type": "Episode", "Name": "Pilot", "ProductionYear": 2008,
            "RunTimeTicks": 34_560_000_000_i64, "PremiereDate": "2008-01-20T00:00:00.0000000Z",
            "SeriesId": "s1", "SeriesName": "Bad", "SeasonId": "n1", "ParentIndexNumber": 1,
            "IndexNumber": 3, "ImageTags": {"Primary": "p"}, "BackdropImageTags": ["b", "c"],
            "SeriesPrimaryImageTag": "sp", "ProviderIds": {"Imdb": "tt1", "Tmdb": null},
            "LocationType": "FileSystem", "SomethingNew": {"Deep": []},
            "UserData": {"PlaybackPositionTicks": 6_000_000_000_i64, "Played": false, "Key": "k"},
            "Chapters": [{"StartPositionTicks": 50_000_000, "Name": "Two"}],
        }));
        assert_eq!(episode.kind, ItemKind::Episode);
        assert_eq!((episode.season, episode.episode), (Some(1), Some(3)));
        assert_eq!(episode.runtime_ms, Some(3_456_000));
        assert_eq!(episode.resume_ms, Some(600_000));
        assert_eq!(episode.images.backdrop.as_deref(), Some("b"));
        assert_eq!(episode.images.series_primary.as_deref(), Some("sp"));
        assert_eq!(
            (episode.imdb_id.as_deref(), episode.tmdb_id),
            (Some("tt1"), None)
        );
        assert_eq!(episode.chapters[0].start_ms, 5000);
        assert!(episode.playable);
    }

    #[test]
    fn what_is_missing_or_null_is_no_error() {
        let bare = item(json!({"Id": "x"}));
        assert_eq!((bare.kind, bare.playable), (ItemKind::Other, false));
        let null = item(json!({
            "Id": "x", "Type": "Movie", "Name": null, "Genres": null, "ProviderIds": null,
            "ImageTags": null, "BackdropImageTags": null, "UserData": null, "Chapters": null,
            "RunTimeTicks": null, "LocationType": null, "IsFolder": null,
        }));
        assert!(null.playable && null.resume_ms.is_none());
        let negative = item(json!({"Id": "x", "Type": "Movie", "RunTimeTicks": -5}));
        assert_eq!(negative.runtime_ms, None);
    }

    #[test]
    fn what_has_no_file_is_not_playable() {
        for (key, value) in [
            ("LocationType", json!("Virtual")),
            ("IsFolder", json!(true)),
            ("IsPlaceHolder", json!(true)),
            ("Type", json!("Series")),
        ] {
            let mut missing = json!({"Id": "e", "Type": "Episode"});
            missing[key] = value;
            assert!(!item(missing).playable, "{key}");
        }
    }

    #[test]
    fn numbers_of_seasons_are_their_own() {
        let season = item(json!({"Id": "n", "Type": "Season", "IndexNumber": 0}));
        assert_eq!((season.season, season.episode), (Some(0), None));
        let movie = item(json!({"Id": "m", "Type": "Movie", "IndexNumber": 7}));
        assert_eq!((movie.season, movie.episode), (None, None));
    }

    #[test]
    fn pages_count_what_they_show() {
        let items: Items = from_value(json!({"Items": [{"Id": "a"}, {"Id": "b"}]})).unwrap();
        let page = items.into_page(10, 1);
        assert_eq!(
            (page.items.len(), page.start_index, page.total),
            (1, 10, 12)
        );
        let beyond = json!({"Items": [], "TotalRecordCount": 7, "StartIndex": 50});
        let page = from_value::<Items>(beyond).unwrap().into_page(50, 10);
        assert_eq!((page.start_index, page.total), (50, 7));
        assert!(from_value::<Items>(json!({"error": "login"})).is_err());
    }
}
