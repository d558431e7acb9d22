//! A worker asks whether its leases stand.

use orb_proto::v1;

use crate::installation::{API, FakeWorker, Scheduler, Surroundings, create, with_token};

/// Session `s`, leased to `worker`: its token.
async fn leased(scheduler: &Scheduler, worker: &mut FakeWorker) -> u64 {
    let mut sessions = scheduler.sessions();
    sessions.create(with_token(API, create("s"))).await.unwrap();
    let lease = worker.lease_where(|desired| desired.voice.is_some()).await;
    lease.fence.unwrap().token
}

#[tokio::test]
async fn a_worker_is_told_of_each_lease_whether_it_holds_it() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let token = leased(&scheduler, &mut worker).await;
    let mut other = scheduler.attach("w2", "life-2", vec![]).await.unwrap();
    let asked = [("s", token), ("s", token + 1), ("nobody's", token)];
    assert_eq!(worker.confirm(7, &asked).await, [true, false, false]);
    assert_eq!(other.confirm(7, &asked).await, [false, false, false]);
    assert_eq!(worker.confirm(8, &[]).await, [false; 0]);

    scheduler.stop().await;
}

#[tokio::test]
async fn a_stopped_session_is_held_no_more() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let token = leased(&scheduler, &mut worker).await;
    assert_eq!(worker.confirm(1, &[("s", token)]).await, [true]);
    let stop = v1::ControlRequest {
        session_id: "s".to_owned(),
        action: Some(v1::control_request::Action::Stop(v1::Stop {})),
        command_id: String::new(),
        ..v1::ControlRequest::default()
    };
    let mut sessions = scheduler.sessions();
    // Answered when the worker has done it: this one does nothing.
    let stopping = tokio::spawn(async move { sessions.control(with_token(API, stop)).await });
    worker.lease_where(|desired| desired.voice.is_none()).await;
    assert_eq!(worker.confirm(2, &[("s", token)]).await, [false]);
    stopping.abort();
    scheduler.stop().await;
}

#[tokio::test]
async fn the_holder_that_comes_back_to_a_new_scheduler_is_confirmed_at_once() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let token = leased(&scheduler, &mut worker).await;
    drop(worker);
    scheduler.stop().await;

    let scheduler = surroundings.scheduler().await;
    let mut other = scheduler.attach("w2", "life-2", vec![]).await.unwrap();
    assert_eq!(other.confirm(1, &[("s", token)]).await, [false]);
    let mut worker = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    assert_eq!(worker.confirm(2, &[("s", token)]).await, [true]);
    scheduler.stop().await;
}

#[tokio::test]
async fn another_life_of_the_worker_holds_nothing_of_the_first() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.scheduler().await;
    let mut first = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let token = leased(&scheduler, &mut first).await;
    assert_eq!(first.confirm(1, &[("s", token)]).await, [true]);
    drop(first);
    let mut second = scheduler.attach_when_free("w1", "life-2").await;
    assert_eq!(second.confirm(1, &[("s", token)]).await, [false]);
    // It is granted the session itself, once the first life's permit is over.
    let lease = second.lease_where(|desired| desired.voice.is_some()).await;
    let token = lease.fence.unwrap().token;
    assert_eq!(second.confirm(2, &[("s", token)]).await, [true]);
    scheduler.stop().await;
}
