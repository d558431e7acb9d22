//! Who is due when. Pure: time is passed in.
//!
//! The 20 ms of a round are divided into slots of a millisecond. An entry gets a slot when it joins and stays there, so
//! that entries with the same slot share one wake-up of the thread. Few entries are in few slots, many in all. Entries
//! with a schedule of their own have no slot.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::{PacerCounters, TICK, Tick};

/// Slots in a round, each a millisecond.
const SLOTS: usize = TICK.as_millis() as usize;

/// A wake-up costs as much as a packet or two, so a few sessions shall not wake the thread a thousand times a second: a
/// slot is filled up to so many before another is begun. The last of them is about 0.1 ms late by it.
const SHARE: u32 = 8;

/// An entry that joins gets one of so many slots that come next: its first tick is due within 5 ms, so that a start, a
/// seek or the end of a pause is not heard to wait. Of a crowd that joins at once each slot gets a fifth.
const JOIN_WITHIN: u64 = 5;

/// The most ticks that a session gets in a burst, when the thread woke late: 100 ms of sound. Receivers buffer not much
/// more; what would come in a greater burst would be thrown away there.
pub const MAX_BURST: u32 = 5;

/// A busy entry is asked again after so long. Locks are held for microseconds, so that once is enough as a rule.
const BUSY_RETRY: Duration = Duration::from_micros(250);

/// An entry with a schedule of its own rests so long between two calls at least: one whose time has always come would
/// leave the others no time, and a real-time thread would leave none to the machine.
const REST: Duration = Duration::from_micros(250);

/// Names an entry of a wheel. No two have the same, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EntryId(u64);

/// What the thread is to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// Call this one, then [`Wheel::settle`].
    Call { id: EntryId, due: Instant, item: T },
    /// Sleep until then.
    Sleep(Instant),
    /// Nobody is there, or all are parked.
    Idle,
}

/// Entries, their slots and their schedules.
pub(super) struct Wheel<T> {
    epoch: Instant,
    last_id: u64,
    entries: HashMap<EntryId, Entry<T>>,
    /// Those that wait for their call, by its time.
    queue: BTreeSet<(Instant, EntryId)>,
    /// Entries that are not parked, by slot.
    load: [u32; SLOTS],
    counters: PacerCounters,
}

struct Entry<T> {
    item: T,
    state: State,
    /// It has a schedule of its own.
    timed: bool,
}

#[derive(Clone, Copy)]
enum State {
    /// In the queue with the time `at`, which is later than `due` only after [`Tick::Busy`].
    Waiting {
        due: Instant,
        at: Instant,
    },
    /// In the queue, without a slot.
    Resting {
        at: Instant,
    },
    /// [`Wheel::take`] returned it. `woken`: by [`Wheel::wake`] since then. `slotted`: it keeps its slot meanwhile.
    Called {
        due: Instant,
        woken: bool,
        slotted: bool,
    },
    Parked,
}

impl<T: Clone> Wheel<T> {
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            last_id: 0,
            entries: HashMap::new(),
            queue: BTreeSet::new(),
            load: [0; SLOTS],
            counters: PacerCounters::default(),
        }
    }

    /// Entries, the parked ones too.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn counters(&self) -> PacerCounters {
        self.counters
    }

    pub(super) fn insert(&mut self, item: T, now: Instant) -> EntryId {
        let id = self.new_id();
        let state = self.join(id, now);
        let timed = false;
        self.entries.insert(id, Entry { item, state, timed });
        id
    }

    /// Adds one with a schedule of its own, which is parked.
    pub(super) fn insert_timed(&mut self, item: T) -> EntryId {
        let id = self.new_id();
        let (state, timed) = (State::Parked, true);
        self.entries.insert(id, Entry { item, state, timed });
        id
    }

    fn new_id(&mut self) -> EntryId {
        self.last_id += 1;
        EntryId(self.last_id)
    }

    /// Ends the parking or resting of an entry. One that is being called is not parked after the call.
    pub(super) fn wake(&mut self, id: EntryId, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        match &mut entry.state {
            State::Called { woken, .. } => *woken = true,
            State::Parked if entry.timed => self.rest(id, now),
            State::Parked => {
                let joined = self.join(id, now);
                self.set(id, joined);
            }
            State::Resting { at } => {
                let at = *at;
                if at > now {
                    self.queue.remove(&(at, id));
                    self.rest(id, now);
                }
            }
            State::Waiting { .. } => {}
        }
    }

    /// Takes an entry out, also while it is being called.
    pub(super) fn remove(&mut self, id: EntryId) -> Option<T> {
        let entry = self.entries.remove(&id)?;
        match entry.state {
            State::Waiting { due, at } => {
                self.queue.remove(&(at, id));
                self.leave(due);
            }
            State::Resting { at } => {
                self.queue.remove(&(at, id));
            }
            State::Called { due, slotted, .. } => {
                if slotted {
                    self.leave(due);
                }
            }
            State::Parked => {}
        }
        Some(entry.item)
    }

    /// Takes all out.
    pub(super) fn clear(&mut self) -> Vec<T> {
        self.queue.clear();
        self.load = [0; SLOTS];
        let entries = self.entries.drain();
        entries.map(|(_, entry)| entry.item).collect()
    }

    /// Takes an entry out because its call panicked.
    pub(super) fn remove_panicked(&mut self, id: EntryId) -> Option<T> {
        self.counters.panics += 1;
        self.remove(id)
    }

    /// What is to be done at `now`: the call that has waited longest comes first.
    pub(super) fn take(&mut self, now: Instant) -> Next<T> {
        let Some(&(at, id)) = self.queue.first() else {
            return Next::Idle;
        };
        if at > now {
            return Next::Sleep(at);
        }
        self.queue.pop_first();
        let entry = self.entries.get_mut(&id);
        let entry = entry.expect("who leaves the wheel leaves its queue");
        let (due, slotted) = match entry.state {
            State::Waiting { due, .. } => {
                let behind = now.saturating_duration_since(due);
                let missed = (behind.as_nanos() / TICK.as_nanos()) as u32;
                if missed < MAX_BURST {
                    (due, true)
                } else {
                    // The schedule begins anew, in the same slot.
                    self.counters.jumps += 1;
                    self.counters.skipped += u64::from(missed);
                    (due + TICK * missed, true)
                }
            }
            State::Resting { at } => (at, false),
            State::Called { .. } | State::Parked => {
                unreachable!("only those who wait or rest are queued")
            }
        };
        let woken = false;
        entry.state = State::Called {
            due,
            woken,
            slotted,
        };
        let item = entry.item.clone();
        Next::Call { id, due, item }
    }

    /// After a call: when the next one is. An entry that was taken out meanwhile stays out.
    pub(super) fn settle(&mut self, id: EntryId, outcome: Tick, now: Instant) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let State::Called {
            due,
            woken,
            slotted,
        } = entry.state
        else {
            return;
        };
        match outcome {
            _ if !slotted => self.settle_timed(id, outcome, woken, now),
            Tick::Again => self.wait(id, due + TICK, due + TICK),
            Tick::Busy => self.wait(id, due, now + BUSY_RETRY),
            // Who woke it may have done so after the call had looked: the 20 ms go on.
            Tick::Park if woken => self.wait(id, due + TICK, due + TICK),
            Tick::Park => {
                self.leave(due);
                self.set(id, State::Parked);
            }
            Tick::At(_) => {
                self.leave(due);
                self.settle_timed(id, outcome, woken, now);
            }
        }
    }

    fn settle_timed(&mut self, id: EntryId, outcome: Tick, woken: bool, now: Instant) {
        let next = match outcome {
            // Who woke it may have done so after the call had looked.
            Tick::At(_) | Tick::Park | Tick::Again if woken => now,
            Tick::At(at) => at,
            Tick::Again => now + TICK,
            Tick::Busy => now + BUSY_RETRY,
            Tick::Park => return self.set(id, State::Parked),
        };
        self.rest(id, next.max(now + REST));
    }

    fn rest(&mut self, id: EntryId, at: Instant) {
        self.queue.insert((at, id));
        self.set(id, State::Resting { at });
    }

    fn wait(&mut self, id: EntryId, due: Instant, at: Instant) {
        self.queue.insert((at, id));
        self.set(id, State::Waiting { due, at });
    }

    fn set(&mut self, id: EntryId, state: State) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.state = state;
        }
    }

    /// Finds a slot and puts `id` into the queue.
    fn join(&mut self, id: EntryId, now: Instant) -> State {
        let first = now.saturating_duration_since(self.epoch).as_millis() as u64 + 1;
        let soon =
            (first..first + JOIN_WITHIN).map(|count| self.epoch + Duration::from_millis(count));
        // The fullest that takes another; where all have enough, the least loaded.
        let due = soon.min_by_key(|due| match self.load[self.slot(*due)] {
            load @ 0..SHARE => SHARE - load,
            load => load + 1,
        });
        let due = due.expect("some slot comes next");
        let slot = self.slot(due);
        self.load[slot] += 1;
        self.queue.insert((due, id));
        State::Waiting { due, at: due }
    }

    fn leave(&mut self, due: Instant) {
        let slot = self.slot(due);
        self.load[slot] -= 1;
    }

    fn slot(&self, due: Instant) -> usize {
        (due.duration_since(self.epoch).as_millis() % SLOTS as u128) as usize
    }
}

#[cfg(test)]
mod tests;
