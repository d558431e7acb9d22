//! The coordinator against a real etcd, one of its own for each test.
#![allow(clippy::unwrap_used, missing_docs)]

mod conformance;
mod discovery;
mod epochs;
mod faults;
mod members;
mod processes;
mod tls;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use orb_cluster::Etcd;
use orb_coordinator::{
    Coordinator, EtcdConfig, EtcdCoordinator, EtcdLeadership, Leadership, Timing,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What a machine may add that compiles meanwhile.
const LOAD: Duration = Duration::from_millis(750);

/// Far beyond every bound here; only a failing test waits so long.
const LONG: Duration = Duration::from_secs(20);

/// An etcd without any data; where none is installed, a sentence says what to do.
async fn empty_etcd() -> Etcd {
    Etcd::start()
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A coordinator as one scheduler has it.
async fn scheduler(endpoint: impl Into<String>) -> Arc<EtcdCoordinator> {
    scheduler_of(vec![endpoint.into()]).await
}

async fn scheduler_of(endpoints: Vec<String>) -> Arc<EtcdCoordinator> {
    let config = EtcdConfig {
        endpoints,
        ..EtcdConfig::default()
    };
    Arc::new(EtcdCoordinator::connect(config).await.unwrap())
}

/// A campaign that goes on beside the test.
fn campaigning<C: Coordinator>(of: &Arc<C>, address: &str) -> JoinHandle<C::Leadership> {
    let (of, address) = (Arc::clone(of), address.to_owned());
    tokio::spawn(async move { of.campaign(&address).await.unwrap() })
}

/// Leads within the time; the tenure holds then.
async fn leads<L: Leadership>(
    what: &str,
    bound: Duration,
    campaign: impl Future<Output = Result<L, tokio::task::JoinError>>,
) -> L {
    let leadership = timeout(bound, campaign)
        .await
        .unwrap_or_else(|_| panic!("{what} did not lead within {bound:?}"))
        .unwrap();
    assert!(leadership.tenure().holds());
    leadership
}

/// An etcd, and its leader.
async fn led(address: &str) -> (Etcd, Arc<EtcdCoordinator>, EtcdLeadership) {
    let etcd = empty_etcd().await;
    let first = scheduler(etcd.endpoint()).await;
    let leadership = leads("the only one", LONG, campaigning(&first, address)).await;
    (etcd, first, leadership)
}

fn timing() -> Timing {
    Timing::default()
}
