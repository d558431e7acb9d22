//! A leadership in etcd, renewed until it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::leader_key::{LeaderKey, Lease};
use crate::tenure::Term;
use crate::{Ended, Error, LeaderRecord, LeaderWatch, Leadership, Tenure, Timing};

/// The key that was taken, and by what it is held.
pub(super) struct Seat {
    pub(super) key: LeaderKey,
    pub(super) lease: Lease,
    pub(super) address: String,
    /// At which the key was made.
    pub(super) revision: i64,
    pub(super) forsaken: Arc<AtomicI64>,
}

/// A leadership by etcd's lease.
pub struct EtcdLeadership {
    seat: Arc<Seat>,
    term: Term,
    _renewal: AbortOnDropHandle<()>,
}

impl EtcdLeadership {
    pub(super) fn begin(seat: Seat, deadline: Instant, hints: LeaderWatch, timing: Timing) -> Self {
        let (seat, term) = (Arc::new(seat), Term::until(deadline));
        let renewal = tokio::spawn(renew(Arc::clone(&seat), term.clone(), hints, timing));
        Self {
            seat,
            term,
            _renewal: AbortOnDropHandle::new(renewal),
        }
    }
}

impl Leadership for EtcdLeadership {
    fn tenure(&self) -> Tenure {
        self.term.tenure()
    }

    fn at_least(&self) -> u64 {
        self.seat.revision as u64
    }

    async fn announce(&self, epoch: u64) -> Result<(), Error> {
        let Seat {
            key,
            lease,
            address,
            revision,
            ..
        } = &*self.seat;
        let record = LeaderRecord {
            address: address.clone(),
            revision: self.at_least(),
            epoch: Some(epoch),
        };
        if !self.tenure().holds() || !key.write(&record, lease.id, *revision).await? {
            return Err(Error::NotLeader);
        }
        Ok(())
    }

    async fn resign(self) -> Result<(), Error> {
        // First here, then there: from the moment at which another can lead, this one knew better.
        self.term.end(Ended::Resigned);
        self.seat.key.revoke(self.seat.lease.id).await
    }
}

impl Drop for EtcdLeadership {
    fn drop(&mut self) {
        self.term.end(Ended::Dropped);
        // However it ended: etcd may still have the lease.
        let lease = self.seat.lease.id;
        self.seat.forsaken.store(lease, Ordering::Relaxed);
    }
}

/// Renews until the term is over. A renewal that got no answer is tried again; the deadline does not wait
/// for it, and [`Tenure`] keeps time without this task.
async fn renew(seat: Arc<Seat>, term: Term, mut hints: LeaderWatch, timing: Timing) {
    let tenure = term.tenure();
    let mut next = tenure.deadline() + timing.margin - seat.lease.ttl + timing.renew_every;
    loop {
        tokio::select! {
            ended = tenure.ended() => {
                if matches!(ended, Ended::Expired | Ended::Lost) {
                    tracing::warn!(?ended, "no longer leading");
                }
                return;
            }
            () = sleep_until(next) => {}
            // Somebody took the key away: not to be believed, but to be asked about at once.
            () = contradicted(&mut hints, seat.revision as u64) => {}
        }
        let sent = Instant::now();
        match seat.key.renew(seat.lease.id, seat.revision).await {
            Ok(true) => {
                term.extend(sent + seat.lease.ttl - timing.margin);
                next = sent + timing.renew_every;
            }
            Ok(false) => term.end(Ended::Lost),
            Err(error) => {
                tracing::warn!(%error, code = error.code(), "the leadership was not renewed");
                next = Instant::now() + timing.retry_after;
            }
        }
    }
}

/// Waits for news of another leader than the one of this revision, or of none.
async fn contradicted(hints: &mut LeaderWatch, revision: u64) {
    while hints
        .changed()
        .await
        .is_some_and(|leader| leader.revision == revision)
    {}
}
