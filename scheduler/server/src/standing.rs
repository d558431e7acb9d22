//! Whether this process leads, and where the leader is when it does not.

use std::sync::Arc;

use orb_coordinator::{LeaderRecord, LeaderWatch, Tenure};
use tokio::sync::watch;
use tonic::Status;

use crate::metrics::Counters;
use crate::{LeaderHandle, Readiness, refusals};

/// Asked before every call. A scheduler that does not lead refuses them all, and says who does. It never
/// forwards: a caller's connection and its answer come from the same leader.
#[derive(Debug, Clone)]
pub struct Standing {
    post: watch::Sender<Option<Post>>,
    readiness: watch::Sender<Readiness>,
    leader: LeaderWatch,
    /// Where this process is reached: no help to whom it refuses.
    own_address: Arc<str>,
    counters: Counters,
}

#[derive(Debug, Clone)]
struct Post {
    leader: LeaderHandle,
    tenure: Tenure,
}

impl Standing {
    /// Of a process that does not lead yet, reached at `own_address`; `leader` says who does.
    pub fn new(leader: LeaderWatch, own_address: &str) -> Self {
        Self {
            post: watch::Sender::new(None),
            readiness: watch::Sender::default(),
            leader,
            own_address: own_address.into(),
            counters: Counters::default(),
        }
    }

    /// Whether calls would be accepted here.
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.subscribe()
    }

    /// Whether this process does its part: it leads, or knows who does and stands by.
    ///
    /// A standby is as ready as the leader: callers find the leader themselves, and a roll-out has to get past it.
    pub fn ready(&self) -> Result<(), &'static str> {
        let leads = self.post.borrow().as_ref().map(|post| post.tenure.holds());
        match leads {
            Some(true) => Ok(()),
            Some(false) => Err("the leadership of this scheduler has ended"),
            None if self.leader_elsewhere().is_some() => Ok(()),
            None => Err("this scheduler does not lead, and knows of nobody who does"),
        }
    }

    /// Woken when this process takes calls, or does so no more.
    pub(crate) fn post_changes(&self) -> watch::Receiver<impl Sized> {
        self.post.subscribe()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn leader_elsewhere(&self) -> Option<LeaderRecord> {
        let known = self.leader.current();
        known.filter(|record| record.address != *self.own_address)
    }

    pub(crate) fn own_address(&self) -> &str {
        &self.own_address
    }

    /// The leader, when it is in this process at this moment; else the refusal.
    pub(crate) fn leader(&self) -> Result<LeaderHandle, Status> {
        match &*self.post.borrow() {
            Some(post) if post.tenure.holds() => Ok(post.leader.clone()),
            _ => Err(self.refusal()),
        }
    }

    /// For calls that no leader here takes, or none has answered.
    pub(crate) fn refusal(&self) -> Status {
        refusals::not_leading(
            self.leader_elsewhere()
                .map(|record| record.address)
                .as_deref(),
        )
    }

    /// Where the leader in this process says how ready it is.
    pub(crate) fn readiness_told(&self) -> watch::Sender<Readiness> {
        self.readiness.clone()
    }

    /// Calls are taken from now on, until what is returned is dropped.
    pub(crate) fn take_calls(&self, leader: LeaderHandle, tenure: Tenure) -> TakingCalls<'_> {
        self.post.send_replace(Some(Post { leader, tenure }));
        TakingCalls(self)
    }
}

/// While it lives, calls are taken.
pub(crate) struct TakingCalls<'a>(&'a Standing);

impl Drop for TakingCalls<'_> {
    fn drop(&mut self) {
        self.0.post.send_replace(None);
        self.0.readiness.send_replace(Readiness::default());
    }
}
