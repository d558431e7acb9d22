//! An etcd rebuilt from nothing, and the store's epochs.

use orb_coordinator::{Ended, Leadership};
use orb_scheduler_core::Epoch;
use orb_scheduler_store::{Seal, SqliteStore, Store};
use secrecy::SecretString;
use tokio::time::timeout;

use crate::{LONG, campaigning, empty_etcd, leads, scheduler};

#[tokio::test]
async fn a_rebuilt_etcd_ends_the_leadership_and_epochs_rise_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("orb.db").display());
    let store = SqliteStore::open(&url, Seal::new(&[SecretString::from("token")]))
        .await
        .unwrap();

    let mut etcd = empty_etcd().await;
    let mut client = etcd_client::Client::connect([etcd.endpoint()], None)
        .await
        .unwrap();
    for number in 0..100 {
        client
            .put("other", format!("{number}"), None)
            .await
            .unwrap();
    }
    let first = scheduler(etcd.endpoint()).await;
    let leader = leads("the first", LONG, campaigning(&first, "http://first:1")).await;
    assert!(leader.at_least() > 100);
    let epoch = store.lead(Epoch::new(leader.at_least())).await.unwrap();
    assert_eq!(epoch.get(), leader.at_least());

    etcd.wipe().unwrap();
    etcd.run().await.unwrap();
    let how = timeout(LONG, leader.tenure().ended()).await.unwrap();
    assert!(matches!(how, Ended::Lost | Ended::Expired), "{how:?}");

    let second = scheduler(etcd.endpoint()).await;
    let next = leads("the second", LONG, campaigning(&second, "http://second:1")).await;
    assert!(next.at_least() < epoch.get(), "this etcd counts anew");
    let next_epoch = store.lead(Epoch::new(next.at_least())).await.unwrap();
    assert_eq!(next_epoch, epoch.next());
}
