//! Bench `pool`: workers and schedulers that come and go, and what the members of the channels notice.
//!
//! Each part has a pool of its own: two schedulers with etcd and PostgreSQL, a gateway, and as many workers as it needs,
//! all processes that are killed, stopped and asked to go. A packet counts when the member could decrypt it; which
//! process did what, and when, is taken from their logs.

mod distance;
mod drain;
mod headless;
mod late;
mod leader;
mod processes;
pub(crate) mod scale;
mod silent;
mod takeover;
mod track;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::report::Measurement;

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// A worker is killed.
    Takeover,
    /// A worker falls silent.
    Silent,
    /// A worker is asked to go.
    Drain,
    /// The leader is killed, or asked to go.
    Leader,
    /// No scheduler for a minute.
    Headless,
    /// Sessions are given to workers, one after the other.
    Allocate,
    /// A thousand starts at once.
    Burst,
    /// A thousand workers with ten thousand sessions.
    Scale,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Takeover => "takeover",
            Self::Silent => "silent",
            Self::Drain => "drain",
            Self::Allocate => "allocate",
            Self::Burst => "burst",
            Self::Scale => "scale",
            Self::Leader => "leader",
            Self::Headless => "headless",
        }
    }
}

/// All numbers of the bench, or those of one part.
pub(crate) async fn run(only: Option<Part>) -> Result<Vec<Measurement>> {
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut measurements = Vec::new();
    if wanted(Part::Takeover) {
        measurements.extend(takeover::measure().await.context("killed workers")?);
    }
    if wanted(Part::Silent) {
        measurements.extend(silent::measure().await.context("silent workers")?);
    }
    if wanted(Part::Drain) {
        measurements.extend(drain::measure().await.context("drained workers")?);
    }
    if wanted(Part::Leader) {
        measurements.extend(leader::measure().await.context("changes of leaders")?);
    }
    if wanted(Part::Headless) {
        measurements.extend(headless::measure().await.context("no scheduler")?);
    }
    if wanted(Part::Allocate) {
        measurements.extend(scale::allocate().await.context("allocations")?);
    }
    if wanted(Part::Burst) {
        measurements.extend(scale::burst().await.context("a burst of starts")?);
    }
    if wanted(Part::Scale) {
        measurements.extend(scale::playing().await.context("many sessions")?);
    }
    Ok(measurements)
}
