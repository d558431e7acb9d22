//! What to list.

use super::ItemKind;
use super::limits::{MAX_PAGE, SEARCH_BLOCK, SEARCH_BYTES};
use crate::Error;

/// What every list shows of an item, beyond what Jellyfin always sends.
const FIELDS: &str = "Overview,Genres,ProviderIds";

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// The place of the first entry, from 0.
    pub start_index: u32,
    /// How many entries, 1 to [`MAX_PAGE`]; what is outside counts as the bound.
    pub limit: u32,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            start_index: 0,
            limit: 50,
        }
    }
}

impl PageRequest {
    pub(super) fn bounded(self) -> Self {
        Self {
            start_index: self.start_index.min(i32::MAX as u32 - MAX_PAGE),
            limit: self.limit.clamp(1, MAX_PAGE),
        }
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// The server's own: the best match of a search first.
    #[default]
    Relevance,
    /// By title, as it sorts (without "The").
    Name,
    /// By the first showing.
    Premiere,
    /// By the day that it came into the library.
    Added,
    /// By what viewers think.
    Rating,
    /// By length.
    Runtime,
}

impl Sort {
    fn jellyfin_name(self) -> Option<&'static str> {
        match self {
            Self::Relevance => None,
            Self::Name => Some("SortName"),
            Self::Premiere => Some("PremiereDate,SortName"),
            Self::Added => Some("DateCreated,SortName"),
            Self::Rating => Some("CommunityRating,SortName"),
            Self::Runtime => Some("Runtime,SortName"),
        }
    }
}

/// A search, or a walk through the library.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemQuery {
    /// What the title has in it. At most 200 bytes.
    pub search: Option<String>,
    /// Only these kinds; empty for whatever is there.
    pub kinds: Vec<ItemKind>,
    /// The id of the library, folder or collection to look in; `None` for everywhere.
    pub parent: Option<String>,
    /// Which part of the list.
    pub page: PageRequest,
    /// In which order.
    pub sort: Sort,
    /// The other way round.
    pub descending: bool,
}

impl ItemQuery {
    /// Everything of these kinds, by title.
    pub fn of(kinds: &[ItemKind]) -> Self {
        Self {
            kinds: kinds.to_vec(),
            sort: Sort::Name,
            ..Self::default()
        }
    }

    /// Movies, series, episodes and collections with `term` in their title, the best match first.
    pub fn search(term: &str) -> Self {
        Self {
            search: Some(term.to_owned()),
            kinds: vec![
                ItemKind::Movie,
                ItemKind::Series,
                ItemKind::Episode,
                ItemKind::Collection,
            ],
            ..Self::default()
        }
    }

    /// What lies directly in a library, folder or collection, by title.
    pub fn children(parent: &str) -> Self {
        Self {
            parent: Some(parent.to_owned()),
            sort: Sort::Name,
            ..Self::default()
        }
    }

    /// Only these kinds.
    #[must_use]
    pub fn kinds(mut self, kinds: &[ItemKind]) -> Self {
        self.kinds = kinds.to_vec();
        self
    }

    /// Only what is in `parent`, at any depth.
    #[must_use]
    pub fn within(mut self, parent: &str) -> Self {
        self.parent = Some(parent.to_owned());
        self
    }

    /// Another part of the list.
    #[must_use]
    pub fn page(mut self, start_index: u32, limit: u32) -> Self {
        self.page = PageRequest { start_index, limit };
        self
    }

    /// Another order.
    #[must_use]
    pub fn sorted(mut self, sort: Sort, descending: bool) -> Self {
        self.sort = sort;
        self.descending = descending;
        self
    }

    /// What to search for; `None` for a walk through the library.
    pub(super) fn term(&self) -> Option<&str> {
        let term = self.search.as_deref().map(str::trim);
        term.filter(|term| !term.is_empty())
    }

    /// The query string's pairs for `page` of `GET /Items`, in one spelling for one meaning: they are
    /// the key of the cache too.
    pub(super) fn pairs(
        &self,
        user_id: &str,
        page: PageRequest,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let search = self.term().unwrap_or_default();
        if search.len() > SEARCH_BYTES {
            return Err(Error::QueryInvalid {
                problem: "the search term is longer than 200 bytes",
                fix: "search for a part of the title",
            });
        }
        let mut pairs = list_pairs(user_id);
        // Directly below a parent unless it was said what to look for.
        let recursive = self.parent.is_none() || !self.kinds.is_empty() || !search.is_empty();
        pairs.push(("recursive", recursive.to_string()));
        // An episode that is known but not there is no use to a party.
        pairs.push(("isMissing", "false".into()));
        if let Some(parent) = &self.parent {
            pairs.push(("parentId", parent.clone()));
        }
        let names: Vec<_> = self
            .kinds
            .iter()
            .filter_map(|k| k.jellyfin_names())
            .collect();
        if !names.is_empty() {
            pairs.push(("includeItemTypes", names.join(",")));
        }
        if !search.is_empty() {
            pairs.push(("searchTerm", search.to_owned()));
        }
        if let Some(sort) = self.sort.jellyfin_name() {
            pairs.push(("sortBy", sort.into()));
            let order = if self.descending {
                "Descending"
            } else {
                "Ascending"
            };
            pairs.push(("sortOrder", order.into()));
        }
        pairs.extend(page_pairs(page));
        Ok(pairs)
    }
}

/// What every call for a list says.
pub(super) fn list_pairs(user_id: &str) -> Vec<(&'static str, String)> {
    vec![
        ("userId", user_id.to_owned()),
        ("fields", FIELDS.to_owned()),
        ("imageTypeLimit", "1".to_owned()),
        ("enableImageTypes", "Primary,Backdrop,Thumb,Logo".to_owned()),
    ]
}

/// The pairs that say which part of a list.
pub(super) fn page_pairs(page: PageRequest) -> [(&'static str, String); 2] {
    let page = page.bounded();
    [
        ("startIndex", page.start_index.to_string()),
        ("limit", page.limit.to_string()),
    ]
}

/// What to fetch for a page of a search: the blocks that it lies in.
///
/// Not the page itself. From 12.0 on the server takes the best `3 * limit` matches, equal ones by
/// their id, and then sorts those by title and cuts the page out (`ItemsController.GetItems`,
/// `SqlSearchProvider`). With one `limit` for all pages they are cut out of one list, and a title
/// neither shows up twice nor gets lost between two; later pages of the same search are kept, too.
pub(super) fn search_blocks(page: PageRequest) -> impl Iterator<Item = PageRequest> {
    let first = page.start_index / SEARCH_BLOCK;
    let last = (page.start_index + page.limit - 1) / SEARCH_BLOCK;
    (first..=last).map(|block| PageRequest {
        start_index: block * SEARCH_BLOCK,
        limit: SEARCH_BLOCK,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn query(query: &ItemQuery) -> String {
        let pairs = query.pairs("u1", query.page).unwrap();
        let fixed = list_pairs("u1").len();
        pairs[fixed..]
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&")
    }

    #[test]
    fn queries_are_spelled_as_jellyfin_has_them() {
        assert_eq!(
            query(&ItemQuery::of(&[ItemKind::Movie, ItemKind::Collection]).page(100, 20)),
            "recursive=true&isMissing=false&includeItemTypes=Movie,BoxSet&sortBy=SortName\
             &sortOrder=Ascending&startIndex=100&limit=20"
        );
        assert_eq!(
            query(&ItemQuery::children("c1").sorted(Sort::Added, true)),
            "recursive=false&isMissing=false&parentId=c1&sortBy=DateCreated,SortName\
             &sortOrder=Descending&startIndex=0&limit=50"
        );
        assert_eq!(
            query(&ItemQuery::search(" tears of  ").within("lib")),
            "recursive=true&isMissing=false&parentId=lib\
             &includeItemTypes=Movie,Series,Episode,BoxSet&searchTerm=tears of&startIndex=0&limit=50"
        );
    }

    #[test]
    fn pages_are_bounded() {
        let asked = query(&ItemQuery::default().page(u32::MAX, u32::MAX));
        assert!(
            asked.ends_with("&startIndex=2147483447&limit=200"),
            "{asked}"
        );
        let asked = query(&ItemQuery::default().page(0, 0));
        assert!(asked.ends_with("&limit=1"), "{asked}");
    }

    #[test]
    fn pages_of_a_search_lie_in_blocks() {
        for (start_index, limit, expected) in [
            (0, 20, vec![0]),
            (80, 20, vec![0]),
            (90, 20, vec![0, 100]),
            (100, 1, vec![100]),
            (150, 200, vec![100, 200, 300]),
        ] {
            let blocks = search_blocks(PageRequest { start_index, limit });
            let starts: Vec<_> = blocks.map(|block| block.start_index).collect();
            assert_eq!(starts, expected, "{start_index}+{limit}");
        }
    }

    #[test]
    fn long_terms_are_refused() {
        let error = ItemQuery::search(&"x".repeat(201))
            .pairs("u1", PageRequest::default())
            .unwrap_err();
        assert_eq!(error.code(), "jellyfin_query_invalid");
    }
}
