//! An item that takes its workers down does not go on to the next without bound.

use crate::harness::{GUILD, Harness, create};
use orb_scheduler_core::{
    Action, EndReason, MAX_LOSSES, PROGRESS_MS, PlaybackState, QueueStatus, WINDOW_MS, Write,
};

/// A stream that was reset is given so long to come back.
const RESET_GRACE_MS: u64 = 150;

/// The process that carries the session out dies; its supervisor starts it again a second later.
fn crash(h: &mut Harness, session: &str, life: usize) {
    let worker = h.newest_holder(session);
    let before = format!("life-{life}");
    h.detach(&worker, &before);
    h.wait(RESET_GRACE_MS + 850);
    h.attach(&worker, &format!("life-{}", life + 1), vec![]);
}

/// One worker, `life-1`; the session plays at its start.
fn playing() -> Harness {
    let mut h = Harness::new();
    h.create("s");
    h.credentials("voice-1");
    h.play("s", 1);
    h
}

fn is_over(h: &Harness) -> bool {
    h.view("s").end_reason == Some(EndReason::Failed)
}

#[test]
fn an_item_that_gets_nowhere_ends_with_its_reason_and_its_party_stays() {
    let mut h = playing();
    for life in 1..MAX_LOSSES {
        crash(&mut h, "s", life);
        assert!(!is_over(&h), "after {life}");
        assert_eq!(h.view("s").playback, PlaybackState::Loading);
        assert_eq!(h.lease("s").1.current.unwrap().external_id, Some(1));
    }
    crash(&mut h, "s", MAX_LOSSES);
    let view = h.view("s");
    assert!(is_over(&h));
    assert_eq!(view.playback, PlaybackState::Ended);
    assert_eq!(view.last_error.unwrap().code, "item_crashes_workers");
    assert_eq!(view.queue_entry_id, Some(1));
    assert!(h.lease("s").1.current.is_none() && h.lease("s").1.in_channel);
    let failed = |write: &Write| matches!(write, Write::Queue(row) if row.entry.status == QueueStatus::Failed);
    assert!(h.writes.iter().any(failed));
    // It holds the pool up no longer, and neither does it the next item.
    h.play("s", 2);
    assert_eq!(h.lease("s").1.current.unwrap().external_id, Some(2));
}

#[test]
fn an_item_that_plays_on_is_carried_on_however_often_its_workers_die() {
    let mut h = playing();
    for life in 1..4 * MAX_LOSSES {
        let worker = h.newest_holder("s");
        let position = h.lease("s").1.anchor.position_ms;
        h.wait(100);
        let observed = h.observed("s", PlaybackState::Playing, position + PROGRESS_MS);
        h.beat_of(&worker, &format!("life-{life}"), vec![observed]);
        crash(&mut h, "s", life);
        assert_eq!(h.view("s").playback, PlaybackState::Loading, "{life}");
    }
}

#[test]
fn losses_that_are_far_apart_have_nothing_to_do_with_each_other() {
    let mut h = playing();
    for life in 1..3 * MAX_LOSSES {
        h.control("s", Action::Pause);
        h.wait(WINDOW_MS as u64 / 2);
        h.attach("w1", &format!("life-{life}"), vec![]);
        crash(&mut h, "s", life);
        assert!(!is_over(&h), "after {life}");
    }
}

#[test]
fn the_count_outlives_the_leader() {
    let mut h = playing();
    for life in 1..MAX_LOSSES {
        crash(&mut h, "s", life);
    }
    let wall_ms = h.now;
    let mut h = h.restart_at(wall_ms);
    h.attach("w1", &format!("life-{MAX_LOSSES}"), vec![]);
    assert!(!is_over(&h));
    crash(&mut h, "s", MAX_LOSSES);
    assert!(is_over(&h));
}

#[test]
fn somebody_who_seeks_past_the_place_begins_anew() {
    let mut h = playing();
    for life in 1..MAX_LOSSES {
        crash(&mut h, "s", life);
    }
    h.control(
        "s",
        Action::Seek {
            position_ms: 30_000,
        },
    );
    crash(&mut h, "s", MAX_LOSSES);
    assert!(!is_over(&h));
    assert_eq!(h.lease("s").1.anchor.position_ms, 30_000);
}

#[test]
fn a_neighbour_that_plays_between_the_crashes_goes_on() {
    let mut h = playing();
    h.call("other", create(GUILD + 1));
    h.play("other", 1);
    for life in 1..=MAX_LOSSES {
        let position = h.lease("other").1.anchor.position_ms;
        h.wait(100);
        let observed = h.observed("other", PlaybackState::Playing, position + PROGRESS_MS);
        h.beat_of("w1", &format!("life-{life}"), vec![observed]);
        crash(&mut h, "s", life);
    }
    assert!(is_over(&h));
    assert_eq!(h.view("other").playback, PlaybackState::Loading);
}
