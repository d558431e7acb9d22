//! How the workers stand, for people.

use crate::harness::Harness;
use orb_scheduler_core::{Millis, Now, PlaybackState, WorkerStanding, WorkerView};

fn workers(h: &Harness) -> Vec<WorkerView> {
    h.scheduler.workers(Now {
        monotonic: Millis(h.now),
        wall_ms: h.now as i64,
    })
}

/// Who stands how, and what they hold.
fn stand(h: &Harness) -> Vec<(String, WorkerStanding, usize)> {
    let workers = workers(h).into_iter();
    workers
        .map(|one| (one.worker.to_string(), one.standing, one.sessions.len()))
        .collect()
}

#[test]
fn a_worker_is_ready_draining_or_suspect_by_what_is_heard_of_it() {
    let mut h = Harness::playing();
    h.attach("w2", "life-2", vec![]);
    h.drain("w2", "life-2");
    let w1 = |standing| ("w1".to_owned(), standing, 1);
    let w2 = |standing| ("w2".to_owned(), standing, 0);
    let both = [w1(WorkerStanding::Ready), w2(WorkerStanding::Draining)];
    assert_eq!(stand(&h), both);
    h.wait(1_500);
    h.report("s", PlaybackState::Playing, 1_500);
    h.wait(1_000);
    let both = [w1(WorkerStanding::Ready), w2(WorkerStanding::Suspect)];
    assert_eq!(stand(&h), both);
    let silent: Vec<_> = workers(&h).iter().map(|one| one.silent_ms).collect();
    assert_eq!(silent, [Some(1_000), Some(2_500)]);
}

#[test]
fn a_worker_is_unknown_to_a_new_leader_for_as_long_as_it_may_come_back() {
    let mut h = Harness::playing().restart();
    let w1 = |standing| [("w1".to_owned(), standing, 1)];
    assert_eq!(stand(&h), w1(WorkerStanding::Unknown));
    let unheard = &workers(&h)[0];
    assert_eq!((unheard.silent_ms, unheard.total_millicores), (None, 0));
    h.wait(10_000);
    assert_eq!(stand(&h), w1(WorkerStanding::Suspect));
    h.attach("w1", "life-1", vec![]);
    assert_eq!(stand(&h)[0].1, WorkerStanding::Ready);
}
