//! An item as a caller sees it.

use orb_jellyfin::client;
use serde::Serialize;
use utoipa::ToSchema;

/// Something in the library.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({
    "id": "def456", "kind": "episode", "title": "Pilot", "year": 2019, "durationSeconds": 2640,
    "summary": "It begins.", "seriesId": "abc999", "seriesTitle": "The Show", "seasonId": "abc777", "season": 1,
    "episode": 1, "genres": [], "officialRating": null, "communityRating": 8.1,
    "premiere": "2019-01-07T00:00:00.0000000Z", "tmdbId": null, "imdbId": "tt7654321",
    "imageUrl": "/api/v1/library/items/def456/image", "played": false, "resumeSeconds": 312, "unplayedCount": null,
    "collectionType": null, "playable": true,
})))]
pub(super) struct LibraryItem {
    /// For `itemIds` of a queue, and for the calls below `/library/items/`.
    id: String,
    kind: Kind,
    title: String,
    #[schema(required)]
    year: Option<i32>,
    #[schema(required, minimum = 0)]
    duration_seconds: Option<u64>,
    /// The plot.
    #[schema(required)]
    summary: Option<String>,
    /// Of a season or an episode: the series.
    #[schema(required)]
    series_id: Option<String>,
    #[schema(required)]
    series_title: Option<String>,
    /// Of an episode: the season.
    #[schema(required)]
    season_id: Option<String>,
    /// Of a season or an episode; 0 are the specials.
    #[schema(required)]
    season: Option<i32>,
    /// Its number in the season.
    #[schema(required)]
    episode: Option<i32>,
    genres: Vec<String>,
    /// Such as `PG-13`.
    #[schema(required)]
    official_rating: Option<String>,
    /// What viewers think, from 0 to 10.
    #[schema(required)]
    community_rating: Option<f64>,
    /// When it was first shown, ISO 8601, as the library has it.
    #[schema(required)]
    premiere: Option<String>,
    #[schema(required)]
    tmdb_id: Option<String>,
    #[schema(required)]
    imdb_id: Option<String>,
    /// Its poster, behind the same token; null where there is none. A path when the gateway was not told its public
    /// URL.
    #[schema(required)]
    image_url: Option<String>,
    /// Whether the library's user has seen it.
    played: bool,
    /// Where that user left off; null for what is not under way.
    #[schema(required, minimum = 0)]
    resume_seconds: Option<u64>,
    /// Of a series or season: episodes that are still to see.
    #[schema(required, minimum = 0)]
    unplayed_count: Option<u32>,
    /// Of a library: `movies`, `tvshows` and so on.
    #[schema(required)]
    collection_type: Option<String>,
    /// It is a video with a file. What is not may still stand for some: a series, a season, a collection.
    playable: bool,
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LibraryItemKind)]
enum Kind {
    Movie,
    /// Its children are seasons.
    Series,
    /// Its children are episodes.
    Season,
    Episode,
    /// Films or series that belong together.
    Collection,
    /// Another video, such as a music video.
    Video,
    Library,
    Folder,
    Other,
}

impl From<client::ItemKind> for Kind {
    fn from(kind: client::ItemKind) -> Self {
        match kind {
            client::ItemKind::Movie => Self::Movie,
            client::ItemKind::Series => Self::Series,
            client::ItemKind::Season => Self::Season,
            client::ItemKind::Episode => Self::Episode,
            client::ItemKind::Collection => Self::Collection,
            client::ItemKind::Video => Self::Video,
            client::ItemKind::Library => Self::Library,
            client::ItemKind::Folder => Self::Folder,
            client::ItemKind::Other => Self::Other,
        }
    }
}

impl LibraryItem {
    /// `image` makes the address of a picture of the item with this id.
    pub(super) fn of(item: &client::LibraryItem, image: impl Fn(&str) -> String) -> Self {
        let seconds = |ms: u64| ms / 1000;
        Self {
            id: item.id.clone(),
            kind: item.kind.into(),
            title: item.name.clone(),
            year: item.year,
            duration_seconds: item.runtime_ms.map(seconds),
            summary: item.overview.clone(),
            series_id: item.series_id.clone(),
            series_title: item.series_name.clone(),
            season_id: item.season_id.clone(),
            season: item.season,
            episode: item.episode,
            genres: item.genres.clone(),
            official_rating: item.official_rating.clone(),
            community_rating: item.community_rating,
            premiere: item.premiere.clone(),
            tmdb_id: item.tmdb_id.clone(),
            imdb_id: item.imdb_id.clone(),
            image_url: item.images.primary.is_some().then(|| image(&item.id)),
            played: item.played,
            resume_seconds: item.resume_ms.map(seconds),
            unplayed_count: item.unplayed_count,
            collection_type: item.collection_type.clone(),
            playable: item.playable,
        }
    }
}
