//! A pool as it runs in production: etcd, PostgreSQL, schedulers of which one leads, workers that come and go.

use std::time::Duration;

use anyhow::{Context, Result};
use discord_sim::{DiscordSim, DiscordSimConfig};
use orb_cluster::{Etcd, Postgres};
use rustix::process::Signal;

use crate::children::ffmpegs;
use crate::film::Film;
use crate::listener::Listener;
use crate::moment::Moment;
use crate::party::{Api, Party};
use crate::role_process::{Environment, RoleProcess};
use crate::stage::free_port;
use crate::surroundings::{API_TOKEN, Surroundings};
use crate::waiting::until;

/// A process that starts beside a dozen others; with etcd, an election may have to be waited for.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// A worker that drains hands over all it has first.
const ENDS_WITHIN: Duration = Duration::from_secs(40);

/// What may be different from pool to pool.
#[derive(Default)]
pub(super) struct Setup {
    pub(super) discord: DiscordSimConfig,
    /// Further variables of all roles.
    pub(super) environment: Vec<(&'static str, String)>,
}

/// A running pool with two schedulers and no worker yet. Dropping it ends all of it.
pub(super) struct Pool {
    // Fields are dropped in this order: the roles first, then what they talk to.
    pub(super) workers: Vec<RoleProcess>,
    /// The first leads.
    schedulers: Vec<RoleProcess>,
    gateway: RoleProcess,
    pub(super) api: Api,
    environment: Environment,
    /// Processes so far: each has a name of its own.
    started: usize,
    pub(super) surroundings: Surroundings,
    _etcd: Etcd,
    _postgres: Postgres,
}

impl Pool {
    pub(super) async fn start(setup: Setup) -> Result<Self> {
        let surroundings = Surroundings::start(setup.discord).await?;
        let (etcd, postgres) = tokio::try_join!(Etcd::start(), Postgres::start_with(&[]))?;
        let mut environment = surroundings.environment();
        environment.extend([
            ("ORB_ETCD_ENDPOINTS", etcd.endpoint()),
            ("ORB_DATABASE_URL", postgres.url()),
        ]);
        environment.extend(setup.environment);
        let mut gateway = RoleProcess::start("gateway", &environment, surroundings.folder())?;
        let address = gateway.address("HTTP listens").await?;
        let mut pool = Self {
            workers: Vec::new(),
            schedulers: Vec::new(),
            gateway,
            api: Api::new(address, API_TOKEN)?,
            environment,
            started: 0,
            surroundings,
            _etcd: etcd,
            _postgres: postgres,
        };
        pool.start_schedulers().await?;
        Ok(pool)
    }

    pub(super) fn discord(&self) -> &DiscordSim {
        &self.surroundings.discord
    }

    /// The member of a party's channel.
    pub(super) fn listener(&self, party: &Party) -> Listener<'_> {
        Listener::new(self.discord(), party.guild())
    }

    pub(super) fn leader(&self) -> Result<&RoleProcess> {
        self.schedulers.first().context("there is a scheduler")
    }

    /// Two where there were none; the first one leads.
    pub(super) async fn start_schedulers(&mut self) -> Result<()> {
        let mut leader = self.start_role("scheduler", &[]).await?;
        leader.says("leading", STARTS_WITHIN).await?;
        self.schedulers.push(leader);
        self.add_standby().await
    }

    pub(super) async fn add_standby(&mut self) -> Result<()> {
        let standby = self.start_role("scheduler", &[]).await?;
        self.schedulers.push(standby);
        Ok(())
    }

    /// The leader gets a signal; the other one is the next. The old one's process comes back, with the moment.
    pub(super) fn end_leader(&mut self, signal: Signal) -> Result<(RoleProcess, Moment)> {
        let leader = self.schedulers.remove(0);
        let moment = leader.signal(signal)?;
        Ok((leader, moment))
    }

    /// All schedulers are killed at once.
    pub(super) fn kill_schedulers(&mut self) -> Result<Moment> {
        let moment = Moment::now();
        for scheduler in self.schedulers.drain(..) {
            scheduler.signal(Signal::KILL)?;
        }
        Ok(moment)
    }

    /// One more worker, attached.
    pub(super) async fn add_worker(&mut self) -> Result<()> {
        self.add_worker_with(&[]).await
    }

    /// The same with further variables.
    pub(super) async fn add_worker_with(&mut self, more: &[(&'static str, String)]) -> Result<()> {
        let mut worker = self.start_role("worker", more).await?;
        worker.says("attached", STARTS_WITHIN).await?;
        self.workers.push(worker);
        Ok(())
    }

    async fn start_role(
        &mut self,
        role: &str,
        more: &[(&'static str, String)],
    ) -> Result<RoleProcess> {
        self.started += 1;
        let name = format!("{role}-{}", self.started);
        let mut environment = self.environment.clone();
        environment.extend([
            ("ORB_WORKER_ID", name.clone()),
            // What is advertised has to be known before it is bound.
            ("ORB_GRPC_ADDR", format!("127.0.0.1:{}", free_port()?)),
        ]);
        environment.extend(more.iter().cloned());
        let folder = self.surroundings.folder();
        let mut process = RoleProcess::start_as(&name, role, &environment, folder)?;
        if role == "scheduler" {
            process.address("gRPC listens").await?;
        }
        Ok(process)
    }

    /// The only worker that plays something, taken out of the pool.
    pub(super) async fn take_holder(&mut self) -> Result<RoleProcess> {
        let workers = &self.workers;
        let holder = until("a worker to play", STARTS_WITHIN, async || {
            for (place, worker) in workers.iter().enumerate() {
                if !ffmpegs(worker.pid())?.is_empty() {
                    return Ok(Some(place));
                }
            }
            Ok(None)
        })
        .await?;
        Ok(self.workers.remove(holder))
    }

    /// A session in a guild of its own that plays and is heard.
    pub(super) async fn playing(&self, number: u64, film: Film) -> Result<Party> {
        let party = Party::create(&self.api, number).await?;
        let url = self.surroundings.fresh_url(film);
        let played = party.play(film, &url).await?;
        self.listener(&party).first_sound(played.asked).await?;
        Ok(party)
    }

    /// The same for several, one after the other.
    pub(super) async fn crowd(&self, size: u64, film: Film) -> Result<Vec<Party>> {
        let mut crowd = Vec::new();
        for number in 0..size {
            crowd.push(self.playing(number, film).await?);
        }
        Ok(crowd)
    }

    /// Runs a part of the bench; when it fails, shows the logs of the roles.
    pub(super) async fn run<T>(
        &mut self,
        part: impl AsyncFnOnce(&mut Self) -> Result<T>,
        within: Duration,
    ) -> Result<T> {
        let outcome = tokio::time::timeout(within, part(self)).await;
        let outcome = outcome
            .with_context(|| format!("took longer than {within:?}"))
            .flatten();
        if outcome.is_err() {
            let all = self.schedulers.iter().chain(&self.workers);
            for role in all.chain([&self.gateway]) {
                role.show();
            }
        }
        outcome
    }
}

/// A worker that was asked to go has gone.
pub(super) async fn gone(worker: &mut RoleProcess) -> Result<()> {
    let status = worker.ends(ENDS_WITHIN).await?;
    anyhow::ensure!(status.success(), "a drained worker ended with {status}");
    Ok(())
}
