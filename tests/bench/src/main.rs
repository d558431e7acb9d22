//! `orb-bench`: measures Orb from outside, against the goals of its issues.
//!
//! ```text
//!  this process                                            child processes
//! ┌────────────────────────────────┐
//! │ bench ── Party ── HTTP ────────┼───────────▶ orb gateway ─▶ orb scheduler ◀─ orb worker
//! │ DiscordSim ◀── gateway, voice ─┼───────────────────────────────┘               │   └ ffmpeg
//! │   └ a member hears: Listener ◀─┼────────────────────── UDP ────────────────────┘
//! │ JellyfinSim ◀── films ─────────┼───────────────────────────────── HTTP ─────────┘
//! └────────────────────────────────┘
//! ```
//!
//! A [`stage::Stage`] is both simulators and the three roles as processes of their own. What a bench says about sound
//! is taken from the packets that reached the member of the voice channel, by their time of arrival; what it says about
//! costs, from `/proc`. Each bench gives [`report::Measurement`]s, which are printed beside their goals and written to
//! `target/bench/<name>.json`. A goal that is missed is no failure; something that cannot be measured is.

mod children;
mod film;
mod lateness;
mod listener;
mod machine;
mod party;
mod path;
mod process_cost;
mod reference;
mod report;
mod role_process;
mod stage;
mod statistics;
mod voice;
mod waiting;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::report::Report;

/// Measures Orb against its goals. Needs the `orb` of the same build beside it, ffmpeg and ffprobe.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Which bench.
    bench: Bench,
    /// One part of `voice`; its results go to a file of their own.
    #[arg(long)]
    only: Option<voice::Part>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Bench {
    /// From `POST /play` to what the member of the voice channel hears.
    Path,
    /// The project's own voice driver, beside songbird and alone.
    Voice,
    /// One after the other.
    All,
    /// The child role of `voice`; its orders come on standard input.
    #[value(hide = true)]
    Drive,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { bench, only } = Arguments::parse();
    if matches!(bench, Bench::Drive) {
        return voice::drive().await;
    }
    if matches!(bench, Bench::Path | Bench::All) {
        report::forget("path")?;
        Report::new("path", path::run().await?).publish()?;
    }
    if matches!(bench, Bench::Voice | Bench::All) {
        let name = only.map_or("voice".to_owned(), |part| format!("voice-{}", part.name()));
        report::forget(&name)?;
        Report::new(name, voice::run(only).await?).publish()?;
    }
    Ok(())
}
