//! A scheduler that cannot be reached for a while, or at all.

use std::{collections::HashSet, time::Duration};

use orb_coordinator::{Coordinator, Leadership, SingleCoordinator};
use orb_scheduler_client::{Dialling, LeaderChannel};
use serde_json::json;
use tokio::net::TcpListener;
use tonic::Status;

use crate::support::{Call, Harness, Reply, Scheduler, json, problem, session};

#[tokio::test]
async fn the_same_command_is_sent_again_until_it_is_answered() {
    let harness = Harness::start().await;
    let mut attempts = 0;
    harness.scheduler.answer(move |_| {
        attempts += 1;
        if attempts < 4 {
            Err(Status::unavailable("no leader"))
        } else {
            Ok(Reply(session("456"), true))
        }
    });
    let (status, _) = json(harness.post("/sessions/456/control", r#"{"action":"pause"}"#)).await;
    assert_eq!(status, 200);
    let calls = harness.scheduler.calls();
    let ids: HashSet<_> = calls
        .iter()
        .map(|call| match call {
            Call::Control(request) => request.command_id.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((calls.len(), ids.len()), (4, 1));
}

#[tokio::test]
async fn other_refusals_are_not_repeated() {
    let harness = Harness::start().await;
    for status in [
        Status::internal("x"),
        Status::resource_exhausted("x"),
        Status::not_found("x"),
    ] {
        let before = harness.scheduler.calls().len();
        harness.scheduler.answer(move |_| Err(status.clone()));
        problem(harness.post("/sessions/456/control", r#"{"action":"pause"}"#)).await;
        assert_eq!(harness.scheduler.calls().len(), before + 1);
    }
}

#[tokio::test]
async fn a_call_waits_for_a_scheduler_that_starts() {
    // Takes a port, and leaves it: nothing listens there until later.
    let place = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = place.local_addr().unwrap();
    let absent = Scheduler::on(place);
    let harness = Harness::in_front_of(absent.clone(), |_| {}).await;
    absent.stop().await;

    let call = tokio::spawn(json(harness.get("/sessions/456")));
    // Long enough that the first attempt has failed; were it not, the test would still hold.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let scheduler = Scheduler::on(TcpListener::bind(address).await.unwrap());
    scheduler.answer(|_| Ok(Reply(session("456"), true)));
    let (status, body) = call.await.unwrap();
    assert_eq!((status, &body["sessionId"]), (200, &json!("456")));
}

#[tokio::test]
async fn an_absent_scheduler_is_a_503_within_the_calls_time() {
    let harness = Harness::with(|config| config.call_timeout = Duration::from_millis(400)).await;
    harness.scheduler.stop().await;
    let started = std::time::Instant::now();
    let (status, answer) = problem(harness.get("/sessions/456")).await;
    assert_eq!(
        (status, &answer["code"]),
        (503, &json!("scheduler_unavailable"))
    );
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_scheduler_that_hangs_is_a_503_within_the_calls_time() {
    // Accepts connections into its backlog, and never answers one.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scheduler = Scheduler::absent(silent.local_addr().unwrap());
    let harness = Harness::in_front_of(scheduler, |config| {
        config.call_timeout = Duration::from_millis(400);
    })
    .await;
    let (status, answer) = problem(harness.get("/sessions/456")).await;
    assert_eq!(
        (status, &answer["code"]),
        (503, &json!("scheduler_unavailable"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leader_that_stands_still_is_left_for_the_next_with_the_same_command_id() {
    let (first, second) = (Scheduler::start().await, Scheduler::start().await);
    let coordinator = SingleCoordinator::new();
    let dialling = Dialling::new(|endpoint| endpoint.connect_lazy());
    let leader = LeaderChannel::elected(coordinator.follow(), dialling);
    let harness = Harness::with_leader(first.clone(), leader, |_| {}).await;
    let tenure = coordinator.campaign(&first.url()).await.unwrap();
    tenure.announce(1).await.unwrap();
    // It has taken the call in, and answers never.
    let (asked, was_asked) = std::sync::mpsc::channel();
    let (end, answer) = std::sync::mpsc::channel::<()>();
    first.answer(move |_| {
        asked.send(()).unwrap();
        let _ = answer.recv();
        Err(Status::unavailable("the test has ended"))
    });
    second.answer(|_| Ok(Reply(session("456"), true)));
    let call = tokio::spawn(json(
        harness.post("/sessions/456/control", r#"{"action":"pause"}"#),
    ));
    tokio::task::spawn_blocking(move || was_asked.recv().unwrap())
        .await
        .unwrap();
    drop(tenure);
    let tenure = coordinator.campaign(&second.url()).await.unwrap();
    assert!(!call.is_finished(), "nobody serves yet");
    tenure.announce(2).await.unwrap();
    assert_eq!(call.await.unwrap().0, 200);
    assert_eq!(second.calls(), first.calls(), "the same call, with its id");
    drop(end);
}
