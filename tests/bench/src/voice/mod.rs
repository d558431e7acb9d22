//! Bench `voice`: the project's own voice driver, beside songbird and alone.
//!
//! ```text
//!  connect, resume   driver in this process ─── DiscordSim (over a relay that takes its time)
//!  held              driver in a child (`orb-bench drive`) ─── DiscordSim here: as many sessions as go
//!  compare           a stage of all roles for each driver: 32 sessions through the worker
//! ```
//!
//! Whoever is measured, the member's stamps of arrival are the measure.

mod compare;
mod connect;
mod deficit;
mod drive;
mod driving;
mod frames;
mod held;
mod resume;
mod solo;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

pub(crate) use self::drive::run as drive;
use crate::report::Measurement;

/// Packets come so often.
const TICK: Duration = Duration::from_millis(20);

/// The thread of the simulator that stamps arrivals. It is the instrument: it goes before what it measures.
const STAMPING: &str = "discord-sim-udp";

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The worker with either driver.
    Compare,
    /// From credentials to the first packet.
    Connect,
    /// What a cut that is resumed is heard of.
    Resume,
    /// As many sessions as go.
    Held,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Compare => "compare",
            Self::Connect => "connect",
            Self::Resume => "resume",
            Self::Held => "held",
        }
    }
}

/// All numbers of the bench, or those of one part.
pub(crate) async fn run(only: Option<Part>) -> Result<Vec<Measurement>> {
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut measurements = Vec::new();
    if wanted(Part::Compare) {
        measurements.extend(compare::measure().await.context("the worker")?);
    }
    if wanted(Part::Connect) {
        measurements.extend(connect::measure().await.context("connecting")?);
    }
    if wanted(Part::Resume) {
        measurements.push(resume::measure().await.context("resuming")?);
    }
    if wanted(Part::Held) {
        measurements.extend(held::measure().await.context("many sessions")?);
    }
    Ok(measurements)
}
