//! One request for all who want the same at the same time, and the cache behind it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::time::Instant;

use super::cache::{Bounds, Cache};
use crate::Error;

type Flight<V> = Shared<BoxFuture<'static, Result<V, Error>>>;

/// A cache that fetches what it has not.
///
/// All who ask for a key while it is fetched share one fetch. It is driven by whoever waits for it:
/// when the first caller goes away the next drives on, when all have gone it is dropped. Errors are
/// told to all who waited, and never kept.
pub(super) struct Fetched<V> {
    state: Arc<Mutex<State<V>>>,
    ttl: Duration,
}

struct State<V> {
    cache: Cache<V>,
    /// By key: a number, and the fetch. Weak, so that a fetch lives no longer than its callers.
    flights: HashMap<Arc<str>, (u64, WeakShared<BoxFuture<'static, Result<V, Error>>>)>,
    started: u64,
}

impl<V: Clone + Send + Sync + 'static> Fetched<V> {
    pub(super) fn new(bounds: Bounds, ttl: Duration) -> Self {
        let state = State {
            cache: Cache::new(bounds),
            flights: HashMap::new(),
            started: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            ttl,
        }
    }

    /// What is kept under `key`, else what `fetch` gives: the value and its size in bytes.
    pub(super) async fn get<F>(&self, key: &str, fetch: impl FnOnce() -> F) -> Result<V, Error>
    where
        F: Future<Output = Result<(V, usize), Error>> + Send + 'static,
    {
        let flight = {
            let mut state = lock(&self.state);
            if let Some(value) = state.cache.get(key, Instant::now()) {
                return Ok(value);
            }
            let under_way = state
                .flights
                .get(key)
                .and_then(|(_, flight)| flight.upgrade());
            match under_way {
                Some(flight) => flight,
                None => self.take_off(&mut state, key, fetch()),
            }
        };
        flight.await
    }

    fn take_off<F>(&self, state: &mut State<V>, key: &str, fetch: F) -> Flight<V>
    where
        F: Future<Output = Result<(V, usize), Error>> + Send + 'static,
    {
        let key: Arc<str> = key.into();
        state.started += 1;
        let number = state.started;
        let landing = Landing {
            state: Arc::clone(&self.state),
            key: Arc::clone(&key),
            number,
        };
        let ttl = self.ttl;
        let flight = async move {
            let (value, bytes) = fetch.await?;
            landing.keep(value.clone(), bytes, ttl);
            Ok(value)
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            state.flights.insert(key, (number, weak));
        }
        flight
    }

    /// Forgets `key`. A fetch that is under way answers those who wait and is not kept: it may have
    /// been asked before what changed.
    pub(super) fn forget(&self, key: &str) {
        let mut state = lock(&self.state);
        state.cache.remove(key);
        state.flights.remove(key);
    }

    /// Forgets everything, in the same way.
    pub(super) fn forget_all(&self) {
        let mut state = lock(&self.state);
        state.cache.clear();
        state.flights.clear();
    }

    /// Entries and bytes kept.
    pub(super) fn usage(&self) -> (usize, usize) {
        lock(&self.state).cache.usage()
    }
}

/// Takes a fetch out of the books when it ends or is given up.
struct Landing<V> {
    state: Arc<Mutex<State<V>>>,
    key: Arc<str>,
    number: u64,
}

impl<V: Clone> Landing<V> {
    fn keep(&self, value: V, bytes: usize, ttl: Duration) {
        let mut state = lock(&self.state);
        // Not ours any more: it was forgotten meanwhile.
        if state.flights.get(&self.key).map(|f| f.0) == Some(self.number) {
            let key = Arc::clone(&self.key);
            state.cache.insert(key, value, bytes, Instant::now() + ttl);
        }
    }
}

impl<V> Drop for Landing<V> {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.flights.get(&self.key).map(|f| f.0) == Some(self.number) {
            state.flights.remove(&self.key);
        }
    }
}

/// A panic while it was held left nothing half done that matters: at worst a value is fetched again.
fn lock<V>(state: &Mutex<State<V>>) -> MutexGuard<'_, State<V>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Notify;
    use tokio::time::{advance, sleep};

    use super::*;

    const TTL: Duration = Duration::from_secs(15);
    const BOUNDS: Bounds = Bounds {
        entries: 10,
        bytes: 1000,
    };

    /// A fetch that takes a second and counts.
    struct Source(Arc<AtomicUsize>);

    impl Source {
        fn new() -> Self {
            Self(Arc::new(AtomicUsize::new(0)))
        }

        fn fetch(
            &self,
            result: Result<u32, Error>,
        ) -> impl Future<Output = Result<(u32, usize), Error>> + Send + use<> {
            let count = Arc::clone(&self.0);
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_secs(1)).await;
                result.map(|value| (value, 10))
            }
        }

        fn count(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_once_make_one_fetch() {
        let (fetched, source) = (Fetched::new(BOUNDS, TTL), Source::new());
        let asks = (0..500).map(|_| fetched.get("a", || source.fetch(Ok(7))));
        assert!(join_all(asks).await.into_iter().all(|r| r == Ok(7)));
        assert_eq!(source.count(), 1);
        assert!(lock(&fetched.state).flights.is_empty());
        fetched.get("a", || source.fetch(Ok(8))).await.unwrap();
        assert_eq!(source.count(), 1, "kept");
        advance(TTL).await;
        assert_eq!(fetched.get("a", || source.fetch(Ok(8))).await, Ok(8));
    }

    #[tokio::test(start_paused = true)]
    async fn errors_reach_all_and_are_not_kept() {
        let (fetched, source) = (Fetched::<u32>::new(BOUNDS, TTL), Source::new());
        let error = || Err(Error::AnswerTruncated);
        let asks = (0..50).map(|_| fetched.get("a", || source.fetch(error())));
        assert!(join_all(asks).await.into_iter().all(|r| r == error()));
        assert_eq!(source.count(), 1);
        assert_eq!(fetched.get("a", || source.fetch(Ok(1))).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_takes_nothing_from_the_others() {
        let (fetched, source) = (Arc::new(Fetched::new(BOUNDS, TTL)), Source::new());
        let first = {
            let (fetched, fetch) = (Arc::clone(&fetched), source.fetch(Ok(7)));
            tokio::spawn(async move { fetched.get("a", || fetch).await })
        };
        while source.count() == 0 {
            tokio::task::yield_now().await;
        }
        let second = {
            let (fetched, fetch) = (Arc::clone(&fetched), source.fetch(Ok(8)));
            tokio::spawn(async move { fetched.get("a", || fetch).await })
        };
        tokio::task::yield_now().await;
        first.abort();
        assert_eq!(second.await.unwrap(), Ok(7));
        assert_eq!(source.count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_nobody_waits_for_ends() {
        let fetched = Fetched::<u32>::new(BOUNDS, TTL);
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let ask = fetched.get("a", || async move {
            Notify::new().notified().await;
            drop(held);
            Ok((1, 1))
        });
        let waited = tokio::time::timeout(Duration::from_secs(1), ask).await;
        assert!(waited.is_err());
        assert_eq!(Arc::strong_count(&alive), 1);
        assert!(lock(&fetched.state).flights.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_before_a_change_is_not_kept() {
        let (fetched, source) = (Fetched::new(BOUNDS, TTL), Source::new());
        let (old, new) = tokio::join!(fetched.get("a", || source.fetch(Ok(1))), async {
            tokio::task::yield_now().await;
            fetched.forget_all();
            fetched.get("a", || source.fetch(Ok(2))).await
        });
        assert_eq!((old, new), (Ok(1), Ok(2)));
        assert_eq!(fetched.get("a", || source.fetch(Ok(3))).await, Ok(2));
        fetched.forget("a");
        assert_eq!(fetched.get("a", || source.fetch(Ok(3))).await, Ok(3));
        assert_eq!(fetched.usage(), (1, 10));
    }
}
