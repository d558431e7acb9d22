//! What every coordinator holds, alone or with etcd.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use orb_coordinator::{Coordinator, Ended, LeaderRecord, Leadership, SingleCoordinator};
use tokio::time::{Instant, timeout};

use crate::{LOAD, LONG, campaigning, empty_etcd, leads, scheduler, timing};

/// A planned hand-over.
const HANDOVER: Duration = Duration::from_millis(250);

/// Candidates as three schedulers would be: `of` is called for each.
async fn of_three_exactly_one_leads<C: Coordinator>(candidates: [Arc<C>; 3]) {
    let mut campaigns: FuturesUnordered<_> = candidates
        .iter()
        .enumerate()
        .map(|(number, candidate)| campaigning(candidate, &format!("http://{number}:1")))
        .collect();
    let mut leader = campaigns.next().await.unwrap().unwrap();
    let mut led_at = vec![leader.at_least()];
    for _ in 1..candidates.len() {
        // Longer than an unrenewed lease could live.
        let second = timeout(timing().takeover_bound() + LOAD, campaigns.next()).await;
        assert!(second.is_err(), "a second one leads");
        let tenure = leader.tenure();
        assert!(tenure.holds());

        let resigned_at = Instant::now();
        leader.resign().await.unwrap();
        assert!(!tenure.holds());
        assert_eq!(tenure.ended().await, Ended::Resigned);
        leader = timeout(LONG, campaigns.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let took = resigned_at.elapsed();
        println!("handed over in {took:?}");
        assert!(took < HANDOVER, "the hand-over took {took:?}");
        led_at.push(leader.at_least());
    }
    assert!(led_at.is_sorted(), "at_least never falls: {led_at:?}");
    assert!(campaigns.is_empty());
}

async fn dropped_means_over<C: Coordinator>([first, second]: [Arc<C>; 2], bound: Duration) {
    let leader = leads("the first", LONG, campaigning(&first, "http://first:1")).await;
    let waiting = campaigning(&second, "http://second:1");
    let tenure = leader.tenure();
    let dropped_at = Instant::now();
    drop(leader);
    assert!(!tenure.holds());
    assert_eq!(tenure.ended().await, Ended::Dropped);
    leads("the second", bound, waiting).await;
    println!("after a drop: {:?}", dropped_at.elapsed());
}

async fn followers_hear_all_of_it<C: Coordinator>([first, second]: [Arc<C>; 2]) {
    let mut follower = second.follow();
    assert_eq!(second.leader().await.unwrap(), None);
    let leader = leads("the first", LONG, campaigning(&first, "http://first:1")).await;
    let record = timeout(LONG, follower.until(|_| true)).await.unwrap();
    assert_eq!(
        (record.address.as_str(), record.epoch),
        ("http://first:1", None)
    );

    leader.announce(7).await.unwrap();
    let serving = timeout(LONG, follower.until(|leader| leader.epoch.is_some()))
        .await
        .unwrap();
    assert_eq!(
        serving,
        LeaderRecord {
            epoch: Some(7),
            ..record
        }
    );
    assert_eq!(second.leader().await.unwrap(), Some(serving.clone()));

    leader.resign().await.unwrap();
    assert_eq!(timeout(LONG, follower.changed()).await.unwrap(), None);
    // The same address again is another leadership.
    let _leader = leads("the second", LONG, campaigning(&second, "http://first:1")).await;
    let next = timeout(LONG, follower.until(|_| true)).await.unwrap();
    assert_eq!(
        (next.address.as_str(), next.epoch),
        ("http://first:1", None)
    );
    assert!(next.revision > serving.revision);
}

mod single {
    use super::*;

    fn candidates<const N: usize>() -> [Arc<SingleCoordinator>; N] {
        let one = Arc::new(SingleCoordinator::new());
        std::array::from_fn(|_| Arc::clone(&one))
    }

    #[tokio::test]
    async fn exactly_one_leads() {
        of_three_exactly_one_leads(candidates()).await;
    }

    #[tokio::test]
    async fn a_drop_frees_the_seat() {
        dropped_means_over(candidates(), LONG).await;
    }

    #[tokio::test]
    async fn followers_hear() {
        followers_hear_all_of_it(candidates()).await;
    }
}

mod etcd {
    use super::*;

    #[tokio::test]
    async fn exactly_one_leads() {
        let etcd = empty_etcd().await;
        let of = || scheduler(etcd.endpoint());
        of_three_exactly_one_leads([of().await, of().await, of().await]).await;
    }

    #[tokio::test]
    async fn a_drop_frees_the_seat_with_the_lease() {
        let etcd = empty_etcd().await;
        let of = || scheduler(etcd.endpoint());
        dropped_means_over([of().await, of().await], timing().takeover_bound() + LOAD).await;
    }

    #[tokio::test]
    async fn followers_hear() {
        let etcd = empty_etcd().await;
        let of = || scheduler(etcd.endpoint());
        followers_hear_all_of_it([of().await, of().await]).await;
    }
}
