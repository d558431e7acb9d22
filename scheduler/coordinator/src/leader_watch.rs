//! Where the leader is, as it changes.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::LeaderRecord;

/// Follows the leader. Only the newest record is kept: whoever is slow misses those between. While etcd
/// is away, the last one stands.
#[derive(Debug, Clone)]
pub struct LeaderWatch {
    seen: watch::Receiver<Option<LeaderRecord>>,
    /// Stops with the last clone.
    _follower: Option<Arc<AbortOnDropHandle<()>>>,
}

impl LeaderWatch {
    /// A leader that never moves, for installations with a single scheduler.
    pub fn fixed(address: impl Into<String>) -> Self {
        let record = LeaderRecord {
            address: address.into(),
            revision: 0,
            epoch: None,
        };
        Self::of(watch::Sender::new(Some(record)).subscribe(), None)
    }

    pub(crate) fn of(
        seen: watch::Receiver<Option<LeaderRecord>>,
        follower: Option<AbortOnDropHandle<()>>,
    ) -> Self {
        Self {
            seen,
            _follower: follower.map(Arc::new),
        }
    }

    /// What is known now; `None` when nobody leads, or nothing was heard yet.
    pub fn current(&self) -> Option<LeaderRecord> {
        self.seen.borrow().clone()
    }

    /// Waits for a change that this clone has not seen.
    pub async fn changed(&mut self) -> Option<LeaderRecord> {
        if self.seen.changed().await.is_err() {
            // Nobody is left who could change it.
            std::future::pending::<()>().await;
        }
        self.seen.borrow_and_update().clone()
    }

    /// Waits until a leader is known that `accepts` takes; looks at the present one first.
    pub async fn until(&mut self, mut accepts: impl FnMut(&LeaderRecord) -> bool) -> LeaderRecord {
        let mut known = self.seen.borrow_and_update().clone();
        loop {
            match known {
                Some(record) if accepts(&record) => return record,
                _ => known = self.changed().await,
            }
        }
    }

    /// Waits for the news that nobody leads.
    pub(crate) async fn vacated(&mut self) {
        while self.changed().await.is_some() {}
    }
}
