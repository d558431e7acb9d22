//! From what somebody picked to what is played.

use std::cmp::Ordering;
use std::sync::Arc;

use super::limits::{COLLECTION_MEMBERS, EPISODE_PAGES};
use super::{ItemKind, ItemQuery, JellyfinClient, LibraryItem, MAX_PAGE, PageRequest, Sort};
use crate::Error;

impl JellyfinClient {
    /// What to put into a queue for the item `id`: never empty, and all of it is playable.
    ///
    /// - A movie, an episode, another video: itself.
    /// - A series: the episode that the user would see next, else (all seen, or nobody to ask) its
    ///   first one; specials only when there is nothing else.
    /// - A season: its first episode that the user has not seen, else its first one.
    /// - A collection: its members in its own order, each resolved; those that cannot be played are
    ///   left out.
    ///
    /// [`Error::NotPlayable`] for everything else, and when nothing playable is in it.
    pub async fn resolve(&self, id: &str) -> Result<Vec<Arc<LibraryItem>>, Error> {
        let (item, display_order) = self.item_and_order(id).await?;
        if item.kind == ItemKind::Collection {
            self.resolve_collection(&item, display_order.as_deref())
                .await
        } else {
            Ok(vec![self.resolve_one(item).await?])
        }
    }

    /// For anything but a collection.
    async fn resolve_one(&self, item: Arc<LibraryItem>) -> Result<Arc<LibraryItem>, Error> {
        match item.kind {
            kind if kind.is_video() && item.playable => Ok(item),
            kind if kind.is_video() => Err(not_playable(&item, "there is no file for it")),
            ItemKind::Series => self.resolve_series(&item).await,
            ItemKind::Season => self.resolve_season(&item).await,
            _ => Err(not_playable(
                &item,
                "it is no video and holds none in an order",
            )),
        }
    }

    async fn resolve_series(&self, series: &LibraryItem) -> Result<Arc<LibraryItem>, Error> {
        if let Some(next) = self.next_up(&series.id).await?.filter(|next| next.playable) {
            return Ok(next);
        }
        let episodes = self.first_episodes(&series.id, None, is_regular).await?;
        first(&episodes, |_| true)
            .ok_or_else(|| not_playable(series, "it has no episode with a file"))
    }

    async fn resolve_season(&self, season: &LibraryItem) -> Result<Arc<LibraryItem>, Error> {
        let Some(series_id) = season.series_id.as_deref() else {
            return Err(not_playable(season, "it belongs to no series"));
        };
        let unseen = |episode: &LibraryItem| episode.playable && !episode.played;
        let episodes = self
            .first_episodes(series_id, Some(&season.id), unseen)
            .await?;
        first(&episodes, |episode| !episode.played)
            .or_else(|| first(&episodes, |_| true))
            .ok_or_else(|| not_playable(season, "it has no episode with a file"))
    }

    /// The playable episodes, page by page up to the first page that has one that will `do`.
    async fn first_episodes(
        &self,
        series_id: &str,
        season_id: Option<&str>,
        will_do: impl Fn(&LibraryItem) -> bool,
    ) -> Result<Vec<LibraryItem>, Error> {
        let mut found = Vec::new();
        for number in 0..EPISODE_PAGES {
            let page = PageRequest {
                start_index: number * MAX_PAGE,
                limit: MAX_PAGE,
            };
            let episodes = self.episodes(series_id, season_id, page).await?;
            let playable = episodes.items.iter().filter(|episode| episode.playable);
            found.extend(playable.cloned());
            let seen = page.start_index + episodes.items.len() as u32;
            if found.iter().any(&will_do) || episodes.items.is_empty() || seen >= episodes.total {
                break;
            }
        }
        Ok(found)
    }

    async fn resolve_collection(
        &self,
        collection: &LibraryItem,
        display_order: Option<&str>,
    ) -> Result<Vec<Arc<LibraryItem>>, Error> {
        let sort = match display_order {
            Some("SortName") => Sort::Name,
            Some("Default") => Sort::Relevance,
            // What Jellyfin itself takes without one (`BoxSet.Sort`).
            _ => Sort::Premiere,
        };
        let query = ItemQuery::children(&collection.id)
            .sorted(sort, false)
            .page(0, COLLECTION_MEMBERS);
        let members = self.items(&query).await?;
        if members.total > COLLECTION_MEMBERS {
            return Err(not_playable(collection, "it has more than 200 members"));
        }
        let mut items = Vec::with_capacity(members.items.len());
        for member in &members.items {
            match self.resolve_one(Arc::new(member.clone())).await {
                Ok(item) => items.push(item),
                Err(Error::NotPlayable { id, problem }) => {
                    tracing::debug!(id, problem, "a member of a collection is left out");
                }
                Err(error) => return Err(error),
            }
        }
        if items.is_empty() {
            return Err(not_playable(collection, "nothing in it can be played"));
        }
        Ok(items)
    }
}

fn is_regular(episode: &LibraryItem) -> bool {
    episode.playable && episode.season != Some(0)
}

/// The first in the order in which one watches, of those that `fit`.
fn first(episodes: &[LibraryItem], fit: impl Fn(&LibraryItem) -> bool) -> Option<Arc<LibraryItem>> {
    let fitting = episodes.iter().filter(|e| e.playable && fit(e));
    fitting
        .min_by(|a, b| watching_order(a, b))
        .cloned()
        .map(Arc::new)
}

/// By season and episode. Specials come last: Jellyfin lists them first. What has no number comes
/// behind what has one, in the server's order.
fn watching_order(a: &LibraryItem, b: &LibraryItem) -> Ordering {
    let place = |item: &LibraryItem| {
        (
            item.season == Some(0),
            item.season.unwrap_or(i32::MAX),
            item.episode.unwrap_or(i32::MAX),
        )
    };
    place(a).cmp(&place(b))
}

fn not_playable(item: &LibraryItem, problem: &'static str) -> Error {
    Error::NotPlayable {
        id: item.id.clone(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn episode(season: Option<i32>, episode: Option<i32>) -> LibraryItem {
        LibraryItem {
            id: format!("{}x{}", season.unwrap_or(-1), episode.unwrap_or(-1)),
            kind: ItemKind::Episode,
            season,
            episode,
            playable: true,
            ..LibraryItem::default()
        }
    }

    fn first_id(episodes: &[LibraryItem]) -> Option<String> {
        first(episodes, |_| true).map(|e| e.id.clone())
    }

    #[test]
    fn specials_come_last() {
        let special = episode(Some(0), Some(1));
        let episodes = [
            special.clone(),
            episode(None, Some(1)),
            episode(Some(2), Some(1)),
            episode(Some(1), None),
            episode(Some(1), Some(2)),
        ];
        assert_eq!(first_id(&episodes).as_deref(), Some("1x2"));
        assert_eq!(first_id(&episodes[..4]).as_deref(), Some("1x-1"));
        assert_eq!(first_id(&episodes[..2]).as_deref(), Some("-1x1"));
        assert_eq!(first_id(&[special]).as_deref(), Some("0x1"));
        assert_eq!(first_id(&[]), None);
    }

    #[test]
    fn what_has_no_file_is_passed_over() {
        let mut missing = episode(Some(1), Some(1));
        missing.playable = false;
        let episodes = [missing, episode(Some(1), Some(2))];
        assert_eq!(first_id(&episodes).as_deref(), Some("1x2"));
    }

    #[test]
    fn of_equals_the_servers_first_is_taken() {
        let mut second = episode(Some(1), None);
        second.id = "second".into();
        let episodes = [episode(Some(1), None), second];
        assert_eq!(first_id(&episodes).as_deref(), Some("1x-1"));
    }
}
