//! What is in a library.

/// A movie, a series, an episode, a collection …, as far as a party needs to know it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LibraryItem {
    /// Jellyfin's id: 32 hexadecimal digits.
    pub id: String,
    /// What it is.
    pub kind: ItemKind,
    /// Its title.
    pub name: String,
    /// The year of production.
    pub year: Option<i32>,
    /// The plot, in a paragraph.
    pub overview: Option<String>,
    /// How long it runs.
    pub runtime_ms: Option<u64>,
    /// When it was first shown, in ISO 8601 as Jellyfin sends it.
    pub premiere: Option<String>,
    /// Of an episode or season: the series.
    pub series_id: Option<String>,
    /// Of an episode or season: the series' title.
    pub series_name: Option<String>,
    /// Of an episode: the season.
    pub season_id: Option<String>,
    /// Of an episode or season: the season's number; 0 are the specials.
    pub season: Option<i32>,
    /// Of an episode: its number in the season.
    pub episode: Option<i32>,
    /// Genres, as the server's language has them.
    pub genres: Vec<String>,
    /// The age rating, for example `PG-13`.
    pub official_rating: Option<String>,
    /// What viewers think, from 0 to 10.
    pub community_rating: Option<f64>,
    /// The id at The Movie Database.
    pub tmdb_id: Option<String>,
    /// The id at `IMDb`.
    pub imdb_id: Option<String>,
    /// The pictures that there are.
    pub images: ImageTags,
    /// The chapters; lists leave them out.
    pub chapters: Vec<Chapter>,
    /// Whether the user that we act for has seen it.
    pub played: bool,
    /// Where that user left off; `None` for an item that is not under way.
    pub resume_ms: Option<u64>,
    /// Of a series or season: episodes that the user has not seen.
    pub unplayed_count: Option<u32>,
    /// Of a library: `movies`, `tvshows`, `boxsets` …
    pub collection_type: Option<String>,
    /// It is a video with a file behind it: no folder, and no episode that is known but missing.
    pub playable: bool,
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ItemKind {
    /// A film.
    Movie,
    /// A show; its videos are episodes.
    Series,
    /// A season of a series.
    Season,
    /// An episode of a series.
    Episode,
    /// A collection (`BoxSet`).
    Collection,
    /// Another video: home videos, music videos, trailers.
    Video,
    /// A library (`CollectionFolder`, `UserView`).
    Library,
    /// A folder within a library.
    Folder,
    /// Something that we know nothing about.
    #[default]
    Other,
}

impl ItemKind {
    /// Its name in our own API: `movie`, `series` …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Movie => "movie",
            Self::Series => "series",
            Self::Season => "season",
            Self::Episode => "episode",
            Self::Collection => "collection",
            Self::Video => "video",
            Self::Library => "library",
            Self::Folder => "folder",
            Self::Other => "other",
        }
    }

    /// From Jellyfin's `BaseItemKind`.
    pub(super) fn from_jellyfin(kind: &str) -> Self {
        match kind {
            "Movie" => Self::Movie,
            "Series" => Self::Series,
            "Season" => Self::Season,
            "Episode" => Self::Episode,
            "BoxSet" => Self::Collection,
            "Video" | "MusicVideo" | "Trailer" => Self::Video,
            "CollectionFolder" | "UserView" | "UserRootFolder" | "AggregateFolder" => Self::Library,
            "Folder" | "PhotoAlbum" => Self::Folder,
            _ => Self::Other,
        }
    }

    /// The names of `includeItemTypes` that mean this kind; there is none for what we do not know.
    pub(super) fn jellyfin_names(self) -> Option<&'static str> {
        Some(match self {
            Self::Movie => "Movie",
            Self::Series => "Series",
            Self::Season => "Season",
            Self::Episode => "Episode",
            Self::Collection => "BoxSet",
            Self::Video => "Video,MusicVideo,Trailer",
            Self::Library => "CollectionFolder",
            Self::Folder => "Folder",
            Self::Other => return None,
        })
    }

    /// Whether items of this kind are played themselves, and not what is in them.
    pub fn is_video(self) -> bool {
        matches!(self, Self::Movie | Self::Episode | Self::Video)
    }
}

/// The tags of an item's pictures. A tag changes with its picture: ask with it (see
/// [`ImageRequest`](super::ImageRequest)) and the answer may be kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageTags {
    /// The poster; of an episode a picture out of it.
    pub primary: Option<String>,
    /// In landscape format.
    pub thumb: Option<String>,
    /// The title as a picture.
    pub logo: Option<String>,
    /// The first backdrop.
    pub backdrop: Option<String>,
    /// Of an episode or season: the poster of the series, under the series' id.
    pub series_primary: Option<String>,
}

/// A chapter's beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// Where it begins.
    pub start_ms: u64,
    /// Its name.
    pub name: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The place of the first of them in the whole list.
    pub start_index: u32,
    /// How many entries the whole list has. A search on a server of 12.0 or newer ends after 300.
    pub total: u32,
}
