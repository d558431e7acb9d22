#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A wheel whose items are names, and the time.
struct Stage {
    wheel: Wheel<u32>,
    start: Instant,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            wheel: Wheel::new(start),
            start,
            now: start,
        }
    }

    fn insert(&mut self, name: u32) -> EntryId {
        self.wheel.insert(name, self.now)
    }

    /// Makes all calls that are due now; returns who was called for which microsecond.
    fn drain(&mut self, mut outcome: impl FnMut(u32) -> Tick) -> Vec<(u32, u64)> {
        let mut calls = Vec::new();
        while let Next::Call { id, due, item } = self.wheel.take(self.now) {
            assert!(due <= self.now, "called before its time");
            calls.push((item, (due - self.start).as_micros() as u64));
            self.wheel.settle(id, outcome(item), self.now);
        }
        calls
    }

    fn again(&mut self, at: Duration) -> Vec<(u32, u64)> {
        self.now = self.start + at;
        self.drain(|_| Tick::Again)
    }

    /// Calls as they are due until `end`, as a thread that is never late.
    fn run(&mut self, end: Duration) -> BTreeMap<u32, Vec<u64>> {
        let mut calls: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        while let Next::Sleep(until) = self.wheel.take(self.now) {
            if until > self.start + end {
                break;
            }
            let drained = self.again(until - self.start);
            assert!(!drained.is_empty(), "woken for nothing");
            for (name, due) in drained {
                calls.entry(name).or_default().push(due);
            }
        }
        calls
    }

    /// The slots' loads, counted anew from the entries.
    fn loads(&self) -> [u32; SLOTS] {
        let mut loads = [0; SLOTS];
        for entry in self.wheel.entries.values() {
            if let State::Waiting { due, .. }
            | State::Called {
                due, slotted: true, ..
            } = entry.state
            {
                loads[self.wheel.slot(due)] += 1;
            }
        }
        loads
    }
}

#[test]
fn a_tick_every_20_ms_from_the_first_slot_on() {
    let mut stage = Stage::new();
    stage.insert(1);
    let calls = stage.run(65 * MS);
    assert_eq!(calls[&1], [1_000, 21_000, 41_000, 61_000]);
}

#[test]
fn a_crowd_that_joins_at_once_is_spread_over_the_next_slots() {
    let mut stage = Stage::new();
    (0..500).for_each(|name| _ = stage.insert(name));
    assert_eq!(stage.wheel.load[1..6], [100; 5]);
    assert_eq!(stage.again(5 * MS).len(), 500);
}

#[test]
fn those_who_join_now_and_then_are_spread_over_all_slots() {
    let mut stage = Stage::new();
    for name in 0..500 {
        stage.insert(name);
        stage.again(u32::from(name as u16) * 7_300 * MS / 1_000);
    }
    let loads = stage.loads();
    assert!(
        loads.iter().all(|load| (24..=26).contains(load)),
        "{loads:?}"
    );
}

#[test]
fn a_few_share_their_wake_ups() {
    let mut stage = Stage::new();
    for name in 0..32 {
        stage.insert(name);
        stage.again(u32::from(name as u16) * 7_300 * MS / 1_000);
    }
    let loads = stage.loads();
    let wake_ups = loads.iter().filter(|load| **load > 0).count();
    assert!(wake_ups <= 8, "{loads:?}");
    assert!(loads.iter().all(|load| *load <= SHARE), "{loads:?}");
}

#[test]
fn missed_ticks_are_made_up_for_by_turns() {
    let mut stage = Stage::new();
    stage.insert(1);
    // Too late for the first slot.
    stage.again(MS);
    stage.insert(2);
    stage.again(2 * MS);
    let calls = stage.again(62 * MS + MS / 2);
    let expected = [
        (1, 21_000),
        (2, 22_000),
        (1, 41_000),
        (2, 42_000),
        (1, 61_000),
        (2, 62_000),
    ];
    assert_eq!(calls, expected);
    assert_eq!(stage.wheel.counters(), PacerCounters::default());
}

#[test]
fn after_too_long_the_schedule_begins_anew_in_the_same_slot() {
    let mut stage = Stage::new();
    stage.insert(1);
    // 99 ms behind: five ticks at once; with the hundredth it would be six.
    assert_eq!(stage.again(100 * MS).len(), MAX_BURST as usize);
    assert_eq!(stage.again(3_215 * MS), [(1, 3_201_000)]);
    assert_eq!(stage.again(3_221 * MS), [(1, 3_221_000)]);
    let counters = stage.wheel.counters();
    assert_eq!((counters.jumps, counters.skipped), (1, 155));
}

#[test]
fn the_busy_one_is_asked_again_soon_with_the_same_due() {
    let mut stage = Stage::new();
    stage.insert(1);
    stage.now += MS;
    assert_eq!(stage.drain(|_| Tick::Busy), [(1, 1_000)]);
    // Too late for the first slot.
    stage.insert(2);
    let Next::Sleep(retry) = stage.wheel.take(stage.now) else {
        panic!("it has to be asked again");
    };
    assert!(retry > stage.now && retry < stage.now + MS);
    stage.now = retry;
    assert_eq!(stage.drain(|_| Tick::Again), [(1, 1_000)]);
    assert_eq!(stage.again(21 * MS), [(2, 2_000), (1, 21_000)]);
}

#[test]
fn who_is_busy_for_too_long_jumps_too() {
    let mut stage = Stage::new();
    stage.insert(1);
    let mut dues = Vec::new();
    for at in 0..300 {
        stage.now = stage.start + at * MS;
        dues.extend(stage.drain(|_| Tick::Busy));
    }
    dues.dedup();
    assert_eq!(dues, [(1, 1_000), (1, 101_000), (1, 201_000)]);
}

#[test]
fn a_parked_one_sleeps_until_it_is_woken() {
    let mut stage = Stage::new();
    let id = stage.insert(1);
    stage.now += MS;
    assert_eq!(stage.drain(|_| Tick::Park).len(), 1);
    assert_eq!(stage.wheel.take(stage.now), Next::Idle);
    assert_eq!(stage.loads(), [0; SLOTS]);

    stage.now += 1_000 * MS;
    stage.wheel.wake(id, stage.now);
    stage.wheel.wake(id, stage.now);
    assert_eq!(stage.again(1_002 * MS), [(1, 1_002_000)]);
    assert_eq!(stage.again(1_022 * MS), [(1, 1_022_000)]);
}

#[test]
fn a_wake_during_the_call_is_not_lost() {
    let mut stage = Stage::new();
    let id = stage.insert(1);
    stage.now += MS;
    assert!(matches!(stage.wheel.take(stage.now), Next::Call { .. }));
    stage.wheel.wake(id, stage.now);
    stage.wheel.settle(id, Tick::Park, stage.now);
    assert_eq!(stage.again(21 * MS), [(1, 21_000)]);
    // Once: the next time it parks.
    stage.now += 20 * MS;
    stage.drain(|_| Tick::Park);
    assert_eq!(stage.wheel.take(stage.now), Next::Idle);
}

#[test]
fn who_is_taken_out_during_the_call_stays_out() {
    let mut stage = Stage::new();
    let id = stage.insert(1);
    stage.now += MS;
    assert!(matches!(stage.wheel.take(stage.now), Next::Call { .. }));
    assert_eq!(stage.wheel.remove(id), Some(1));
    stage.wheel.settle(id, Tick::Again, stage.now);
    stage.wheel.wake(id, stage.now);
    assert_eq!(stage.wheel.take(stage.now), Next::Idle);
    assert_eq!((stage.wheel.len(), stage.loads()), (0, stage.wheel.load));
}

#[test]
fn one_with_a_schedule_of_its_own_is_called_when_it_said_and_has_no_slot() {
    let mut stage = Stage::new();
    let id = stage.wheel.insert_timed(1);
    assert_eq!(stage.wheel.take(stage.now), Next::Idle, "parked at first");
    stage.now += 500 * MS;
    stage.wheel.wake(id, stage.now);
    let (start, mut at) = (stage.start, [503, 517, 2_000].into_iter());
    let mut calls = Vec::new();
    for now in (500..2_100).step_by(1) {
        stage.now = start + now * MS;
        calls.extend(stage.drain(|_| at.next().map_or(Tick::Park, |at| Tick::At(start + at * MS))));
        assert_eq!(stage.loads(), stage.wheel.load);
        assert_eq!(stage.wheel.load, [0; SLOTS]);
    }
    assert_eq!(
        calls,
        [(1, 500_000), (1, 503_000), (1, 517_000), (1, 2_000_000)]
    );
    assert_eq!(stage.wheel.take(stage.now), Next::Idle);
    assert_eq!(stage.wheel.counters(), PacerCounters::default());
}

#[test]
fn a_wake_calls_one_that_rests_at_once_and_is_not_lost_during_its_call() {
    let mut stage = Stage::new();
    let far = stage.start + 9_000 * MS;
    let id = stage.wheel.insert_timed(1);
    stage.wheel.wake(id, stage.now);
    assert_eq!(stage.drain(|_| Tick::At(far)), [(1, 0)]);
    stage.now += 10 * MS;
    stage.wheel.wake(id, stage.now);
    stage.wheel.wake(id, stage.now);
    assert!(matches!(stage.wheel.take(stage.now), Next::Call { .. }));
    stage.wheel.wake(id, stage.now);
    stage.wheel.settle(id, Tick::At(far), stage.now);
    assert_eq!(stage.wheel.take(stage.now), Next::Sleep(stage.now + REST));
    stage.now += REST;
    assert_eq!(stage.drain(|_| Tick::At(far)).len(), 1);
    assert_eq!(stage.wheel.take(stage.now), Next::Sleep(far));
    stage.wheel.remove(id);
    assert_eq!(stage.wheel.take(stage.now), Next::Idle);
}

#[test]
fn who_always_wants_to_be_called_leaves_time_to_the_others() {
    let mut stage = Stage::new();
    let id = stage.wheel.insert_timed(1);
    stage.insert(2);
    stage.wheel.wake(id, stage.now);
    let mut calls = BTreeMap::<u32, u32>::new();
    for us in (0..100_000).step_by(50) {
        stage.now = stage.start + Duration::from_micros(us);
        let past = stage.start;
        for (name, _) in stage.drain(|name| {
            if name == 1 {
                Tick::At(past)
            } else {
                Tick::Again
            }
        }) {
            *calls.entry(name).or_default() += 1;
        }
    }
    assert_eq!(calls[&2], 5);
    assert!((390..=401).contains(&calls[&1]), "{calls:?}");
}

#[test]
fn a_busy_one_with_a_schedule_of_its_own_is_asked_again_soon() {
    let mut stage = Stage::new();
    let id = stage.wheel.insert_timed(1);
    stage.wheel.wake(id, stage.now);
    assert_eq!(stage.drain(|_| Tick::Busy).len(), 1);
    assert_eq!(
        stage.wheel.take(stage.now),
        Next::Sleep(stage.now + BUSY_RETRY)
    );
}

#[derive(Clone, Debug)]
enum Step {
    Insert,
    Remove(usize),
    Wake(usize),
    /// Lets so many microseconds pass, then makes the calls.
    Pass(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Insert),
        1 => any::<usize>().prop_map(Step::Remove),
        1 => any::<usize>().prop_map(Step::Wake),
        6 => (0_u32..25_000).prop_map(Step::Pass),
        1 => (0_u32..400_000).prop_map(Step::Pass),
    ]
}

fn outcome() -> impl Strategy<Value = Tick> {
    prop_oneof![8 => Just(Tick::Again), 1 => Just(Tick::Busy), 1 => Just(Tick::Park)]
}

proptest! {
    /// A thread that is in time: everybody has every tick, 20 ms apart, the first one soon.
    #[test]
    fn in_time_nobody_misses_a_tick(joins in proptest::collection::vec(0_u64..100_000, 1..60)) {
        let mut joins = joins;
        joins.sort_unstable();
        let mut stage = Stage::new();
        let mut calls: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for (name, join) in joins.iter().enumerate() {
            for (name, dues) in stage.run(Duration::from_micros(*join)) {
                calls.entry(name).or_default().extend(dues);
            }
            stage.now = stage.start + Duration::from_micros(*join);
            stage.insert(name as u32);
        }
        for (name, dues) in stage.run(500 * MS) {
            calls.entry(name).or_default().extend(dues);
        }
        for (name, join) in joins.iter().enumerate() {
            let dues = &calls[&(name as u32)];
            prop_assert!((1..=5_000).contains(&(dues[0] - join)), "first tick after {}", dues[0] - join);
            let expected: Vec<_> = (dues[0]..=500_000).step_by(20_000).collect();
            prop_assert_eq!(dues, &expected);
        }
    }

    /// Whatever happens: schedules keep to their slots, bursts are bounded, and nobody is called before another who
    /// has waited longer.
    #[test]
    fn schedules_hold_under_any_treatment(
        steps in proptest::collection::vec(step(), 1..120),
        outcomes in proptest::collection::vec(outcome(), 1..50),
    ) {
        let mut stage = Stage::new();
        let mut ids = Vec::new();
        let mut outcomes = outcomes.into_iter().cycle();
        // The last due of each and what came of it.
        let mut last: BTreeMap<u32, (u64, Tick)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Insert => ids.push(stage.insert(ids.len() as u32)),
                Step::Remove(which) if !ids.is_empty() => _ = stage.wheel.remove(ids[which % ids.len()]),
                Step::Wake(which) if !ids.is_empty() => stage.wheel.wake(ids[which % ids.len()], stage.now),
                Step::Remove(_) | Step::Wake(_) => {}
                Step::Pass(us) => {
                    stage.now += Duration::from_micros(us.into());
                    let now = (stage.now - stage.start).as_micros() as u64;
                    let mut came_to = Vec::new();
                    let calls = stage.drain(|_| {
                        came_to.push(outcomes.next().unwrap());
                        *came_to.last().unwrap()
                    });
                    let mut bursts: BTreeMap<u32, u32> = BTreeMap::new();
                    for ((name, due), came_to) in calls.into_iter().zip(came_to) {
                        prop_assert!(now - due < 100_000, "{} µs late", now - due);
                        let burst = bursts.entry(name).or_default();
                        *burst += 1;
                        prop_assert!(*burst <= MAX_BURST);
                        match last.insert(name, (due, came_to)) {
                            Some((before, Tick::Again)) => {
                                let gap = due - before;
                                prop_assert!(gap >= 20_000 && gap % 20_000 == 0, "gap of {gap} µs");
                            }
                            Some((before, Tick::Busy)) => prop_assert_eq!((due - before) % 20_000, 0),
                            Some((before, Tick::Park)) => prop_assert!(due > before),
                            Some((_, Tick::At(_))) => unreachable!("none has a schedule of its own"),
                            None => {}
                        }
                    }
                }
            }
            prop_assert_eq!(stage.loads(), stage.wheel.load);
            prop_assert!(stage.wheel.queue.len() <= stage.wheel.len());
        }
    }

    /// One late wake-up: the calls come in the order of their dues.
    #[test]
    fn who_waits_longest_is_called_first(joins in proptest::collection::vec(0_u32..20_000, 1..30), late in 0_u32..99_000) {
        let mut stage = Stage::new();
        for (name, join) in joins.iter().enumerate() {
            stage.wheel.insert(name as u32, stage.start + Duration::from_micros((*join).into()));
        }
        let dues: Vec<_> = stage.again(Duration::from_micros(late.into())).iter().map(|(_, due)| *due).collect();
        prop_assert!(dues.is_sorted());
    }
}
