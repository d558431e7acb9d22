//! What is remembered of answers: bounded in entries and bytes, each for its time. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// How much may be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

/// A map that forgets what is out of date, and what was used least recently when it is full.
pub(super) struct Cache<V> {
    bounds: Bounds,
    entries: HashMap<Arc<str>, Entry<V>>,
    /// The least recently used first.
    by_use: BTreeMap<u64, Arc<str>>,
    uses: u64,
    bytes: usize,
}

struct Entry<V> {
    value: V,
    bytes: usize,
    expires: Instant,
    used: u64,
}

impl<V: Clone> Cache<V> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            bytes: 0,
        }
    }

    /// The value, if it is still true at `now`.
    pub(super) fn get(&mut self, key: &str, now: Instant) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        if entry.expires <= now {
            self.remove(key);
            return None;
        }
        self.uses += 1;
        if let Some(key) = self.by_use.remove(&entry.used) {
            self.by_use.insert(self.uses, key);
        }
        entry.used = self.uses;
        Some(entry.value.clone())
    }

    /// Keeps `value`, which takes `bytes`, until `expires`. What is larger than the whole cache is
    /// not kept.
    pub(super) fn insert(&mut self, key: Arc<str>, value: V, bytes: usize, expires: Instant) {
        self.remove(&key);
        if bytes > self.bounds.bytes {
            return;
        }
        self.uses += 1;
        self.bytes += bytes;
        self.by_use.insert(self.uses, Arc::clone(&key));
        let entry = Entry {
            value,
            bytes,
            expires,
            used: self.uses,
        };
        self.entries.insert(key, entry);
        while self.entries.len() > self.bounds.entries || self.bytes > self.bounds.bytes {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                break;
            };
            self.remove(&oldest);
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.bounds);
    }

    /// Entries and bytes.
    pub(super) fn usage(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn cache(entries: usize, bytes: usize) -> Cache<u32> {
        Cache::new(Bounds { entries, bytes })
    }

    #[test]
    fn what_is_out_of_date_is_gone() {
        let mut cache = cache(10, 100);
        let now = Instant::now();
        cache.insert("a".into(), 1, 10, now + SECOND);
        assert_eq!(cache.get("a", now), Some(1));
        assert_eq!(cache.get("a", now + SECOND), None);
        assert_eq!(cache.usage(), (0, 0));
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut cache = cache(2, 100);
        let now = Instant::now();
        for key in ["a", "b"] {
            cache.insert(key.into(), 1, 10, now + SECOND);
        }
        cache.get("a", now);
        cache.insert("c".into(), 1, 10, now + SECOND);
        let kept = ["a", "b", "c"].map(|key| cache.get(key, now).is_some());
        assert_eq!(kept, [true, false, true]);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut cache = cache(10, 100);
        let later = Instant::now() + SECOND;
        cache.insert("a".into(), 1, 60, later);
        cache.insert("b".into(), 1, 60, later);
        assert_eq!(cache.usage(), (1, 60));
        cache.insert("huge".into(), 1, 101, later);
        assert_eq!(cache.usage(), (1, 60));
        cache.insert("b".into(), 2, 50, later);
        assert_eq!(cache.usage(), (1, 50), "replaced, not added");
    }

    proptest! {
        #[test]
        fn bounds_hold_and_books_are_kept(
            steps in proptest::collection::vec((0_u8..4, 0_u32..12, 0_usize..60), 0..200)
        ) {
            let mut cache = cache(5, 100);
            let mut now = Instant::now();
            for (what, key, bytes) in steps {
                let key: Arc<str> = key.to_string().into();
                match what {
                    0 | 1 => cache.insert(key, 1, bytes, now + SECOND),
                    2 => { cache.get(&key, now); }
                    _ => now += SECOND / 3,
                }
                let (entries, held) = cache.usage();
                prop_assert!(entries <= 5 && held <= 100);
                prop_assert_eq!(held, cache.entries.values().map(|e| e.bytes).sum::<usize>());
                prop_assert_eq!(cache.by_use.len(), entries);
            }
        }
    }
}
