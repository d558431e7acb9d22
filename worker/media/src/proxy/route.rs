//! What is known of one source while one pipeline reads it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use orb_jellyfin::SourceUrl;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Failure;

/// Which file it is. A resumed body is only spliced to the same one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Length in bytes.
    pub(crate) total: Option<u64>,
    /// A strong `ETag`.
    pub(crate) etag: Option<String>,
}

impl Identity {
    /// Whether what was seen later can be the same file; what one side does not say is no
    /// difference.
    fn admits(&self, later: &Self) -> bool {
        fn agree<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
            a.zip(b).is_none_or(|(a, b)| a == b)
        }
        agree(self.total.as_ref(), later.total.as_ref())
            && agree(self.etag.as_ref(), later.etag.as_ref())
    }
}

/// What network faults of a source may cost before it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Until the film plays.
    pub(crate) open: Duration,
    /// In the middle of the film.
    pub(crate) outage: Duration,
}

/// One source of one pipeline.
pub(crate) struct Route {
    pub(crate) source: SourceUrl,
    patience: Patience,
    established: AtomicBool,
    identity: Mutex<Option<Identity>>,
    /// Requests that wait for bytes which do not come; see [`Trouble`].
    troubled: AtomicUsize,
    failure: watch::Sender<Option<Failure>>,
    closed: CancellationToken,
}

impl Route {
    /// A source that is `known` to play (it did, minutes ago) gets the patience of the middle of a
    /// film from the start.
    pub(crate) fn new(source: SourceUrl, patience: Patience, known: bool) -> Self {
        Self {
            source,
            patience,
            established: AtomicBool::new(known),
            identity: Mutex::default(),
            troubled: AtomicUsize::new(0),
            failure: watch::Sender::new(None),
            closed: CancellationToken::new(),
        }
    }

    /// The film plays: from now on an outage may last.
    pub(crate) fn establish(&self) {
        self.established.store(true, Ordering::Relaxed);
    }

    /// The source is being retried right now, so ffmpeg's silence is not its own fault.
    pub(crate) fn in_trouble(&self) -> bool {
        self.troubled.load(Ordering::Relaxed) > 0
    }

    /// Why the source was given up, if it was.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    /// Waits until the source is given up.
    pub(crate) async fn failed(&self) -> Failure {
        let mut changes = self.failure.subscribe();
        let failure = changes.wait_for(Option::is_some).await;
        match failure.map(|f| f.clone()) {
            Ok(Some(failure)) => failure,
            // The sender is a field of `self`, so the channel is open as long as we wait.
            _ => std::future::pending().await,
        }
    }

    /// The first reason counts: what follows is its consequence.
    pub(super) fn fail(&self, failure: Failure) {
        self.failure.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(failure);
            }
            first
        });
    }

    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    pub(super) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// Compares with what was seen first; false if it is another file.
    pub(super) fn identify(&self, seen: Identity) -> bool {
        let mut identity = self.lock();
        let Some(known) = identity.as_mut() else {
            *identity = Some(seen);
            return true;
        };
        let same = known.admits(&seen);
        known.total = known.total.or(seen.total);
        same
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Identity>> {
        // Nothing panics while it is held.
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The patience of one request: it starts when bytes are wanted and ends when they come.
pub(super) struct Trouble {
    route: Arc<Route>,
    since: Option<Instant>,
}

impl Trouble {
    pub(super) fn none(route: Arc<Route>) -> Self {
        Self { route, since: None }
    }

    /// Bytes are wanted. Gives the time until which to try, which later calls do not move.
    pub(super) fn begin(&mut self, now: Instant) -> Instant {
        let since = *self.since.get_or_insert_with(|| {
            self.route.troubled.fetch_add(1, Ordering::Relaxed);
            now
        });
        let budget = if self.route.established.load(Ordering::Relaxed) {
            self.route.patience.outage
        } else {
            self.route.patience.open
        };
        since + budget
    }

    /// Bytes came.
    pub(super) fn end(&mut self) {
        if self.since.take().is_some() {
            self.route.troubled.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn route(known: bool) -> Route {
        let patience = Patience {
            open: Duration::from_secs(4),
            outage: Duration::from_mins(1),
        };
        Route::new("http://h/a".parse().unwrap(), patience, known)
    }

    fn file(total: Option<u64>, etag: Option<&str>) -> Identity {
        Identity {
            total,
            etag: etag.map(str::to_owned),
        }
    }

    #[test]
    fn another_file_is_noticed() {
        let route = route(false);
        assert!(route.identify(file(Some(10), Some("a"))));
        assert!(route.identify(file(Some(10), None)));
        assert!(route.identify(file(None, Some("a"))));
        assert!(!route.identify(file(Some(11), Some("a"))));
        assert!(!route.identify(file(Some(10), Some("b"))));
    }

    #[test]
    fn patience_counts_from_the_first_trouble_and_grows_once_it_plays() {
        let route = Arc::new(route(false));
        let mut trouble = Trouble::none(Arc::clone(&route));
        let now = Instant::now();
        assert_eq!(trouble.begin(now), now + Duration::from_secs(4));
        let later = now + Duration::from_secs(3);
        assert_eq!(trouble.begin(later), now + Duration::from_secs(4));
        assert!(route.in_trouble());
        route.establish();
        assert_eq!(trouble.begin(later), now + Duration::from_mins(1));
        trouble.end();
        assert!(!route.in_trouble());
        assert_eq!(trouble.begin(later), later + Duration::from_mins(1));
        drop(trouble);
        assert!(!route.in_trouble());
    }

    #[tokio::test]
    async fn the_first_failure_counts() {
        let route = route(false);
        route.fail(Failure::new("source_gone", "first"));
        route.fail(Failure::new("source_unreachable", "second"));
        assert_eq!(route.failed().await.code, "source_gone");
    }
}
