//! What operators are told of the workers.

use std::time::Duration;

use orb_proto::v1;
use orb_proto::v1::attach_request::Message as Report;
use orb_scheduler_core::cost;
use tokio::time::timeout;
use tonic::Code;

use crate::installation::{
    API, INTERNAL, Scheduler, Surroundings, create, play, playing, with_token,
};

async fn workers(scheduler: &Scheduler) -> Vec<v1::WorkerInfo> {
    let request = with_token(INTERNAL, v1::ListWorkersRequest {});
    let answer = scheduler.admin().list_workers(request).await.unwrap();
    answer.into_inner().workers
}

/// Their ids and how they stand, once they stand so.
async fn until(scheduler: &Scheduler, expected: &[(&str, v1::WorkerStanding)]) {
    let waiting = async {
        loop {
            let workers = workers(scheduler).await;
            let stand = workers
                .iter()
                .map(|one| (one.worker_id.as_str(), one.standing()));
            if stand.eq(expected.iter().copied()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = timeout(Duration::from_secs(10), waiting).await;
    let now = workers(scheduler).await;
    assert!(in_time.is_ok(), "{expected:?}, but {now:?}");
}

#[tokio::test]
async fn workers_are_listed_with_what_they_hold_and_how_they_stand() {
    use v1::WorkerStanding::{Draining, Ready, Suspect};
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let request = with_token(API, v1::ListWorkersRequest {});
    let refused = scheduler.admin().list_workers(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "not for callers");
    assert!(workers(&scheduler).await.is_empty());

    let mut first = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    until(&scheduler, &[("w1", Ready)]).await;
    let mut sessions = scheduler.sessions();
    sessions.create(with_token(API, create("s"))).await.unwrap();
    let call = tokio::spawn(async move { sessions.play(with_token(API, play("s", ""))).await });
    let lease = first
        .lease_where(|desired| desired.current.is_some() && desired.voice.is_some())
        .await;
    let second = scheduler.attach("w2", "life-2", vec![]).await.unwrap();
    until(&scheduler, &[("w1", Ready), ("w2", Ready)]).await;
    let listed = workers(&scheduler).await;
    let (one, other) = (&listed[0], &listed[1]);
    assert_eq!(
        (one.incarnation.as_str(), one.total_millicores),
        ("life-1", 2_000)
    );
    assert_eq!(one.session_ids, ["s"]);
    // It has said that all of it is free, and was given something since.
    let promised = 2_000 - one.free_millicores;
    assert!(promised >= cost::UNPROBED_AUDIO, "{promised}");
    assert_eq!((other.free_millicores, other.session_ids.len()), (2_000, 0));
    assert!((0..10_000).contains(&one.silent_ms), "{}", one.silent_ms);
    first.report(playing(&lease, 20)).await;
    call.await.unwrap().unwrap();

    second.say(Report::Drain(v1::Drain {})).await;
    until(&scheduler, &[("w1", Ready), ("w2", Draining)]).await;
    drop(first);
    until(&scheduler, &[("w1", Suspect), ("w2", Draining)]).await;
    drop(second);
    scheduler.stop().await;

    let scheduler = surroundings.scheduler().await;
    // At first it is unknown; but not for longer than this installation waits for it.
    until(&scheduler, &[("w1", Suspect)]).await;
    let unheard = workers(&scheduler).await;
    assert_eq!(
        (unheard[0].silent_ms, unheard[0].session_ids.len()),
        (-1, 1)
    );
    let _back = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    until(&scheduler, &[("w1", Ready)]).await;
    scheduler.stop().await;
}
