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
mod relay;
mod resume;
mod solo;

use std::time::Duration;

use anyhow::{Context, Result};

pub(crate) use self::drive::run as drive;
use crate::report::Measurement;

/// Packets come so often.
const TICK: Duration = Duration::from_millis(20);

/// All numbers of the bench.
pub(crate) async fn run() -> Result<Vec<Measurement>> {
    let mut measurements = compare::measure().await.context("the worker")?;
    measurements.extend(connect::measure().await.context("connecting")?);
    measurements.push(resume::measure().await.context("resuming")?);
    measurements.extend(held::measure().await.context("many sessions")?);
    Ok(measurements)
}
