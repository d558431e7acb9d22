//! Bench `pool`: workers and schedulers that come and go, and what the members of the channels notice.

use anyhow::Result;
use clap::ValueEnum;

use crate::report::Measurement;

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// A worker is killed.
    Takeover,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Takeover => "takeover",
        }
    }
}

/// All numbers of the bench, or those of one part.
pub(crate) async fn run(only: Option<Part>) -> Result<Vec<Measurement>> {
    let wanted = |part| only.is_none_or(|only| only == part);
    let measurements = Vec::new();
    if wanted(Part::Takeover) {}
    Ok(measurements)
}
