//! The queue as callers have it: edits, and what plays by their word.

use crate::harness::{ACCOUNT, GUILD, Harness, create, item};
use orb_scheduler_core::{
    Action, AtQueueEnd, CallId, Edited, Effect, EndReason, EntryId, Event, Item, PlaybackState,
    QueueChange, QueueEdit, QueueStatus, RefusalKind, Request, SessionId, SessionStatus, Write,
};

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

use QueueStatus::{Played, Playing, Queued, Skipped};

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
    h.report("s", PlaybackState::Idle, 0);
    let none = h.skip(Some(3));
    assert!(h.answer(none).unwrap().is_ok(), "none plays");
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

#[test]
fn edits_change_what_waits_and_say_what_they_did() {
    let mut h = Harness::party(1);
    let added = h.edited(add(2..=3, false));
    assert_eq!(added.added, [entry(2), entry(3)]);
    let added = h.edited(add(4..=5, true));
    assert_eq!(added.added, [entry(4), entry(5)]);
    assert_eq!(h.waiting(), [4, 5, 2, 3]);
    h.edit(QueueChange::Move {
        entry: entry(3),
        to_index: 0,
    });
    assert_eq!(h.waiting(), [3, 4, 5, 2]);
    let order = vec![entry(2), entry(5), entry(3), entry(4)];
    h.edit(QueueChange::Reorder(order));
    assert_eq!(h.waiting(), [2, 5, 3, 4]);
    h.edit(QueueChange::Remove(vec![entry(5), entry(4)]));
    assert_eq!(h.waiting(), [2, 3]);
    assert_eq!(
        h.events("queue_removed")[0]["entries"][0]["title"],
        "Film 5"
    );
    h.edit(QueueChange::Clear);
    assert_eq!(h.entries(), [(1, Playing)]);
    let added = h.edited(add(6..=6, false));
    assert_eq!(added.added, [entry(6)], "an id is never used twice");
    let stored = h.tables.session(&SessionId::new("s")).unwrap();
    assert_eq!(
        Some(stored.queue_view()),
        h.scheduler.queue(&SessionId::new("s"))
    );
}

#[test]
fn the_worker_hears_of_an_edit_when_the_head_is_another_one() {
    let mut h = Harness::party(3);
    let generation = h.view("s").generation;
    h.edit(QueueChange::Reorder(vec![entry(2), entry(3)]));
    h.edit(add(4..=4, false));
    h.edit(QueueChange::Remove(vec![entry(3)]));
    assert_eq!(h.view("s").generation, generation);
    h.edit(add(5..=5, true));
    assert_eq!(h.view("s").generation, generation.next());
    assert_eq!(h.told(), (Some(1), Some(5)));
    assert_eq!(h.view("s").playback, PlaybackState::Playing, "no flicker");
    h.edit(QueueChange::Clear);
    assert_eq!(h.told(), (Some(1), None));
}

#[test]
fn every_change_raises_the_version_and_nothing_else_does() {
    let mut h = Harness::party(3);
    let mut before = h.version();
    let mut changed = |h: &Harness| h.version() > std::mem::replace(&mut before, h.version());
    h.edit(QueueChange::Move {
        entry: entry(2),
        to_index: 0,
    });
    assert!(!changed(&h), "it is there already");
    h.edit(QueueChange::Reorder(vec![entry(2), entry(3)]));
    assert!(!changed(&h), "it is so already");
    h.control("s", Action::Pause);
    assert!(!changed(&h));
    h.edit(QueueChange::Reorder(vec![entry(3), entry(2)]));
    assert!(changed(&h));
    h.skip(None);
    assert!(changed(&h));
    h.report("s", PlaybackState::Playing, 0);
    assert!(!changed(&h));
    h.report_end("s", EndReason::Finished, None);
    assert!(changed(&h));
    h.previous(None);
    assert!(changed(&h));
    h.control("s", Action::End);
    assert!(changed(&h));
}

#[test]
fn who_saw_another_version_is_told_and_nothing_is_changed() {
    let mut h = Harness::party(3);
    let seen = h.version();
    let edit = |change| {
        let if_version = Some(seen);
        Request::Edit(QueueEdit { if_version, change })
    };
    let first = h.call("s", edit(QueueChange::Remove(vec![entry(2)])));
    assert!(h.answer(first).unwrap().is_ok());
    let second = h.call("s", edit(QueueChange::Clear));
    let refusal = h.refusal(second);
    assert_eq!(
        (&*refusal.code, refusal.kind),
        ("queue_changed", RefusalKind::Changed)
    );
    assert!(!refusal.is_retryable());
    assert_eq!(h.waiting(), [3]);
}

#[test]
fn what_does_not_wait_is_not_found_and_no_order_is_half() {
    let mut h = Harness::party(3);
    let version = h.version();
    for change in [
        QueueChange::Remove(vec![entry(2), entry(1)]),
        QueueChange::Remove(vec![entry(9)]),
        QueueChange::Move {
            entry: entry(1),
            to_index: 0,
        },
    ] {
        let call = h.edit(change);
        let refusal = h.refusal(call);
        assert_eq!(
            (&*refusal.code, refusal.kind),
            ("entry_not_found", RefusalKind::NotFound)
        );
    }
    for order in [vec![2], vec![2, 3, 1], vec![2, 2], vec![]] {
        let order = order.into_iter().map(EntryId::new).collect();
        let call = h.edit(QueueChange::Reorder(order));
        assert_eq!(h.refusal(call).code, "queue_changed");
    }
    assert_eq!((h.waiting(), h.version()), (vec![2, 3], version));
}

#[test]
fn bad_input_names_its_field() {
    let mut h = Harness::party(1);
    let nameless = Item {
        item_id: String::new(),
        ..film(3)
    };
    let cases = [
        (
            QueueChange::Add {
                items: Vec::new(),
                next: false,
            },
            "items",
        ),
        (
            QueueChange::Add {
                items: vec![film(2), nameless.clone()],
                next: false,
            },
            "items[1].item_id",
        ),
        (QueueChange::Remove(Vec::new()), "entry_ids"),
    ];
    for (change, field) in cases {
        let call = h.edit(change);
        let refusal = h.refusal(call);
        assert_eq!(
            (refusal.kind, refusal.field.as_deref()),
            (RefusalKind::Invalid, Some(field))
        );
    }
    let call = h.call("s", Request::Play(Box::new(nameless)));
    assert_eq!(h.refusal(call).field.as_deref(), Some("item.item_id"));
    for (request, field) in [
        (created("x".repeat(201), String::new()), "title"),
        (created(String::new(), "me".to_owned()), "owner_user_id"),
    ] {
        let call = h.call("other", request);
        assert_eq!(h.refusal(call).field.as_deref(), Some(field));
    }
    let unknown = h.call(
        "nobody",
        Request::Edit(QueueEdit {
            if_version: None,
            change: QueueChange::Clear,
        }),
    );
    assert_eq!(h.refusal(unknown).code, "session_not_found");
}

fn created(new_title: String, owner: String) -> Request {
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

#[test]
fn a_party_bears_its_title_its_owner_and_what_it_does_at_the_end() {
    let mut h = Harness::new();
    let title = "ü".repeat(200);
    h.call("party", created(title.clone(), "42".to_owned()));
    let view = h.view("party");
    assert_eq!((view.title, &*view.owner_user_id), (title, "42"));
    assert_eq!(view.at_queue_end, AtQueueEnd::Leave);
}

#[test]
fn a_queue_has_bounds() {
    let mut h = Harness::queued(0);
    let call = h.edit(add(1..=201, false));
    let refusal = h.refusal(call);
    assert_eq!(
        (&*refusal.code, refusal.kind),
        ("queue_full", RefusalKind::Full)
    );
    assert!(!refusal.is_retryable(), "waiting does not help");
    for _ in 0..5 {
        h.edit(add(1..=200, false));
    }
    assert_eq!(h.view("s").queued, 1_000);
    let call = h.edit(add(1..=1, true));
    assert_eq!(h.refusal(call).code, "queue_full");
    h.start(None);
    let call = h.edit(add(1..=1, true));
    assert!(h.answer(call).unwrap().is_ok(), "one less waits");
}

#[test]
fn the_same_command_adds_once_and_answers_the_same() {
    let mut h = Harness::party(1);
    let request = Request::Edit(QueueEdit {
        if_version: Some(h.version()),
        change: add(2..=3, false),
    });
    let first = h.call_as("s", request.clone(), "key");
    h.edit(add(4..=4, false));
    let again = h.call_as("s", request, "key");
    let added = |call| h.answer(call).unwrap().unwrap().edited.unwrap();
    assert_eq!(added(first).added, [entry(2), entry(3)]);
    assert_eq!(added(again).added, [entry(2), entry(3)]);
    assert_eq!(added(again).queue.entries.len(), 4, "as it is now");
    assert_eq!(h.waiting(), [2, 3, 4]);
    let other = Request::Edit(QueueEdit {
        if_version: None,
        change: QueueChange::Clear,
    });
    let reuse = h.call_as("s", other, "key");
    assert_eq!(h.refusal(reuse).code, "command_id_reused");
}

#[test]
fn what_is_added_while_the_party_waits_plays_at_once() {
    let mut h = Harness::party(1);
    h.report_end("s", EndReason::Finished, None);
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.end_reason),
        (PlaybackState::Ended, Some(EndReason::Finished))
    );
    assert_eq!(h.events("queue_end")[0]["then"], "wait");
    let added = h.edited(add(2..=3, false));
    let first = &added.queue.entries[1];
    assert_eq!((first.id(), first.status), (entry(2), Playing));
    assert_eq!(h.told(), (Some(2), Some(3)));
    assert_eq!(h.view("s").end_reason, None);
    // The time-out of the end before does not end what plays now.
    for _ in 0..310 {
        h.wait(1_000);
        h.report("s", PlaybackState::Playing, 1_000);
    }
    assert_eq!(h.view("s").entry, Some(entry(2)));
}

#[test]
fn what_is_added_when_the_party_has_left_waits() {
    let mut h = Harness::party(1);
    h.report_end("s", EndReason::Finished, None);
    for _ in 0..301 {
        h.wait(1_000);
        h.beat(vec![]);
    }
    h.edit(add(2..=2, false));
    assert_eq!(h.view("s").playback, PlaybackState::Ended);
    assert_eq!(h.waiting(), [2]);
}

fn leaving(films: i64) -> Harness {
    let mut h = Harness::new();
    let mut request = created(String::new(), String::new());
    if let Request::Create { guild_id, .. } = &mut request {
        *guild_id = GUILD.to_string();
    }
    h.call("s", request);
    h.credentials("voice-1");
    if films > 0 {
        h.edit(add(1..=films, false));
        h.start(None);
        h.report("s", PlaybackState::Playing, 0);
    }
    h
}

#[test]
fn a_party_that_leaves_at_the_end_does_and_the_end_stays_visible() {
    let mut h = leaving(1);
    h.report_end("s", EndReason::Finished, None);
    let leave = Effect::LeaveVoice {
        account: ACCOUNT,
        guild_id: GUILD,
    };
    assert!(h.effects.contains(&leave));
    assert_eq!(h.events("queue_end")[0]["cause"], "queue_end");
    h.event(Event::VoiceLeft {
        account: ACCOUNT,
        guild_id: GUILD,
        asked: true,
    });
    let view = h.view("s");
    assert_eq!(
        (view.playback, view.end_reason),
        (PlaybackState::Ended, Some(EndReason::Finished))
    );
    h.edit(add(2..=2, false));
    assert_eq!(h.view("s").playback, PlaybackState::Ended);
    h.start(None);
    h.credentials("voice-2");
    assert_eq!(h.told(), (Some(2), None));
    h.skip(None);
    assert_eq!(
        h.effects.iter().filter(|effect| **effect == leave).count(),
        2
    );
}

/// Discord never confirms it, and an edit comes meanwhile: the account is given back all the same.
#[test]
fn an_account_that_leaves_is_free_in_time_whatever_is_queued_meanwhile() {
    let mut h = leaving(1);
    h.report_end("s", EndReason::Finished, None);
    h.edit(add(2..=2, false));
    h.wait(5_000);
    let call = h.create("next");
    assert!(h.answer(call).unwrap().is_ok());
}

#[test]
fn a_caller_with_a_queue_of_its_own_is_left_alone() {
    let mut h = leaving(0);
    h.play("s", 1);
    h.report("s", PlaybackState::Playing, 0);
    h.report_end("s", EndReason::Finished, None);
    assert!(h.events("queue_end").is_empty());
    assert!(h.is_leased("s"));
    assert!(
        !h.effects
            .iter()
            .any(|effect| matches!(effect, Effect::LeaveVoice { .. }))
    );
}

#[test]
fn the_queue_of_a_session_that_was_forgotten_is_edited_like_any() {
    let mut h = Harness::party(3);
    h.control("s", Action::Stop);
    h.event(Event::VoiceLeft {
        account: ACCOUNT,
        guild_id: GUILD,
        asked: true,
    });
    let before = h.scheduler.queue(&SessionId::new("s"));
    for _ in 0..601 {
        h.wait(1_000);
    }
    assert_eq!(h.scheduler.queue(&SessionId::new("s")), None);
    let stored = h.tables.session(&SessionId::new("s")).unwrap();
    assert_eq!(Some(stored.queue_view()), before);
    h.edit(QueueChange::Remove(vec![entry(2)]));
    assert_eq!(h.entries(), [(1, Skipped), (3, Queued)]);
    for _ in 0..601 {
        h.wait(1_000);
        h.beat(vec![]);
    }
    assert!(!h.scheduler.knows(&SessionId::new("s")));
    h.start(None);
    assert_eq!(h.entries(), [(1, Skipped), (3, Playing)]);
}

#[test]
fn the_next_leader_has_the_same_queue() {
    let mut h = Harness::party(4);
    h.report_end("s", EndReason::Finished, None);
    h.edit(QueueChange::Move {
        entry: entry(4),
        to_index: 0,
    });
    let queue = h.scheduler.queue(&SessionId::new("s"));
    let mut h = h.restart();
    assert_eq!(h.scheduler.queue(&SessionId::new("s")), queue);
    let added = h.edited(add(9..=9, false));
    assert_eq!(added.added, [entry(5)], "ids go on");
    assert_eq!(
        h.entries(),
        [
            (1, Played),
            (2, Playing),
            (4, Queued),
            (3, Queued),
            (5, Queued)
        ]
    );
}

/// A row of an older version: its item has no entry yet, and there may be a row for it or none.
#[test]
fn a_record_of_an_older_version_gets_its_entry() {
    let mut h = Harness::playing();
    h.play("s", 7);
    let stored = h.tables.session(&SessionId::new("s")).unwrap();
    let mut json = serde_json::to_value(&stored.record).unwrap();
    for gone in [
        "title",
        "owner_user_id",
        "at_queue_end",
        "queue_version",
        "last_entry",
    ] {
        json.as_object_mut().unwrap().remove(gone);
    }
    let current = json["desired"]["current"].as_object_mut().unwrap();
    current.remove("entry");
    current.remove("summary");
    current.remove("external_id");
    current.insert("queue_entry_id".to_owned(), 7.into());
    let record: orb_scheduler_core::SessionRecord = serde_json::from_value(json).unwrap();
    for (queue, expected) in [(stored.queue.clone(), 2), (Vec::new(), 1)] {
        let record = record.clone();
        let view = orb_scheduler_core::StoredSession { record, queue }.view();
        assert_eq!(
            (view.entry, view.queue_entry_id),
            (Some(entry(expected)), Some(7))
        );
    }
}

#[test]
fn every_event_has_a_cause_an_actor_and_a_generation() {
    let mut h = Harness::party(3);
    h.control("s", Action::Pause);
    h.control("s", Action::Resume);
    h.control("s", Action::Seek { position_ms: 5 });
    h.previous(None);
    h.skip(None);
    h.report("s", PlaybackState::Playing, 0);
    h.report_end("s", EndReason::Finished, None);
    h.report_loss("s", 4006);
    h.control("s", Action::End);
    let mut seen = 0;
    for write in &h.writes {
        let Write::Event(row) = write else { continue };
        let text = |name: &str| row.payload[name].as_str().unwrap_or_default().to_owned();
        assert!(!text("cause").is_empty(), "{row:?}");
        let expected = match &*text("cause") {
            "call" => "tester",
            "report" | "auto_advance" | "item_failed" => "worker:w1",
            "queue_end" => "tester",
            _ => "scheduler",
        };
        assert_eq!(text("actor"), expected, "{row:?}");
        assert!(row.payload["generation"].as_u64().unwrap() > 0, "{row:?}");
        assert!(!row.payload.to_string().contains("http"), "{row:?}");
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}
