//! The client commands of `orb` and nothing else: for a machine that only steers a server elsewhere, and for the tests.

use std::process::ExitCode;

use clap::Parser;

/// Steers an Orb Stream server.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: orb_cli::Command,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    orb_cli::run(Cli::parse().command).await
}
