//! The library: views, films, series, seasons, episodes and box sets, found by id, in order, or by name.
//!
//! Everything stands in one list; what lies in what is kept as numbers into it. An entry is small (no JSON
//! until somebody asks for it), so that 20,000 generated films cost a few megabytes.

mod entry;
mod generated;
mod names;
mod search_index;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use entry::{Entry, Index, Kind};
pub(crate) use search_index::Match;
use search_index::SearchIndex;

use crate::Error;
use crate::auth::AuthMode;
use crate::ids;
use crate::media_file::MediaFile;
use crate::titles::{Collection, Film, GeneratedLibrary, Show};

/// The view of the films; there is always one.
const MOVIES_VIEW: &str = "f137a2dd21bbc1b99aa5c0f6bf02a805";
const SHOWS_VIEW: &str = "a656b907eb3a73532e40e44b968d0225";
const COLLECTIONS_VIEW: &str = "9d7ad6afe9afa2dab1a2f6e00ad28fa6";

/// What goes into a catalogue.
pub(crate) struct Contents {
    pub(crate) films: Vec<Film>,
    pub(crate) shows: Vec<Show>,
    pub(crate) collections: Vec<Collection>,
    pub(crate) generated: Option<GeneratedLibrary>,
}

/// The library, which does not change.
pub(crate) struct Catalog {
    entries: Vec<Entry>,
    by_id: HashMap<String, Index>,
    /// All of them by sort name.
    sorted: Vec<Index>,
    /// Where each stands in `sorted`.
    places: Vec<u32>,
    search: SearchIndex,
    views: Vec<Index>,
}

impl Catalog {
    /// Looks at the files (ffprobe, once each) and builds the library.
    pub(crate) async fn open(contents: Contents, version: AuthMode) -> Result<Self, Error> {
        let mut builder = Builder::default();
        let movies = builder.view(MOVIES_VIEW, "Movies", "movies")?;
        for film in contents.films {
            let file = builder.file(&film.path).await?;
            builder.film(film, file, movies)?;
        }
        if let Some(GeneratedLibrary { count, path }) = contents.generated {
            let file = builder.file(&path).await?;
            for index in 0..count {
                let id = GeneratedLibrary::item_id(index);
                let mut entry = Entry::new(id, Kind::Movie, generated::title(index));
                entry.year = Some(generated::year(index));
                entry.file = Some(file.clone());
                builder.add(entry, Some(movies))?;
            }
        }
        if !contents.shows.is_empty() {
            let view = builder.view(SHOWS_VIEW, "Shows", "tvshows")?;
            for show in &contents.shows {
                let file = builder.file(&show.path).await?;
                builder.show(show, &file, view)?;
            }
        }
        if !contents.collections.is_empty() {
            let view = builder.view(COLLECTIONS_VIEW, "Collections", "boxsets")?;
            for collection in contents.collections {
                builder.collection(collection, view)?;
            }
        }
        Ok(builder.finish(version))
    }

    pub(crate) fn find(&self, id: &str) -> Option<Index> {
        self.by_id.get(&ids::key(id)).copied()
    }

    pub(crate) fn get(&self, index: Index) -> &Entry {
        &self.entries[index as usize]
    }

    /// The entry with this id.
    pub(crate) fn entry(&self, id: &str) -> Option<(Index, &Entry)> {
        let index = self.find(id)?;
        Some((index, self.get(index)))
    }

    /// The libraries, in their order.
    pub(crate) fn views(&self) -> &[Index] {
        &self.views
    }

    /// Where it stands among all by sort name.
    pub(crate) fn place(&self, index: Index) -> u32 {
        self.places[index as usize]
    }

    /// All but the views, by sort name.
    pub(crate) fn all(&self) -> impl Iterator<Item = Index> {
        let is_view = |index: &Index| self.get(*index).kind == Kind::View;
        self.sorted.iter().copied().filter(move |i| !is_view(i))
    }

    /// Whose name has the term, by sort name, each with how well it fits; no views.
    pub(crate) fn search(&self, term: &str) -> Vec<(Match, Index)> {
        let mut found = self.search.find(term);
        found.retain(|(_, index)| self.get(*index).kind != Kind::View);
        found
    }

    /// Whether an entry lies in a folder, at any depth, or is a member of the box set.
    pub(crate) fn lies_in(&self, index: Index, folder: Index) -> bool {
        if self.get(folder).kind == Kind::BoxSet {
            let members = &self.get(folder).children;
            return members.contains(&index) || members.iter().any(|&m| self.lies_in(index, m));
        }
        let up = std::iter::successors(self.get(index).parent, |i| self.get(*i).parent);
        up.into_iter().any(|ancestor| ancestor == folder)
    }

    /// The series of a season or episode.
    pub(crate) fn series_of(&self, index: Index) -> Option<Index> {
        let mut up = std::iter::successors(self.get(index).parent, |i| self.get(*i).parent);
        up.find(|&ancestor| self.get(ancestor).kind == Kind::Series)
    }

    /// The episodes of a series: by season, the specials first, as `Series.GetEpisodes` has them.
    pub(crate) fn episodes_of(&self, series: Index) -> impl Iterator<Item = Index> {
        let seasons = &self.get(series).children;
        seasons
            .iter()
            .flat_map(|&season| &self.get(season).children)
            .copied()
    }

    /// What there is to play in a folder, without missing episodes; of a video, itself.
    pub(crate) fn videos_in(&self, index: Index) -> Vec<Index> {
        let entry = self.get(index);
        if entry.kind.is_video() {
            return if entry.is_missing() {
                vec![]
            } else {
                vec![index]
            };
        }
        entry
            .children
            .iter()
            .flat_map(|&child| self.videos_in(child))
            .collect()
    }
}

/// Collects entries.
#[derive(Default)]
struct Builder {
    entries: Vec<Entry>,
    by_id: HashMap<String, Index>,
    files: HashMap<PathBuf, Arc<MediaFile>>,
    views: Vec<Index>,
}

impl Builder {
    async fn file(&mut self, path: &Path) -> Result<Arc<MediaFile>, Error> {
        if let Some(file) = self.files.get(path) {
            return Ok(file.clone());
        }
        let file = Arc::new(MediaFile::open(path).await?);
        self.files.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    fn add(&mut self, mut entry: Entry, parent: Option<Index>) -> Result<Index, Error> {
        let index = self.entries.len() as Index;
        entry.parent = parent;
        if self.by_id.insert(ids::key(&entry.id), index).is_some() {
            return Err(Error::DuplicateFilm { id: entry.id });
        }
        if let Some(parent) = parent {
            self.entries[parent as usize].children.push(index);
        }
        self.entries.push(entry);
        Ok(index)
    }

    fn view(&mut self, id: &str, name: &str, kind: &'static str) -> Result<Index, Error> {
        let mut entry = Entry::new(id, Kind::View, name);
        entry.collection_type = Some(kind);
        let index = self.add(entry, None)?;
        self.views.push(index);
        Ok(index)
    }

    fn film(&mut self, film: Film, file: Arc<MediaFile>, view: Index) -> Result<Index, Error> {
        let mut entry = Entry::new(film.id, Kind::Movie, film.title);
        entry.year = film.year;
        entry.overview = film.overview;
        entry.chapters = film.chapters;
        entry.file = Some(file);
        self.add(entry, Some(view))
    }

    fn show(&mut self, show: &Show, file: &Arc<MediaFile>, view: Index) -> Result<(), Error> {
        let mut entry = Entry::new(&show.id, Kind::Series, &show.title);
        entry.year = show.year;
        entry.overview.clone_from(&show.overview);
        let series = self.add(entry, Some(view))?;
        let mut numbers: Vec<u32> = show.episodes.iter().map(|episode| episode.season).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let name = match number {
                0 => "Specials".to_owned(),
                number => format!("Season {number}"),
            };
            let mut entry = Entry::new(show.season_id(number), Kind::Season, name);
            entry.number = Some(number);
            entry.sort_name = format!("{number:04}"); // Season.CreateSortName
            let season = self.add(entry, Some(series))?;
            let mut episodes: Vec<_> = show
                .episodes
                .iter()
                .filter(|e| e.season == number)
                .collect();
            episodes.sort_by_key(|episode| episode.number);
            for episode in episodes {
                let id = show.episode_id(number, episode.number);
                let mut entry = Entry::new(id, Kind::Episode, &episode.title);
                entry.number = Some(episode.number);
                entry.season = Some(number);
                entry.year = show.year;
                entry.overview = Some(format!("{}, episode {}.", show.title, episode.number));
                // Episode.CreateSortName
                entry.sort_name =
                    format!("{number:03} - {:04} - {}", episode.number, episode.title);
                entry.file = (!episode.missing).then(|| file.clone());
                self.add(entry, Some(season))?;
            }
        }
        Ok(())
    }

    fn collection(&mut self, collection: Collection, view: Index) -> Result<(), Error> {
        let Collection { id, title, members } = collection;
        let mut entry = Entry::new(id, Kind::BoxSet, title);
        for member in members {
            let Some(&index) = self.by_id.get(&ids::key(&member)) else {
                return Err(Error::UnknownMember { id: member });
            };
            entry.children.push(index);
        }
        // BoxSet.Sort: by premiere, of which there is the year alone.
        entry
            .children
            .sort_by_key(|&index| self.entries[index as usize].year);
        self.add(entry, Some(view))?;
        Ok(())
    }

    fn finish(mut self, version: AuthMode) -> Catalog {
        let mut sorted: Vec<Index> = (0..self.entries.len() as Index).collect();
        let name = |index: &Index| self.entries[*index as usize].sort_name.as_str();
        sorted.sort_by(|a, b| name(a).cmp(name(b)));
        let mut places = vec![0; sorted.len()];
        for (place, &index) in (0..).zip(&sorted) {
            places[index as usize] = place;
        }
        for entry in self
            .entries
            .iter_mut()
            .filter(|entry| entry.kind == Kind::View)
        {
            entry.children.sort_by_key(|&child| places[child as usize]);
        }
        Catalog {
            search: SearchIndex::new(version, &self.entries, &sorted),
            entries: self.entries,
            by_id: self.by_id,
            sorted,
            places,
            views: self.views,
        }
    }
}
