//! Which scheduler to call now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orb_coordinator::{LEADER_METADATA, LeaderRecord, LeaderWatch};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::route::is_same;
use crate::{Dialling, Route};

/// The way to whoever leads. Clones share their connection.
#[derive(Debug, Clone)]
pub struct LeaderChannel(Arc<Ways>);

#[derive(Debug)]
enum Ways {
    /// One channel for ever, whatever is at its other end.
    Only(Channel),
    /// One configured address, and a better one that was told by whoever answered there.
    Address {
        configured: Channel,
        dialling: Dialling,
        told: Mutex<Option<(String, Channel)>>,
    },
    /// Whoever is elected.
    Elected {
        watch: LeaderWatch,
        dialling: Dialling,
        latest: Mutex<Option<(LeaderRecord, Channel)>>,
    },
}

impl LeaderChannel {
    /// A scheduler at this address, or some of several behind it: one that does not lead tells who does.
    pub fn at(address: &str, dialling: Dialling) -> Option<Self> {
        Some(Self(Arc::new(Ways::Address {
            configured: dialling.dial(address)?,
            dialling,
            told: Mutex::default(),
        })))
    }

    /// The elected leader, wherever it is.
    pub fn elected(watch: LeaderWatch, dialling: Dialling) -> Self {
        Self(Arc::new(Ways::Elected {
            watch,
            dialling,
            latest: Mutex::default(),
        }))
    }

    /// The way there now; waits while it is not known who leads and serves.
    pub async fn route(&self) -> Route {
        match &*self.0 {
            Ways::Only(channel) => Route::new(channel.clone(), None),
            Ways::Address {
                configured, told, ..
            } => {
                let told = locked(told);
                let better = told.as_ref().map(|(_, channel)| channel);
                Route::new(better.unwrap_or(configured).clone(), None)
            }
            Ways::Elected {
                watch,
                dialling,
                latest,
            } => {
                let mut watch = watch.clone();
                loop {
                    let record = watch.until(|record| record.epoch.is_some()).await;
                    if let Some(channel) = dialled(latest, &record, dialling) {
                        return Route::new(channel, Some((record, watch)));
                    }
                    tracing::error!(
                        "the leader advertises an address that is no URL; waiting for another leader"
                    );
                    watch.changed().await;
                }
            }
        }
    }

    /// Learns from a failed call: a scheduler that does not lead may have said who does, and one that was told of may
    /// be gone by now.
    pub fn learn(&self, status: &Status) {
        // Elected leaders come from the election alone.
        let Ways::Address { dialling, told, .. } = &*self.0 else {
            return;
        };
        if status.code() != Code::Unavailable {
            return;
        }
        let named = status
            .metadata()
            .get(LEADER_METADATA)
            .and_then(|value| value.to_str().ok());
        let mut told = locked(told);
        *told = named.and_then(|address| Some((address.to_owned(), dialling.dial(address)?)));
    }
}

impl From<Channel> for LeaderChannel {
    /// The only way, for ever: within a process, and in tests.
    fn from(channel: Channel) -> Self {
        Self(Arc::new(Ways::Only(channel)))
    }
}

/// The channel to this leadership: the one that is there, or a new one.
fn dialled(
    latest: &Mutex<Option<(LeaderRecord, Channel)>>,
    record: &LeaderRecord,
    dialling: &Dialling,
) -> Option<Channel> {
    let mut latest = locked(latest);
    if let Some((known, channel)) = &*latest
        && is_same(known, record)
    {
        return Some(channel.clone());
    }
    let channel = dialling.dial(&record.address)?;
    *latest = Some((record.clone(), channel.clone()));
    Some(channel)
}

/// What is guarded is replaced as a whole, so a panic elsewhere left it whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use orb_coordinator::{Coordinator, Leadership, SingleCoordinator};
    use tokio::time::timeout;

    use super::*;

    /// Remembers what was dialled.
    fn recording() -> (Dialling, Arc<Mutex<Vec<String>>>) {
        let dialled = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&dialled);
        let dialling = Dialling::new(move |endpoint| {
            record.lock().unwrap().push(endpoint.uri().to_string());
            endpoint.connect_lazy()
        });
        (dialling, dialled)
    }

    fn not_leading(leader: Option<&str>) -> Status {
        let mut status = Status::unavailable("not leading");
        if let Some(leader) = leader {
            let metadata = status.metadata_mut();
            metadata.insert(LEADER_METADATA, leader.parse().unwrap());
        }
        status
    }

    #[tokio::test]
    async fn it_follows_the_election_once_the_leader_serves() {
        let coordinator = SingleCoordinator::new();
        let (dialling, dialled) = recording();
        let leader = LeaderChannel::elected(coordinator.follow(), dialling);
        let first = coordinator.campaign("http://a:1").await.unwrap();
        let unknown = timeout(Duration::from_millis(20), leader.route()).await;
        assert!(unknown.is_err(), "it leads, and does not serve yet");
        first.announce(1).await.unwrap();
        let route = leader.route().await;
        leader.clone().route().await;
        assert_eq!(
            *dialled.lock().unwrap(),
            ["http://a:1/"],
            "one connection for all"
        );
        drop(first);
        let alone = timeout(Duration::from_millis(20), route.replaced()).await;
        assert!(alone.is_err(), "nobody else leads yet");
        // The same process, which has lost its state meanwhile.
        let second = coordinator.campaign("http://a:1").await.unwrap();
        second.announce(2).await.unwrap();
        timeout(Duration::from_secs(5), route.replaced())
            .await
            .unwrap();
        leader.route().await;
        assert_eq!(dialled.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_refusal_shows_the_way_until_the_way_is_blocked() {
        let (dialling, dialled) = recording();
        let leader = LeaderChannel::at("http://any:1", dialling).unwrap();
        leader.learn(&not_leading(Some("http://b:1")));
        leader.route().await;
        assert_eq!(*dialled.lock().unwrap(), ["http://any:1/", "http://b:1/"]);
        leader.learn(&Status::not_found("no such session"));
        let Ways::Address { told, .. } = &*leader.0 else {
            panic!("made with an address");
        };
        assert!(told.lock().unwrap().is_some(), "an answer is an answer");
        leader.learn(&Status::unavailable("connection refused"));
        assert!(
            told.lock().unwrap().is_none(),
            "back to what was configured"
        );
    }
}
