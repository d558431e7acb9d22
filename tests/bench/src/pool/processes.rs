//! A pool as it runs in production: etcd, PostgreSQL, schedulers of which one leads, workers that come and go.

use std::time::Duration;

use anyhow::{Context, Result};
use discord_sim::{DiscordSim, DiscordSimConfig};
use orb_cluster::{Etcd, Postgres};
use rustix::process::Signal;

use super::distance::{Distance, Ports};
use crate::children::ffmpegs;
use crate::film::Film;
use crate::listener::Listener;
use crate::moment::Moment;
use crate::party::{Api, Party};
use crate::relay::{Relay, TcpPort};
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
    /// Voice servers and films are a round trip of [`distance::ROUND_TRIP`](super::distance::ROUND_TRIP) away.
    pub(super) far: bool,
}

/// A worker's process.
pub(super) struct Worker {
    pub(super) process: RoleProcess,
    /// Its way to the scheduler, where it is one that can be cut.
    pub(super) line: Option<Relay>,
}

/// A running pool with two schedulers and no worker yet. Dropping it ends all of it.
pub(super) struct Pool {
    // Fields are dropped in this order: the roles first, then what they talk to.
    pub(super) workers: Vec<Worker>,
    /// The first leads.
    schedulers: Vec<RoleProcess>,
    gateway: RoleProcess,
    pub(super) api: Api,
    environment: Environment,
    /// Processes so far: each has a name of its own.
    started: usize,
    distance: Option<Distance>,
    surroundings: Surroundings,
    _etcd: Etcd,
    _postgres: Postgres,
}

impl Pool {
    pub(super) async fn start(setup: Setup) -> Result<Self> {
        let ports = setup.far.then(Ports::bind).transpose()?;
        let discord = match &ports {
            Some(ports) => ports.announce(setup.discord)?,
            None => setup.discord,
        };
        let surroundings = Surroundings::start(discord).await?;
        let distance = ports.map(|ports| ports.open(&surroundings)).transpose()?;
        let (etcd, postgres) = tokio::try_join!(Etcd::start(), Postgres::start_with(&[]))?;
        let mut environment = surroundings.environment();
        environment.extend([
            ("ORB_ETCD_ENDPOINTS", etcd.endpoint()),
            ("ORB_DATABASE_URL", postgres.url()),
        ]);
        if let Some(distance) = &distance {
            environment.insert("ORB_JELLYFIN_URL", distance.jellyfin_url());
        }
        let mut gateway = RoleProcess::start("gateway", &environment, surroundings.folder())?;
        let address = gateway.address("HTTP listens").await?;
        let mut pool = Self {
            workers: Vec::new(),
            schedulers: Vec::new(),
            gateway,
            api: Api::new(address, API_TOKEN)?,
            environment,
            started: 0,
            distance,
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
        let mut leader = self.start_role("scheduler", self.environment.clone())?;
        leader.address("gRPC listens").await?;
        leader.says("leading", STARTS_WITHIN).await?;
        self.schedulers.push(leader);
        self.add_standby().await
    }

    pub(super) async fn add_standby(&mut self) -> Result<()> {
        let mut standby = self.start_role("scheduler", self.environment.clone())?;
        standby.address("gRPC listens").await?;
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
        let process = self.start_role("worker", self.environment.clone())?;
        self.attached(process, None).await
    }

    /// The same with a way to the scheduler that can be cut.
    pub(super) async fn add_worker_on_a_line(&mut self) -> Result<()> {
        let leader = self
            .schedulers
            .first_mut()
            .context("there is a scheduler")?;
        let address = leader.address("gRPC listens").await?;
        let line = TcpPort::bind()?.relay(Duration::ZERO, address)?;
        let mut environment = self.environment.clone();
        environment.remove("ORB_ETCD_ENDPOINTS");
        environment.insert("ORB_SCHEDULER_URL", format!("http://{}", line.address));
        let process = self.start_role("worker", environment)?;
        self.attached(process, Some(line)).await
    }

    async fn attached(&mut self, mut process: RoleProcess, line: Option<Relay>) -> Result<()> {
        process.says("attached", STARTS_WITHIN).await?;
        self.workers.push(Worker { process, line });
        Ok(())
    }

    fn start_role(&mut self, role: &str, mut environment: Environment) -> Result<RoleProcess> {
        self.started += 1;
        let name = format!("{role}-{}", self.started);
        environment.extend([
            ("ORB_WORKER_ID", name.clone()),
            // What is advertised has to be known before it is bound.
            ("ORB_GRPC_ADDR", format!("127.0.0.1:{}", free_port()?)),
        ]);
        RoleProcess::start_as(&name, role, &environment, self.surroundings.folder())
    }

    /// The only worker that plays something, taken out of the pool.
    pub(super) async fn take_holder(&mut self) -> Result<Worker> {
        let workers = &self.workers;
        let holder = until("a worker to play", STARTS_WITHIN, async || {
            for (place, worker) in workers.iter().enumerate() {
                if !ffmpegs(worker.process.pid())?.is_empty() {
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
        let mut url = self.surroundings.fresh_url(film);
        if let Some(distance) = &self.distance {
            let near = self.surroundings.jellyfin_url().trim_end_matches('/');
            url = url.replacen(near, &distance.jellyfin_url(), 1);
        }
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
            let workers = self.workers.iter().map(|worker| &worker.process);
            let all = self.schedulers.iter().chain(workers);
            for role in all.chain([&self.gateway]) {
                role.show();
            }
        }
        outcome
    }
}

/// A worker that was asked to go has gone.
pub(super) async fn gone(worker: &mut Worker) -> Result<()> {
    let status = worker.process.ends(ENDS_WITHIN).await?;
    anyhow::ensure!(status.success(), "a drained worker ended with {status}");
    Ok(())
}
