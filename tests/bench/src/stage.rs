//! What a bench plays on: both simulators in this process, Orb's roles as processes of their own.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use discord_sim::{DiscordSim, DiscordSimConfig};
use jellyfin_sim::JellyfinSimConfig;

use crate::film::Film;
use crate::party::{Api, Party};
use crate::role_process::{Environment, RoleProcess};
use crate::surroundings::{API_TOKEN, Extras, Surroundings};

/// Simulators, scheduler, worker and gateway, ready for calls. Dropping it ends all of them.
pub(crate) struct Stage {
    // Fields are dropped in this order: the roles first, then what they talk to.
    gateway: RoleProcess,
    worker: RoleProcess,
    scheduler: RoleProcess,
    api: Api,
    of_worker: Environment,
    surroundings: Surroundings,
}

/// What may be different from stage to stage.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) discord: DiscordSimConfig,
    /// A library for the roles to ask; without one they only play what they are given.
    pub(crate) library: Option<JellyfinSimConfig>,
    /// User accounts; with any, every party goes live.
    pub(crate) users: usize,
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
        let extras = Extras {
            library: setup.library,
            users: setup.users,
        };
        let surroundings = Surroundings::start_with(setup.discord, extras).await?;
        let folder = surroundings.folder();
        let grpc = free_port()?;
        let mut environment = surroundings.environment();
        environment.extend([
            ("ORB_GRPC_ADDR", format!("127.0.0.1:{grpc}")),
            ("ORB_SCHEDULER_URL", format!("http://127.0.0.1:{grpc}")),
            ("ORB_WORKER_ID", "bench-worker".to_owned()),
            (
                "ORB_DATABASE_URL",
                format!("sqlite://{}", folder.join("orb.db").display()),
            ),
        ]);
        let start = |role, environment| RoleProcess::start(role, environment, folder);
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
            of_worker,
            surroundings,
        })
    }

    pub(crate) fn discord(&self) -> &DiscordSim {
        &self.surroundings.discord
    }

    /// Another worker beside the first one.
    pub(crate) fn add_worker(&self, name: &str) -> Result<RoleProcess> {
        let mut environment = self.of_worker.clone();
        environment.insert("ORB_WORKER_ID", name.to_owned());
        RoleProcess::start_as(name, "worker", &environment, self.surroundings.folder())
    }

    /// Process id of the worker.
    pub(crate) fn worker_pid(&self) -> u32 {
        self.worker.pid()
    }

    /// Process id of the gateway.
    pub(crate) fn gateway_pid(&self) -> u32 {
        self.gateway.pid()
    }

    /// The gateway's API.
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// A session in a guild of its own, connected to voice.
    pub(crate) async fn party(&self, number: u64) -> Result<Party> {
        Party::create(&self.api, number).await
    }

    /// An address of the film that nobody has asked for before.
    pub(crate) fn fresh_url(&self, film: Film) -> String {
        self.surroundings.fresh_url(film)
    }

    /// When Jellyfin was asked for what stands at a fresh address, to a few ms.
    pub(crate) fn asked_for(&self, url: &str) -> Vec<Instant> {
        self.surroundings.asked_for(url)
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
                role.show();
            }
        }
        outcome
    }
}

/// A port that was free a moment ago: worker and gateway have to know the scheduler's.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("loopback has no free port")?;
    Ok(listener.local_addr()?.port())
}
