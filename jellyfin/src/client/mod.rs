//! The client of Jellyfin's API: the library, what an item's files hold, pictures, progress.
//!
//! ```text
//! caller ─▶ JellyfinClient ─▶ Fetched: kept? under way? ─▶ Transport: place, key, redirects, tries ─▶ Jellyfin
//!            items, resolve     one request for all who      401, 404, HTML, cut off … become
//!            playback, report   ask the same at a time       one Error each
//! ```
//!
//! - An API key is nobody. What depends on a person (what was seen, where it was left, next up, which
//!   libraries there are) is asked for one user: the configured one, else the first administrator.
//!   [`JellyfinClient::user`] says who; the version of the server is looked at with it.
//! - Lists and items are kept for seconds, pictures for minutes, all of it within bounds
//!   ([`JellyfinClient::cache_usage`]); a report of playback forgets what it changes.
//! - The key travels in a header, to Jellyfin's own origin only. No URL, no error and no `Debug` of
//!   this module has it.
//! - JSON is read leniently (`wire`), and is not what callers see.
//!
//! Facts about Jellyfin were read in its source (12.0, with a look at 10.10 and 10.11) and are told
//! where they are used.

mod cache;
mod config;
mod flight;
mod image;
mod item;
mod library;
mod limits;
mod playback;
mod query;
mod report;
mod resolve;
mod server;
mod transport;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use flight::Fetched;
use report::Event;
use server::Account;
use transport::Transport;
use url::Url;

pub use config::{JellyfinConfig, Timeouts};
pub use image::{Image, ImageKind, ImageRequest};
pub use item::{Chapter, ImageTags, ItemKind, LibraryItem, Page};
pub use limits::MAX_PAGE;
pub use playback::{MediaStream, PlaybackInfo, PlaybackSource, StreamKind};
pub use query::{ItemQuery, PageRequest, Sort};
pub use report::{PlaybackEnd, PlaybackReport};
pub use server::{ServerInfo, User, Version};

use crate::Error;

/// A client of one Jellyfin server. Cheap to clone; clones share connections and what is kept.
///
/// Every request ends within [`Timeouts::total`], tries included; a call makes one, and two more
/// when it has to look for the user. A dropped call takes nothing from others that wait for the same
/// answer.
#[derive(Clone)]
pub struct JellyfinClient {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Arc<Transport>,
    /// The configured user's name or id.
    user: Option<String>,
    account: Fetched<Arc<Account>>,
    items: Fetched<library::KeptItem>,
    lists: Fetched<Arc<Page<LibraryItem>>>,
    playback: Fetched<Arc<PlaybackInfo>>,
    images: Fetched<Arc<Image>>,
}

/// What is kept of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheUsage {
    /// Answers.
    pub entries: usize,
    /// Their size, as they came over the network and were unpacked.
    pub bytes: usize,
}

impl JellyfinClient {
    /// Asks nothing yet: a server that is away is no reason not to start.
    pub fn new(config: JellyfinConfig) -> Result<Self, Error> {
        let user = config.user.clone().filter(|user| !user.trim().is_empty());
        let inner = Inner {
            user: user.map(|user| user.trim().to_owned()),
            transport: Arc::new(Transport::new(config)?),
            account: Fetched::new(limits::SERVER_CACHE, limits::SERVER_TTL),
            items: Fetched::new(limits::ITEM_CACHE, limits::ITEM_TTL),
            lists: Fetched::new(limits::LIST_CACHE, limits::LIST_TTL),
            playback: Fetched::new(limits::PLAYBACK_CACHE, limits::ITEM_TTL),
            images: Fetched::new(limits::IMAGE_CACHE, limits::IMAGE_TTL),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Asks the server what it is, now; a wrong key does not matter. [`Error::VersionTooOld`] and
    /// [`Error::NotJellyfin`] are told here as by every other call.
    pub async fn version(&self) -> Result<ServerInfo, Error> {
        server::version(&self.inner.transport).await
    }

    /// The user that we act for. The first call that needs the key: [`Error::KeyRefused`] if it is
    /// wrong, [`Error::UserNotFound`] if the configured user is not there.
    pub async fn user(&self) -> Result<User, Error> {
        self.account().await.map(|account| account.user.clone())
    }

    async fn account(&self) -> Result<Arc<Account>, Error> {
        let (transport, wanted) = (self.transport(), self.inner.user.clone());
        self.inner
            .account
            .get("", || server::account(transport, wanted))
            .await
    }

    fn transport(&self) -> Arc<Transport> {
        Arc::clone(&self.inner.transport)
    }

    /// Where a picture is. There is no key in it, and Jellyfin asks for none there.
    pub fn image_url(&self, item_id: &str, image: &ImageRequest) -> Result<Url, Error> {
        image::url(&self.inner.transport, item_id, image)
    }

    /// A picture of at most 8 MiB, kept for ten minutes.
    pub async fn image(&self, item_id: &str, image: &ImageRequest) -> Result<Arc<Image>, Error> {
        let url = self.image_url(item_id, image)?;
        let (transport, id) = (self.transport(), item_id.to_owned());
        let key = url.to_string();
        let images = &self.inner.images;
        images.get(&key, || image::fetch(transport, url, id)).await
    }

    /// Playback of an item began. Shows it in Jellyfin's dashboard.
    pub async fn report_start(&self, report: &PlaybackReport) -> Result<(), Error> {
        self.report(report, Event::Started).await
    }

    /// Playback goes on: about every 10 s, and when it is paused, resumed or sought. Writes the
    /// user's position, or that the item was seen.
    pub async fn report_progress(&self, report: &PlaybackReport) -> Result<(), Error> {
        self.report(report, Event::Progress).await
    }

    /// Playback of an item is over, at the position where it ended.
    pub async fn report_stopped(
        &self,
        report: &PlaybackReport,
        end: PlaybackEnd,
    ) -> Result<(), Error> {
        self.report(report, Event::Stopped(end)).await
    }

    /// Both halves are tried, whatever becomes of the other one.
    async fn report(&self, report: &PlaybackReport, event: Event) -> Result<(), Error> {
        let transport = &self.inner.transport;
        let shown = report::show(transport, report, event).await;
        let counts = match event {
            Event::Started => false,
            Event::Progress => true,
            Event::Stopped(end) => end == PlaybackEnd::Ended,
        };
        if !counts {
            return shown;
        }
        let user = self.user().await?;
        let kept = report::keep(transport, report, &user.id, SystemTime::now()).await;
        self.forget(&report.item_id, &user.id);
        if event != Event::Progress {
            // Next up, what is left to see in a season, what is under way.
            self.inner.lists.forget_all();
        }
        shown.and(kept)
    }

    /// How much is kept, all caches together.
    pub fn cache_usage(&self) -> CacheUsage {
        let inner = &self.inner;
        let all = [
            inner.account.usage(),
            inner.items.usage(),
            inner.lists.usage(),
            inner.playback.usage(),
            inner.images.usage(),
        ];
        CacheUsage {
            entries: all.iter().map(|usage| usage.0).sum(),
            bytes: all.iter().map(|usage| usage.1).sum(),
        }
    }
}

impl fmt::Debug for JellyfinClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JellyfinClient")
            .field("user", &self.inner.user)
            .finish_non_exhaustive()
    }
}
