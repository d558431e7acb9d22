//! A thread that turns one wheel, and the tickets of its entries.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, ThreadId, current};
use std::time::{Duration, Instant};

use super::wheel::{EntryId, Next, Wheel};
use super::{Paced, PacerCounters, priority};

/// A running thread. Dropping it ends and joins it.
pub(super) struct PacerThread {
    shared: Arc<Shared>,
    handle: Option<JoinHandle<()>>,
}

struct Shared {
    turning: Mutex<Turning>,
    /// For the thread: somebody joined the wheel, or it is to stop.
    changed: Condvar,
    /// For those in [`Turning::leaving`]: the call that ran is over.
    call_over: Condvar,
}

/// What the lock guards. It is never held while a session is called or dropped, since either may use its ticket.
struct Turning {
    wheel: Wheel<Arc<dyn Paced>>,
    /// The call that runs, and the thread that it runs on.
    running: Option<(EntryId, ThreadId)>,
    /// Dropped tickets that wait for the end of their call.
    leaving: usize,
    stopping: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Turning> {
        // Sessions panic outside the lock, so what it guards is whole.
        self.turning.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PacerThread {
    pub(super) fn start(index: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            turning: Mutex::new(Turning {
                wheel: Wheel::new(Instant::now()),
                running: None,
                leaving: 0,
                stopping: false,
            }),
            changed: Condvar::new(),
            call_over: Condvar::new(),
        });
        let turned = Arc::clone(&shared);
        let handle = std::thread::Builder::new()
            .name(format!("pacer-{index}"))
            .spawn(move || {
                priority::put_first();
                turn(&turned);
            })?;
        Ok(Self {
            shared,
            handle: Some(handle),
        })
    }

    pub(super) fn add(&self, paced: Arc<dyn Paced>) -> Ticket {
        let id = self.shared.lock().wheel.insert(paced, Instant::now());
        self.shared.changed.notify_one();
        let shared = Arc::clone(&self.shared);
        Ticket { shared, id }
    }

    /// Parked, so the thread need not look at it.
    pub(super) fn add_timed(&self, paced: Arc<dyn Paced>) -> Ticket {
        let id = self.shared.lock().wheel.insert_timed(paced);
        let shared = Arc::clone(&self.shared);
        Ticket { shared, id }
    }

    pub(super) fn entries(&self) -> usize {
        self.shared.lock().wheel.len()
    }

    pub(super) fn counters(&self) -> PacerCounters {
        self.shared.lock().wheel.counters()
    }
}

impl Drop for PacerThread {
    fn drop(&mut self) {
        let mut turning = self.shared.lock();
        turning.stopping = true;
        let entries = turning.wheel.clear();
        drop(turning);
        self.shared.changed.notify_one();
        drop(entries);
        // A session's call may drop the pacer: the thread cannot wait for itself, and ends after the call.
        if let Some(handle) = self.handle.take()
            && handle.thread().id() != current().id()
            && handle.join().is_err()
        {
            tracing::error!("a pacer thread had panicked");
        }
    }
}

/// An entry in a pacer. Dropping it takes the entry out.
///
/// When the drop has returned, no tick of the entry runs and none will begin. A tick that runs is waited for, unless
/// the ticket is dropped by that tick itself. So a ticket must not be dropped under a lock that the tick blocks on;
/// ticks do not block.
pub struct Ticket {
    shared: Arc<Shared>,
    id: EntryId,
}

impl Ticket {
    /// Ends the parking of the entry: a tick is due within 5 ms. An entry that is not parked, or parks itself at this
    /// very moment, goes on every 20 ms. One with a schedule of its own is called at once.
    pub fn wake(&self) {
        self.shared.lock().wheel.wake(self.id, Instant::now());
        self.shared.changed.notify_one();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let me = current().id();
        let mut turning = self.shared.lock();
        let entry = turning.wheel.remove(self.id);
        let runs_elsewhere = |turning: &Turning| {
            let running = turning.running;
            running.is_some_and(|(id, thread)| id == self.id && thread != me)
        };
        turning.leaving += 1;
        while runs_elsewhere(&turning) {
            let waited = self.shared.call_over.wait(turning);
            turning = waited.unwrap_or_else(PoisonError::into_inner);
        }
        turning.leaving -= 1;
        drop(turning);
        drop(entry);
    }
}

/// The thread's life.
fn turn(shared: &Shared) {
    let me = current().id();
    let mut jumps = JumpLog::default();
    let mut turning = shared.lock();
    while !turning.stopping {
        match turning.wheel.take(Instant::now()) {
            Next::Call { id, due, item } => {
                turning.running = Some((id, me));
                drop(turning);
                // The item goes with the call: if its ticket was dropped meanwhile, it ends here.
                let outcome = shielded(move || item.tick(due));
                turning = shared.lock();
                turning.running = None;
                if turning.leaving > 0 {
                    shared.call_over.notify_all();
                }
                if let Some(outcome) = outcome {
                    turning.wheel.settle(id, outcome, Instant::now());
                } else {
                    let entry = turning.wheel.remove_panicked(id);
                    drop(turning);
                    tracing::error!("a session panicked in its tick and gets no more of them");
                    shielded(|| drop(entry));
                    turning = shared.lock();
                }
            }
            Next::Sleep(until) => {
                let now = Instant::now();
                jumps.report(turning.wheel.counters(), now);
                let rest = until.saturating_duration_since(now);
                let waited = shared.changed.wait_timeout(turning, rest);
                turning = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            Next::Idle => {
                let waited = shared.changed.wait(turning);
                turning = waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// `None`: it panicked. Whatever it left half done is its own, and not called again.
fn shielded<R>(call: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// Logs jumps: one line for all sessions that a late wake-up concerned, and no flood of lines on a machine that has too
/// little time for everything.
#[derive(Default)]
struct JumpLog {
    reported: PacerCounters,
    at: Option<Instant>,
}

impl JumpLog {
    const INTERVAL: Duration = Duration::from_secs(1);

    fn report(&mut self, counters: PacerCounters, now: Instant) {
        let sessions = counters.jumps - self.reported.jumps;
        let recent = self.at.is_some_and(|at| now < at + Self::INTERVAL);
        if sessions == 0 || recent {
            return;
        }
        let ticks = counters.skipped - self.reported.skipped;
        tracing::warn!(sessions, ticks, "woke too late: ticks were skipped");
        self.reported = counters;
        self.at = Some(now);
    }
}
