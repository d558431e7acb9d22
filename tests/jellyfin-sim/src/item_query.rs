//! `GET /Items`: which items, in which order. Pure: the request's parameters and the catalogue in, numbers
//! out.
//!
//! Written from `ItemsController.GetItems` of 10.11.11 and 12.0, whose searches differ: 10.11 asks the database
//! for all names with the term; 12 takes the best `3 * limit` matches (100 without a limit) and pages within
//! those.

use http::StatusCode;

use crate::accounts::UserIndex;
use crate::auth::AuthMode;
use crate::catalog::{Catalog, Entry, Index, Kind};
use crate::ids;
use crate::query::Query;
use crate::user_data::{UserData, UserDataStore};

/// 12: as many matches a search has when it sets no limit (`SqlSearchProvider.DefaultSearchLimit`).
const DEFAULT_SEARCH_LIMIT: usize = 100;
/// 12: so many times the limit are looked for (`ItemsController.GetItems`).
const SEARCH_LIMIT_FACTOR: usize = 3;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// This page.
    pub(crate) items: Vec<Index>,
    /// Of all pages; of this one when nobody counts.
    pub(crate) total: usize,
    /// As asked.
    pub(crate) start: usize,
}

/// The parameters of a list of items.
#[derive(Debug, Default)]
pub(crate) struct ItemQuery {
    parent: Option<Index>,
    recursive: Option<bool>,
    ids: Vec<String>,
    include: Vec<String>,
    exclude: Vec<String>,
    media_types: Vec<String>,
    years: Vec<u16>,
    search: Option<String>,
    starts_with: Option<String>,
    is_played: Option<bool>,
    is_favorite: Option<bool>,
    is_resumable: bool,
    is_folder: Option<bool>,
    is_missing: Option<bool>,
    sort: Vec<(String, bool)>,
    start: usize,
    limit: Option<usize>,
    counts: bool,
}

impl ItemQuery {
    /// Reads them; 400 for a value that is none, and for a parent that does not exist.
    pub(crate) fn read(query: &Query, catalog: &Catalog) -> Result<Self, StatusCode> {
        let number = |name| query.parse::<usize>(name).or(Err(StatusCode::BAD_REQUEST));
        let truth = |name| query.parse::<bool>(name).or(Err(StatusCode::BAD_REQUEST));
        let words = |name| {
            query
                .list(name)
                .iter()
                .map(|w| w.to_ascii_lowercase())
                .collect()
        };
        let text = |name| query.get(name).map(str::trim).filter(|t| !t.is_empty());
        let parent = match query
            .get("parentid")
            .map(ids::key)
            .filter(|id| !id.is_empty())
        {
            None => None,
            Some(id) => Some(catalog.find(&id).ok_or(StatusCode::BAD_REQUEST)?),
        };
        let years = query.list("years").into_iter().map(str::parse);
        let mut this = Self {
            parent,
            recursive: truth("recursive")?,
            ids: query.list("ids").into_iter().map(ids::key).collect(),
            include: words("includeitemtypes"),
            exclude: words("excludeitemtypes"),
            media_types: words("mediatypes"),
            years: years
                .collect::<Result<_, _>>()
                .or(Err(StatusCode::BAD_REQUEST))?,
            search: text("searchterm").map(ToOwned::to_owned),
            starts_with: text("namestartswith").map(str::to_lowercase),
            is_played: truth("isplayed")?,
            is_favorite: truth("isfavorite")?,
            is_resumable: false,
            is_folder: None,
            is_missing: truth("ismissing")?,
            sort: sort_orders(query),
            start: number("startindex")?.unwrap_or(0),
            limit: number("limit")?,
            counts: truth("enabletotalrecordcount")?.unwrap_or(true),
        };
        for location in query.list("excludelocationtypes") {
            if location.eq_ignore_ascii_case("Virtual") {
                this.is_missing = Some(false);
            }
        }
        for filter in query.list("filters") {
            match filter.to_ascii_lowercase().as_str() {
                "isplayed" => this.is_played = Some(true),
                "isunplayed" => this.is_played = Some(false),
                "isfavorite" => this.is_favorite = Some(true),
                "isresumable" => this.is_resumable = true,
                "isfolder" => this.is_folder = Some(true),
                "isnotfolder" => this.is_folder = Some(false),
                "likes" | "dislikes" | "isfavoriteorlikes" => {}
                _ => return Err(StatusCode::BAD_REQUEST),
            }
        }
        Ok(this)
    }

    /// Finds the items; `user` is whose seen and unseen counts.
    pub(crate) fn find(
        mut self,
        version: AuthMode,
        catalog: &Catalog,
        data: &UserDataStore,
        user: Option<UserIndex>,
    ) -> Found {
        self.widen(version, catalog);
        let data = |item| user.map_or_else(UserData::default, |user| data.get(user, item));
        let fits = |index: &Index| {
            let entry = catalog.get(*index);
            self.is_of_kind(entry) && self.has_state(entry, || data(*index), user.is_some())
        };
        if let Some(term) = &self.search {
            if version == AuthMode::V12 {
                let found = self.search_12(catalog, term, fits);
                if !found.is_empty() {
                    return self.page(found);
                }
            } else if !self.is_top(version) {
                let mut found = catalog.search(term);
                found.retain(|(_, index)| self.is_in_place(catalog, *index) && fits(index));
                found.sort_by_key(|(rank, _)| *rank); // stable: equal ones stay by sort name
                return self.page(found.into_iter().map(|(_, index)| index).collect());
            }
        }
        if self.is_top(version) {
            let views = catalog.views().to_vec();
            let total = views.len();
            return Found {
                items: views,
                total,
                start: self.start,
            };
        }
        if self.search.is_some() {
            return self.page(Vec::new());
        }
        let mut found: Vec<Index> = match self.parent.filter(|_| self.recursive != Some(true)) {
            Some(parent) if self.ids.is_empty() => catalog.get(parent).children.clone(),
            _ => catalog
                .all()
                .filter(|&index| self.is_in_place(catalog, index))
                .collect(),
        };
        found.retain(fits);
        self.order(catalog, &mut found, data);
        self.page(found)
    }

    /// What the server changes of a query before it looks.
    fn widen(&mut self, version: AuthMode, catalog: &Catalog) {
        let parent = self.parent.map(|parent| catalog.get(parent));
        let wants_box_sets = self.include.as_slice() == ["boxset"];
        let in_box_set = parent.is_some_and(|parent| parent.kind == Kind::BoxSet);
        if wants_box_sets && (version == AuthMode::V10_11 || !in_box_set) {
            self.parent = None;
            return;
        }
        let in_view = parent.is_some_and(|parent| parent.kind == Kind::View);
        if version == AuthMode::V12 && in_view && !self.include.is_empty() {
            self.recursive.get_or_insert(true);
        }
    }

    /// Whether it is a plain look at the top, which lists the libraries.
    fn is_top(&self, version: AuthMode) -> bool {
        let filtered = !self.include.is_empty()
            || !self.exclude.is_empty()
            || !self.media_types.is_empty()
            || !self.years.is_empty()
            || self.is_played.is_some()
            || self.is_favorite.is_some()
            || self.is_resumable
            || self.is_folder.is_some()
            || self.is_missing.is_some();
        self.parent.is_none()
            && self.recursive != Some(true)
            && self.ids.is_empty()
            && !(version == AuthMode::V12 && filtered)
    }

    /// The best matches first, no more than 12 looks for; it finds no missing episodes.
    fn search_12(
        &self,
        catalog: &Catalog,
        term: &str,
        fits: impl Fn(&Index) -> bool,
    ) -> Vec<Index> {
        let mut found = catalog.search(term);
        found.retain(|(_, index)| {
            let entry = catalog.get(*index);
            !entry.is_missing() && self.is_of_kind(entry) && self.is_in_place(catalog, *index)
        });
        let limit = self
            .limit
            .map_or(DEFAULT_SEARCH_LIMIT, |limit| limit * SEARCH_LIMIT_FACTOR);
        if found.len() > limit {
            // Which of equal ones are cut off depends on their ids, as there.
            found.select_nth_unstable(limit);
            found.truncate(limit);
        }
        found.sort_by_key(|(rank, index)| (*rank, catalog.place(*index)));
        found
            .into_iter()
            .map(|(_, index)| index)
            .filter(fits)
            .collect()
    }

    fn is_in_place(&self, catalog: &Catalog, index: Index) -> bool {
        let named = || {
            let id = ids::key(&catalog.get(index).id);
            self.ids.contains(&id)
        };
        (self.ids.is_empty() || named())
            && self
                .parent
                .is_none_or(|parent| catalog.lies_in(index, parent))
    }

    fn is_of_kind(&self, entry: &Entry) -> bool {
        let is = |name: &String| name.eq_ignore_ascii_case(entry.kind.name());
        // The types to leave out do not count beside those to take.
        let kind = match self.include.as_slice() {
            [] => !self.exclude.iter().any(is),
            include => include.iter().any(is),
        };
        let medium = |name: &String| name.eq_ignore_ascii_case(entry.kind.media_type());
        kind && (self.media_types.is_empty() || self.media_types.iter().any(medium))
    }

    fn has_state(&self, entry: &Entry, data: impl FnOnce() -> UserData, known: bool) -> bool {
        let of_item = self
            .is_missing
            .is_none_or(|missing| entry.is_missing() == missing)
            && self
                .is_folder
                .is_none_or(|folder| entry.kind.is_video() != folder)
            && (self.years.is_empty() || entry.year.is_some_and(|y| self.years.contains(&y)))
            && self
                .starts_with
                .as_ref()
                .is_none_or(|start| entry.sort_name.starts_with(start));
        let asks_user = self.is_played.is_some() || self.is_favorite.is_some() || self.is_resumable;
        if !of_item || !asks_user || !known {
            return of_item;
        }
        let data = data();
        self.is_played.is_none_or(|played| data.played == played)
            && self
                .is_favorite
                .is_none_or(|favorite| data.favorite == favorite)
            && (!self.is_resumable || data.position_ticks > 0)
    }

    /// They come by sort name, or in a box set's own order; that stays where nothing else is asked for. Those
    /// that were asked for by id come as they were asked for (`Folder.SortItemsByRequest`).
    fn order(&self, catalog: &Catalog, found: &mut [Index], data: impl Fn(Index) -> UserData) {
        if self.sort.is_empty() && !self.ids.is_empty() {
            let asked = |id: String| self.ids.iter().position(|wanted| *wanted == id);
            found.sort_by_cached_key(|&index| asked(ids::key(&catalog.get(index).id)));
        }
        // The first order counts most: it is applied last, and each keeps what the one before it did.
        for (by, descending) in self.sort.iter().rev() {
            let compare = |a: &Entry, b: &Entry, x: Index, y: Index| match by.as_str() {
                "premieredate" | "productionyear" => a.year.cmp(&b.year),
                "runtime" => a.run_time_ticks().cmp(&b.run_time_ticks()),
                "dateplayed" => data(x).last_played.cmp(&data(y).last_played),
                "playcount" => data(x).play_count.cmp(&data(y).play_count),
                "indexnumber" => a.number.cmp(&b.number),
                "parentindexnumber" => a.season.cmp(&b.season),
                "isfolder" => a.kind.is_video().cmp(&b.kind.is_video()).reverse(),
                // The same for all, or the same for each run: what is random may be that, too.
                "datecreated" | "datelastcontentadded" | "communityrating" | "random" => x.cmp(&y),
                _ => a.sort_name.cmp(&b.sort_name),
            };
            found.sort_by(|&x, &y| {
                let order = compare(catalog.get(x), catalog.get(y), x, y);
                if *descending { order.reverse() } else { order }
            });
        }
    }

    fn page(&self, found: Vec<Index>) -> Found {
        let all = found.len();
        let limit = self.limit.unwrap_or(usize::MAX);
        let items: Vec<Index> = found.into_iter().skip(self.start).take(limit).collect();
        let total = if self.counts { all } else { items.len() };
        Found {
            items,
            total,
            start: self.start,
        }
    }
}

/// `sortBy` with `sortOrder`: the first order given holds for the rest (`RequestHelpers.GetOrderBy`).
fn sort_orders(query: &Query) -> Vec<(String, bool)> {
    let orders = query.list("sortorder");
    let descending = |at: usize| {
        let order = orders.get(at).or(orders.first());
        order.is_some_and(|order| order.eq_ignore_ascii_case("Descending"))
    };
    let names = query.list("sortby").into_iter().enumerate();
    names
        .map(|(at, name)| (name.to_ascii_lowercase(), descending(at)))
        .collect()
}
