//! What callers do to those that wait.

use super::{add, created, entry, film};
use crate::harness::Harness;
use orb_scheduler_core::{
    Action, Effect, EndReason, EntryId, Item, PlaybackState, QueueChange, QueueEdit, QueueStatus,
    RefusalKind, Request, SessionId,
};

use QueueStatus::Playing;

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
    let h = Harness::queued(0);
    assert_eq!(h.version(), 1, "0 says any version, so no queue has it");
    let published = Effect::QueueChanged(SessionId::new("s"));
    assert!(h.effects.contains(&published), "readers see it");
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
