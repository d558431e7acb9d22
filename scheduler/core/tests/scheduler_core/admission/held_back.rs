//! Plays that can be neither accepted nor honestly refused yet, and what becomes of them.

use orb_scheduler_core::{Action, PlaybackState, Request};

use super::{codes, detach, learn_cost, play, start, without_workers};
use crate::harness::item;

/// `play` waits so long at most.
const CALL_WAIT_MS: u64 = 5_000;
/// A worker that was heard of so lately is expected back.
const GRACE_MS: u64 = 10_000;

#[test]
fn a_play_without_any_worker_is_refused_when_none_is_expected() {
    let mut h = without_workers();
    h.wait(GRACE_MS);
    h.create("s");
    let play = h.play("s", 1);
    let refusal = h.refusal(play);
    assert_eq!(refusal.code, "no_capacity");
    assert!(refusal.is_retryable() && refusal.retry_after_ms.is_some());
    assert_eq!(h.view("s").playback, PlaybackState::Idle, "nothing changed");
    h.attach("w1", "life-1", vec![]);
    let play = h.play("s", 1);
    h.report("s", PlaybackState::Playing, 0);
    assert!(h.answer(play).unwrap().unwrap().settled);
}

#[test]
fn a_play_under_a_young_leader_waits_for_the_worker_that_is_about_to_attach() {
    let mut h = without_workers();
    h.create("s");
    let play = h.play("s", 1);
    h.wait(2_000);
    assert!(h.answer(play).is_none());
    assert_eq!(
        h.view("s").playback,
        PlaybackState::Idle,
        "not yet accepted"
    );
    h.attach("w1", "life-1", vec![]);
    assert_eq!(h.newest_holder("s"), "w1");
    h.report("s", PlaybackState::Playing, 0);
    assert!(h.answer(play).unwrap().unwrap().settled);
}

#[test]
fn a_play_while_the_only_worker_restarts_is_accepted_and_waits_in_line() {
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    h.create("s");
    h.wait(GRACE_MS);
    h.beat(vec![]);
    detach(&mut h, "w1", "life-1");
    h.wait(500);
    let play = h.play("s", 1);
    h.wait(CALL_WAIT_MS - 1);
    assert!(h.answer(play).is_none());
    h.wait(1);
    assert!(!h.answer(play).unwrap().unwrap().settled, "accepted: 202");
    assert_eq!(h.view("s").playback, PlaybackState::Loading);
    h.attach("w1", "life-2", vec![]);
    assert_eq!(h.lease("s").1.current.unwrap().external_id, Some(1));
}

#[test]
fn the_line_for_a_worker_that_is_expected_is_no_longer_than_a_small_one_holds() {
    let mut h = without_workers();
    let plays: Vec<_> = (0..30).map(|n| play(&mut h, n)).collect();
    h.wait(CALL_WAIT_MS);
    let accepted = codes(&h, &plays).iter().filter(|c| c.is_none()).count();
    assert!((10..=13).contains(&accepted), "{accepted}");
    h.attach("w1", "life-1", vec![]);
    let placed = h.sessions().iter().filter(|s| h.is_leased(s)).count();
    assert!(placed >= accepted, "{placed} of {accepted}");
}

#[test]
fn a_play_is_refused_as_soon_as_no_guess_is_left_that_could_prove_too_high() {
    let mut h = without_workers();
    h.attach_with("w1", "life-1", 310, vec![]);
    assert_eq!([start(&mut h, 1), start(&mut h, 2)], [None, None]);
    let third = play(&mut h, 3);
    assert!(h.answer(third).is_none(), "the others may need less");
    learn_cost(&mut h, "w1", "s1", 160, 150);
    learn_cost(&mut h, "w1", "s2", 145, 5);
    assert_eq!(codes(&h, &[third]), [Some("no_capacity".to_owned())]);
}

#[test]
fn an_overtaken_play_undoes_nothing_later() {
    let mut h = without_workers();
    h.create("s");
    let first = h.play("s", 1);
    let second = h.play("s", 2);
    assert_eq!(h.refusal(first).code, "no_capacity");
    let stop = h.control("s", Action::Stop);
    assert_eq!(h.refusal(second).code, "no_capacity");
    assert!(h.answer(stop).is_some() || h.view("s").playback == PlaybackState::Stopped);
    h.attach("w1", "life-1", vec![]);
    assert_eq!(h.view("s").playback, PlaybackState::Stopped);
}

#[test]
fn a_retry_of_a_play_that_is_held_back_gets_the_same_answer() {
    let mut h = without_workers();
    h.create("s");
    let first = h.call_as("s", Request::Play(Box::new(item(1))), "the-same");
    let again = h.call_as("s", Request::Play(Box::new(item(1))), "the-same");
    h.attach("w1", "life-1", vec![]);
    h.report("s", PlaybackState::Playing, 0);
    for call in [first, again] {
        assert!(h.answer(call).unwrap().unwrap().settled);
    }
    assert_eq!(h.lease("s").1.current_set_at.get(), 2, "carried out once");
}
