//! The gRPC side of a scheduler, with a worker played by the test.
#![allow(clippy::unwrap_used, missing_docs)]

mod batches;
mod drain;
mod events;
mod gate;
mod golive;
mod installation;
mod leadership;
mod pool;
mod progress;
mod queue;
mod trace;

use installation::{API, INTERNAL, Surroundings, create, play, playing, with_token};
use orb_proto::v1;
use orb_proto::v1::attach_response::Message as Word;
use orb_proto::v1::gateway_service_client::GatewayServiceClient;
use orb_proto::v1::worker_service_client::WorkerServiceClient;
use tonic::Code;
use tonic_types::StatusExt;

#[tokio::test]
async fn a_call_is_answered_when_the_worker_says_that_it_is_done() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let mut sessions = scheduler.sessions();
    assert!(
        sessions
            .create(with_token(API, create("s")))
            .await
            .unwrap()
            .into_inner()
            .created
    );
    let joined = worker.lease_where(|desired| desired.voice.is_some()).await;
    assert_eq!(joined.desired.unwrap().voice.unwrap().channel_id, "456");

    let call = tokio::spawn({
        let mut sessions = scheduler.sessions();
        async move { sessions.play(with_token(API, play("s", "c1"))).await }
    });
    let lease = worker
        .lease_where(|desired| desired.current.is_some())
        .await;
    assert!(!call.is_finished(), "nobody has done it yet");
    worker.report(playing(&lease, 20)).await;
    let answer = call.await.unwrap().unwrap().into_inner();
    assert!(answer.settled);
    assert_eq!(
        answer.session.unwrap().playback_state(),
        v1::PlaybackState::Playing
    );
    scheduler.stop().await;
}

#[tokio::test]
async fn a_retry_after_a_restart_gets_the_first_outcome_and_has_no_second_effect() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let mut sessions = scheduler.sessions();
    sessions.create(with_token(API, create("s"))).await.unwrap();
    let first = tokio::spawn(async move { sessions.play(with_token(API, play("s", "c1"))).await });
    let lease = worker
        .lease_where(|desired| desired.current.is_some())
        .await;
    worker.report(playing(&lease, 20)).await;
    first.await.unwrap().unwrap();
    // The item ends; a play with another command id would play it anew.
    let mut ended = playing(&lease, 60_000);
    ended.set_playback_state(v1::PlaybackState::Ended);
    ended.set_end_reason(v1::EndReason::Finished);
    worker.report(ended).await;
    worker
        .lease_where(|desired| desired.current.is_none())
        .await;
    drop(worker);
    scheduler.stop().await;

    let scheduler = surroundings.scheduler().await;
    let mut sessions = scheduler.sessions();
    let again = sessions
        .play(with_token(API, play("s", "c1")))
        .await
        .unwrap()
        .into_inner();
    let session = again.session.unwrap();
    assert_eq!(session.playback_state(), v1::PlaybackState::Ended);
    assert_eq!(session.end_reason(), v1::EndReason::Finished);
    let other = v1::PlayRequest {
        command_id: "c1".to_owned(),
        ..play("other", "c1")
    };
    let refused = sessions.play(with_token(API, other)).await.unwrap_err();
    assert_eq!(reason(&refused), "command_id_reused");
    scheduler.stop().await;
}

#[tokio::test]
async fn a_worker_that_comes_back_to_a_new_scheduler_keeps_its_session() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let mut sessions = scheduler.sessions();
    sessions.create(with_token(API, create("s"))).await.unwrap();
    let call = tokio::spawn(async move { sessions.play(with_token(API, play("s", ""))).await });
    let lease = worker
        .lease_where(|desired| desired.current.is_some() && desired.voice.is_some())
        .await;
    worker.report(playing(&lease, 20)).await;
    call.await.unwrap().unwrap();
    drop(worker);
    scheduler.stop().await;

    let scheduler = surroundings.scheduler().await;
    let mut worker = scheduler
        .attach("w1", "life-1", vec![playing(&lease, 5_000)])
        .await
        .unwrap();
    let again = worker
        .lease_where(|desired| desired.current.is_some())
        .await;
    let (before, after) = (lease.fence.unwrap(), again.fence.unwrap());
    assert_eq!(after.token, before.token, "the same lease");
    assert!(after.epoch > before.epoch, "under a new leader");
    assert!(
        again.desired.unwrap().voice.is_some(),
        "with the voice credentials that it has"
    );
    let request = with_token(
        API,
        v1::GetRequest {
            session_id: "s".to_owned(),
        },
    );
    let session = scheduler
        .sessions()
        .get(request)
        .await
        .unwrap()
        .into_inner()
        .session
        .unwrap();
    assert!(
        (5_000..7_000).contains(&session.position_ms),
        "{}",
        session.position_ms
    );
    scheduler.stop().await;
}

#[tokio::test]
async fn a_worker_is_told_to_forget_what_is_not_its_own() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let unknown = v1::Lease {
        session_id: "nobody's".to_owned(),
        ..v1::Lease::default()
    };
    let mut worker = scheduler
        .attach("w1", "life-1", vec![playing(&unknown, 1_000)])
        .await
        .unwrap();
    match worker.word().await {
        Some(Word::Revoke(revoke)) => assert_eq!(revoke.session_id, "nobody's"),
        other => panic!("{other:?}"),
    }
    scheduler.stop().await;
}

#[tokio::test]
async fn a_second_process_with_the_same_worker_id_is_turned_away() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let _first = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let refused = scheduler
        .attach("w1", "life-2", vec![])
        .await
        .err()
        .unwrap();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::AlreadyExists, "worker_id_taken")
    );
    scheduler.attach("w2", "life-3", vec![]).await.unwrap();
    scheduler.stop().await;
}

#[tokio::test]
async fn each_service_has_its_own_tokens() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let list = || v1::ListRequest {};
    for (token, allowed) in [(API, true), (INTERNAL, true), ("wrong", false), ("", false)] {
        let listed = scheduler.sessions().list(with_token(token, list())).await;
        assert_eq!(listed.is_ok(), allowed, "{token}");
    }
    assert_eq!(
        scheduler.sessions().list(list()).await.unwrap_err().code(),
        Code::Unauthenticated
    );
    let locate = || v1::LocateWatchRequest {
        session_id: "s".to_owned(),
    };
    let mut gateways = GatewayServiceClient::new(scheduler.channel.clone());
    let refused = gateways
        .locate_watch(with_token(API, locate()))
        .await
        .unwrap_err();
    assert_eq!(
        refused.code(),
        Code::Unauthenticated,
        "an API token learns of no worker"
    );
    let unknown = gateways
        .locate_watch(with_token(INTERNAL, locate()))
        .await
        .unwrap_err();
    assert_eq!(reason(&unknown), "session_not_found");
    let attach = with_token(API, tokio_stream::iter([v1::AttachRequest::default()]));
    let refused = WorkerServiceClient::new(scheduler.channel.clone())
        .attach(attach)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "and attaches none");
    scheduler.stop().await;
}

fn reason(status: &tonic::Status) -> String {
    status
        .get_error_details()
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}
