//! What a test asks the library to hold: films, shows, collections, and thousands of made-up films.

use std::path::PathBuf;
use std::time::Duration;

use crate::ids;

/// A named place in a film.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// Where it begins.
    pub start: Duration,
    /// Its name.
    pub name: String,
}

impl Chapter {
    /// A chapter that begins at `start`.
    pub fn new(start: Duration, name: impl Into<String>) -> Self {
        Self {
            start,
            name: name.into(),
        }
    }
}

/// A film to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Film {
    /// The item id, which is the media source's id too. Jellyfin's own are 32 hex digits; any text that
    /// can stand in a path will do. Compared without case.
    pub id: String,
    /// The title shown and searched.
    pub title: String,
    /// The file.
    pub path: PathBuf,
    /// The year of production.
    pub year: Option<u16>,
    /// A summary.
    pub overview: Option<String>,
    /// Chapters; when there are none, those of the file.
    pub chapters: Vec<Chapter>,
}

impl Film {
    /// A film with nothing but what is needed.
    pub fn new(id: impl Into<String>, title: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            path: path.into(),
            year: None,
            overview: None,
            chapters: Vec::new(),
        }
    }
}

/// A series; each of its episodes plays the same file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    /// The series' item id; see [`Film::id`].
    pub id: String,
    /// The title shown and searched.
    pub title: String,
    /// The file of every episode.
    pub path: PathBuf,
    /// The year of the first episode.
    pub year: Option<u16>,
    /// A summary.
    pub overview: Option<String>,
    /// The episodes in the order in which they were named.
    pub(crate) episodes: Vec<Episode>,
}

/// An episode of a [`Show`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Episode {
    /// 0 for specials.
    pub(crate) season: u32,
    /// From 1.
    pub(crate) number: u32,
    pub(crate) title: String,
    /// Known from the series' list alone: there is no file.
    pub(crate) missing: bool,
}

impl Show {
    /// A series without episodes; add some with [`season`](Self::season).
    pub fn new(id: impl Into<String>, title: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            path: path.into(),
            year: None,
            overview: None,
            episodes: Vec::new(),
        }
    }

    /// Adds a season (0 for the specials) with its episodes, numbered from 1.
    #[must_use]
    pub fn season<T: Into<String>>(
        mut self,
        season: u32,
        titles: impl IntoIterator<Item = T>,
    ) -> Self {
        let numbered = (1..).zip(titles);
        self.episodes
            .extend(numbered.map(|(number, title)| Episode {
                season,
                number,
                title: title.into(),
                missing: false,
            }));
        self
    }

    /// Adds an episode that Jellyfin knows of and has no file for (`LocationType` `Virtual`).
    #[must_use]
    pub fn missing(mut self, season: u32, number: u32, title: impl Into<String>) -> Self {
        self.episodes.push(Episode {
            season,
            number,
            title: title.into(),
            missing: true,
        });
        self
    }

    /// The item id of a season.
    pub fn season_id(&self, season: u32) -> String {
        ids::derived(&format!("{}/{season}", ids::key(&self.id)))
    }

    /// The item id of an episode.
    pub fn episode_id(&self, season: u32, number: u32) -> String {
        ids::derived(&format!("{}/{season}/{number}", ids::key(&self.id)))
    }
}

/// A collection (Jellyfin: box set) of items that other entries of the configuration make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// The item id; see [`Film::id`].
    pub id: String,
    /// The title shown and searched.
    pub title: String,
    /// The ids of its films and series.
    pub members: Vec<String>,
}

impl Collection {
    /// A collection of the items with these ids.
    pub fn new<T: Into<String>>(
        id: impl Into<String>,
        title: impl Into<String>,
        members: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            members: members.into_iter().map(Into::into).collect(),
        }
    }
}

/// Many made-up films that share one file: a large library at the price of a small one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedLibrary {
    /// How many.
    pub count: u32,
    /// The file that each of them plays.
    pub path: PathBuf,
}

impl GeneratedLibrary {
    /// The item id of film `index`, which is less than `count`.
    pub fn item_id(index: u32) -> String {
        format!("9e{index:030x}")
    }
}
