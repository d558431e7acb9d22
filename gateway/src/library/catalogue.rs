//! The library for queues: from an id to what plays.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use orb_jellyfin::client::{ItemKind, JellyfinClient, LibraryItem, MAX_PAGE, PageRequest};
use orb_proto::v1::Item;

use super::{
    queue_item::queue_item,
    refusal::{not_playable, problem, too_slow},
};
use crate::{
    catalogue::{Catalogue, ItemId},
    problem::Problem,
};

/// Longest that all look-ups of one call may take: a caller who waits for longer has gone.
const WITHIN: Duration = Duration::from_secs(30);

/// Look-ups of one call at a time; the rest of the client's connections is for others.
const AT_ONCE: usize = 8;

/// Up to so many items are asked for their versions, which takes a request each: then the one that the library prefers
/// plays, and one without a file is refused at once. Of more, the item's own version plays.
const ASKED_FOR_VERSIONS: usize = 8;

/// A [`Catalogue`] over Jellyfin.
#[derive(Debug, Clone)]
pub struct JellyfinCatalogue {
    client: JellyfinClient,
}

impl JellyfinCatalogue {
    /// Looks everything up with this client.
    pub fn new(client: JellyfinClient) -> Self {
        Self { client }
    }

    async fn look_up(&self, ids: &[ItemId], limit: usize) -> Result<Vec<Item>, Problem> {
        let look_ups: Vec<_> = ids.iter().map(|id| self.stands_for(id, limit)).collect();
        let mut answers = stream::iter(look_ups).buffered(AT_ONCE);
        let mut found = Vec::new();
        while let Some(items) = answers.next().await {
            found.extend(items?);
            // At once: ids of 200 long seasons would otherwise fill the memory first.
            if found.len() > limit {
                let rule =
                    format!("itemIds stand for more than {limit} items; add them in several calls");
                return Err(Problem::invalid_field("itemIds", rule));
            }
        }
        let ask = found.len() <= ASKED_FOR_VERSIONS;
        let made: Vec<_> = found
            .iter()
            .map(|item| self.queue_item(item, ask))
            .collect();
        stream::iter(made).buffered(AT_ONCE).try_collect().await
    }

    /// What an id stands for: never empty. Of a long season one more than `limit`, so that it shows.
    async fn stands_for(
        &self,
        id: &ItemId,
        limit: usize,
    ) -> Result<Vec<Arc<LibraryItem>>, Problem> {
        let item = self.client.item(id.as_str()).await;
        let item = item.map_err(|error| problem(&error))?;
        if let (ItemKind::Season, Some(series)) = (item.kind, &item.series_id) {
            return self.season(series, &item.id, limit).await;
        }
        let found = self.client.resolve(id.as_str()).await;
        found.map_err(|error| problem(&error))
    }

    async fn season(
        &self,
        series: &str,
        season: &str,
        limit: usize,
    ) -> Result<Vec<Arc<LibraryItem>>, Problem> {
        let mut found = Vec::new();
        let mut page = PageRequest {
            start_index: 0,
            limit: MAX_PAGE,
        };
        loop {
            let episodes = self.client.episodes(series, Some(season), page).await;
            let episodes = episodes.map_err(|error| problem(&error))?;
            let playable = episodes.items.iter().filter(|episode| episode.playable);
            found.extend(playable.cloned().map(Arc::new));
            page.start_index += MAX_PAGE;
            // An empty page ends it too: a total that is not true must not keep us asking.
            let at_end = episodes.items.is_empty() || page.start_index >= episodes.total;
            if found.len() > limit || at_end {
                break;
            }
        }
        if found.is_empty() {
            return Err(not_playable(season, "it has no episode with a file"));
        }
        Ok(found)
    }

    async fn queue_item(&self, item: &LibraryItem, ask: bool) -> Result<Item, Problem> {
        let made = if ask {
            let info = self.client.playback_info(&item.id).await;
            let info = info.map_err(|error| problem(&error))?;
            queue_item(&self.client, item, info.sources.first())
        } else {
            queue_item(&self.client, item, None)
        };
        made.map_err(|error| problem(&error))
    }

    async fn first(&self, id: &ItemId) -> Result<Item, Problem> {
        // One is wanted; a page is what is asked for anyway.
        let found = self.stands_for(id, 1).await?;
        let first = found.first();
        let first = first.ok_or_else(|| not_playable(id.as_str(), "nothing is in it"))?;
        self.queue_item(first, true).await
    }
}

impl Catalogue for JellyfinCatalogue {
    fn items<'a>(
        &'a self,
        ids: &'a [ItemId],
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Item>, Problem>> {
        Box::pin(in_time(self.look_up(ids, limit)))
    }

    fn item<'a>(&'a self, id: &'a ItemId) -> BoxFuture<'a, Result<Item, Problem>> {
        Box::pin(in_time(self.first(id)))
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let done = tokio::time::timeout(WITHIN, work).await;
    done.unwrap_or_else(|_| Err(too_slow()))
}
