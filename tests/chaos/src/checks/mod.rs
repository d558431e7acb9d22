//! What must hold when all is over, from four witnesses that know nothing of each other: the clients' memory of their
//! calls, the store, Discord's record, and the processes' logs.
//!
//! Each check is a function of what was written down; it gives counts, and a list of what is wrong.

mod calls;
mod dials;
mod gateway;
mod leases;
mod sound;
#[cfg(test)]
mod staged;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use discord_sim::{RecordEntry, SimClock};

pub use calls::{CallCounts, calls, worst_call};
pub use dials::{DialCounts, dials};
pub use gateway::gateway;
pub use leases::leases;
pub use sound::{Recovery, Takeovers, plays_by, takeovers};

use crate::diary::Stop;
use crate::logs::{self, LogLine};
use crate::network::{Network, Silence};
use crate::place::{Life, Place, Side};

/// From a line of a log to when a message that it announced was on the wire, at most: a busy machine.
const UNDER_WAY: Duration = Duration::from_millis(500);

/// What all checks read.
pub struct Evidence<'a> {
    /// Discord's, oldest first.
    pub record: Vec<RecordEntry>,
    /// Of the record.
    pub clock: SimClock,
    /// Each process with its log.
    pub logs: Vec<(Life, PathBuf, Vec<LogLine>)>,
    /// Who called by which port, and when links were silent.
    pub network: &'a Network,
    /// When processes stood still.
    pub stops: Vec<Stop>,
    /// When links were away.
    pub silences: Vec<Silence>,
}

impl Evidence<'_> {
    /// The process that an entry of the record comes from.
    pub fn caller(&self, entry: &RecordEntry) -> Option<Life> {
        self.network.caller(entry.source?, entry.at)
    }

    /// Its log.
    pub fn log(&self, life: Life) -> &[LogLine] {
        let found = self.logs.iter().find(|(of, ..)| *of == life);
        found.map_or(&[], |(_, _, lines)| lines)
    }

    /// Whether between these moments the process stood still, or what it had sent had to wait in its link: then a word
    /// that was right when it was decided on may arrive when it no longer is. No fence of ours can be asked any more;
    /// `docs/adr/0004-the-gate.md` says so of Discord, which checks none.
    pub fn was_held_up(&self, life: Life, side: Side, from: Instant, until: Instant) -> bool {
        let from = from.checked_sub(UNDER_WAY).unwrap_or(from);
        let overlaps = |begin: Instant, end: Option<Instant>| {
            begin <= until && end.is_none_or(|end| end + UNDER_WAY >= from)
        };
        let stood = self
            .stops
            .iter()
            .any(|stop| stop.life == life && overlaps(stop.from, stop.until));
        stood || self.was_away(life.place, side, from, until)
    }

    /// Whether a link failed between these moments.
    pub fn was_away(&self, place: Place, side: Side, from: Instant, until: Instant) -> bool {
        self.silences.iter().any(|silence| {
            silence.place == place
                && silence.side == side
                && silence.from <= until
                && silence.until.is_none_or(|end| end >= from)
        })
    }

    /// Whether another leadership began between these moments: what it knows of positions is a checkpoint, until
    /// workers attach to it.
    fn leader_began(&self, from_unix_ms: u64, until_unix_ms: u64) -> bool {
        let mut lines = self.logs.iter().flat_map(|(_, _, lines)| lines);
        lines.any(|line| {
            line.message() == "leading" && (from_unix_ms..=until_unix_ms).contains(&line.unix_ms)
        })
    }

    /// Processes that panicked.
    pub fn panics(&self) -> Vec<String> {
        self.logs
            .iter()
            .flat_map(|(life, path, _)| {
                let lines = logs::panics(path);
                lines
                    .into_iter()
                    .map(move |line| format!("{life}: {line} ({})", path.display()))
            })
            .collect()
    }
}
