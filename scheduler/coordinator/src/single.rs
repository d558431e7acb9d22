//! One process, no etcd: who asks first leads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::tenure::Term;
use crate::{Coordinator, Ended, Error, LeaderRecord, LeaderWatch, Leadership, Tenure};

/// Longer than any process lives, and still an `Instant`.
const FOR_EVER: Duration = Duration::from_hours(30 * 365 * 24);

/// The coordinator of `orb up`. The store's epoch still fences a second process on the same database.
#[derive(Debug)]
pub struct SingleCoordinator {
    seat: Arc<Semaphore>,
    seen: watch::Sender<Option<LeaderRecord>>,
    leaderships: AtomicU64,
}

impl SingleCoordinator {
    /// Nobody leads yet.
    pub fn new() -> Self {
        Self {
            seat: Arc::new(Semaphore::new(1)),
            seen: watch::Sender::new(None),
            leaderships: AtomicU64::new(0),
        }
    }
}

impl Default for SingleCoordinator {
    fn default() -> Self {
        Self::new()
    }
}

impl Coordinator for SingleCoordinator {
    type Leadership = SingleLeadership;

    async fn campaign(&self, address: &str) -> Result<SingleLeadership, Error> {
        let seat = Arc::clone(&self.seat)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        self.seen.send_replace(Some(LeaderRecord {
            address: address.to_owned(),
            revision: self.leaderships.fetch_add(1, Ordering::Relaxed) + 1,
            epoch: None,
        }));
        Ok(SingleLeadership {
            term: Term::until(Instant::now() + FOR_EVER),
            seen: self.seen.clone(),
            _seat: seat,
        })
    }

    async fn leader(&self) -> Result<Option<LeaderRecord>, Error> {
        Ok(self.seen.borrow().clone())
    }

    fn follow(&self) -> LeaderWatch {
        LeaderWatch::of(self.seen.subscribe(), None)
    }
}

/// The leadership of `orb up`; it ends when it is given up.
#[derive(Debug)]
pub struct SingleLeadership {
    term: Term,
    seen: watch::Sender<Option<LeaderRecord>>,
    _seat: OwnedSemaphorePermit,
}

impl Leadership for SingleLeadership {
    fn tenure(&self) -> Tenure {
        self.term.tenure()
    }

    fn at_least(&self) -> u64 {
        0
    }

    async fn announce(&self, epoch: u64) -> Result<(), Error> {
        self.seen.send_modify(|seen| {
            if let Some(record) = seen {
                record.epoch = Some(epoch);
            }
        });
        Ok(())
    }

    async fn resign(self) -> Result<(), Error> {
        self.term.end(Ended::Resigned);
        Ok(())
    }
}

impl Drop for SingleLeadership {
    /// The tenure ends and the record goes before the seat is free: fields are dropped after this.
    fn drop(&mut self) {
        self.term.end(Ended::Dropped);
        self.seen.send_replace(None);
    }
}
