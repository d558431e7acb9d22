//! Whatever is stale is refused at the scheduler's door: `docs/doors.md` has the others.

use crate::harness::Harness;
use orb_scheduler_core::{Effect, Epoch, FencingToken, Observed, PlaybackState};

/// What the holder, `w1` in its first life, would report as the end of the film.
fn end_of_the_film(h: &Harness) -> Observed {
    let mut observed = h.observed("s", PlaybackState::Ended, 60_000);
    observed.end_reason = Some(orb_scheduler_core::EndReason::Finished);
    observed
}

fn is_revoked_from(h: &Harness, worker: &str) -> bool {
    h.effects.iter().any(
        |effect| matches!(effect, Effect::SendRevoke { worker: of, .. } if of.as_str() == worker),
    )
}

#[test]
fn a_report_under_the_holders_own_lease_counts() {
    let mut h = Harness::playing();
    let ended = end_of_the_film(&h);
    h.beat(vec![ended]);
    assert_eq!(
        h.view("s").playback,
        PlaybackState::Ended,
        "so the others below could fail"
    );
}

#[test]
fn a_report_under_a_stale_token_changes_nothing_and_is_answered_with_a_revoke() {
    let mut h = Harness::playing();
    let stale = end_of_the_film(&h);
    h.attach("w2", "life-1", vec![]);
    h.detach("w1", "life-1");
    h.wait(150);
    assert_eq!(h.lease("s").0.token, FencingToken::new(2));
    h.attach("w1", "life-1", vec![]);
    h.effects.clear();
    h.beat(vec![stale]);
    assert_eq!(h.view("s").playback, PlaybackState::Loading);
    assert!(is_revoked_from(&h, "w1"));
}

#[test]
fn a_late_report_of_an_earlier_epoch_changes_nothing() {
    let h = Harness::playing();
    let before = end_of_the_film(&h);
    let reported = h.observed("s", PlaybackState::Playing, 1_000);
    let mut h = h.restart();
    h.attach("w1", "life-1", vec![reported]);
    h.report("s", PlaybackState::Playing, 1_500);
    assert_eq!(h.lease("s").0.epoch, Epoch::new(2));
    assert!(before.fence.epoch < h.lease("s").0.epoch);
    h.beat(vec![before]);
    assert_eq!(h.view("s").playback, PlaybackState::Playing);
}

#[test]
fn words_of_a_stale_incarnation_change_nothing() {
    let mut h = Harness::playing();
    let stale = end_of_the_film(&h);
    // The same worker id and the same token, in another life.
    h.detach("w1", "life-1");
    h.attach("w1", "life-2", vec![]);
    assert_eq!(h.lease("s").0.token, FencingToken::new(2));
    h.effects.clear();
    let step = h.beat_of("w1", "life-1", vec![stale.clone()]);
    assert!(
        step.writes.is_empty() && step.effects.is_empty(),
        "{step:?}"
    );
    h.beat_of("w1", "life-2", vec![stale]);
    assert_ne!(
        h.view("s").playback,
        PlaybackState::Ended,
        "nor is the old token the new life's"
    );
    // Nor does the end of the old stream detach the new one.
    h.detach("w1", "life-1");
    h.wait(1_000);
    assert_eq!(h.newest_holder("s"), "w1");
    assert!(!is_revoked_from(&h, "w1"));
}
