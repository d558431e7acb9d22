//! Orb as an operator runs it: gateway, scheduler, etcd, PostgreSQL, all with their own defaults.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result};
use orb_cluster::{Etcd, Postgres};
use tempfile::TempDir;

use super::calls::Calls;
use super::discord::Discord;
use super::swarm::{Shape, Swarm};
use crate::machine::allow_many_sockets;
use crate::process_cost::CpuMeter;
use crate::report;
use crate::role_process::{Environment, RoleProcess};
use crate::waiting::until;

pub(super) const API_TOKEN: &str = "bench-api-token";
pub(super) const INTERNAL_TOKEN: &str = "bench-internal-token";

/// The first source that no installation refuses. Nobody opens it.
pub(super) const SOURCE: &str = "http://127.0.0.1:9/Videos/1/stream";

/// Hundreds of accounts connect one after the other.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// All processes of an installation. Dropping it ends them.
pub(super) struct Installation {
    // Dropped in this order: the roles first, then what they talk to, then their files.
    gateway: RoleProcess,
    scheduler: RoleProcess,
    discord: Discord,
    postgres: Postgres,
    etcd: Etcd,
    pub(super) calls: Calls,
    grpc: SocketAddr,
    _folder: TempDir,
}

impl Installation {
    /// Starts everything, with so many bot accounts. Discord lets each of them join about a hundred channels a minute.
    pub(super) async fn start(accounts: usize) -> Result<Self> {
        allow_many_sockets()?;
        let folder = tempfile::tempdir_in(report::folder()?).context("cannot make a folder")?;
        let discord = Discord::start().await?;
        // Durable: each commit is on disk before it is acknowledged.
        let postgres = Postgres::start_with(&[]).await?;
        let etcd = Etcd::start().await?;
        let grpc = free_address()?;
        let tokens: Vec<String> = (0..accounts).map(|n| format!("bench.bot.{n}")).collect();
        let environment = Environment::from([
            ("ORB_HTTP_ADDR", "127.0.0.1:0".to_owned()),
            ("ORB_GRPC_ADDR", grpc.to_string()),
            ("ORB_ETCD_ENDPOINTS", etcd.endpoint()),
            ("ORB_DATABASE_URL", postgres.url()),
            ("ORB_API_TOKENS", API_TOKEN.to_owned()),
            ("ORB_SCHEDULER__TOKEN", INTERNAL_TOKEN.to_owned()),
            ("ORB_JELLYFIN_URL", "http://127.0.0.1:9".to_owned()),
            ("ORB_DISCORD_TOKENS", tokens.join(",")),
            ("ORB_DISCORD_API_URL", discord.api_url.clone()),
            ("ORB_DISCORD_CA", discord.ca_file.display().to_string()),
            ("TMPDIR", folder.path().display().to_string()),
            ("NO_COLOR", "1".to_owned()),
        ]);
        let mut scheduler = RoleProcess::start("scheduler", &environment, folder.path())?;
        scheduler.address("gRPC listens").await?;
        let mut gateway = RoleProcess::start("gateway", &environment, folder.path())?;
        let http = gateway.address("HTTP listens").await?;
        let installation = Self {
            gateway,
            scheduler,
            discord,
            postgres,
            etcd,
            calls: Calls::new(http)?,
            grpc,
            _folder: folder,
        };
        let connected = format!("all of {accounts} accounts to be connected");
        let ready = until(&connected, READY_WITHIN, async || {
            let log = installation.scheduler.log();
            let count = log.matches("account connected").count();
            Ok((count >= accounts).then_some(()))
        });
        installation.explained(ready.await)?;
        Ok(installation)
    }

    /// Simulated workers, all attached.
    pub(super) async fn workers(&self, shape: Shape) -> Result<Swarm> {
        Swarm::attach(self.scheduler_url(), shape).await
    }

    /// Where the scheduler's gRPC side is.
    pub(super) fn scheduler_url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    pub(super) fn scheduler_pid(&self) -> u32 {
        self.scheduler.pid()
    }

    /// Meters of all processes, for the context of what is measured.
    pub(super) fn meters(&self) -> Result<Meters> {
        let mut meters = Vec::new();
        let mut add = |name, pid: Option<u32>| -> Result<()> {
            if let Some(pid) = pid {
                meters.push((name, CpuMeter::start(pid)?));
            }
            Ok(())
        };
        add(LOAD, Some(std::process::id()))?;
        add(GATEWAY, Some(self.gateway.pid()))?;
        add(SCHEDULER, Some(self.scheduler.pid()))?;
        add(DISCORD, self.discord.pid())?;
        add(ETCD, self.etcd.pid())?;
        let store = self.postgres.pid().map(StoreMeter::start).transpose()?;
        Ok(Meters { meters, store })
    }

    /// The outcome; when it is an error, shows the ends of the roles' logs.
    pub(super) fn explained<T>(&self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            self.scheduler.show();
            self.gateway.show();
        }
        outcome
    }
}

// What takes CPU time, as it is called in what is reported.
pub(super) const LOAD: &str = "load generator and workers";
pub(super) const GATEWAY: &str = "gateway";
pub(super) const SCHEDULER: &str = "scheduler";
pub(super) const DISCORD: &str = "discord-sim";
pub(super) const ETCD: &str = "etcd";
pub(super) const STORE: &str = "PostgreSQL";

/// How many cores each kept busy.
pub(super) struct Cores(Vec<(&'static str, f64)>);

impl Cores {
    /// In words.
    pub(super) fn describe(&self) -> String {
        let parts = self.0.iter();
        let parts: Vec<_> = parts.map(|(name, c)| format!("{name} {c:.2}")).collect();
        format!("cores: {}", parts.join(", "))
    }

    /// Of one of them; 0 where it is not measured.
    pub(super) fn of(&self, name: &str) -> f64 {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or(0.0, |(_, cores)| *cores)
    }

    pub(super) fn all(&self) -> f64 {
        self.0.iter().map(|(_, cores)| cores).sum()
    }
}

/// CPU time by process.
pub(super) struct Meters {
    meters: Vec<(&'static str, CpuMeter)>,
    store: Option<StoreMeter>,
}

impl Meters {
    /// Since they were started.
    pub(super) fn read(&self) -> Cores {
        let cores = |meter: &CpuMeter| meter.cores().unwrap_or_default();
        let meters = self.meters.iter();
        let mut parts: Vec<_> = meters.map(|(name, meter)| (*name, cores(meter))).collect();
        if let Some(store) = &self.store {
            parts.push((STORE, store.cores()));
        }
        Cores(parts)
    }

    /// The same in words.
    pub(super) fn describe(&self) -> String {
        self.read().describe()
    }
}

/// PostgreSQL has a process a connection, and some of its own.
struct StoreMeter(Vec<CpuMeter>);

impl StoreMeter {
    fn start(pid: u32) -> Result<Self> {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
            .context("PostgreSQL is gone")?;
        let children = children
            .split_whitespace()
            .filter_map(|one| one.parse().ok());
        let all = std::iter::once(pid).chain(children);
        all.map(CpuMeter::start).collect::<Result<_>>().map(Self)
    }

    /// Of those that are still there.
    fn cores(&self) -> f64 {
        self.0.iter().filter_map(|one| one.cores().ok()).sum()
    }
}

/// An address that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("loopback has no free port")?;
    Ok(listener.local_addr()?)
}
