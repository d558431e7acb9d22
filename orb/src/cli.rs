//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Watch parties in Discord voice channels, from a Jellyfin library.
///
/// Everything is configured by a TOML file, or by ORB_ variables that override it.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// Configuration file (TOML).
    #[arg(long, global = true, env = "ORB_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is asked for.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "a process has one of them")]
pub(crate) enum Command {
    /// To be a part of an installation.
    #[command(flatten)]
    Role(Role),
    /// Something of one that runs.
    #[command(flatten)]
    Client(orb_cli::Command),
    /// Looks whether a role would run here, and says what to do where it would not.
    Doctor(orb_doctor::Options),
}

/// What this process is.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Everything in one process, with SQLite: what a self-hoster runs.
    ///
    /// Needs ORB_API_TOKENS, ORB_DISCORD_TOKENS and ORB_JELLYFIN_URL.
    Up,
    /// Everything in one process, with a sample film and simulators for what is not configured.
    ///
    /// Needs no account, no Jellyfin and no configuration.
    #[cfg(feature = "demo")]
    Demo(Demo),
    /// The HTTP side only. Needs ORB_API_TOKENS and ORB_SCHEDULER_URL.
    Gateway,
    /// The scheduler only: sessions, leases, Discord accounts. Needs ORB_API_TOKENS (gateways and
    /// workers bear one of them), ORB_DISCORD_TOKENS and ORB_JELLYFIN_URL.
    Scheduler,
    /// A worker only: ffmpeg, voice, watch output. Needs ORB_API_TOKENS, ORB_SCHEDULER_URL and
    /// ORB_JELLYFIN_URL. ORB_VOICE_DRIVER chooses the voice driver: orb (the default) or songbird.
    Worker,
}

impl Role {
    /// As on the command line.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Up => "up",
            #[cfg(feature = "demo")]
            Self::Demo(_) => "demo",
            Self::Gateway => "gateway",
            Self::Scheduler => "scheduler",
            Self::Worker => "worker",
        }
    }
}

/// Options of the demo.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// A film to play in place of the generated one; anything that ffmpeg reads.
    #[arg(long, env = "FILM", value_name = "FILE")]
    pub(crate) film: Option<PathBuf>,
}
