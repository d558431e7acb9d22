//! Whether this process may use its accounts now.

use std::{sync::Arc, time::Instant};

type Holds = dyn Fn() -> bool + Send + Sync;
type HeldSince = dyn Fn(Instant) -> bool + Send + Sync;

/// Asked before anything is read from Discord or sent to it. An account belongs to one process at a time; which one
/// is decided elsewhere, and may change while this process sleeps.
#[derive(Clone)]
pub struct Permission {
    holds: Arc<Holds>,
    confirmed_since: Arc<HeldSince>,
}

impl Permission {
    /// `holds`: whether it may act at this moment; once false, it stays false. `confirmed_since`: whether that was
    /// confirmed after the given moment, which a new connection needs when the last one was cut then.
    pub fn new(
        holds: impl Fn() -> bool + Send + Sync + 'static,
        confirmed_since: impl Fn(Instant) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            holds: Arc::new(holds),
            confirmed_since: Arc::new(confirmed_since),
        }
    }

    /// Of a process that has its accounts to itself.
    pub fn always() -> Self {
        Self::new(|| true, |_| true)
    }

    pub(crate) fn holds(&self) -> bool {
        (self.holds)()
    }

    pub(crate) fn is_confirmed_since(&self, cut: Instant) -> bool {
        (self.confirmed_since)(cut)
    }
}

impl std::fmt::Debug for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permission").finish_non_exhaustive()
    }
}
