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
mod golive;
mod lateness;
mod listener;
mod machine;
mod moment;
mod party;
mod party_api;
mod path;
mod pool;
mod process_cost;
mod reference;
mod relay;
mod report;
mod role_process;
mod stage;
mod statistics;
mod surroundings;
mod voice;
mod waiting;

use anyhow::Result;
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use tokio::runtime::Builder;

use crate::report::{Report, Results};

/// That of the processes which are measured: what loads the machine beside them takes no more of it than they do.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures Orb against its goals. Needs the `orb` of the same build beside it, ffmpeg and ffprobe.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Which bench.
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Bench {
    /// From `POST /play` to what the member of the voice channel hears.
    Path,
    /// The project's own voice driver, beside songbird and alone.
    Voice {
        /// One part; its results go to a file of their own.
        #[arg(long)]
        only: Option<voice::Part>,
    },
    /// Workers and schedulers that come and go. Needs etcd and PostgreSQL.
    Pool {
        /// One part; its results go to a file of their own.
        #[arg(long)]
        only: Option<pool::Part>,
    },
    /// The party API: library, queue, events, and from one film to the next.
    Party {
        /// One part; its results go to a file of their own.
        #[arg(long)]
        only: Option<party_api::Part>,
    },
    /// The picture in the voice channel.
    Golive {
        /// One part; its results go to a file of their own.
        #[arg(long)]
        only: Option<golive::Part>,
    },
    /// One after the other.
    All,
    /// The child role of `voice`; its orders come on standard input.
    #[command(hide = true)]
    Drive,
    /// The child role of `pool` that is Discord.
    #[command(hide = true)]
    Discord,
}

fn main() -> Result<()> {
    let bench = Arguments::parse().bench;
    let mut runtime = match bench {
        // One thread does all that the simulator has to do, and wakes no other for it.
        Bench::Discord => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    runtime.enable_all().build()?.block_on(run(bench))
}

async fn run(bench: Bench) -> Result<()> {
    match bench {
        Bench::Path => publish("path".to_owned(), path::run()).await,
        Bench::Voice { only } => {
            let name = file_name("voice", only.map(voice::Part::name));
            publish(name, voice::run(only)).await
        }
        Bench::Pool { only } => {
            let name = file_name("pool", only.map(pool::Part::name));
            publish(name, pool::run(only)).await
        }
        Bench::Party { only } => {
            let name = file_name("party", only.map(party_api::Part::name));
            publish(name, party_api::run(only)).await
        }
        Bench::Golive { only } => {
            let name = file_name("golive", only.map(golive::Part::name));
            publish(name, golive::run(only)).await
        }
        Bench::All => {
            publish("path".to_owned(), path::run()).await?;
            publish("voice".to_owned(), voice::run(None)).await?;
            publish("pool".to_owned(), pool::run(None)).await?;
            publish("party".to_owned(), party_api::run(None)).await?;
            publish("golive".to_owned(), golive::run(None)).await
        }
        Bench::Drive => voice::drive().await,
        Bench::Discord => pool::scale::serve_discord().await,
    }
}

fn file_name(bench: &str, part: Option<&str>) -> String {
    part.map_or_else(|| bench.to_owned(), |part| format!("{bench}-{part}"))
}

/// Runs a bench and writes its results; those of an earlier run are gone from the start.
async fn publish<R: Into<Results>>(
    name: String,
    bench: impl Future<Output = Result<R>>,
) -> Result<()> {
    report::forget(&name)?;
    Report::new(name, Box::pin(bench).await?).publish()
}
