//! What a leader does the more often the more sessions there are: it must not do it for all of them at once.

use std::collections::BTreeSet;

use crate::harness::Harness;
use orb_scheduler_core::{
    Effect, Epoch, Fence, Millis, Now, Observed, PlaybackState, Scheduler, SchedulerTiming,
    SessionId, SessionRecord, StoredSession, Write,
};

const SESSIONS: usize = 1_300;

/// As many sessions that play on w1, and a report of each.
fn many() -> (Harness, Vec<Observed>) {
    let mut one = Harness::new();
    one.create("s");
    one.play("s", 1);
    let report = one.observed("s", PlaybackState::Playing, 1_000);
    let mut written = one.writes.iter().rev();
    let record = written
        .find_map(|write| match write {
            Write::Session(record, _) => Some(record),
            _ => None,
        })
        .unwrap();
    let ids = || (0..SESSIONS).map(|number| SessionId::new(format!("s{number}")));
    let stored = ids().enumerate().map(|(number, id)| StoredSession {
        record: SessionRecord {
            id,
            guild_id: (1_000 + number).to_string(),
            ..(**record).clone()
        },
        queue: Vec::new(),
    });
    let timing = SchedulerTiming::default();
    let scheduler = Scheduler::load(Epoch::new(2), timing, stored, Now::default());
    let reports = ids().map(|session| Observed {
        session,
        ..report.clone()
    });
    let mut many = Harness::empty();
    many.scheduler = scheduler;
    let reports: Vec<_> = reports.collect();
    many.attach_with("w1", "life-1", 1_000_000, reports.clone());
    many.writes.clear();
    many.effects.clear();
    (many, reports)
}

#[test]
fn positions_are_written_in_slices_and_all_within_an_interval() {
    let (mut h, reports) = many();
    // A round may be under way that began before.
    h.wait(1_000);
    h.beat(reports);
    h.writes.clear();
    let end = h.now + 1_000;
    let mut written = BTreeSet::new();
    while h.now < end {
        h.wait(1);
        let slice: Vec<_> = h.writes.drain(..).collect();
        assert!(slice.len() <= 500, "{} rows at once", slice.len());
        for write in slice {
            if let Write::WorkerState(row) = write {
                assert!(row.view.position.media_ms > 1_000);
                written.insert(row.view.id);
            }
        }
    }
    assert_eq!(written.len(), SESSIONS);
}

#[test]
fn a_report_that_goes_on_as_before_writes_nothing_and_is_seen() {
    let (mut h, mut reports) = many();
    reports.truncate(3);
    for report in &mut reports {
        report.position.media_ms += 250;
        report.position.at = Millis(250);
        report.health.frames_sent += 12;
    }
    h.now = 250;
    let step = h.beat(reports.clone());
    assert!(step.writes.is_empty());
    let advanced = |id: &SessionId| Effect::Advanced(id.clone());
    let expected: Vec<_> = reports.iter().map(|one| advanced(&one.session)).collect();
    assert_eq!(step.effects, expected);
    let now = Now {
        monotonic: Millis(250),
        wall_ms: 250,
    };
    for report in &reports {
        let view = h.scheduler.view(&report.session, now).unwrap();
        let vitals = h.scheduler.vitals(&report.session, now).unwrap();
        assert_eq!(view.position, report.position);
        assert_eq!(view.health, report.health);
        let mut older = h.scheduler.view(&report.session, now).unwrap();
        older.position = orb_scheduler_core::Position::default();
        older.health = orb_scheduler_core::Health::default();
        older.advance(vitals);
        assert_eq!(
            older, view,
            "a reader who had the older one has the same now"
        );
    }
}

#[test]
fn a_report_with_anything_new_is_judged() {
    let changes: [fn(&mut Observed); 4] = [
        |one| one.playback = PlaybackState::Paused,
        |one| one.duration_ms = Some(7),
        |one| {
            one.fence = Fence {
                generation: one.fence.generation.next(),
                ..one.fence
            };
        },
        |one| one.plan = "another".to_owned(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let (mut h, reports) = many();
        let mut report = reports[0].clone();
        change(&mut report);
        let step = h.beat(vec![report.clone()]);
        let changed = Effect::Changed(report.session.clone());
        assert!(step.effects.contains(&changed), "change {number}");
    }
}
