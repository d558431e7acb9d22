//! A queue that plays by itself: `docs/protocol.md`, 9, numbers what can come in between.

mod crossings;
mod room;

use crate::harness::Harness;
use crate::queue::{add, entry};
use orb_scheduler_core::{
    EndReason, EntryId, Event, Failure, KnownPlan, Observed, PlaybackState, Prepared, QueueStatus,
    SessionId, SessionStatus, Step, Write,
};

use QueueStatus::{Failed, Played, Playing, Queued, Skipped};

pub(crate) fn failure(code: &str) -> Failure {
    Failure {
        code: code.to_owned(),
        message: "it does not play".to_owned(),
    }
}

pub(crate) fn plan(cost_millicores: u32) -> KnownPlan {
    KnownPlan {
        cost_millicores,
        details: "details".to_owned(),
    }
}

impl Harness {
    /// What the worker of the newest word reports when it has gone on to its next item by itself.
    pub(crate) fn advanced(&self, media_ms: u64) -> Observed {
        let (from, to) = self.told();
        let mut observed = self.observed("s", PlaybackState::Playing, media_ms);
        observed.entry = to.map(EntryId::new);
        observed.external_id = None;
        observed.advanced_from = from.map(EntryId::new);
        observed
    }

    pub(crate) fn advance(&mut self) -> Step {
        let observed = self.advanced(40);
        self.beat(vec![observed])
    }

    /// The worker has looked at the next item.
    pub(crate) fn prepared(&mut self, failure: Option<Failure>, known_plan: Option<KnownPlan>) {
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

fn is_observed(write: &Write) -> bool {
    matches!(write, Write::Event(row) if row.event_type == "observed")
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
    let queue = h.scheduler.queue(&SessionId::new("s"));
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
    let stored = h.tables.session(&SessionId::new("s"));
    let queue = h.scheduler.queue(&SessionId::new("s"));
    assert_eq!(stored.map(|stored| stored.queue_view()), queue);
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
