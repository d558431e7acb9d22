//! Where the party API finds what an item's id stands for.

use std::fmt;

use axum::http::StatusCode;
use futures::future::BoxFuture;
use orb_proto::v1::Item;

use crate::problem::Problem;

/// Longest id that is looked at; Jellyfin's have 32 characters, 36 with dashes.
const MAX_ITEM_ID: usize = 64;

/// A library, as far as a queue needs it.
///
/// Items that it answers with have no `queue_entry_id` and no `entry_id`, and source URLs without any key. A failure is
/// the problem that the caller is told: see [`ItemId::not_found`] for an id that nothing is found under.
pub trait Catalogue: fmt::Debug + Send + Sync {
    /// All that these ids stand for, in order: a film or episode is itself, a series its next or first playable episode,
    /// a season or a collection its items. A problem when these are more than `limit`.
    fn items<'a>(
        &'a self,
        ids: &'a [ItemId],
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Item>, Problem>>;

    /// What plays when one id is to be played: of a season or a collection the first item.
    fn item<'a>(&'a self, id: &'a ItemId) -> BoxFuture<'a, Result<Item, Problem>>;
}

/// An id that an item can have: 1 to 64 of letters, digits and dashes. Safe in a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ItemId(String);

impl ItemId {
    /// `None` for what no item can have as its id.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let fits = (1..=MAX_ITEM_ID).contains(&text.len()) && text.chars().all(allowed);
        fits.then(|| Self(text.to_owned()))
    }

    /// As the caller wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The library has nothing under this id.
    pub fn not_found(&self) -> Problem {
        let detail = format!(
            "the library has no item {}; look for it with GET /api/v1/library/search",
            self.0
        );
        Problem::new(StatusCode::NOT_FOUND, "library_item_not_found", detail)
    }
}

/// There is no library.
pub(crate) fn not_configured() -> Problem {
    let detail = "no library is configured; set ORB_JELLYFIN_URL and ORB_JELLYFIN_API_KEY";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "library_not_configured",
        detail,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_in_a_path() {
        let long = "a".repeat(64);
        for good in ["f1", "0f3c9a2e-aaaa-bbbb-cccc-ddddeeeeffff", &long] {
            assert_eq!(ItemId::parse(good).as_ref().map(ItemId::as_str), Some(good));
        }
        for bad in ["", "a/b", "..", "a b", "a?b", "é", &"a".repeat(65)] {
            assert_eq!(ItemId::parse(bad), None, "{bad}");
        }
    }
}
