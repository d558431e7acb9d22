//! What must hold of queues after every step: no entry is lost, skipped in silence or played twice by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use orb_scheduler_core::{
    EntryId, Observed, PlaybackState, QueueEntry, QueueStatus, SessionId, Write,
};
use serde_json::Value;

use super::world::World;

use QueueStatus::{Failed, Played, Playing, Queued, Skipped};

/// It has every event and every cause.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    std::fs::read_to_string(format!("{docs}/session-states.md")).unwrap()
});

/// What the events of one step say of the entries of one session.
#[derive(Debug, Default)]
struct Said {
    /// By entry: why it plays.
    plays: BTreeMap<EntryId, Vec<String>>,
    ended: Vec<EntryId>,
    failed_ahead: Vec<EntryId>,
    removed: BTreeSet<EntryId>,
    went_back: bool,
}

impl Said {
    fn of(session: &SessionId, writes: &[Write]) -> Self {
        let mut said = Self::default();
        for write in writes {
            let Write::Event(row) = write else { continue };
            if row.session != *session {
                continue;
            }
            let documented = |name: &str| PAGE.contains(&format!("\n| `{name}` |"));
            assert!(documented(row.event_type), "Q-6: {row:?}");
            assert!(
                documented(row.payload["cause"].as_str().unwrap()),
                "Q-6: {row:?}"
            );
            let entry = row.payload["entryId"].as_u64().map(EntryId::new);
            let cause = row.payload["cause"].as_str().unwrap().to_owned();
            assert!(row.payload["actor"].is_string(), "Q-6: {row:?}");
            assert!(row.payload["generation"].is_u64(), "Q-6: {row:?}");
            match row.event_type {
                "play" => said.plays.entry(entry.unwrap()).or_default().push(cause),
                "ended" => said.ended.push(entry.unwrap()),
                "entry_failed" => said.failed_ahead.push(entry.unwrap()),
                "previous" => said.went_back = true,
                "queue_removed" | "queue_cleared" | "end" => {
                    let ids = row.payload["entries"].as_array().unwrap().iter();
                    let id = |entry: &Value| EntryId::new(entry["entryId"].as_u64().unwrap());
                    said.removed.extend(ids.map(id));
                }
                _ => {}
            }
        }
        said
    }
}

impl World {
    /// Commits, and looks at each row on its way.
    pub(crate) fn queues_change_lawfully(&mut self, writes: &[Write]) {
        let mut touched: BTreeMap<SessionId, (u64, Said)> = BTreeMap::new();
        for write in writes {
            let (Write::Queue(_) | Write::QueueOrder { .. } | Write::QueueRemoved { .. }) = write
            else {
                self.tables.commit(std::slice::from_ref(write));
                continue;
            };
            let session = match write {
                Write::Queue(row) => &row.session,
                Write::QueueOrder { session, .. } | Write::QueueRemoved { session, .. } => session,
                _ => unreachable!("only rows of queues come here"),
            };
            let (_, said) = touched.entry(session.clone()).or_insert_with(|| {
                let known = self.tables.records.get(session);
                let version = known.map_or(0, |record| record.queue_version);
                (version, Said::of(session, writes))
            });
            self.row_is_lawful(session, said, write);
            self.tables.commit(std::slice::from_ref(write));
        }
        for (session, (version, _)) in &touched {
            let record = &self.tables.records[session];
            assert!(record.queue_version > *version, "Q-3: {session} {version}");
        }
        let saved = writes.iter().filter_map(|write| match write {
            Write::Session(record, _) => Some(record.id.clone()),
            _ => None,
        });
        let saved: BTreeSet<SessionId> = saved.collect();
        for session in &saved {
            self.queue_is_whole(session);
        }
    }

    /// an entry goes from waiting to playing to its end, unless somebody asks for more; Q-2: in order; Q-4: never
    /// in silence.
    fn row_is_lawful(&self, session: &SessionId, said: &mut Said, write: &Write) {
        let rows = self.tables.rows(session);
        let row = match write {
            Write::Queue(row) => row,
            Write::QueueRemoved { entries, .. } => {
                for id in entries {
                    let row = rows.iter().find(|row| row.id() == *id).unwrap();
                    assert_eq!(row.status, Queued, "Q-1: {row:?} was removed");
                    assert!(
                        said.removed.contains(id),
                        "Q-4: {id} was removed in silence"
                    );
                }
                return;
            }
            _ => return,
        };
        let id = row.entry.id();
        let before = rows.iter().find(|row| row.id() == id);
        let from = before.map(|row| row.status);
        let to = row.entry.status;
        match (from, to) {
            (None, Queued) => {
                let greatest = rows.iter().map(QueueEntry::id).max();
                assert!(Some(id) > greatest, "Q-1: {id} is not new");
            }
            (None | Some(Queued | Played | Skipped | Failed), Playing) => {
                let causes = said.plays.get_mut(&id);
                let cause = causes
                    .filter(|causes| !causes.is_empty())
                    .map(|c| c.remove(0));
                let Some(cause) = cause else {
                    panic!("Q-4: {session} {id} plays in silence");
                };
                if cause != "call" {
                    assert_eq!(from, Some(Queued), "Q-1: {id} plays again, for {cause}");
                    let head = rows.iter().find(|row| row.status == Queued);
                    assert_eq!(head.map(QueueEntry::id), Some(id), "Q-2: not the head");
                }
            }
            (Some(Playing), Played | Skipped | Failed) => {
                assert!(
                    to != Played || self.was_played_out(session, id),
                    "Q-8: {id}"
                );
                let ended = said.ended.iter().position(|ended| *ended == id);
                let ended = ended.unwrap_or_else(|| panic!("Q-4: {id} ended in silence"));
                said.ended.remove(ended);
            }
            (Some(Queued), Failed) => {
                assert_eq!(said.failed_ahead, [id], "Q-4");
                let head = rows.iter().find(|row| row.status == Queued);
                assert_eq!(head.map(QueueEntry::id), Some(id), "Q-2: not the head");
            }
            (Some(Playing), Queued) => assert!(said.went_back, "Q-1: {id} goes back"),
            // Its caller has another item under its own id.
            (Some(Playing), Playing) => {
                assert_ne!(before.map(|row| &row.item), Some(&row.entry.item), "Q-1");
            }
            other => panic!("Q-1: {session} {id}: {other:?}"),
        }
    }

    /// the holder says that it was, from where it shall be played: not from before an acknowledged seek.
    fn was_played_out(&self, session: &SessionId, id: EntryId) -> bool {
        let record = &self.tables.records[session];
        let token = record.lease.as_ref().map(|lease| lease.token);
        let of_holder = self
            .reports
            .iter()
            .filter(|report| report.session == *session && Some(report.fence.token) == token);
        let desired = &record.desired;
        // It has gone on to this one by itself, and nobody has moved it since.
        let went_on = |report: &Observed| {
            report.advanced_from.is_some()
                && report.advanced_from == record.follows
                && desired.anchor.set_at == desired.current_set_at
        };
        let mut of_anchor =
            of_holder.filter(|report| report.opened_at == desired.anchor.set_at || went_on(report));
        of_anchor.any(|report| {
            let ended = report.playback == PlaybackState::Ended && report.entry == Some(id);
            ended || report.advanced_from == Some(id)
        })
    }

    /// what is durable is what is in memory, one entry plays at most and it is the record's, and its worker is told
    /// the head of those that wait.
    fn queue_is_whole(&self, session: &SessionId) {
        let stored = self.tables.session(session).unwrap();
        if let Some(memory) = self.scheduler.queue(session) {
            assert_eq!(stored.queue_view(), memory, "Q-5");
        }
        let record = &stored.record;
        let with = |status| stored.queue.iter().filter(move |row| row.status == status);
        let playing: Vec<_> = with(Playing).map(QueueEntry::id).collect();
        let current = record.desired.current.as_ref();
        let expected: Vec<_> = current.map(|item| item.entry).into_iter().collect();
        assert_eq!(playing, expected, "Q-5: {stored:?}");
        let head = with(Queued).next().map(QueueEntry::id);
        let next = record.desired.next.as_ref().map(|item| item.entry);
        assert_eq!(next, head.filter(|_| current.is_some()), "Q-5: {stored:?}");
        let newest = stored.queue.iter().map(QueueEntry::id).max();
        assert!(
            newest.is_none_or(|newest| newest <= record.last_entry),
            "Q-5"
        );
        let waits = record.desired.in_channel && record.ended.is_some() && !record.stopped;
        assert!(
            current.is_some() || !waits || head.is_none(),
            "Q-7: it waits for more, and there is: {stored:?}"
        );
    }
}
