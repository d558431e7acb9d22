//! What can come between the last frame of an item and the word that names the next one.

use crate::harness::Harness;
use crate::queue::entry;
use orb_scheduler_core::{
    Action, EndReason, FencingToken, Millis, PlaybackState, QueueChange, QueueStatus,
};

use QueueStatus::{Played, Playing, Queued, Skipped};

#[test]
fn a_report_that_comes_again_changes_nothing_more() {
    let mut h = Harness::party(3);
    let mut report = h.advanced(40);
    h.beat(vec![report.clone()]);
    let generation = h.view("s").generation;
    for media_ms in [290, 540] {
        h.wait(250);
        report.position.media_ms = media_ms;
        report.position.at = Millis(h.now);
        let step = h.beat(vec![report.clone()]);
        assert!(step.writes.is_empty(), "{step:?}");
        let view = h.view("s");
        assert_eq!(
            (view.playback, view.position.media_ms),
            (PlaybackState::Playing, media_ms)
        );
    }
    assert_eq!(h.view("s").generation, generation);
    // The word has come by now.
    h.report("s", PlaybackState::Playing, 790);
    assert_eq!(h.entries(), [(1, Played), (2, Playing), (3, Queued)]);
    assert_eq!(h.view("s").observed_generation, generation);
}

/// The scheduler was away, or the stream was cut: the report comes late, with another one's first words.
#[test]
fn a_lost_report_is_made_up_for_by_the_next() {
    let mut h = Harness::party(3);
    h.report("s", PlaybackState::Playing, 59_000);
    let late = h.advanced(900);
    h.detach("w1", "life-1");
    h.attach("w1", "life-1", vec![late]);
    assert_eq!(h.entries(), [(1, Played), (2, Playing), (3, Queued)]);
    assert_eq!(h.view("s").playback, PlaybackState::Playing);
}

#[test]
fn a_new_leader_that_hears_of_it_first_commits_it() {
    let mut h = Harness::party(3);
    h.report("s", PlaybackState::Playing, 59_000);
    let report = h.advanced(40);
    let mut h = h.restart();
    h.attach("w1", "life-1", vec![report]);
    assert_eq!(h.entries(), [(1, Played), (2, Playing), (3, Queued)]);
    assert_eq!(h.view("s").playback, PlaybackState::Playing);
    assert_eq!(h.told(), (Some(2), Some(3)));
}

/// The leader committed it and was lost before its word went out: the report comes again, to the next one.
#[test]
fn a_leader_lost_after_the_commit_has_advanced_once() {
    let mut h = Harness::party(3);
    let report = h.advanced(40);
    h.beat(vec![report.clone()]);
    let generation = h.view("s").generation;
    let mut h = h.restart();
    h.attach("w1", "life-1", vec![report]);
    assert_eq!(h.entries(), [(1, Played), (2, Playing), (3, Queued)]);
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.generation, view.position.media_ms),
        (PlaybackState::Playing, generation, 40)
    );
    assert!(h.events("play").is_empty() && h.events("ended").is_empty());
    assert_eq!(h.told(), (Some(2), Some(3)), "the word is said again");
}

#[test]
fn a_worker_lost_before_its_report_has_advanced_nothing() {
    let mut h = Harness::party(3);
    h.attach("w2", "life-1", vec![]);
    h.report("s", PlaybackState::Playing, 59_000);
    for _ in 0..6 {
        h.wait(500);
        h.beat_of("w2", "life-1", vec![]);
    }
    assert_eq!(h.newest_holder("s"), "w2");
    let (_, anchor, _) = h.word_to("w2", "s").unwrap();
    assert_eq!(anchor.position_ms, 59_000, "where it was heard last");
    assert_eq!(h.told(), (Some(1), Some(2)));
    h.report_by("w2", "life-1", "s", PlaybackState::Playing, 59_020);
    let observed = h.advanced(40);
    h.beat_of("w2", "life-1", vec![observed]);
    assert_eq!(h.entries(), [(1, Played), (2, Playing), (3, Queued)]);
}

#[test]
fn a_worker_lost_after_its_report_was_heard_is_followed_in_the_next_item() {
    let mut h = Harness::party(3);
    h.attach("w2", "life-1", vec![]);
    let observed = h.advanced(700);
    h.beat(vec![observed]);
    h.detach("w1", "life-1");
    h.wait(200);
    assert_eq!(h.newest_holder("s"), "w2");
    assert_eq!(h.told(), (Some(2), Some(3)));
    assert_eq!(h.word_to("w2", "s").unwrap().1.position_ms, 700);
}

#[test]
fn the_word_counts_when_the_queue_was_changed_before_the_report_came() {
    let mut h = Harness::party(4);
    let late = h.advanced(40);
    h.edit(QueueChange::Remove(vec![entry(2)]));
    h.beat(vec![late.clone()]);
    assert_eq!(h.entries(), [(1, Played), (3, Playing), (4, Queued)]);
    assert_eq!(h.told(), (Some(3), Some(4)));
    assert_eq!(h.view("s").playback, PlaybackState::Loading);
    let step = h.beat(vec![late]);
    assert!(step.writes.is_empty(), "again: {step:?}");

    let mut h = Harness::party(3);
    let late = h.advanced(40);
    h.edit(QueueChange::Reorder(vec![entry(3), entry(2)]));
    h.beat(vec![late]);
    assert_eq!(h.entries(), [(1, Played), (3, Playing), (2, Queued)]);

    let mut h = Harness::party(2);
    let late = h.advanced(40);
    h.edit(QueueChange::Clear);
    h.beat(vec![late]);
    assert_eq!(h.entries(), [(1, Played)]);
    assert_eq!(h.view("s").end_reason, Some(EndReason::Finished));
    assert_eq!(h.told(), (None, None));
}

#[test]
fn a_pause_that_crosses_it_holds_the_next_item() {
    let mut h = Harness::party(3);
    let late = h.advanced(40);
    let pause = h.control("s", Action::Pause);
    h.beat(vec![late]);
    assert_eq!(h.told(), (Some(2), Some(3)));
    assert!(h.lease("s").1.paused);
    assert!(h.answer(pause).is_none(), "the worker has not heard of it");
    h.report("s", PlaybackState::Paused, 60);
    assert!(h.answer(pause).unwrap().unwrap().settled);
}

#[test]
fn a_seek_that_crosses_it_counts() {
    let mut h = Harness::party(3);
    h.report("s", PlaybackState::Playing, 59_900);
    let late = h.advanced(40);
    h.control("s", Action::Seek { position_ms: 5_000 });
    h.beat(vec![late]);
    assert_eq!(h.entries(), [(1, Playing), (2, Queued), (3, Queued)]);
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.entry),
        (PlaybackState::Loading, Some(entry(1)))
    );
    h.report("s", PlaybackState::Playing, 5_020);
    assert_eq!(h.view("s").playback, PlaybackState::Playing);
    h.advance();
    assert_eq!(h.entries(), [(1, Played), (2, Playing), (3, Queued)]);
}

#[test]
fn of_a_skip_and_an_advance_one_wins() {
    // The advance first: whoever saw the first item wanted it gone, and it is.
    let mut h = Harness::party(3);
    h.advance();
    h.skip(Some(1));
    assert_eq!(h.entries(), [(1, Played), (2, Playing), (3, Queued)]);
    // The skip first: the worker has gone on to what the skip made the current item.
    let mut h = Harness::party(3);
    let late = h.advanced(40);
    h.skip(Some(1));
    h.beat(vec![late]);
    assert_eq!(h.entries(), [(1, Skipped), (2, Playing), (3, Queued)]);
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.position.media_ms),
        (PlaybackState::Playing, 40)
    );
    assert_eq!(h.events("ended").len(), 1);
}

/// An advance of long ago says nothing about an item that plays again since.
#[test]
fn an_advance_is_of_the_play_that_it_was_told_of() {
    let mut h = Harness::party(3);
    let first = h.advanced(40);
    h.advance();
    h.report("s", PlaybackState::Playing, 500);
    h.previous(None);
    assert_eq!(h.told(), (Some(1), Some(2)));
    h.beat(vec![first]);
    assert_eq!(h.entries(), [(1, Playing), (2, Queued), (3, Queued)]);
    assert_eq!(h.view("s").playback, PlaybackState::Loading);
}

#[test]
fn only_the_holder_advances() {
    let mut h = Harness::party(3);
    h.attach("w2", "life-1", vec![]);
    let mut stale = h.advanced(40);
    h.beat_of("w2", "life-1", vec![stale.clone()]);
    stale.fence.token = FencingToken::new(0);
    h.beat(vec![stale]);
    assert_eq!(h.entries(), [(1, Playing), (2, Queued), (3, Queued)]);
}

/// No scheduler for longer than the next item lasts.
#[test]
fn an_item_that_was_advanced_to_may_have_ended_as_well() {
    let h = Harness::party(4);
    let mut report = h.advanced(60_000);
    report.playback = PlaybackState::Ended;
    report.end_reason = Some(EndReason::Finished);
    let mut h = h.restart();
    h.attach("w1", "life-1", vec![report]);
    assert_eq!(
        h.entries(),
        [(1, Played), (2, Played), (3, Playing), (4, Queued)]
    );
}
