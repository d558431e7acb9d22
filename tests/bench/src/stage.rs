//! What a bench plays on: both simulators in this process, Orb's roles as processes of their own.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use discord_sim::{DiscordSim, DiscordSimConfig};
use jellyfin_sim::{JellyfinSim, JellyfinSimConfig};
use tempfile::TempDir;

use crate::film::Film;
use crate::party::{Api, Party};
use crate::report;
use crate::role_process::{Environment, RoleProcess};

const API_TOKEN: &str = "bench-api-token";
const BOT_TOKEN: &str = "bench.bot.token";

/// Simulators, scheduler, worker and gateway, ready for calls. Dropping it ends all of them.
pub(crate) struct Stage {
    // Fields are dropped in this order: the roles first, then what they talk to, then their files.
    gateway: RoleProcess,
    worker: RoleProcess,
    scheduler: RoleProcess,
    api: Api,
    pub(crate) discord: DiscordSim,
    jellyfin: JellyfinSim,
    /// When the simulator's own times began.
    jellyfin_since: Instant,
    plays: AtomicU64,
    _folder: TempDir,
}

/// What may be different from stage to stage.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) discord: DiscordSimConfig,
    /// Further variables of the worker.
    pub(crate) worker: Vec<(&'static str, String)>,
}

impl Stage {
    /// Makes the films if need be and starts everything.
    pub(crate) async fn start() -> Result<Self> {
        Self::start_as(Setup::default()).await
    }

    /// The same, set up otherwise.
    pub(crate) async fn start_as(setup: Setup) -> Result<Self> {
        let mut films = Vec::new();
        for film in Film::ALL {
            let path = film.file().await?;
            films.push(jellyfin_sim::Film::new(film.id(), film.name(), path));
        }
        let discord = DiscordSim::start(setup.discord).await?;
        let jellyfin = JellyfinSim::start(JellyfinSimConfig {
            films,
            ..JellyfinSimConfig::default()
        })
        .await?;
        let jellyfin_since = Instant::now();
        // Not in /tmp, which may be in memory: the database's syncs are part of what is measured.
        let folder = tempfile::tempdir_in(report::folder()?).context("cannot make a folder")?;
        let environment = environment(&discord, &jellyfin, folder.path())?;
        let start = |role, environment| RoleProcess::start(role, environment, folder.path());
        let mut scheduler = start("scheduler", &environment)?;
        scheduler.address("gRPC listens").await?;
        let mut of_worker = environment.clone();
        of_worker.extend(setup.worker);
        let worker = start("worker", &of_worker)?;
        let mut gateway = start("gateway", &environment)?;
        let address = gateway.address("HTTP listens").await?;
        Ok(Self {
            gateway,
            worker,
            scheduler,
            api: Api::new(address, API_TOKEN)?,
            discord,
            jellyfin,
            jellyfin_since,
            plays: AtomicU64::new(0),
            _folder: folder,
        })
    }

    /// Process id of the worker.
    pub(crate) fn worker_pid(&self) -> u32 {
        self.worker.pid()
    }

    /// A session in a guild of its own, connected to voice.
    pub(crate) async fn party(&self, number: u64) -> Result<Party> {
        Party::create(&self.api, number).await
    }

    /// An address of the film that nobody has asked for before: whatever remembers addresses does not know it.
    pub(crate) fn fresh_url(&self, film: Film) -> String {
        let play = self.plays.fetch_add(1, Ordering::Relaxed);
        format!(
            "{}&PlaySessionId=bench{play}",
            self.jellyfin.stream_url(film.id())
        )
    }

    /// When Jellyfin was asked for what stands at a fresh address, to a few ms.
    pub(crate) fn asked_for(&self, url: &str) -> Vec<Instant> {
        let requests = self.jellyfin.requests();
        let same = requests.iter().filter(|one| {
            let asked = format!("{}?{}", one.path, one.query);
            url.ends_with(&asked)
        });
        same.map(|one| self.jellyfin_since + Duration::from_millis(one.at_ms))
            .collect()
    }

    /// Runs a bench; when it fails, shows the logs of the roles.
    pub(crate) async fn run<T>(
        &self,
        bench: impl AsyncFnOnce(&Self) -> Result<T>,
        within: Duration,
    ) -> Result<T> {
        let outcome = tokio::time::timeout(within, bench(self)).await;
        let outcome = outcome
            .with_context(|| format!("took longer than {within:?}"))
            .flatten();
        if outcome.is_err() {
            for role in [&self.scheduler, &self.worker, &self.gateway] {
                eprintln!("--- orb {} ---\n{}", role.role(), role.tail());
            }
        }
        outcome
    }
}

fn environment(discord: &DiscordSim, jellyfin: &JellyfinSim, folder: &Path) -> Result<Environment> {
    let grpc = free_port()?;
    Ok(Environment::from([
        ("ORB_HTTP_ADDR", "127.0.0.1:0".to_owned()),
        ("ORB_GRPC_ADDR", format!("127.0.0.1:{grpc}")),
        ("ORB_SCHEDULER_URL", format!("http://127.0.0.1:{grpc}")),
        ("ORB_WORKER_ID", "bench-worker".to_owned()),
        ("ORB_API_TOKENS", API_TOKEN.to_owned()),
        (
            "ORB_DATABASE_URL",
            format!("sqlite://{}", folder.join("orb.db").display()),
        ),
        ("ORB_JELLYFIN_URL", jellyfin.base_url().to_owned()),
        ("ORB_DISCORD_TOKENS", BOT_TOKEN.to_owned()),
        ("ORB_DISCORD_API_URL", discord.api_url()),
        ("ORB_DISCORD_CA", discord.ca_file().display().to_string()),
        ("TMPDIR", folder.display().to_string()),
        // Addresses are read from the log.
        ("NO_COLOR", "1".to_owned()),
    ]))
}

/// A port that was free a moment ago: worker and gateway have to know the scheduler's.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("loopback has no free port")?;
    Ok(listener.local_addr()?.port())
}
