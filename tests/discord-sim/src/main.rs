//! `discord-sim`: the simulator as a process of its own.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use discord_sim::{
    DiscordSim, DiscordSimConfig, Displacement, FirstCommit, GuildId, HeardDetail, TransportMode,
};
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error as NameError};

/// Stands for Discord in development and tests.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Port of the REST and control API on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where to write the certificate authority (PEM); a temporary file by default.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Bot tokens that are accepted, comma-separated; any by default.
    #[arg(
        long,
        env = "DISCORD_SIM_TOKENS",
        value_delimiter = ',',
        hide_env_values = true
    )]
    tokens: Vec<String>,
    /// Guilds that every bot is in from the start.
    #[arg(long, value_delimiter = ',')]
    guilds: Vec<GuildId>,
    /// How many shards are recommended to bots.
    #[arg(long, default_value_t = 1)]
    shards: u32,
    /// Calls without end-to-end encryption.
    #[arg(long)]
    no_dave: bool,
    /// How an older voice connection gives way: picked by this number.
    #[arg(long)]
    displacement_seed: Option<u64>,
    /// Op 4 to the channel that the bot is in sends no voice server update.
    #[arg(long)]
    no_same_channel_update: bool,
    /// Keep when packets came, but not their sound: for loads of hundreds of streams.
    #[arg(long)]
    arrivals_only: bool,
    /// How long a main gateway session outlives its socket, in seconds.
    #[arg(long)]
    resume_window: Option<u64>,
    /// Who founds a call's DAVE group: `bot`, as long as one does so soon, or `member`.
    #[arg(long, value_parser = by_name::<FirstCommit>)]
    first_commit: Option<FirstCommit>,
    /// Who makes its later commits: `bot` or `member`.
    #[arg(long, value_parser = by_name::<FirstCommit>)]
    later_commits: Option<FirstCommit>,
    /// Transport encryptions that are offered, in this order; both by default.
    #[arg(long, value_delimiter = ',', value_parser = by_name::<TransportMode>)]
    modes: Vec<TransportMode>,
}

/// The value that has this name in JSON.
fn by_name<T: DeserializeOwned>(name: &str) -> Result<T, NameError> {
    T::deserialize(name.into_deserializer())
}

impl Arguments {
    fn into_config(self) -> DiscordSimConfig {
        let mut config = DiscordSimConfig {
            rest_port: self.port,
            ca_file: self.ca_file,
            tokens: self.tokens,
            shards: self.shards,
            // They all come up at once.
            max_concurrency: self.shards,
            dave: !self.no_dave,
            same_channel_server_update: !self.no_same_channel_update,
            heard_detail: if self.arrivals_only {
                HeardDetail::Arrivals
            } else {
                HeardDetail::Sound
            },
            ..DiscordSimConfig::default()
        };
        if !self.guilds.is_empty() {
            config.guilds = self.guilds;
        }
        if let Some(seed) = self.displacement_seed {
            config.displacement = Displacement::from_seed(seed);
        }
        config.first_commit = self.first_commit.unwrap_or(config.first_commit);
        config.later_commits = self.later_commits.unwrap_or(config.later_commits);
        if !self.modes.is_empty() {
            config.modes = self.modes;
        }
        if let Some(seconds) = self.resume_window {
            config.resume_window = Duration::from_secs(seconds);
        }
        config
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let sim = DiscordSim::start(Arguments::parse().into_config()).await?;
    println!("api {}", sim.api_url());
    println!("ca {}", sim.ca_file().display());
    until_stopped().await?;
    sim.shutdown().await;
    Ok(())
}

/// Ctrl-C, or SIGTERM from whoever started it.
async fn until_stopped() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
