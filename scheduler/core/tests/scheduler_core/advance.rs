//! A queue that plays by itself: `docs/protocol.md`, 9, numbers what can come in between.

use crate::harness::{Harness, item};
use crate::queue::{add, entry, film};
use orb_scheduler_core::{
    Action, EndReason, Event, Failure, HandoverReport, KnownPlan, Observed, PlaybackState,
    Prepared, QueueChange, QueueStatus, Request, Role, SessionStatus, WorkerStatus,
};

use QueueStatus::{Failed, Played, Playing, Queued, Skipped};

fn failure(code: &str) -> Failure {
    Failure {
        code: code.to_owned(),
        message: "it does not play".to_owned(),
    }
}

fn plan(cost_millicores: u32) -> KnownPlan {
    KnownPlan {
        cost_millicores,
        details: "details".to_owned(),
    }
}

impl Harness {
    /// What the worker of the newest word reports when it has gone on to its next item by itself.
    fn advanced(&self, media_ms: u64) -> Observed {
        let (from, to) = self.told();
        let mut observed = self.observed("s", PlaybackState::Playing, media_ms);
        observed.entry = to.map(orb_scheduler_core::EntryId::new);
        observed.external_id = None;
        observed.advanced_from = from.map(orb_scheduler_core::EntryId::new);
        observed
    }

    fn advance(&mut self) -> orb_scheduler_core::Step {
        let observed = self.advanced(40);
        self.beat(vec![observed])
    }

    /// The worker has looked at the next item.
    fn prepared(&mut self, failure: Option<Failure>, known_plan: Option<KnownPlan>) {
        let (_, next) = self.told();
        let mut observed = self.observed("s", PlaybackState::Playing, 50_000);
        observed.prepared = Some(Box::new(Prepared {
            entry: entry(next.unwrap()),
            ready: failure.is_none(),
            failure,
            known_plan,
        }));
        self.beat(vec![observed]);
    }
}

#[test]
fn an_advance_is_committed_and_nobody_sees_a_gap() {
    let mut h = Harness::party(3);
    h.report("s", PlaybackState::Playing, 59_000);
    let before = h.view("s");
    h.wait(1_000);
    let step = h.advance();
    assert_eq!(h.entries(), [(1, Played), (2, Playing), (3, Queued)]);
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.status, view.position.media_ms),
        (PlaybackState::Playing, SessionStatus::Playing, 40)
    );
    assert_eq!(
        (view.entry, view.current_title.as_deref(), view.duration_ms),
        (Some(entry(2)), Some("Film 2"), Some(60_000))
    );
    assert_eq!(view.generation, before.generation.next());
    let (fence, desired, _) = h.lease("s");
    assert_eq!(h.told(), (Some(2), Some(3)));
    assert_eq!(
        (
            desired.current_set_at,
            desired.anchor.set_at,
            desired.anchor.position_ms
        ),
        (fence.generation, fence.generation, 0),
        "the worker goes on as it is"
    );
    assert_eq!(step.writes.iter().filter(|w| is_observed(w)).count(), 0);
    assert_eq!(h.events("ended")[0]["reason"], "finished");
    let play = &h.events("play")[1];
    assert_eq!(
        (&play["cause"], &play["actor"], &play["entryId"]),
        (&"auto_advance".into(), &"worker:w1".into(), &2.into())
    );
}

fn is_observed(write: &orb_scheduler_core::Write) -> bool {
    matches!(write, orb_scheduler_core::Write::Event(row) if row.event_type == "observed")
}

#[test]
fn a_report_that_comes_again_changes_nothing_more() {
    let mut h = Harness::party(3);
    let mut report = h.advanced(40);
    h.beat(vec![report.clone()]);
    let generation = h.view("s").generation;
    for media_ms in [290, 540] {
        h.wait(250);
        report.position.media_ms = media_ms;
        report.position.at = orb_scheduler_core::Millis(h.now);
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
    stale.fence.token = orb_scheduler_core::FencingToken::new(0);
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

#[test]
fn an_end_without_an_advance_is_followed_by_the_head_of_the_queue() {
    let mut h = Harness::party(3);
    h.report_end("s", EndReason::Finished, None);
    assert_eq!(h.entries(), [(1, Played), (2, Playing), (3, Queued)]);
    assert_eq!(h.told(), (Some(2), Some(3)));
    assert_eq!(h.view("s").playback, PlaybackState::Loading);
    assert_eq!(h.events("play")[1]["cause"], "auto_advance");
}

#[test]
fn an_item_that_fails_is_followed_by_the_next_and_people_read_why() {
    let mut h = Harness::party(3);
    h.report_end("s", EndReason::Failed, Some(failure("source_gone")));
    assert_eq!(h.entries(), [(1, Failed), (2, Playing), (3, Queued)]);
    assert_eq!(h.events("play")[1]["cause"], "item_failed");
    h.report("s", PlaybackState::Playing, 0);
    assert_eq!(h.view("s").last_error, Some(failure("source_gone")));
    h.advance();
    assert_eq!(h.view("s").last_error, None);
    let queue = h.scheduler.queue(&orb_scheduler_core::SessionId::new("s"));
    assert_eq!(
        queue.unwrap().entries[0].error,
        Some(failure("source_gone"))
    );
}

#[test]
fn an_item_that_cannot_be_opened_ahead_fails_alone() {
    let mut h = Harness::party(4);
    h.prepared(Some(failure("source_not_found")), None);
    assert_eq!(
        h.entries(),
        [(2, Failed), (1, Playing), (3, Queued), (4, Queued)]
    );
    assert_eq!(h.told(), (Some(1), Some(3)));
    assert_eq!(h.view("s").playback, PlaybackState::Playing);
    let failed = h.events("entry_failed");
    assert_eq!(
        (&failed[0]["entryId"], &failed[0]["error"]),
        (&2.into(), &"source_not_found".into())
    );
    // Said again, about what is next no more.
    let mut again = h.observed("s", PlaybackState::Playing, 51_000);
    again.prepared = Some(Box::new(Prepared {
        entry: entry(2),
        ready: false,
        failure: Some(failure("source_not_found")),
        known_plan: None,
    }));
    h.beat(vec![again]);
    assert_eq!(h.events("entry_failed").len(), 1);
    h.prepared(Some(failure("source_not_found")), None);
    h.prepared(Some(failure("source_not_found")), None);
    assert_eq!(h.told(), (Some(1), None));
    h.report_end("s", EndReason::Finished, None);
    assert_eq!(h.view("s").end_reason, Some(EndReason::Finished));
    let stored = h.tables.session(&orb_scheduler_core::SessionId::new("s"));
    let queue = h.scheduler.queue(&orb_scheduler_core::SessionId::new("s"));
    assert_eq!(stored.map(|stored| stored.queue_view()), queue);
}

#[test]
fn what_the_next_item_takes_is_known_before_it_plays() {
    let mut h = Harness::party(3);
    h.prepared(None, Some(plan(1_300)));
    assert_eq!(h.view("s").generation, h.view("s").observed_generation);
    let mut h = h.restart();
    let report = h.observed_by_lease();
    h.attach("w1", "life-1", vec![report]);
    h.advance();
    assert_eq!(h.lease("s").1.plan, Some(plan(1_300)));
    assert_eq!(h.lease("s").1.next_plan, None, "it was the other one's");
}

impl Harness {
    /// The worker, as a new leader meets it: the harness has seen no word of that leader yet.
    fn observed_by_lease(&mut self) -> Observed {
        self.attach("w1", "life-1", vec![]);
        self.observed("s", PlaybackState::Playing, 50_000)
    }
}

#[test]
fn an_item_that_its_worker_has_no_room_for_goes_elsewhere() {
    let mut h = Harness::party(2);
    h.attach_with("w2", "life-1", 8_000, vec![]);
    h.prepared(None, Some(plan(3_000)));
    h.report_end("s", EndReason::Finished, None);
    assert_eq!(h.newest_holder("s"), "w2");
    assert_eq!(h.entries(), [(1, Played), (2, Playing)]);
    assert_eq!(h.word_to("w1", "s"), None, "revoked");
    let (_, anchor, _) = h.word_to("w2", "s").unwrap();
    assert_eq!(anchor.position_ms, 0);
}

#[test]
fn an_item_that_nobody_has_room_for_waits_in_line_and_is_not_skipped() {
    let mut h = Harness::party(3);
    h.prepared(None, Some(plan(3_000)));
    h.report_end("s", EndReason::Finished, None);
    assert_eq!(h.entries(), [(1, Played), (2, Playing), (3, Queued)]);
    assert_eq!(h.newest_holder("s"), "");
    assert_eq!(h.view("s").status, SessionStatus::Queued);
    h.attach_with("w2", "life-1", 8_000, vec![]);
    assert_eq!(h.newest_holder("s"), "w2");
    assert_eq!(h.entries(), [(1, Played), (2, Playing), (3, Queued)]);
}

#[test]
fn an_item_that_takes_its_workers_down_is_followed_by_the_next_one() {
    let mut h = Harness::party(2);
    for life in 2..5 {
        h.detach("w1", &format!("life-{}", life - 1));
        h.wait(200);
        h.attach("w1", &format!("life-{life}"), vec![]);
        h.wait(200);
    }
    assert_eq!(h.entries(), [(1, Failed), (2, Playing)]);
    assert_eq!(h.told(), (Some(2), None));
    assert_eq!(h.events("play")[1]["cause"], "item_failed");
    assert_eq!(h.view("s").last_error.unwrap().code, "item_crashes_workers");
    // It has as many lives as any.
    for life in 5..7 {
        h.detach("w1", &format!("life-{}", life - 1));
        h.wait(200);
        h.attach("w1", &format!("life-{life}"), vec![]);
        h.wait(200);
    }
    assert_eq!(h.entries(), [(1, Failed), (2, Playing)]);
}

#[test]
fn a_holder_that_was_told_to_stop_reports_an_end_and_the_next_item_goes_elsewhere() {
    let mut h = Harness::party(2);
    h.attach("w2", "life-1", vec![]);
    h.report("s", PlaybackState::Playing, 50_000);
    h.drain("w1", "life-1");
    h.warm("w2", "life-1", "s");
    let (fence, _, role) = h.word_to("w1", "s").unwrap();
    assert!(matches!(role, Role::HoldsUntil { .. }));
    let mut end = h.observed("s", PlaybackState::Ended, 60_000);
    end.fence = fence;
    end.end_reason = Some(EndReason::Finished);
    h.beat(vec![end]);
    assert_eq!(h.entries(), [(1, Played), (2, Playing)]);
    assert_eq!(h.newest_holder("s"), "w2");
    let (_, anchor, role) = h.word_to("w2", "s").unwrap();
    assert_eq!((anchor.position_ms, role), (0, Role::Holds));
}

#[test]
fn an_advance_makes_a_hand_over_begin_anew() {
    let mut h = Harness::party(2);
    h.attach("w2", "life-1", vec![]);
    h.report("s", PlaybackState::Playing, 10_000);
    h.drain("w1", "life-1");
    assert_eq!(h.word_to("w2", "s").unwrap().2, Role::WarmsUp);
    let first = h.word_to("w2", "s").unwrap().0;
    h.advance();
    assert_eq!(h.entries(), [(1, Played), (2, Playing)]);
    let (fence, anchor, role) = h.word_to("w2", "s").unwrap();
    assert_eq!(role, Role::WarmsUp);
    assert!(fence > first && anchor.position_ms < 10_000);
    h.warm("w2", "life-1", "s");
    let (_, _, role) = h.word_to("w1", "s").unwrap();
    let Role::HoldsUntil { position_ms } = role else {
        panic!("{role:?}");
    };
    let mut stopped = h.observed("s", PlaybackState::Playing, position_ms);
    stopped.handover = Some(HandoverReport::Stopped { position_ms });
    h.beat(vec![stopped]);
    assert_eq!(h.newest_holder("s"), "w2");
    assert_eq!(h.told(), (Some(2), None));
}

/// Nobody else has room: the draining worker plays on until somebody has.
#[test]
fn a_draining_worker_keeps_what_nobody_else_takes() {
    let mut h = Harness::party(2);
    h.drain("w1", "life-1");
    h.report_end("s", EndReason::Finished, None);
    assert_eq!(h.newest_holder("s"), "w1");
    assert_eq!(h.told(), (Some(2), None));
    h.report("s", PlaybackState::Playing, 0);
    h.attach("w2", "life-1", vec![]);
    assert_eq!(h.word_to("w2", "s").unwrap().2, Role::WarmsUp);
}

#[test]
fn a_party_that_was_put_out_or_left_alone_does_not_go_on() {
    let mut h = Harness::party(2);
    h.event(Event::VoiceLeft {
        account: crate::harness::ACCOUNT,
        guild_id: crate::harness::GUILD,
        asked: false,
    });
    assert_eq!(h.entries(), [(1, Skipped), (2, Queued)]);
    assert_eq!(h.view("s").playback, PlaybackState::Stopped);
    let mut h = Harness::party(2);
    h.event(Event::Audience {
        account: crate::harness::ACCOUNT,
        guild_id: crate::harness::GUILD,
        channel_id: 456,
        people: 0,
    });
    for _ in 0..121 {
        h.wait(1_000);
        h.beat(vec![]);
    }
    assert_eq!(h.entries(), [(1, Skipped), (2, Queued)]);
    assert_eq!(h.view("s").playback, PlaybackState::Stopped);
    assert_eq!(h.events("stop")[0]["cause"], "empty");
}

#[test]
fn a_session_without_a_queue_ends_as_ever() {
    let mut h = Harness::playing();
    h.report_end("s", EndReason::Finished, None);
    assert_eq!(h.view("s").playback, PlaybackState::Ended);
    assert_eq!(h.told(), (None, None));
}

/// All of them play to their end, whatever their number, and each once.
#[test]
fn a_long_queue_plays_through() {
    let mut h = Harness::party(20);
    for _ in 1..20 {
        h.advance();
        h.report("s", PlaybackState::Playing, 100);
    }
    h.report_end("s", EndReason::Finished, None);
    let expected: Vec<_> = (1..=20).map(|id| (id, Played)).collect();
    assert_eq!(h.entries(), expected);
    assert_eq!(h.events("play").len(), 20);
    assert_eq!(h.events("ended").len(), 20);
}

/// A worker of an older version names its item by its caller's id, and advances never.
#[test]
fn a_worker_that_knows_no_entries_serves_on() {
    let mut h = Harness::playing();
    h.edit(add(1..=1, false));
    let mut end = h.observed("s", PlaybackState::Ended, 60_000);
    end.entry = None;
    end.end_reason = Some(EndReason::Finished);
    h.beat(vec![end]);
    assert_eq!(h.entries(), [(1, Played), (2, Playing)]);
}

#[test]
fn a_start_that_nobody_has_room_for_is_held_back_and_refused_like_a_play() {
    let mut h = Harness::queued(1);
    h.attach_with("w1", "life-1", 40, vec![]);
    let start = h.start(None);
    h.wait(5_000);
    assert_eq!(h.refusal(start).code, "no_capacity");
    assert_eq!(h.waiting(), [1]);
    h.beat_with("w1", "life-1", 40, vec![]);
    let play = h.call("s", Request::Play(Box::new(film(2))));
    h.wait(5_000);
    assert_eq!(h.refusal(play).code, "no_capacity");
    let sound = orb_scheduler_core::Item {
        media_type: "audio".to_owned(),
        ..item(3)
    };
    h.beat_with("w1", "life-1", 40, vec![]);
    let sound = h.call("s", Request::Play(Box::new(sound)));
    let mut heard = h.observed("s", PlaybackState::Playing, 0);
    heard.worker_status = WorkerStatus::Connected;
    h.beat_with("w1", "life-1", 20, vec![heard]);
    assert!(h.answer(sound).unwrap().is_ok());
}
