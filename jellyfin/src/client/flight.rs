//! One request for all who want the same at the same time, and the cache behind it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};

use super::cache::{Bounds, Cache};
use crate::Error;

/// What time it is.
type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;
type Fetch<V> = BoxFuture<'static, Result<V, Error>>;
type Flight<V> = Shared<Fetch<V>>;

/// A cache that fetches what it has not.
///
/// All who ask for a key while it is fetched share one fetch. It is driven by whoever waits for it:
/// when the first caller goes away the next drives on, when all have gone it is dropped. Errors are
/// told to all who waited, and never kept.
pub(super) struct Fetched<V> {
    state: Arc<Mutex<State<V>>>,
    ttl: Duration,
    clock: Clock,
}

struct State<V> {
    cache: Cache<V>,
    /// By key: a number, and the fetch. Weak, so that a fetch lives no longer than its callers.
    flights: HashMap<Arc<str>, (u64, WeakShared<Fetch<V>>)>,
    started: u64,
}

impl<V: Clone + Send + Sync + 'static> Fetched<V> {
    pub(super) fn new(bounds: Bounds, ttl: Duration) -> Self {
        Self::with_clock(bounds, ttl, Arc::new(Instant::now))
    }

    fn with_clock(bounds: Bounds, ttl: Duration, clock: Clock) -> Self {
        let state = State {
            cache: Cache::new(bounds),
            flights: HashMap::new(),
            started: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            ttl,
            clock,
        }
    }

    /// What is kept under `key`, else what `fetch` gives: the value and its size in bytes.
    pub(super) async fn get<F>(&self, key: &str, fetch: impl FnOnce() -> F) -> Result<V, Error>
    where
        F: Future<Output = Result<(V, usize), Error>> + Send + 'static,
    {
        let flight = {
            let mut state = lock(&self.state);
            if let Some(value) = state.cache.get(key, (self.clock)()) {
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
        let (clock, ttl) = (Arc::clone(&self.clock), self.ttl);
        let flight = async move {
            let (value, bytes) = fetch.await?;
            landing.keep(value.clone(), bytes, clock() + ttl);
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
    fn keep(&self, value: V, bytes: usize, expires: Instant) {
        let mut state = lock(&self.state);
        // Not ours any more: it was forgotten meanwhile.
        if state.flights.get(&self.key).map(|f| f.0) == Some(self.number) {
            let key = Arc::clone(&self.key);
            state.cache.insert(key, value, bytes, expires);
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
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use futures::future::join_all;
    use futures::poll;
    use tokio::sync::Notify;

    use super::*;

    const TTL: Duration = Duration::from_secs(15);
    const BOUNDS: Bounds = Bounds {
        entries: 10,
        bytes: 1000,
    };

    /// A cache whose time is set by hand, and fetches that are counted and wait to be let go.
    struct Bench {
        fetched: Fetched<u32>,
        seconds: Arc<AtomicU64>,
        count: Arc<AtomicUsize>,
        answer: Arc<Notify>,
    }

    impl Bench {
        fn new() -> Self {
            let (start, seconds) = (Instant::now(), Arc::new(AtomicU64::new(0)));
            let hand = Arc::clone(&seconds);
            let clock = move || start + Duration::from_secs(hand.load(Ordering::SeqCst));
            Self {
                fetched: Fetched::with_clock(BOUNDS, TTL, Arc::new(clock)),
                seconds,
                count: Arc::new(AtomicUsize::new(0)),
                answer: Arc::new(Notify::new()),
            }
        }

        async fn get(&self, result: Result<u32, Error>) -> Result<u32, Error> {
            let (count, answer) = (Arc::clone(&self.count), Arc::clone(&self.answer));
            let fetch = || async move {
                count.fetch_add(1, Ordering::SeqCst);
                answer.notified().await;
                result.map(|value| (value, 10))
            };
            self.fetched.get("a", fetch).await
        }

        /// Lets one fetch go, now or when it comes.
        async fn get_at_once(&self, result: Result<u32, Error>) -> Result<u32, Error> {
            self.answer.notify_one();
            self.get(result).await
        }

        /// Lets the fetch go once all have asked.
        async fn all_at_once(
            &self,
            many: usize,
            result: &Result<u32, Error>,
        ) -> Vec<Result<u32, Error>> {
            let mut asks = Box::pin(join_all((0..many).map(|_| self.get(result.clone()))));
            assert!(poll!(&mut asks).is_pending());
            self.answer.notify_one();
            asks.await
        }

        fn count(&self) -> usize {
            self.count.load(Ordering::SeqCst)
        }

        fn under_way(&self) -> usize {
            lock(&self.fetched.state).flights.len()
        }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_make_one_fetch() {
        let bench = Bench::new();
        let answers = bench.all_at_once(500, &Ok(7)).await;
        assert!(answers.into_iter().all(|answer| answer == Ok(7)));
        assert_eq!((bench.count(), bench.under_way()), (1, 0));
    }

    #[tokio::test]
    async fn what_is_kept_is_kept_for_its_time() {
        let bench = Bench::new();
        assert_eq!(bench.get_at_once(Ok(1)).await, Ok(1));
        bench.seconds.store(14, Ordering::SeqCst);
        assert_eq!(bench.get(Ok(2)).await, Ok(1));
        bench.seconds.store(15, Ordering::SeqCst);
        assert_eq!(bench.get_at_once(Ok(3)).await, Ok(3));
        assert_eq!(bench.count(), 2);
    }

    #[tokio::test]
    async fn errors_reach_all_and_are_not_kept() {
        let bench = Bench::new();
        let error = || Err(Error::AnswerTruncated);
        let answers = bench.all_at_once(50, &error()).await;
        assert!(answers.into_iter().all(|answer| answer == error()));
        assert_eq!((bench.count(), bench.under_way()), (1, 0));
        assert_eq!(bench.get_at_once(Ok(1)).await, Ok(1));
    }

    #[tokio::test]
    async fn who_goes_away_takes_nothing_from_the_others() {
        let bench = Bench::new();
        let mut first = Box::pin(bench.get(Ok(7)));
        let mut second = Box::pin(bench.get(Ok(8)));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        drop(first);
        bench.answer.notify_one();
        assert_eq!(second.await, Ok(7));
        assert_eq!(bench.count(), 1);
    }

    #[tokio::test]
    async fn a_fetch_that_nobody_waits_for_ends() {
        let bench = Bench::new();
        let mut ask = Box::pin(bench.get(Ok(7)));
        assert!(poll!(&mut ask).is_pending());
        assert_eq!(bench.under_way(), 1);
        drop(ask);
        assert_eq!(bench.under_way(), 0);
        // Who comes then begins anew.
        assert_eq!(bench.get_at_once(Ok(8)).await, Ok(8));
    }

    #[tokio::test]
    async fn what_was_asked_before_a_change_is_not_kept() {
        let bench = Bench::new();
        let mut old = Box::pin(bench.get(Ok(1)));
        assert!(poll!(&mut old).is_pending());
        bench.fetched.forget_all();
        let mut new = Box::pin(bench.get(Ok(2)));
        assert!(poll!(&mut new).is_pending());
        bench.answer.notify_waiters();
        assert_eq!((old.await, new.await), (Ok(1), Ok(2)));
        assert_eq!(bench.get(Ok(3)).await, Ok(2), "the later one is kept");
        assert_eq!(bench.fetched.usage(), (1, 10));
        bench.fetched.forget("a");
        assert_eq!(bench.get_at_once(Ok(3)).await, Ok(3));
    }
}
