//! Every bound of the client, with its reason.

use std::time::Duration;

use super::cache::Bounds;

/// A server in the same house answers a SYN in milliseconds, one across an ocean in 300 ms. What
/// has not by now is off.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// One try, body included. A cold search over 20,000 items takes a Jellyfin on slow disks some
/// seconds.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A call with all its tries: what a person looks at a page that does not load.
pub(super) const TOTAL_TIMEOUT: Duration = Duration::from_secs(20);

/// Tries after the first. Enough for a proxy that restarts; more would hide a server that is ill.
pub(super) const RETRIES: usize = 2;

/// The pause before the first further try, doubled for each later one and at most the second value.
pub(super) const RETRY_DELAYS: (Duration, Duration) =
    (Duration::from_millis(200), Duration::from_secs(2));

/// The longest `Retry-After` that is waited for; a server that wants more gets the caller an error.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// A redirect to a base path and one to its canonical spelling; more is a circle.
pub(super) const REDIRECTS: usize = 3;

/// Requests under way at once: as many as a browser would open to one host with a few tabs. The rest
/// waits its turn, within its own time. With [`JSON_BYTES`] this bounds the memory of answers in
/// flight.
pub(super) const CONCURRENT_REQUESTS: usize = 16;

/// The largest JSON answer. A page of [`MAX_PAGE`] items is about 600 KB, a film with a cast of
/// hundreds 500 KB.
pub(super) const JSON_BYTES: usize = 8 << 20;

/// The largest picture. Posters are asked for in the size that is shown, some 100 KB; an original
/// backdrop in 4K is about 5 MB.
pub(super) const IMAGE_BYTES: usize = 8 << 20;

/// The most items in one page.
pub const MAX_PAGE: u32 = 200;

/// The most pages that are looked through for an episode: 10,000 of them, more than any series has.
/// A total that is not true must not keep us asking.
pub(super) const EPISODE_PAGES: u32 = 50;

/// The most members of a collection that are queued at once: the party's queue holds no more.
pub(super) const COLLECTION_MEMBERS: u32 = MAX_PAGE;

/// How many matches of a search are fetched at once: enough for any first page, a tenth of a second
/// for a Jellyfin. From 12.0 on a server looks for three times as many at most, so that a search
/// there ends after 300.
pub(super) const SEARCH_BLOCK: u32 = 100;

/// The longest term to search for, in bytes; titles are shorter.
pub(super) const SEARCH_BYTES: usize = 200;

/// An id is a GUID, 36 characters with hyphens.
pub(super) const ID_BYTES: usize = 64;

/// How long an item stays true: its title and streams change by the day, the resume position is
/// forgotten by our own reports.
pub(super) const ITEM_TTL: Duration = Duration::from_mins(1);

/// How long a list stays true: long enough for a room full of people who type the same search, short
/// enough that a new film shows up while they talk about it.
pub(super) const LIST_TTL: Duration = Duration::from_secs(15);

/// Server version and user: they change by hand, and whoever changes them waits this long at most.
pub(super) const SERVER_TTL: Duration = Duration::from_mins(5);

/// A picture is asked for with its tag, which changes with it.
pub(super) const IMAGE_TTL: Duration = Duration::from_mins(10);

/// Items: a few hundred are looked at in an evening.
pub(super) const ITEM_CACHE: Bounds = Bounds {
    entries: 1000,
    bytes: 8 << 20,
};

/// Lists: 16 MiB hold about 40 pages of 200 items, or 160 of 50.
pub(super) const LIST_CACHE: Bounds = Bounds {
    entries: 500,
    bytes: 16 << 20,
};

/// Media sources: about 10 KB each.
pub(super) const PLAYBACK_CACHE: Bounds = Bounds {
    entries: 500,
    bytes: 4 << 20,
};

/// Pictures: the posters of some pages.
pub(super) const IMAGE_CACHE: Bounds = Bounds {
    entries: 1000,
    bytes: 32 << 20,
};

/// One server, one user.
pub(super) const SERVER_CACHE: Bounds = Bounds {
    entries: 1,
    bytes: 1 << 20,
};
