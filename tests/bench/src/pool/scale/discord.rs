//! The child role `discord`: the simulator as a process of its own, so that its cores are told apart.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use discord_sim::{DiscordSim, DiscordSimConfig, HeardDetail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

/// What the child says when it listens.
#[derive(Serialize, Deserialize)]
struct Listens {
    api_url: String,
    ca_file: PathBuf,
}

/// Serves until standard input ends, so that it never outlives the bench.
pub(crate) async fn serve() -> Result<()> {
    let discord = DiscordSim::start(DiscordSimConfig {
        guilds: Vec::new(),
        // Nobody speaks.
        dave: false,
        heard_detail: HeardDetail::Arrivals,
        ..DiscordSimConfig::default()
    })
    .await?;
    let listens = Listens {
        api_url: discord.api_url(),
        ca_file: discord.ca_file().to_owned(),
    };
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::to_string(&listens)?)?;
    out.flush()?;
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

/// The running child; dropping it ends it.
pub(super) struct Discord {
    child: Child,
    pub(super) api_url: String,
    pub(super) ca_file: PathBuf,
}

impl Discord {
    pub(super) async fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("discord")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the simulator")?;
        let out = child.stdout.take().context("standard output is a pipe")?;
        let line = BufReader::new(out).lines().next_line().await?;
        let Listens { api_url, ca_file } =
            serde_json::from_str(&line.context("the simulator did not start")?)?;
        Ok(Self {
            child,
            api_url,
            ca_file,
        })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}
