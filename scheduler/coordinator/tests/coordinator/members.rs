//! An etcd of three members, as it should be run.

use orb_cluster::Etcd;
use orb_coordinator::{Coordinator, Ended, Leadership};
use tokio::time::{Instant, timeout};

use crate::{LOAD, LONG, campaigning, leads, scheduler_of, timing};

/// The members, the one that leads among them first.
async fn leading_first() -> [Etcd; 3] {
    let mut members: [Etcd; 3] = Etcd::start_members().await.unwrap();
    let mut leading = 0;
    for (number, member) in members.iter().enumerate() {
        let mut client = etcd_client::Client::connect([member.endpoint()], None)
            .await
            .unwrap();
        let status = client.status().await.unwrap();
        if status.leader() == status.header().unwrap().member_id() {
            leading = number;
        }
    }
    members.swap(0, leading);
    members
}

fn endpoints(members: &[Etcd]) -> Vec<String> {
    members.iter().map(Etcd::endpoint).collect()
}

#[tokio::test]
async fn a_following_member_that_is_lost_costs_nothing() {
    let mut members = leading_first().await;
    // Asked first, and watched.
    members.reverse();
    let first = scheduler_of(endpoints(&members)).await;
    let second = scheduler_of(endpoints(&members)).await;
    let leader = leads("the first", LONG, campaigning(&first, "http://first:1")).await;
    let mut follower = second.follow();
    timeout(LONG, follower.until(|_| true)).await.unwrap();

    members[0].pause();
    let ended = timeout(timing().ttl * 2, leader.tenure().ended()).await;
    assert!(ended.is_err(), "paused: {ended:?}");
    members[0].crash().unwrap();
    let ended = timeout(timing().ttl * 2, leader.tenure().ended()).await;
    assert!(ended.is_err(), "killed: {ended:?}");

    let waiting = campaigning(&second, "http://second:1");
    leader.resign().await.unwrap();
    let _next = leads("the second", timing().campaign_every * 2 + LOAD, waiting).await;
    let seen = follower.until(|leader| leader.address == "http://second:1");
    timeout(timing().relist_every * 2, seen).await.unwrap();
}

#[tokio::test]
async fn when_etcd_elects_anew_there_are_never_two_and_soon_one_again() {
    let mut members = leading_first().await;
    let first = scheduler_of(endpoints(&members)).await;
    let second = scheduler_of(endpoints(&members)).await;
    let leader = leads("the first", LONG, campaigning(&first, "http://first:1")).await;
    let waiting = campaigning(&second, "http://second:1");
    let tenure = leader.tenure();

    members[0].crash().unwrap();
    let killed_at = Instant::now();
    // etcd elects within 1 to 2 s; the leader has 1.25 to 1.75 s left.
    let ended = timeout(timing().ttl + LOAD, tenure.ended()).await;
    println!("ended: {ended:?}");
    let Ok(how) = ended else {
        assert!(!waiting.is_finished());
        return;
    };
    assert_eq!(how, Ended::Expired);
    assert!(
        !waiting.is_finished(),
        "etcd gives all leases their time again"
    );
    drop(leader);
    let again = campaigning(&first, "http://first:1");
    let next = tokio::select! {
        next = leads("the first again", LONG, again) => next,
        next = leads("the second", LONG, waiting) => next,
    };
    println!("led again after {:?}", killed_at.elapsed());
    assert!(killed_at.elapsed() < timing().ttl * 2 + LOAD);
    assert!(!tenure.holds() && next.tenure().holds());
}
