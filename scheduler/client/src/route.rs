//! A connection to one leadership.

use orb_coordinator::{LeaderRecord, LeaderWatch};
use tonic::transport::Channel;

/// The way to one leader, as long as it leads.
#[derive(Debug, Clone)]
pub struct Route {
    channel: Channel,
    /// What it was made for; `None` where there is no election.
    leadership: Option<(LeaderRecord, LeaderWatch)>,
}

impl Route {
    pub(crate) fn new(channel: Channel, leadership: Option<(LeaderRecord, LeaderWatch)>) -> Self {
        Self {
            channel,
            leadership,
        }
    }

    /// To make calls on.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Waits until another leadership is known. That nobody leads is no reason to let go: the leader may be back, and
    /// a worker's stream with it.
    pub async fn replaced(&self) {
        let Some((record, watch)) = &self.leadership else {
            return std::future::pending().await;
        };
        watch
            .clone()
            .until(|known| known.epoch.is_some() && !is_same(known, record))
            .await;
    }
}

/// Of the same leadership: the epoch is only told later.
pub(crate) fn is_same(one: &LeaderRecord, other: &LeaderRecord) -> bool {
    one.revision == other.revision && one.address == other.address
}
