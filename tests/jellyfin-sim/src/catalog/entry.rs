//! One item of the library.

use std::sync::Arc;

use crate::media_file::MediaFile;
use crate::titles::Chapter;

/// Where an entry stands in the catalogue.
pub(crate) type Index = u32;

/// Jellyfin's `BaseItemKind`, as far as the library has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    View,
    Movie,
    Series,
    Season,
    Episode,
    BoxSet,
}

impl Kind {
    /// As `Type` says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::View => "CollectionFolder",
            Self::Movie => "Movie",
            Self::Series => "Series",
            Self::Season => "Season",
            Self::Episode => "Episode",
            Self::BoxSet => "BoxSet",
        }
    }

    /// Something to play, not something that holds other items.
    pub(crate) fn is_video(self) -> bool {
        matches!(self, Self::Movie | Self::Episode)
    }

    /// As `MediaType` says it.
    pub(crate) fn media_type(self) -> &'static str {
        if self.is_video() { "Video" } else { "Unknown" }
    }
}

/// An item: what of it is not in the file.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) sort_name: String,
    /// The view of a film, series or box set; the series of a season; the season of an episode.
    pub(crate) parent: Option<Index>,
    /// What is listed in it, in its own order: of a box set its members, whose parent it is not.
    pub(crate) children: Vec<Index>,
    /// The number of a season or episode.
    pub(crate) number: Option<u32>,
    /// The season's number of an episode.
    pub(crate) season: Option<u32>,
    pub(crate) year: Option<u16>,
    pub(crate) overview: Option<String>,
    pub(crate) chapters: Vec<Chapter>,
    /// What it plays; `None` for folders and missing episodes.
    pub(crate) file: Option<Arc<MediaFile>>,
    /// `CollectionType` of a view.
    pub(crate) collection_type: Option<&'static str>,
}

impl Entry {
    pub(crate) fn new(id: impl Into<String>, kind: Kind, name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            id: id.into(),
            kind,
            sort_name: super::names::sort_name(&name),
            name,
            parent: None,
            children: Vec::new(),
            number: None,
            season: None,
            year: None,
            overview: None,
            chapters: Vec::new(),
            file: None,
            collection_type: None,
        }
    }

    /// Known, but without a file: `LocationType` `Virtual`.
    pub(crate) fn is_missing(&self) -> bool {
        self.kind.is_video() && self.file.is_none()
    }

    /// How long it plays, in units of 100 ns.
    pub(crate) fn run_time_ticks(&self) -> Option<u64> {
        self.file.as_ref()?.probe.run_time_ticks
    }
}
