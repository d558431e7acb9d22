//! Bench `party`: the party API, over HTTP, in front of scheduler and worker as processes of their own.
//!
//! ```text
//!  library     one caller who searches ──▶ gateway ──▶ JellyfinSim here, with 20,000 films
//!  reorder     one caller, a queue of 200 ──▶ gateway ──▶ scheduler, which commits
//!  listeners   500 who listen ◀── gateway ◀── scheduler ◀── one who moves entries of the queue
//!  advance     parties whose queues play through ──▶ worker ──▶ DiscordSim here, whose members hear it
//! ```

mod advance;
mod library;
mod listeners;
mod queue;
mod reorder;
mod rows;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use jellyfin_sim::{GeneratedLibrary, JellyfinSimConfig};

use crate::film;
use crate::report::Measurement;
use crate::stage::{Setup, Stage};

/// Films of the library.
const FILMS: u32 = 20_000;

/// How long each of them is: opened ahead when the one before it begins, as all short ones are.
const FILM_SECONDS: u32 = 10;

/// For one part. They take a minute or two; beyond this something hangs.
const PART_WITHIN: Duration = Duration::from_mins(6);

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Searches in a large library.
    Library,
    /// A long queue is put in another order.
    Reorder,
    /// Many who listen to one party, and some who do not read.
    Listeners,
    /// From one film of a queue to the next.
    Advance,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Reorder => "reorder",
            Self::Listeners => "listeners",
            Self::Advance => "advance",
        }
    }
}

/// All numbers of the bench, or those of one part. Each part has processes of its own.
pub(crate) async fn run(only: Option<Part>) -> Result<Vec<Measurement>> {
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut measurements = Vec::new();
    if wanted(Part::Library) {
        measurements.extend(on_a_stage(library::measure).await.context("the library")?);
    }
    if wanted(Part::Reorder) {
        measurements.extend(on_a_stage(reorder::measure).await.context("reordering")?);
    }
    if wanted(Part::Listeners) {
        measurements.extend(on_a_stage(listeners::measure).await.context("listeners")?);
    }
    if wanted(Part::Advance) {
        measurements.extend(on_a_stage(advance::measure).await.context("advances")?);
    }
    Ok(measurements)
}

async fn on_a_stage(
    part: impl AsyncFnOnce(&Stage) -> Result<Vec<Measurement>>,
) -> Result<Vec<Measurement>> {
    let library = JellyfinSimConfig {
        generated: Some(GeneratedLibrary {
            count: FILMS,
            path: film::short(FILM_SECONDS).await?,
        }),
        ..JellyfinSimConfig::default()
    };
    let setup = Setup {
        library: Some(library),
        ..Setup::default()
    };
    let stage = Stage::start_as(setup).await?;
    stage.run(part, PART_WITHIN).await
}
