//! A trace context, from a call's metadata to the words that workers get.

use orb_proto::v1;
use tonic::Request;

use crate::installation::{API, Surroundings, create, play, playing, with_token};

/// Of a caller. In this process nothing is exported, so it is handed on as it came.
const PLAY: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const PAUSE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn traced<T>(message: T, traceparent: &str) -> Request<T> {
    let mut request = with_token(API, message);
    let value = traceparent.parse().unwrap();
    request.metadata_mut().insert("traceparent", value);
    request
}

fn pause(command: &str) -> v1::ControlRequest {
    v1::ControlRequest {
        session_id: "s".to_owned(),
        action: Some(v1::control_request::Action::Pause(v1::Pause {})),
        command_id: command.to_owned(),
        ..v1::ControlRequest::default()
    }
}

#[tokio::test]
async fn the_worker_that_takes_over_under_another_leader_goes_on_with_the_trace() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let mut sessions = scheduler.sessions();
    let bad = traced(create("s"), "no traceparent");
    sessions.create(bad).await.unwrap();
    let first = worker.lease_where(|desired| desired.voice.is_some()).await;
    assert_eq!(first.traceparent, "", "only what is one is kept");
    let call = tokio::spawn(async move { sessions.play(traced(play("s", "c1"), PLAY)).await });
    let lease = worker
        .lease_where(|desired| desired.current.is_some())
        .await;
    assert_eq!(lease.traceparent, PLAY);
    worker.report(playing(&lease, 20)).await;
    call.await.unwrap().unwrap();
    drop(worker);
    scheduler.stop().await;

    let scheduler = surroundings.scheduler().await;
    let mut next = scheduler.attach("w2", "life-2", vec![]).await.unwrap();
    let granted = next.lease_where(|desired| desired.current.is_some()).await;
    let (before, after) = (lease.fence.unwrap(), granted.fence.unwrap());
    assert!(after.token > before.token && after.epoch > before.epoch);
    assert_eq!(granted.traceparent, PLAY);

    next.report(playing(&granted, 20)).await;
    let mut sessions = scheduler.sessions();
    let call = tokio::spawn(async move { sessions.control(traced(pause("c2"), PAUSE)).await });
    let paused = next.lease_where(|desired| desired.paused).await;
    assert_eq!(paused.traceparent, PAUSE, "until the next call");
    call.abort();
    scheduler.stop().await;
}
