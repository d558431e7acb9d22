//! A hand-over as workers hear of it, and an operator's wish.

use orb_proto::v1;
use orb_proto::v1::attach_request::Message as Report;
use orb_proto::v1::attach_response::Message as Word;
use orb_proto::v1::lease::Role;
use orb_proto::v1::observed_state::Handover;
use tonic::Code;

use crate::installation::{
    API, FakeWorker, INTERNAL, Scheduler, Surroundings, create, play, playing, with_token,
};

/// The first lease with such a role.
async fn lease_to(worker: &mut FakeWorker, fits: impl Fn(Role) -> bool) -> v1::Lease {
    loop {
        if let Some(Word::Lease(lease)) = worker.word().await
            && fits(lease.role.expect("no lease goes out without a role"))
        {
            return lease;
        }
    }
}

async fn drained(worker: &mut FakeWorker) {
    while !matches!(worker.word().await, Some(Word::Drained(_))) {}
}

/// A session that plays at 10 s on the first of two workers.
async fn two_workers(scheduler: &Scheduler) -> (FakeWorker, FakeWorker) {
    let mut first = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let mut sessions = scheduler.sessions();
    sessions.create(with_token(API, create("s"))).await.unwrap();
    first.lease_where(|desired| desired.voice.is_some()).await;
    let playing_call = tokio::spawn(async move {
        let mut request = play("s", "");
        // Nobody hears the end of it here.
        request.item.as_mut().unwrap().duration_ms = 3_600_000;
        sessions.play(with_token(API, request)).await
    });
    let lease = first.lease_where(|desired| desired.current.is_some()).await;
    first
        .report(v1::ObservedState {
            known_plan: Some(v1::KnownPlan {
                cost_millicores: 20,
                details: "probed".to_owned(),
            }),
            opened_at_generation: lease.fence.unwrap().generation,
            ..playing(&lease, 10_000)
        })
        .await;
    playing_call.await.unwrap().unwrap();
    let second = scheduler.attach("w2", "life-2", vec![]).await.unwrap();
    (first, second)
}

#[tokio::test]
async fn a_worker_that_is_about_to_go_is_relieved_step_by_step() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let (mut first, mut second) = two_workers(&scheduler).await;
    first.say(Report::Drain(v1::Drain {})).await;

    let warm = lease_to(&mut second, |role| matches!(role, Role::WarmsUp(_))).await;
    let desired = warm.desired.clone().unwrap();
    assert!(desired.voice.is_none());
    assert_eq!(warm.plan.as_ref().unwrap().details, "probed");
    let opens_at = desired.anchor.unwrap().position_ms;
    assert!(opens_at >= 10_000, "{opens_at}");
    let mut report = playing(&warm, opens_at);
    report.set_playback_state(v1::PlaybackState::Loading);
    report.handover = Some(Handover::Warm(v1::Warm {}));
    second.report(report).await;

    let stop = lease_to(&mut first, |role| matches!(role, Role::HoldsUntil(_))).await;
    let Some(Role::HoldsUntil(v1::HoldsUntil { position_ms })) = stop.role else {
        unreachable!("just looked at")
    };
    assert!(position_ms >= opens_at);
    let mut report = playing(&stop, position_ms + 20);
    report.handover = Some(Handover::Stopped(v1::Stopped {
        position_ms: position_ms + 20,
    }));
    first.report(report).await;

    let holds = lease_to(&mut second, |role| matches!(role, Role::Holds(_))).await;
    let desired = holds.desired.unwrap();
    assert!(desired.voice.is_some());
    assert_eq!(desired.anchor.unwrap().position_ms, position_ms + 20);
    assert_eq!(holds.fence.unwrap().token, warm.fence.unwrap().token);
    drained(&mut first).await;
    scheduler.stop().await;
}

#[tokio::test]
async fn a_lease_that_is_given_back_goes_to_the_other_worker_with_what_was_found_out() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let (first, mut second) = two_workers(&scheduler).await;
    let declined = v1::LeaseDeclined {
        session_id: "s".to_owned(),
        token: 1,
        plan: Some(v1::KnownPlan {
            cost_millicores: 650,
            details: "dear".to_owned(),
        }),
    };
    first.say(Report::LeaseDeclined(declined)).await;
    let lease = lease_to(&mut second, |role| matches!(role, Role::Holds(_))).await;
    assert_eq!(lease.fence.unwrap().token, 2);
    assert_eq!(lease.plan.unwrap().details, "dear");
    scheduler.stop().await;
}

#[tokio::test]
async fn an_operator_has_a_worker_drained() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let request = |worker: &str| v1::DrainWorkerRequest {
        worker_id: worker.to_owned(),
    };
    let mut admin = scheduler.admin();
    let refused = admin.drain_worker(with_token(API, request("w1"))).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    let unknown = admin
        .drain_worker(with_token(INTERNAL, request("w9")))
        .await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
    admin
        .drain_worker(with_token(INTERNAL, request("w1")))
        .await
        .unwrap();
    assert!(matches!(worker.word().await, Some(Word::StartDrain(_))));
    drained(&mut worker).await;
    scheduler.stop().await;
}
