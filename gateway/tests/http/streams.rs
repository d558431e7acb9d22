//! The list of parties, and their changes as server-sent events.

use orb_proto::v1::{PlaybackState, Session};
use serde_json::json;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::support::{Events, Harness, PATIENCE, Reply, json, problem, refusal, session};

fn at(position_ms: i64) -> Session {
    Session {
        position_ms,
        playback_state: PlaybackState::Playing.into(),
        ..session("456")
    }
}

#[tokio::test]
async fn lists_parties_as_status_objects() {
    let harness = Harness::start().await;
    harness.scheduler.answer(|_| Ok(Reply(at(1500), true)));
    let (status, body) = json(harness.get("/api/v1/parties")).await;
    assert_eq!(status, 200);
    assert_eq!(body["parties"].as_array().unwrap().len(), 1);
    assert_eq!(body["parties"][0]["positionMs"], 1500);
    assert_eq!(body["parties"][0]["playbackState"], "playing");
}

#[tokio::test]
async fn each_change_is_an_event() {
    let harness = Harness::start().await;
    harness.scheduler.answer(|_| Ok(Reply(at(0), true)));
    let mut events = Events::open(harness.get("/api/v1/parties/456/events")).await;
    let first = events.next().await.unwrap();
    assert_eq!(
        (&first["positionMs"], &first["workerStatus"]),
        (&json!(0), &json!("connecting"))
    );
    for position in [1000, 2000] {
        harness.scheduler.change(Ok(at(position)));
        assert_eq!(events.next().await.unwrap()["positionMs"], position);
    }
}

#[tokio::test]
async fn a_broken_watch_goes_on_and_a_session_that_is_gone_ends_it() {
    let harness = Harness::start().await;
    harness.scheduler.answer(|_| Ok(Reply(at(0), true)));
    let mut events = Events::open(harness.get("/api/v1/parties/456/events")).await;
    assert_eq!(events.next().await.unwrap()["positionMs"], 0);

    harness.scheduler.answer(|_| Ok(Reply(at(7000), true)));
    harness
        .scheduler
        .change(Err(Status::unavailable("restart")));
    assert_eq!(events.next().await.unwrap()["positionMs"], 7000);

    harness.scheduler.change(Err(Status::not_found("deleted")));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn no_stream_of_a_session_that_does_not_exist() {
    let harness = Harness::start().await;
    harness
        .scheduler
        .answer(|_| Err(refusal(Code::NotFound, "session_not_found", None)));
    let (status, answer) = problem(harness.get("/api/v1/parties/456/events")).await;
    assert_eq!(
        (status, &answer["code"]),
        (404, &json!("session_not_found"))
    );
}

#[tokio::test]
async fn the_gateway_stops_although_somebody_listens() {
    let harness = Harness::start().await;
    let mut events = Events::open(harness.get("/api/v1/parties/456/events")).await;
    events.next().await.unwrap();
    harness.stop.cancel();
    assert_eq!(events.next().await, None);
    timeout(PATIENCE, harness.serving)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_listener_who_leaves_is_forgotten() {
    let harness = Harness::start().await;
    let mut events = Events::open(harness.get("/api/v1/parties/456/events")).await;
    events.next().await.unwrap();
    assert_eq!(harness.scheduler.watchers(), 1);
    drop(events);
    timeout(PATIENCE, async {
        while harness.scheduler.watchers() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the watch ends with its listener");
}
