//! The pacer: one tick every 20 ms for each of many sessions, on few threads; and calls at any moment for some.
//!
//! ```text
//!   sessions ── add, wake ──▶ ┌───────┐ take  ┌────────┐ tick(due)
//!                             │ wheel │ ────▶ │ thread │ ──────────▶ session
//!   Ticket dropped ─────────▶ └───────┘ ◀──── └────────┘ ◀── Again, Busy, Park
//!                                       settle
//! ```
//!
//! The wheel (`wheel.rs`) is pure: it knows who is due when. A thread (`thread.rs`) sleeps until then and makes the
//! calls. What is due keeps to a fixed schedule, whenever the call was: a session's ticks are due exactly 20 ms apart.
//!
//! Some have a schedule of their own: they say at which moment they want to be called next ([`Tick::At`]), and a wake
//! calls them at once. They share the threads and the queue, and take no slots.
//!
//! A thread that woke late makes up for the ticks that were missed, up to [`MAX_BURST`]. After a longer time (the
//! machine slept, the process was stopped) the schedule begins anew, and the gap between two `due`s says so.
//!
//! Where the system allows it, the threads run before all others (`priority.rs`).

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod priority;
mod thread;
mod wheel;

use thread::PacerThread;
pub use thread::Ticket;
pub use wheel::MAX_BURST;

/// Time from a tick to the next: the length of an Opus frame in Discord's calls.
pub const TICK: Duration = Duration::from_millis(20);

/// Something that wants to be called every [`TICK`].
pub trait Paced: Send + Sync + 'static {
    /// Called on a pacer's thread, when `due` has come. Other sessions wait meanwhile, so it must not block: if
    /// somebody holds its lock it returns [`Tick::Busy`].
    ///
    /// When it panics, the entry is taken out and the other sessions go on.
    fn tick(&self, due: Instant) -> Tick;
}

/// What a tick came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Done; the next is due 20 ms after this one.
    Again,
    /// Not done, somebody holds the lock: it is called again within a millisecond, with the same `due`.
    Busy,
    /// Done; no more ticks until [`Ticket::wake`].
    Park,
    /// Done; the next call is at that moment, or at once after [`Ticket::wake`].
    At(Instant),
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacerCounters {
    /// Times that a session's schedule began anew because it was more than [`MAX_BURST`] ticks behind.
    pub jumps: u64,
    /// Ticks that fell out by this.
    pub skipped: u64,
    /// Sessions that were taken out because they panicked.
    pub panics: u64,
}

impl std::ops::Add for PacerCounters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            jumps: self.jumps + other.jumps,
            skipped: self.skipped + other.skipped,
            panics: self.panics + other.panics,
        }
    }
}

/// Threads that call many sessions in time. Dropping it ends them; tickets may outlive it, and do nothing then.
pub struct Pacer {
    threads: Vec<PacerThread>,
}

impl Pacer {
    /// Starts `threads` threads, at least one. One carries hundreds of sessions.
    pub fn start(threads: usize) -> io::Result<Self> {
        let threads = (0..threads.max(1)).map(PacerThread::start);
        Ok(Self {
            threads: threads.collect::<io::Result<_>>()?,
        })
    }

    /// Calls `paced` from now on, for as long as the ticket lives. The first tick is due within 5 ms.
    ///
    /// The pacer holds `paced`: it must not own its ticket, or neither is ever dropped.
    #[must_use = "ticks end when the ticket is dropped"]
    pub fn add(&self, paced: Arc<dyn Paced>) -> Ticket {
        self.least_loaded().add(paced)
    }

    /// The same for one with a schedule of its own: it is parked until it is woken, and a wake calls it at once.
    #[must_use = "calls end when the ticket is dropped"]
    pub fn add_timed(&self, paced: Arc<dyn Paced>) -> Ticket {
        self.least_loaded().add_timed(paced)
    }

    fn least_loaded(&self) -> &PacerThread {
        let least = self.threads.iter().min_by_key(|thread| thread.entries());
        least.expect("a pacer has a thread")
    }

    /// What happened since the start, over all threads.
    pub fn counters(&self) -> PacerCounters {
        let counters = self.threads.iter().map(PacerThread::counters);
        counters.fold(PacerCounters::default(), std::ops::Add::add)
    }
}

#[cfg(test)]
mod tests;
