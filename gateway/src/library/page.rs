//! Parts of lists.

use orb_jellyfin::client::{self, MAX_PAGE, PageRequest};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::item::LibraryItem;
use crate::{problem::Problem, query::Query};

/// Farther than any list goes.
const MAX_START: i64 = 1_000_000;

/// A part of a list.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = LibraryPage)]
pub(super) struct Page {
    pub(super) items: Vec<LibraryItem>,
    /// The place of the first of them in the whole list.
    #[schema(minimum = 0)]
    pub(super) start: u32,
    /// How many the whole list has. Of a search, Jellyfin from 12.0 on finds the best 300 only.
    #[schema(minimum = 0)]
    pub(super) total: u32,
}

impl Page {
    /// As the client has it.
    pub(super) fn of(
        page: &client::Page<client::LibraryItem>,
        image: impl Fn(&str) -> String,
    ) -> Self {
        Self {
            items: page
                .items
                .iter()
                .map(|item| LibraryItem::of(item, &image))
                .collect(),
            start: page.start_index,
            total: page.total,
        }
    }

    /// The part that was asked for of a list that came as a whole.
    pub(super) fn cut(mut self, page: PageRequest) -> Self {
        let rest = self.items.into_iter().skip(page.start_index as usize);
        self.items = rest.take(page.limit as usize).collect();
        self.start = page.start_index;
        self
    }

    pub(super) fn empty(page: PageRequest) -> Self {
        Self {
            items: Vec::new(),
            start: page.start_index,
            total: 0,
        }
    }
}

/// Documents what [`read`] reads.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents the query; it is read field by field")]
pub(super) struct PageQuery {
    /// The place of the first item in the whole list; 0 where missing.
    #[param(minimum = 0, maximum = 1_000_000, example = 0)]
    start: Option<i64>,
    /// At most so many; 50 where missing.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
}

/// Which part is asked for.
pub(super) fn read(query: &Query) -> Result<PageRequest, Problem> {
    let usual = PageRequest::default();
    let start = query.integer("start", 0..=MAX_START)?;
    let limit = query.integer("limit", 1..=i64::from(MAX_PAGE))?;
    let small = |number: i64| u32::try_from(number).expect("the range is within u32");
    Ok(PageRequest {
        start_index: start.map_or(usual.start_index, small),
        limit: limit.map_or(usual.limit, small),
    })
}
