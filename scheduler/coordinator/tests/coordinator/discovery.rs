//! Where the leader is, seen through faults of etcd.

use std::time::Duration;

use orb_coordinator::{Coordinator, LeaderWatch, Leadership};
use tokio::time::timeout;

use crate::{LONG, campaigning, leads, led, scheduler};

#[tokio::test]
async fn while_etcd_is_away_the_last_leader_stands_and_afterwards_the_new_one_is_seen() {
    let (mut etcd, _first, leader) = led("http://first:1").await;
    let second = scheduler(etcd.endpoint()).await;
    let mut follower = scheduler(etcd.endpoint()).await.follow();
    timeout(LONG, follower.until(|_| true)).await.unwrap();

    etcd.crash().unwrap();
    let tenure = leader.tenure();
    timeout(LONG, tenure.ended()).await.unwrap();
    let seen = follower.current().unwrap();
    assert_eq!(seen.address, "http://first:1");

    etcd.run().await.unwrap();
    let _next = leads("the second", LONG, campaigning(&second, "http://second:1")).await;
    let second_seen = follower.until(|leader| leader.address == "http://second:1");
    let record = timeout(Duration::from_secs(2), second_seen).await.unwrap();
    assert!(record.revision > seen.revision);
}

#[tokio::test]
async fn a_rebuilt_etcd_has_the_new_leader_too() {
    let (mut etcd, _first, leader) = led("http://first:1").await;
    let mut follower = scheduler(etcd.endpoint()).await.follow();
    timeout(LONG, follower.until(|_| true)).await.unwrap();
    etcd.wipe().unwrap();
    etcd.run().await.unwrap();
    timeout(LONG, leader.tenure().ended()).await.unwrap();
    let second = scheduler(etcd.endpoint()).await;
    let _next = leads("the second", LONG, campaigning(&second, "http://second:1")).await;
    let second_seen = follower.until(|leader| leader.address == "http://second:1");
    timeout(Duration::from_secs(2), second_seen).await.unwrap();
}

#[tokio::test]
async fn compaction_hides_nothing() {
    let (etcd, _first, leader) = led("http://first:1").await;
    let second = scheduler(etcd.endpoint()).await;
    let mut follower = second.follow();
    timeout(LONG, follower.until(|_| true)).await.unwrap();
    let mut client = etcd_client::Client::connect([etcd.endpoint()], None)
        .await
        .unwrap();
    let mut revision = 0;
    for number in 0..50 {
        let put = client
            .put("other", format!("{number}"), None)
            .await
            .unwrap();
        revision = put.header().unwrap().revision();
    }
    let physically = etcd_client::CompactionOptions::new().with_physical();
    client.compact(revision, Some(physically)).await.unwrap();

    leader.resign().await.unwrap();
    let _next = leads("the second", LONG, campaigning(&second, "http://second:1")).await;
    let second_seen = follower.until(|leader| leader.address == "http://second:1");
    timeout(Duration::from_secs(1), second_seen).await.unwrap();
}

#[tokio::test]
async fn a_fixed_leader_is_known_at_once_and_never_changes() {
    let mut watch = LeaderWatch::fixed("http://scheduler:7100");
    let record = timeout(LONG, watch.until(|_| true)).await.unwrap();
    assert_eq!(record.address, "http://scheduler:7100");
    let change = timeout(Duration::from_millis(50), watch.changed()).await;
    assert!(change.is_err(), "nobody could have changed it");
}
