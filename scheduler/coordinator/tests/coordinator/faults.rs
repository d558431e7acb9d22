//! Faults of etcd, and what a leader makes of them.

use std::time::Duration;

use orb_coordinator::{Coordinator, Ended, Error, Leadership, Tenure};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use crate::{LOAD, LONG, campaigning, empty_etcd, leads, led, scheduler, scheduler_of, timing};

/// Waits for the next renewal, and gives the deadline that it brought.
async fn renewed(tenure: &Tenure) -> Instant {
    let before = tenure.deadline();
    while tenure.deadline() == before {
        assert!(tenure.holds());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tenure.deadline()
}

#[tokio::test]
async fn a_leader_steps_down_before_another_can_lead_when_etcd_says_nothing() {
    let (etcd, _first, leader) = led("http://first:1").await;
    let second = scheduler(etcd.endpoint()).await;
    let waiting = campaigning(&second, "http://second:1");
    let tenure = leader.tenure();
    // Well into its life, so that it stands on renewals.
    renewed(&tenure).await;

    etcd.pause();
    let paused_at = Instant::now();
    assert_eq!(timeout(LONG, tenure.ended()).await.unwrap(), Ended::Expired);
    let stepped_down = paused_at.elapsed();
    println!("stepped down after {stepped_down:?}");
    // The last keep-alive was sent before the pause: etcd's lease lives until `ttl` after that at least.
    assert!(stepped_down + timing().margin <= timing().ttl + LOAD);
    assert!(!tenure.holds());
    assert!(!waiting.is_finished(), "another leads already");

    etcd.resume();
    let _next = leads("the second", timing().takeover_bound() + LOAD, waiting).await;
    assert!(!tenure.holds(), "what etcd answers now comes too late");
}

#[tokio::test]
async fn a_pause_shorter_than_the_deadline_costs_nothing() {
    let (etcd, _first, leader) = led("http://first:1").await;
    let tenure = leader.tenure();
    for _ in 0..3 {
        etcd.pause();
        tokio::time::sleep(timing().renew_every).await;
        etcd.resume();
        renewed(&tenure).await;
    }
}

#[tokio::test]
async fn an_etcd_that_restarts_in_time_costs_nothing() {
    let (mut etcd, _first, leader) = led("http://first:1").await;
    let second = scheduler(etcd.endpoint()).await;
    let waiting = campaigning(&second, "http://second:1");
    let tenure = leader.tenure();
    let deadline = renewed(&tenure).await;
    etcd.crash().unwrap();
    etcd.run().await.unwrap();
    let back_at = Instant::now();
    println!(
        "before the deadline: {:?}",
        deadline.checked_duration_since(back_at)
    );
    // Longer than the restart gives the lease anew.
    match timeout(timing().ttl * 2, tenure.ended()).await {
        Err(_) => assert!(!waiting.is_finished()),
        Ok(how) => {
            assert_eq!(how, Ended::Expired);
            let needed = timing().retry_after * 2;
            assert!(back_at + needed > deadline, "there was time to renew");
        }
    }
}

#[tokio::test]
async fn after_an_outage_the_old_leader_gives_back_what_it_left_behind() {
    let (mut etcd, first, leader) = led("http://first:1").await;
    etcd.crash().unwrap();
    let tenure = leader.tenure();
    assert_eq!(timeout(LONG, tenure.ended()).await.unwrap(), Ended::Expired);
    let refused = leader.announce(1).await.unwrap_err();
    assert_eq!(refused.code(), "not_leader");
    let at_least = leader.at_least();
    drop(leader);
    let waiting = campaigning(&first, "http://first:1");

    // A restarted etcd gives every lease its whole time again, and more.
    etcd.run().await.unwrap();
    let back_at = Instant::now();
    let again = leads("the first", Duration::from_millis(1500), waiting).await;
    println!("after an outage: {:?}", back_at.elapsed());
    assert!(again.at_least() > at_least);
}

#[tokio::test]
async fn a_leader_whose_key_is_deleted_hears_of_it_at_once() {
    let (etcd, _first, leader) = led("http://first:1").await;
    let mut follower = scheduler(etcd.endpoint()).await.follow();
    timeout(LONG, follower.until(|_| true)).await.unwrap();
    let mut client = etcd_client::Client::connect([etcd.endpoint()], None)
        .await
        .unwrap();
    let everything = etcd_client::DeleteOptions::new().with_all_keys();
    let deleted_at = Instant::now();
    client.delete("", Some(everything)).await.unwrap();
    assert_eq!(
        timeout(LONG, leader.tenure().ended()).await.unwrap(),
        Ended::Lost
    );
    let took = deleted_at.elapsed();
    println!("lost after {took:?}");
    assert!(
        took < timing().renew_every / 2,
        "only the next renewal told: {took:?}"
    );
}

#[tokio::test]
async fn resigning_without_etcd_ends_it_here_and_says_so() {
    let (mut etcd, _first, leader) = led("http://first:1").await;
    etcd.crash().unwrap();
    let tenure = leader.tenure();
    let error = leader.resign().await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(
        !error.to_string().contains("transport error;"),
        "it names no cause: {error}"
    );
    assert_eq!(error.code(), "etcd_unavailable");
    assert_eq!(tenure.ended().await, Ended::Resigned);
}

#[tokio::test]
async fn a_member_that_hangs_costs_no_leadership() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hanging_at = format!("http://{}", hanging.local_addr().unwrap());
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed_at = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let etcd = empty_etcd().await;
    let first = scheduler_of(vec![hanging_at.clone(), closed_at, etcd.endpoint()]).await;
    let leader = leads(
        "the only one",
        LOAD * 2,
        campaigning(&first, "http://first:1"),
    )
    .await;
    let tenure = leader.tenure();
    let ended = timeout(timing().ttl * 2, tenure.ended()).await;
    assert!(ended.is_err(), "{ended:?}");

    let without_etcd = scheduler(hanging_at).await;
    let asked_at = Instant::now();
    let error = without_etcd.leader().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert!(asked_at.elapsed() < timing().request_timeout + LOAD);
}

#[tokio::test]
async fn endpoints_that_cannot_work_are_refused_without_being_shown() {
    use orb_coordinator::{EtcdConfig, EtcdCoordinator};
    let of = |endpoints: &[&str]| EtcdConfig {
        endpoints: endpoints.iter().map(ToString::to_string).collect(),
        ..EtcdConfig::default()
    };
    let none = EtcdCoordinator::connect(of(&[])).await.err().unwrap();
    assert_eq!(none.code(), "etcd_endpoint");
    let config = of(&["http://127.0.0.1:1", "http://user:hunter2@ not a host"]);
    let error = EtcdCoordinator::connect(config).await.err().unwrap();
    assert_eq!(error.code(), "etcd_endpoint");
    assert!(!error.is_retryable());
    let text = error.to_string();
    assert!(
        text.contains("number 2") && !text.contains("hunter2"),
        "{text}"
    );
}
