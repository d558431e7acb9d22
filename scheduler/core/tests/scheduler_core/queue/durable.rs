//! What of a queue outlives its leader, and what its events say.

use super::{add, entry};
use crate::harness::{ACCOUNT, GUILD, Harness};
use orb_scheduler_core::{
    Action, EndReason, Event, PlaybackState, QueueChange, QueueStatus, SessionId, SessionRecord,
    StoredSession, Write,
};

use QueueStatus::{Played, Playing, Queued, Skipped};

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
    let record: SessionRecord = serde_json::from_value(json).unwrap();
    for (queue, expected) in [(stored.queue.clone(), 2), (Vec::new(), 1)] {
        let record = record.clone();
        let view = StoredSession { record, queue }.view();
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
            "report" | "auto_advance" | "item_failed" => "worker:w1",
            "call" | "queue_end" => "tester",
            _ => "scheduler",
        };
        assert_eq!(text("actor"), expected, "{row:?}");
        assert!(row.payload["generation"].as_u64().unwrap() > 0, "{row:?}");
        assert!(!row.payload.to_string().contains("http"), "{row:?}");
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}
