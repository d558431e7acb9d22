//! Whatever is done to a queue: every entry is in it once, in the order of the positions, and the store's rows are it.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::Failure;

fn item(entry: u64) -> Item {
    Item {
        entry: EntryId::new(entry),
        external_id: Some(entry as i64),
        item_id: format!("item-{entry}"),
        source_id: String::new(),
        title: format!("Film {entry}"),
        media_type: "movie".to_owned(),
        stream_url: "http://jellyfin/stream?key=secret".to_owned(),
        download_url: Some("http://jellyfin/download?key=secret".to_owned()),
        duration_ms: None,
        poster_url: None,
        year: None,
        tmdb_id: None,
        imdb_id: None,
        episode: None,
        summary: None,
    }
}

fn queue_of(waiting: std::ops::RangeInclusive<u64>) -> Queue {
    let mut queue = Queue::default();
    queue.add(waiting.map(item), false, 0, "tester");
    queue
}

fn ids(entries: impl IntoIterator<Item = u64>) -> Vec<EntryId> {
    entries.into_iter().map(EntryId::new).collect()
}

fn waiting(queue: &Queue) -> Vec<u64> {
    queue.waiting().map(|entry| entry.id().get()).collect()
}

fn all(queue: &Queue) -> Vec<(u64, QueueStatus)> {
    queue
        .all()
        .map(|entry| (entry.id().get(), entry.status))
        .collect()
}

fn failure() -> Failure {
    Failure {
        code: "source_gone".to_owned(),
        message: "the source is gone".to_owned(),
    }
}

#[test]
fn what_is_added_goes_to_the_end_or_ahead_of_all_in_the_order_given() {
    let mut queue = queue_of(1..=2);
    queue.add([item(3), item(4)], false, 0, "tester");
    queue.add([item(5), item(6)], true, 0, "tester");
    assert_eq!(waiting(&queue), [5, 6, 1, 2, 3, 4]);
}

#[test]
fn a_removal_is_whole_or_not_at_all() {
    let mut queue = queue_of(1..=3);
    assert_eq!(queue.remove(&ids([1, 9])), Err(EntryId::new(9)));
    assert_eq!(waiting(&queue), [1, 2, 3]);
    let removed = queue.remove(&ids([3, 1, 3])).unwrap();
    assert_eq!(
        removed.iter().map(|e| e.id().get()).collect::<Vec<_>>(),
        [1, 3]
    );
    assert_eq!(waiting(&queue), [2]);
}

#[test]
fn an_order_names_exactly_those_that_wait() {
    let mut queue = queue_of(1..=3);
    for wrong in [&[1, 2][..], &[1, 2, 2], &[1, 2, 9], &[1, 2, 3, 3], &[]] {
        assert!(
            !queue.are_all_that_wait(&ids(wrong.iter().copied())),
            "{wrong:?}"
        );
    }
    assert!(queue.are_all_that_wait(&ids([3, 1, 2])));
    assert!(queue.reorder(&ids([3, 1, 2])));
    assert_eq!(waiting(&queue), [3, 1, 2]);
    assert!(!queue.reorder(&ids([3, 1, 2])), "it is so already");
}

#[test]
fn a_move_counts_among_those_that_wait_and_stops_at_the_end() {
    let mut queue = queue_of(1..=4);
    queue.begin_next();
    assert_eq!(queue.shift(EntryId::new(2), 1), Some(true));
    assert_eq!(waiting(&queue), [3, 2, 4]);
    assert_eq!(queue.shift(EntryId::new(3), 99), Some(true));
    assert_eq!(waiting(&queue), [2, 4, 3]);
    assert_eq!(queue.shift(EntryId::new(3), 2), Some(false));
    assert_eq!(queue.shift(EntryId::new(1), 0), None, "it plays");
}

#[test]
fn a_turn_after_the_other() {
    use QueueStatus::{Failed, Played, Playing, Queued, Skipped};
    let mut queue = queue_of(1..=4);
    queue.begin_next();
    queue.end(Played, None);
    queue.begin_next();
    queue.fail_next(failure());
    assert_eq!(
        all(&queue),
        [(1, Played), (3, Failed), (2, Playing), (4, Queued)]
    );
    assert_eq!(queue.newest_ended().unwrap().error, Some(failure()));
    queue.end(Skipped, None);
    queue.begin_waiting(EntryId::new(4));
    queue.step_back();
    assert_eq!(
        all(&queue),
        [(1, Played), (3, Failed), (2, Playing), (4, Queued)]
    );
}

#[test]
fn the_callers_own_entry_is_found_wherever_it_stands_and_plays_again_behind_what_ended_since() {
    let mut queue = Queue::default();
    for entry in 1..=3 {
        queue.begin_new(item(entry), 0, "tester");
        queue.end(QueueStatus::Played, None);
    }
    queue.add([item(4)], false, 0, "tester");
    assert_eq!(queue.external(1), Some(EntryId::new(1)));
    assert_eq!(queue.external(9), None);
    queue.begin_again(item(1));
    let order: Vec<u64> = queue.all().map(|entry| entry.id().get()).collect();
    assert_eq!(order, [2, 3, 1, 4]);
}

#[test]
fn only_the_newest_that_ended_are_kept() {
    let mut queue = Queue::default();
    for entry in 1..=150 {
        queue.begin_new(item(entry), 0, "tester");
        queue.end(QueueStatus::Played, None);
    }
    assert_eq!(queue.all().count(), KEPT_ENDED);
    assert_eq!(queue.all().next().unwrap().id(), EntryId::new(51));
}

#[test]
fn callers_see_no_url() {
    let mut queue = queue_of(1..=2);
    queue.begin_next();
    let text = format!("{:?}", queue.view(1));
    assert!(
        text.contains("Film 1") && !text.contains("secret"),
        "{text}"
    );
}

#[test]
fn the_record_says_what_plays() {
    let entry = |id: u64, status, position| QueueEntry {
        item: item(id),
        status,
        position,
        created_at: 0,
        actor: String::new(),
        error: None,
    };
    let rows = vec![
        entry(3, QueueStatus::Queued, 3),
        entry(1, QueueStatus::Playing, 1),
        entry(2, QueueStatus::Playing, 2),
    ];
    let queue = Queue::load(rows, Some(&item(2)), 0);
    assert_eq!(queue.current().unwrap().id(), EntryId::new(2));
    assert_eq!(waiting(&queue), [3]);
    let queue = Queue::load(Vec::new(), Some(&item(7)), 0);
    assert_eq!(queue.current().unwrap().id(), EntryId::new(7));
}

#[derive(Debug, Clone)]
enum Act {
    Add(u8, bool),
    Remove(u8),
    Reorder(u64),
    Shift(u8, usize),
    Clear,
    End,
    BeginNext,
    BeginWaiting(u8),
    BeginNew,
    BeginAgain(u8),
    StepBack,
    FailNext,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..6u8, any::<bool>()).prop_map(|(n, next)| Act::Add(n, next)),
        2 => any::<u8>().prop_map(Act::Remove),
        2 => any::<u64>().prop_map(Act::Reorder),
        2 => (any::<u8>(), 0..12usize).prop_map(|(which, to)| Act::Shift(which, to)),
        1 => Just(Act::Clear),
        3 => Just(Act::End),
        4 => Just(Act::BeginNext),
        2 => any::<u8>().prop_map(Act::BeginWaiting),
        2 => Just(Act::BeginNew),
        2 => any::<u8>().prop_map(Act::BeginAgain),
        2 => Just(Act::StepBack),
        2 => Just(Act::FailNext),
    ]
}

/// A queue, and the rows that a store would have of it.
#[derive(Default)]
struct World {
    queue: Queue,
    rows: BTreeMap<EntryId, QueueEntry>,
    made: u64,
}

impl World {
    fn new_item(&mut self) -> Item {
        self.made += 1;
        item(self.made)
    }

    fn pick(&self, which: u8) -> Option<EntryId> {
        let waiting: Vec<_> = self.queue.waiting().map(QueueEntry::id).collect();
        (!waiting.is_empty()).then(|| waiting[usize::from(which) % waiting.len()])
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Add(count, next) => {
                let items: Vec<_> = (0..count).map(|_| self.new_item()).collect();
                self.queue.add(items, next, 0, "tester");
            }
            Act::Remove(which) => {
                if let Some(id) = self.pick(which) {
                    self.queue.remove(&[id]).unwrap();
                }
            }
            Act::Reorder(seed) => {
                let mut ids: Vec<_> = self.queue.waiting().map(QueueEntry::id).collect();
                ids.sort_by_key(|id| id.get().wrapping_mul(seed | 1).rotate_left(17));
                assert!(self.queue.are_all_that_wait(&ids));
                self.queue.reorder(&ids);
                assert!(self.queue.waiting().map(QueueEntry::id).eq(ids));
            }
            Act::Shift(which, to) => {
                if let Some(id) = self.pick(which) {
                    self.queue.shift(id, to).unwrap();
                    let last = self.queue.waiting().len() - 1;
                    let now = self.queue.waiting().position(|entry| entry.id() == id);
                    assert_eq!(now, Some(to.min(last)));
                }
            }
            Act::Clear => {
                self.queue.clear();
            }
            Act::End => self.queue.end(QueueStatus::Played, None),
            Act::BeginNext => {
                self.queue.end(QueueStatus::Skipped, None);
                self.queue.begin_next();
            }
            Act::BeginWaiting(which) => {
                if let Some(id) = self.pick(which) {
                    self.queue.end(QueueStatus::Skipped, None);
                    self.queue.begin_waiting(id);
                }
            }
            Act::BeginNew => {
                let item = self.new_item();
                self.queue.end(QueueStatus::Skipped, None);
                self.queue.begin_new(item, 0, "tester");
            }
            Act::BeginAgain(which) => {
                let known: Vec<_> = self.queue.all().map(QueueEntry::id).collect();
                if !known.is_empty() {
                    let id = known[usize::from(which) % known.len()];
                    self.queue.end(QueueStatus::Skipped, None);
                    self.queue.begin_again(item(id.get()));
                    assert_eq!(self.queue.current().unwrap().id(), id);
                }
            }
            Act::StepBack => self.queue.step_back(),
            Act::FailNext => self.queue.fail_next(failure()),
        }
    }

    fn commit(&mut self) {
        for write in self.queue.take_writes(&SessionId::new("s")) {
            match write {
                Write::Queue(row) => {
                    self.rows.insert(row.entry.id(), row.entry);
                }
                Write::QueueOrder { positions, .. } => {
                    for (id, position) in positions {
                        self.rows.get_mut(&id).unwrap().position = position;
                    }
                }
                Write::QueueRemoved { entries, .. } => {
                    for id in entries {
                        self.rows.remove(&id).unwrap();
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn check(&self) {
        let entries: Vec<_> = self.queue.all().cloned().collect();
        let distinct: BTreeSet<_> = entries.iter().map(QueueEntry::id).collect();
        assert_eq!(distinct.len(), entries.len(), "an entry twice: {entries:?}");
        let rises = |pair: &[QueueEntry]| pair[0].position < pair[1].position;
        assert!(entries.windows(2).all(rises), "positions: {entries:?}");
        assert_eq!(
            entries.len(),
            self.rows.len(),
            "no row too many, none missing"
        );
        for entry in &entries {
            assert_eq!(
                self.rows.get(&entry.id()),
                Some(entry),
                "the row is another one"
            );
        }
        let current = self.queue.current().map(|entry| entry.item.clone());
        let rows = self.rows.values().cloned().collect();
        let loaded = Queue::load(rows, current.as_ref(), 0);
        assert!(
            loaded.all().eq(self.queue.all()),
            "the next leader sees another queue"
        );
        assert!(!loaded.is_unwritten());
    }
}

proptest! {
    #[test]
    fn whatever_is_done_the_rows_are_the_queue(acts in prop::collection::vec(act(), 1..60)) {
        let mut world = World::default();
        for act in &acts {
            world.act(act);
            world.commit();
            world.check();
        }
    }
}
