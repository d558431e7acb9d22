//! Searching and browsing, and what an item's files hold.

use std::sync::Arc;

use url::Url;

use super::limits::MAX_PAGE;
use super::query::{list_pairs, page_pairs, search_blocks};
use super::transport::check_id;
use super::wire::{Item, Items, PlaybackAnswer};
use super::{ItemQuery, JellyfinClient, LibraryItem, Page, PageRequest, PlaybackInfo};
use crate::Error;

/// An item, and the order of its members if it is a collection.
pub(super) type KeptItem = (Arc<LibraryItem>, Option<Arc<str>>);

type Pairs = Vec<(&'static str, String)>;

impl JellyfinClient {
    /// The user's libraries.
    pub async fn libraries(&self) -> Result<Arc<Page<LibraryItem>>, Error> {
        let pairs = vec![("userId", self.user().await?.id)];
        self.list(&["UserViews"], pairs, whole(), None).await
    }

    /// What a query finds: a search, or a part of the library.
    pub async fn items(&self, query: &ItemQuery) -> Result<Arc<Page<LibraryItem>>, Error> {
        let parent = query.parent.as_deref().map(check_id).transpose()?;
        let user_id = self.user().await?.id;
        let page = query.page.bounded();
        if query.term().is_none() {
            let pairs = query.pairs(&user_id, page)?;
            return self.list(&["Items"], pairs, page, parent).await;
        }
        let mut found = Page {
            items: Vec::new(),
            start_index: page.start_index,
            total: 0,
        };
        for block in search_blocks(page) {
            let pairs = query.pairs(&user_id, block)?;
            let matches = self.list(&["Items"], pairs, block, parent).await?;
            found.total = matches.total;
            let before = page.start_index.saturating_sub(block.start_index) as usize;
            let wanted = page.limit as usize - found.items.len();
            let part = matches.items.iter().skip(before).take(wanted);
            found.items.extend(part.cloned());
            if matches.items.len() < block.limit as usize {
                break;
            }
        }
        Ok(Arc::new(found))
    }

    /// One item, with its chapters.
    pub async fn item(&self, id: &str) -> Result<Arc<LibraryItem>, Error> {
        self.item_and_order(id).await.map(|(item, _)| item)
    }

    /// One item, and its `DisplayOrder`.
    pub(super) async fn item_and_order(&self, id: &str) -> Result<KeptItem, Error> {
        check_id(id)?;
        let user_id = self.user().await?.id;
        let key = item_key(id, &user_id);
        let (transport, id) = (self.transport(), id.to_owned());
        let fetch = || async move {
            let mut url = transport.url(&["Items", &id])?;
            url.query_pairs_mut().append_pair("userId", &user_id);
            let (mut item, bytes) = transport.get_json::<Item>(url, Some(&id)).await?;
            let order = item.display_order.take().map(Arc::from);
            let weight = bytes + size_of::<LibraryItem>();
            Ok(((Arc::new(item.into_item()), order), weight))
        };
        self.inner.items.get(&key, fetch).await
    }

    /// A report changed what we know of an item.
    pub(super) fn forget(&self, id: &str, user_id: &str) {
        self.inner.items.forget(&item_key(id, user_id));
    }

    /// The seasons of a series.
    pub async fn seasons(&self, series_id: &str) -> Result<Arc<Page<LibraryItem>>, Error> {
        let pairs = list_pairs(&self.user().await?.id);
        let path = ["Shows", check_id(series_id)?, "Seasons"];
        self.list(&path, pairs, whole(), Some(series_id)).await
    }

    /// The episodes of a series, or of one of its seasons, without those that have no file. Specials
    /// come first, as Jellyfin has them.
    pub async fn episodes(
        &self,
        series_id: &str,
        season_id: Option<&str>,
        page: PageRequest,
    ) -> Result<Arc<Page<LibraryItem>>, Error> {
        let mut pairs = list_pairs(&self.user().await?.id);
        // Left out for a user, but an API key gets them too, whomever it names (`TvShowsController`).
        pairs.push(("isMissing", "false".into()));
        if let Some(season_id) = season_id {
            pairs.push(("seasonId", check_id(season_id)?.to_owned()));
        }
        pairs.extend(page_pairs(page));
        let path = ["Shows", check_id(series_id)?, "Episodes"];
        self.list(&path, pairs, page, Some(season_id.unwrap_or(series_id)))
            .await
    }

    /// The episode of a series that the user would see next: one that is under way, or the first
    /// unseen one behind the last that was seen. `None` when all were seen.
    pub async fn next_up(&self, series_id: &str) -> Result<Option<Arc<LibraryItem>>, Error> {
        let mut pairs = list_pairs(&self.user().await?.id);
        let page = PageRequest {
            start_index: 0,
            limit: 1,
        };
        pairs.push(("seriesId", check_id(series_id)?.to_owned()));
        pairs.extend(page_pairs(page));
        let next = self
            .list(&["Shows", "NextUp"], pairs, page, Some(series_id))
            .await?;
        Ok(next.items.first().cloned().map(Arc::new))
    }

    /// What the user has begun and not seen to its end, the latest first.
    pub async fn continue_watching(
        &self,
        page: PageRequest,
    ) -> Result<Arc<Page<LibraryItem>>, Error> {
        let mut pairs = list_pairs(&self.user().await?.id);
        pairs.push(("mediaTypes", "Video".into()));
        pairs.extend(page_pairs(page));
        self.list(&["UserItems", "Resume"], pairs, page, None).await
    }

    /// The versions, sound tracks, subtitles and chapters of a video.
    pub async fn playback_info(&self, id: &str) -> Result<Arc<PlaybackInfo>, Error> {
        let item = self.item(id).await?;
        let not_playable = |problem| Error::NotPlayable {
            id: id.to_owned(),
            problem,
        };
        if !item.kind.is_video() {
            return Err(not_playable("it is no video, but may be resolved to one"));
        }
        let mut url = self
            .inner
            .transport
            .url(&["Items", check_id(id)?, "PlaybackInfo"])?;
        let user_id = self.user().await?.id;
        url.query_pairs_mut().append_pair("userId", &user_id);
        let key = url.to_string();
        let (transport, id) = (self.transport(), id.to_owned());
        let fetch = || async move {
            let (mut answer, bytes) = transport.get_json::<PlaybackAnswer>(url, Some(&id)).await?;
            let info = PlaybackInfo {
                sources: answer.take_sources(),
                chapters: item.chapters.clone(),
                play_session_id: answer.play_session_id,
                item_id: id,
            };
            if let Some(code) = &answer.error_code {
                tracing::debug!(code, "jellyfin does not play an item");
            }
            Ok((Arc::new(info), bytes))
        };
        let info = self.inner.playback.get(&key, fetch).await?;
        if info.sources.is_empty() {
            return Err(not_playable("jellyfin has no file for it"));
        }
        Ok(info)
    }

    /// Where a video's file is, as it is and with ranges; `source_id` says which version. There is no
    /// key in it: whoever opens it adds the header ([`authorize`](crate::authorize)).
    pub fn stream_url(&self, item_id: &str, source_id: Option<&str>) -> Result<Url, Error> {
        let path = ["Videos", check_id(item_id)?, "stream"];
        let mut url = self.inner.transport.url(&path)?;
        url.query_pairs_mut().append_pair("static", "true");
        if let Some(source) = source_id {
            let source = check_id(source)?;
            url.query_pairs_mut().append_pair("mediaSourceId", source);
        }
        Ok(url)
    }

    /// Where the same can be downloaded, which needs the key. There is none in it.
    pub fn download_url(&self, item_id: &str) -> Result<Url, Error> {
        let path = ["Items", check_id(item_id)?, "Download"];
        self.inner.transport.url(&path)
    }

    /// A list, of which `page` was asked for. `item` is whom a 404 is about.
    async fn list(
        &self,
        path: &[&str],
        pairs: Pairs,
        page: PageRequest,
        item: Option<&str>,
    ) -> Result<Arc<Page<LibraryItem>>, Error> {
        let mut url: Url = self.inner.transport.url(path)?;
        url.query_pairs_mut().extend_pairs(&pairs);
        let key = url.to_string();
        let page = page.bounded();
        let (transport, item) = (self.transport(), item.map(str::to_owned));
        let fetch = || async move {
            let (items, bytes) = transport.get_json::<Items>(url, item.as_deref()).await?;
            let page = items.into_page(page.start_index, page.limit);
            let weight = bytes + page.items.len() * size_of::<LibraryItem>();
            Ok((Arc::new(page), weight))
        };
        self.inner.lists.get(&key, fetch).await
    }
}

fn item_key(id: &str, user_id: &str) -> String {
    format!("{user_id}/{id}")
}

/// For calls that have no pages: libraries and seasons are few.
fn whole() -> PageRequest {
    PageRequest {
        start_index: 0,
        limit: MAX_PAGE,
    }
}
