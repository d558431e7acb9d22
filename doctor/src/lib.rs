//! `orb doctor`: what keeps a role from running here, and what to do about it.
//!
//! # Mental model
//!
//! ```text
//!  configuration ─▶ the checks that a role needs, side by side ─▶ Findings ─▶ table, or --json
//!                   each with a time-out                            │
//!                                                                   └ any failed: exit code 1
//! ```
//!
//! A check looks and changes nothing: no table is made, no migration run, no gateway session begun. It is safe beside
//! an installation that runs; a port that an `orb` holds already is no fault.
//!
//! [`Finding`] is one row: what was looked at, how it stands, and the one thing to do. Every text passes
//! [`Secrets`](secrets::Secrets) before it is printed, which takes out whatever the configuration holds of tokens, keys
//! and passwords: libraries quote freely.

mod checks;
mod finding;
mod report;
mod secrets;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use orb_config::{Error, Loaded};

pub use finding::{Finding, Outcome};

const EXAMPLES: &str = "\
Examples:
  orb doctor
  orb doctor --role worker --config /etc/orb.toml
  orb doctor --json | jq '.findings[] | select(.outcome == \"failed\")'

Exit codes: 0 nothing failed (warnings may be there), 1 something failed.";

/// `orb doctor`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// What shall run here.
    #[arg(long, value_enum, default_value_t = Role::Up)]
    pub role: Role,
    /// Prints one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// A role, as on the command line of `orb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Everything in one process.
    Up,
    /// The HTTP side.
    Gateway,
    /// Sessions, leases, accounts.
    Scheduler,
    /// ffmpeg and voice.
    Worker,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Gateway => "gateway",
            Self::Scheduler => "scheduler",
            Self::Worker => "worker",
        }
    }
}

/// Looks at everything and says how it stands. `loaded` is the configuration as the role would read it.
pub async fn run(options: &Options, loaded: Result<Loaded, Error>) -> ExitCode {
    let (findings, secrets) = match loaded {
        Ok(loaded) => {
            let secrets = secrets::Secrets::of(&loaded.config);
            let findings = checks::all(options.role, loaded).await;
            (findings, secrets)
        }
        Err(error) => (checks::wrong_settings(&error), secrets::Secrets::none()),
    };
    let findings: Vec<_> = findings
        .into_iter()
        .map(|finding| secrets.clean(finding))
        .collect();
    let printed = report::print(options, &findings);
    let failed = findings
        .iter()
        .any(|finding| finding.outcome == Outcome::Failed);
    if failed || printed.is_err() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
