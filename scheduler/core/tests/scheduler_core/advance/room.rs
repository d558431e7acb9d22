//! Where the next item is played: by what it takes, and whatever becomes of workers.

use super::plan;
use crate::harness::{Harness, item};
use crate::queue::film;
use orb_scheduler_core::{
    EndReason, Event, HandoverReport, Incarnation, Item, Observed, PlaybackState, QueueStatus,
    Request, Role, SessionId, SessionStatus, WorkerId, WorkerStatus,
};

use QueueStatus::{Failed, Played, Playing, Queued};

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
    let sound = Item {
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

/// An episode after the other, on a worker that is full: what each takes is known when it has been looked at.
#[test]
fn an_item_that_nobody_has_looked_at_stays_where_the_last_one_was() {
    let mut h = Harness::party(2);
    let mut cheap = h.observed("s", PlaybackState::Playing, 30_000);
    cheap.known_plan = Some(plan(20));
    // A hundred others take all but a little.
    h.attach_with("w1", "life-1", 40, vec![cheap.clone()]);
    h.beat_with("w1", "life-1", 20, vec![cheap]);
    h.report_end("s", EndReason::Finished, None);
    assert_eq!(h.newest_holder("s"), "w1");
    assert_eq!(h.told(), (Some(2), None));
    // It is dearer: the worker gives it back, and it waits for one that has room.
    let token = h.lease("s").0.token;
    h.event(Event::LeaseDeclined {
        worker: WorkerId::new("w1"),
        incarnation: Incarnation::new("life-1"),
        session: SessionId::new("s"),
        token,
        plan: Some(plan(650)),
    });
    assert_eq!(h.newest_holder("s"), "");
    h.attach_with("w2", "life-1", 2_000, vec![]);
    assert_eq!(h.newest_holder("s"), "w2");
    assert_eq!(h.entries(), [(1, Played), (2, Playing)]);
}
