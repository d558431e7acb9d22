//! `orb-chaos`: random faults against a cluster of real processes; see the library for what it is.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use orb_chaos::run::{Plan, run};

/// Random faults against a whole cluster, from a printed seed. Exit status 0: everything held.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Options {
    /// How long there are faults, in seconds.
    #[arg(long, default_value_t = 300)]
    duration: u64,
    /// What chance is made of; one of its own unless given.
    #[arg(long)]
    seed: Option<u64>,
    /// Parties that play, each in a guild of its own.
    #[arg(long, default_value_t = 4)]
    parties: usize,
    /// Faults under way at once, at most.
    #[arg(long, default_value_t = 2)]
    at_once: usize,
    /// Lets PostgreSQL forget at a crash what it acknowledged: to see that the checks find it.
    #[arg(long)]
    forgetful: bool,
    /// Only prints which faults there would be.
    #[arg(long)]
    schedule: bool,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let plan = Plan {
        seed: options
            .seed
            .unwrap_or_else(|| rand::random_range(0..1_000_000)),
        duration: Duration::from_secs(options.duration),
        parties: options.parties,
        at_once: options.at_once,
        forgetful: options.forgetful,
    };
    if options.schedule {
        let schedule = plan.schedule();
        println!("seed {}, {} schedulers", plan.seed, schedule.schedulers);
        for planned in &schedule.faults {
            println!("{planned}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    // Servers die with the thread that starts them: all of them are started from this one.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let folder = plan.folder()?;
    let told = || format!("seed {}, logs in {}", plan.seed, folder.display());
    let outcome = runtime.block_on(run(plan)).with_context(told)?;
    println!("{}", outcome.counts);
    if outcome.violations.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}:", told());
    for violation in &outcome.violations {
        println!("- {violation}");
    }
    Ok(ExitCode::FAILURE)
}
