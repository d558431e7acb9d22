//! Looks at one session, and what is said.

use super::ProgressKind::{Failed, GoesOn, Started, Stopped};
use super::*;

const FILM_MS: u64 = 600_000;

struct Scene {
    watched: Watched,
    began: Instant,
    statuses: HashMap<u64, QueueStatus>,
}

impl Scene {
    fn new(begun: &[(&str, u64)]) -> Self {
        let begun = begun.iter();
        let begun = begun.map(|(id, entry)| (SessionId::new(*id), EntryId::new(*entry)));
        Self {
            watched: Watched::new(begun.collect()),
            began: Instant::now(),
            statuses: HashMap::new(),
        }
    }

    /// What is said at that second of the session `s`.
    fn at(&mut self, second: u64, entry: u64, heard: Heard) -> Vec<(ProgressKind, String, u64)> {
        let seen = Seen {
            session: SessionId::new("s"),
            entry: EntryId::new(entry),
            heard,
            duration_ms: Some(FILM_MS),
        };
        let statuses = &self.statuses;
        let entries = |_: &SessionId, id: EntryId| {
            let status = statuses.get(&id.get()).copied();
            Some(Entry {
                item_id: format!("item {id}"),
                source_id: String::new(),
                status: status.unwrap_or(QueueStatus::Playing),
            })
        };
        let now = self.began + Duration::from_secs(second);
        let due = self.watched.look(vec![seen], entries, now);
        let said = due.into_iter().flatten();
        said.map(|(kind, progress)| (kind, progress.item_id, progress.position_ms))
            .collect()
    }
}

fn plays(second: u64) -> Heard {
    Heard::At {
        position_ms: second * 1_000,
        paused: false,
    }
}

fn paused(second: u64) -> Heard {
    Heard::At {
        position_ms: second * 1_000,
        paused: true,
    }
}

fn item(kind: ProgressKind, entry: u64, second: u64) -> (ProgressKind, String, u64) {
    (kind, format!("item {entry}"), second * 1_000)
}

#[test]
fn it_is_said_when_it_begins_and_every_ten_seconds_and_at_once_when_something_happens() {
    let mut scene = Scene::new(&[]);
    assert_eq!(scene.at(0, 1, Heard::NotYet), []);
    assert_eq!(scene.at(1, 1, plays(0)), [item(Started, 1, 0)]);
    for second in 2..=10 {
        assert_eq!(scene.at(second, 1, plays(second - 1)), []);
    }
    assert_eq!(scene.at(11, 1, plays(10)), [item(GoesOn, 1, 10)]);
    assert_eq!(scene.at(12, 1, paused(11)), [item(GoesOn, 1, 11)]);
    for second in 13..=21 {
        assert_eq!(scene.at(second, 1, paused(11)), []);
    }
    assert_eq!(scene.at(22, 1, paused(11)), [item(GoesOn, 1, 11)]);
    assert_eq!(scene.at(23, 1, plays(11)), [item(GoesOn, 1, 11)]);
    assert_eq!(scene.at(24, 1, plays(300)), [item(GoesOn, 1, 300)]);
    assert_eq!(scene.at(25, 1, plays(301)), []);
    assert_eq!(scene.at(26, 1, plays(5)), [item(GoesOn, 1, 5)]);
}

#[test]
fn it_ends_once_where_it_ended() {
    let mut scene = Scene::new(&[]);
    scene.at(0, 1, plays(500));
    scene.statuses.insert(1, QueueStatus::Played);
    let both = [item(Stopped, 1, 600), item(Started, 2, 0)];
    assert_eq!(scene.at(1, 2, plays(0)), both);
    scene.statuses.insert(2, QueueStatus::Failed);
    assert_eq!(scene.at(2, 3, Heard::NotYet), [item(Failed, 2, 0)]);
    assert_eq!(scene.at(3, 3, plays(0)), [item(Started, 3, 0)]);
    scene.statuses.insert(3, QueueStatus::Skipped);
    let over = Heard::Over { position_ms: 2_000 };
    assert_eq!(scene.at(5, 3, over), [item(Stopped, 3, 2)]);
    assert_eq!(scene.at(6, 3, over), []);
    assert_eq!(
        scene.at(7, 3, plays(0)),
        [item(Started, 3, 0)],
        "it plays again"
    );
}

#[test]
fn what_another_leader_began_goes_on_and_what_ended_under_it_is_not_spoken_of() {
    let mut scene = Scene::new(&[("s", 4)]);
    assert_eq!(scene.at(0, 4, Heard::NotYet), []);
    assert_eq!(scene.at(1, 4, plays(77)), [item(GoesOn, 4, 77)]);
    assert_eq!(
        scene.at(2, 5, plays(0)),
        [item(Stopped, 4, 77), item(Started, 5, 0)]
    );
    let over = Heard::Over { position_ms: 9_000 };
    let mut scene = Scene::new(&[("s", 4)]);
    assert_eq!(scene.at(0, 4, over), []);
    assert_eq!(scene.at(1, 4, plays(0)), [item(Started, 4, 0)], "anew");
}

#[test]
fn a_worker_that_is_lost_for_a_while_is_nothing_to_speak_of() {
    let mut scene = Scene::new(&[]);
    scene.at(0, 1, plays(0));
    assert_eq!(scene.at(1, 1, Heard::NotYet), []);
    assert_eq!(scene.at(3, 1, plays(1)), []);
}
