//! The queue as callers have it: edits, and what plays by their word.

mod at_the_end;
mod durable;
mod edits;

use crate::harness::{ACCOUNT, GUILD, Harness, create, item};
use orb_scheduler_core::{
    Action, AtQueueEnd, CallId, Edited, Effect, EndReason, EntryId, Event, Item, PlaybackState,
    QueueChange, QueueEdit, QueueStatus, RefusalKind, Request, SessionId, SessionStatus, Write,
};

use QueueStatus::{Playing, Queued, Skipped};

/// A film as the party API adds it.
pub(crate) fn film(number: i64) -> Item {
    Item {
        external_id: None,
        ..item(number)
    }
}

pub(crate) fn add(films: std::ops::RangeInclusive<i64>, next: bool) -> QueueChange {
    QueueChange::Add {
        items: films.map(film).collect(),
        next,
    }
}

pub(crate) const fn entry(id: u64) -> EntryId {
    EntryId::new(id)
}

impl Harness {
    pub(crate) fn edit(&mut self, change: QueueChange) -> CallId {
        let if_version = None;
        self.call("s", Request::Edit(QueueEdit { if_version, change }))
    }

    pub(crate) fn edited(&mut self, change: QueueChange) -> Edited {
        let call = self.edit(change);
        *self.answer(call).unwrap().unwrap().edited.unwrap()
    }

    /// Session `s` in the channel, with so many films that wait.
    pub(crate) fn queued(films: i64) -> Self {
        let mut harness = Self::new();
        harness.create("s");
        harness.credentials("voice-1");
        if films > 0 {
            harness.edit(add(1..=films, false));
        }
        harness
    }

    /// The same, and the first of them plays.
    pub(crate) fn party(films: i64) -> Self {
        let mut harness = Self::queued(films);
        harness.start(None);
        harness.report("s", PlaybackState::Playing, 0);
        harness
    }

    pub(crate) fn start(&mut self, entry: Option<u64>) -> CallId {
        let entry = entry.map(EntryId::new);
        self.control("s", Action::Start { entry })
    }

    pub(crate) fn skip(&mut self, entry: Option<u64>) -> CallId {
        let entry = entry.map(EntryId::new);
        self.control("s", Action::Skip { entry })
    }

    pub(crate) fn previous(&mut self, entry: Option<u64>) -> CallId {
        let entry = entry.map(EntryId::new);
        self.control("s", Action::Previous { entry })
    }

    /// Entries and how they stand, in order.
    pub(crate) fn entries(&self) -> Vec<(u64, QueueStatus)> {
        let queue = self.scheduler.queue(&SessionId::new("s")).unwrap();
        let entries = queue.entries.iter();
        entries
            .map(|entry| (entry.id().get(), entry.status))
            .collect()
    }

    pub(crate) fn waiting(&self) -> Vec<u64> {
        let waits = |(_, status): &(u64, QueueStatus)| *status == QueueStatus::Queued;
        let entries = self.entries().into_iter().filter(waits);
        entries.map(|(id, _)| id).collect()
    }

    /// What plays, by the newest word to its worker, and what is next.
    pub(crate) fn told(&self) -> (Option<u64>, Option<u64>) {
        let (_, desired, _) = self.lease("s");
        let id = |item: Option<Item>| item.map(|item| item.entry.get());
        (id(desired.current), id(desired.next))
    }

    pub(crate) fn version(&self) -> u64 {
        self.view("s").queue_version
    }

    /// The events of that type: their payloads.
    pub(crate) fn events(&self, event_type: &str) -> Vec<serde_json::Value> {
        let events = self.writes.iter().filter_map(|write| match write {
            Write::Event(row) if row.event_type == event_type => Some(row.payload.clone()),
            _ => None,
        });
        events.collect()
    }
}

#[test]
fn a_draft_does_not_start_by_an_add_and_starts_with_the_head() {
    let mut h = Harness::queued(2);
    let view = h.view("s");
    assert_eq!((view.playback, view.queued), (PlaybackState::Idle, 2));
    assert_eq!(view.status, SessionStatus::Draft);
    let start = h.start(None);
    assert!(h.answer(start).is_none(), "it waits for the worker");
    assert_eq!(h.told(), (Some(1), Some(2)));
    h.report("s", PlaybackState::Playing, 20);
    assert!(h.answer(start).unwrap().unwrap().settled);
    let view = h.view("s");
    assert_eq!((view.entry, view.queue_entry_id), (Some(entry(1)), None));
    assert_eq!(h.entries(), [(1, Playing), (2, Queued)]);
}

#[test]
fn start_with_nothing_there_is_refused() {
    let mut h = Harness::queued(0);
    let call = h.start(None);
    let refusal = h.refusal(call);
    assert_eq!(
        (&*refusal.code, refusal.kind),
        ("queue_empty", RefusalKind::Precondition)
    );
}

#[test]
fn start_goes_on_with_what_is_paused_and_leaves_alone_what_plays() {
    let mut h = Harness::party(2);
    let generation = h.view("s").generation;
    let call = h.start(None);
    assert!(h.answer(call).unwrap().unwrap().settled);
    assert_eq!(h.view("s").generation, generation);
    h.control("s", Action::Pause);
    assert!(h.lease("s").1.paused);
    h.start(None);
    assert!(!h.lease("s").1.paused);
    assert_eq!(h.told(), (Some(1), Some(2)));
}

#[test]
fn start_of_an_entry_that_waits_plays_it_in_place_of_what_plays() {
    let mut h = Harness::party(3);
    h.start(Some(3));
    assert_eq!(h.entries(), [(1, Skipped), (3, Playing), (2, Queued)]);
    assert_eq!(h.told(), (Some(3), Some(2)));
    for unknown in [1, 9] {
        let call = h.start(Some(unknown));
        assert_eq!(h.refusal(call).code, "entry_not_found");
    }
    let generation = h.view("s").generation;
    h.start(Some(3));
    assert_eq!(h.view("s").generation, generation, "it plays already");
}

#[test]
fn a_play_without_an_entry_of_its_callers_makes_one_ahead_of_all_that_waits() {
    let mut h = Harness::party(2);
    h.call("s", Request::Play(Box::new(film(7))));
    assert_eq!(h.entries(), [(1, Skipped), (3, Playing), (2, Queued)]);
    h.call("s", Request::Play(Box::new(film(7))));
    assert_eq!(
        h.entries(),
        [(1, Skipped), (3, Skipped), (4, Playing), (2, Queued)],
        "each play is one of its own; a retry has the same command id"
    );
}

#[test]
fn the_callers_own_entries_and_those_of_the_queue_are_one_party() {
    let mut h = Harness::party(2);
    h.play("s", 70);
    let view = h.view("s");
    assert_eq!(
        (view.entry, view.queue_entry_id),
        (Some(entry(3)), Some(70))
    );
    let generation = view.generation;
    h.play("s", 70);
    assert_eq!(h.view("s").generation, generation, "the same again");
    h.report_end("s", EndReason::Finished, None);
    assert_eq!(h.told(), (Some(2), None), "the queue goes on");
    h.play("s", 70);
    let replayed = [(1, Skipped), (2, Skipped), (3, Playing)];
    assert_eq!(h.entries(), replayed, "its own entry plays again");
}

#[test]
fn a_skip_is_of_the_entry_that_its_caller_saw() {
    let mut h = Harness::party(3);
    let skip = h.skip(Some(1));
    assert_eq!(h.told(), (Some(2), Some(3)));
    assert!(h.answer(skip).is_none());
    h.report("s", PlaybackState::Playing, 0);
    assert!(h.answer(skip).unwrap().unwrap().settled);
    let generation = h.view("s").generation;
    let late = h.skip(Some(1));
    assert!(h.answer(late).unwrap().unwrap().settled);
    assert_eq!(h.view("s").generation, generation, "another one plays");
    h.skip(None);
    assert_eq!(h.entries(), [(1, Skipped), (2, Skipped), (3, Playing)]);
    h.skip(None);
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.end_reason, view.entry),
        (
            PlaybackState::Ended,
            Some(EndReason::Skipped),
            Some(entry(3))
        )
    );
    let none = h.skip(Some(3));
    assert!(h.answer(none).unwrap().unwrap().settled, "none plays");
}

#[test]
fn previous_goes_back_and_forth_without_losing_anything() {
    let mut h = Harness::party(3);
    let call = h.previous(None);
    assert_eq!(h.refusal(call).code, "no_previous_entry");
    h.skip(None);
    h.report("s", PlaybackState::Playing, 9_000);
    h.previous(Some(2));
    assert_eq!(h.entries(), [(1, Playing), (2, Queued), (3, Queued)]);
    assert_eq!(h.told(), (Some(1), Some(2)));
    assert_eq!(h.lease("s").1.anchor.position_ms, 0);
    let generation = h.view("s").generation;
    h.previous(Some(2));
    assert_eq!(h.view("s").generation, generation, "another one plays");
    h.skip(None);
    h.skip(None);
    h.skip(None);
    assert_eq!(h.view("s").playback, PlaybackState::Ended);
    h.previous(None);
    assert_eq!(h.entries(), [(1, Skipped), (2, Skipped), (3, Playing)]);
    assert_eq!(h.view("s").end_reason, None);
}

#[test]
fn stop_keeps_the_queue_and_start_plays_on_from_it() {
    let mut h = Harness::party(3);
    h.control("s", Action::Stop);
    assert_eq!(h.waiting(), [2, 3]);
    h.edit(add(4..=4, false));
    assert_eq!(h.view("s").playback, PlaybackState::Stopped);
    h.event(Event::VoiceLeft {
        account: ACCOUNT,
        guild_id: GUILD,
        asked: true,
    });
    h.effects.clear();
    h.start(None);
    assert!(
        h.effects
            .iter()
            .any(|effect| matches!(effect, Effect::JoinVoice { .. }))
    );
    h.credentials("voice-2");
    assert_eq!(h.told(), (Some(2), Some(3)));
}

#[test]
fn end_stops_and_nothing_waits_any_more() {
    let mut h = Harness::party(3);
    h.control("s", Action::End);
    assert_eq!(h.entries(), [(1, Skipped)]);
    assert_eq!(h.view("s").playback, PlaybackState::Stopped);
    let ended = h.events("end");
    assert_eq!(ended[0]["entries"][1]["title"], "Film 3");
    assert_eq!(ended[0]["entries"][1]["entryId"], 3);
    let writes = h.writes.len();
    h.control("s", Action::End);
    let again = &h.writes[writes..];
    assert!(
        again.iter().all(|w| matches!(w, Write::Command(_))),
        "{again:?}"
    );
}

/// What was added after a stop is removed by an end, though there is nothing to stop.
#[test]
fn end_after_a_stop_removes_what_waits() {
    let mut h = Harness::party(2);
    h.control("s", Action::Stop);
    let version = h.version();
    h.control("s", Action::End);
    assert!(h.waiting().is_empty());
    assert!(h.version() > version);
    let stored = h.tables.rows(&SessionId::new("s"));
    assert_eq!(stored.len(), 1);
}

#[test]
fn a_seek_relative_to_where_it_is_stops_at_the_ends() {
    let mut h = Harness::party(1);
    h.report("s", PlaybackState::Playing, 20_000);
    h.wait(1_000);
    for (delta_ms, expected) in [
        (10_000, 31_000),
        (-15_000, 16_000),
        (-99_000, 0),
        (i64::MAX, 60_000),
        (i64::MIN, 0),
    ] {
        h.control("s", Action::SeekBy { delta_ms });
        let anchor = h.lease("s").1.anchor;
        assert_eq!(anchor.position_ms, expected, "by {delta_ms}");
        assert_eq!(anchor.set_at, h.view("s").generation);
    }
    let mut h = Harness::queued(0);
    let call = h.control("s", Action::SeekBy { delta_ms: 1 });
    assert_eq!(h.refusal(call).code, "nothing_playing");
}

pub(crate) fn created(new_title: String, owner: String) -> Request {
    let mut request = create(GUILD + 1);
    if let Request::Create {
        title,
        owner_user_id,
        at_queue_end,
        ..
    } = &mut request
    {
        *title = new_title;
        *owner_user_id = owner;
        *at_queue_end = AtQueueEnd::Leave;
    }
    request
}

/// Nobody has to carry out what is no change, worker or not.
#[test]
fn a_skip_that_changes_nothing_waits_for_nobody() {
    let mut h = Harness::queued(1);
    for action in [
        Action::Skip { entry: None },
        Action::Skip {
            entry: Some(entry(1)),
        },
        Action::Previous {
            entry: Some(entry(1)),
        },
    ] {
        let key = format!("{action:?}");
        let first = h.call_as("s", Request::Control(action), &key);
        let first = h.answer(first).unwrap().unwrap();
        assert!(first.settled, "{action:?}");
        let again = h.call_as("s", Request::Control(action), &key);
        let again = h.answer(again).unwrap().unwrap();
        assert!(again.settled, "{action:?}, again");
    }
}
