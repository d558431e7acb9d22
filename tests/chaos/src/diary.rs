//! What was done and what was found, with times.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::place::Life;

/// A process stood still (SIGSTOP).
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// Which.
    pub life: Life,
    /// Its beginning.
    pub from: Instant,
    /// SIGCONT, when it came.
    pub until: Option<Instant>,
}

/// Something that must not be.
#[derive(Clone, Debug)]
pub struct Violation {
    /// When, if it happened at a moment.
    pub at: Option<Instant>,
    /// What.
    pub what: String,
}

/// Written as it happens, so that a run which hangs has told where.
pub struct Diary {
    begun: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    stops: Vec<Stop>,
    faults: BTreeMap<String, usize>,
    violations: Vec<Violation>,
}

impl Diary {
    /// A new one, `chaos.log` in `folder`.
    pub fn begin(folder: &Path) -> Result<Self> {
        Ok(Self {
            begun: Instant::now(),
            inner: Mutex::new(Inner {
                file: File::create(folder.join("chaos.log")).context("making the diary")?,
                stops: Vec::new(),
                faults: BTreeMap::new(),
                violations: Vec::new(),
            }),
        })
    }

    /// A line with its time, also for whoever watches.
    pub fn say(&self, line: &str) {
        let line = format!("{:8.3} s  {line}", self.begun.elapsed().as_secs_f64());
        eprintln!("{line}");
        // It was printed; a full disk is not what the run is about.
        let _ = writeln!(self.lock().file, "{line}");
    }

    /// A fault of this kind has begun.
    pub fn count(&self, kind: &str) {
        *self.lock().faults.entry(kind.to_owned()).or_default() += 1;
    }

    /// A process stands still from now on.
    pub fn stopped(&self, life: Life) {
        let from = Instant::now();
        let until = None;
        self.lock().stops.push(Stop { life, from, until });
    }

    /// It goes on.
    pub fn goes_on(&self, life: Life) {
        for stop in &mut self.lock().stops {
            if stop.life == life {
                stop.until.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Something is wrong.
    pub fn violation(&self, at: Option<Instant>, what: impl Into<String>) {
        let what = what.into();
        self.say(&format!("VIOLATION {what}"));
        self.lock().violations.push(Violation { at, what });
    }

    /// All times that processes stood still.
    pub fn stops(&self) -> Vec<Stop> {
        self.lock().stops.clone()
    }

    /// How many faults of each kind there were.
    pub fn faults(&self) -> BTreeMap<String, usize> {
        self.lock().faults.clone()
    }

    /// What was found wrong.
    pub fn violations(&self) -> Vec<Violation> {
        self.lock().violations.clone()
    }

    /// How long after the beginning.
    pub fn time_of(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begun)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
