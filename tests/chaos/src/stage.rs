//! Everything that runs: servers, simulators, relays, and the processes of `orb`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use discord_sim::{DiscordSim, DiscordSimConfig, Displacement};
use jellyfin_sim::{Film, JellyfinSim, JellyfinSimConfig};
use orb_cluster::{Etcd, Postgres, free_port};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::environment::Environment;
use crate::film::{self, FILM_ID, FILM_TITLE};
use crate::network::{Network, Relay, UdpRelay};
use crate::place::{Kind, Life, Place, Side};
use crate::process::Process;
use crate::run::Plan;
use crate::schedule::{GATEWAYS, WORKERS};
use crate::{folders, logs};

/// The token of all clients.
pub const API_TOKEN: &str = "chaos-api-token-Zm9vYmFy";
const JELLYFIN_KEY: &str = "chaosjellyfinkey0123456789abcdef";
/// Two, so that a guild whose last party has not let go of its account yet can have the next one.
const BOT_TOKENS: &str = "chaos.bot.token.1,chaos.bot.token.2";

/// Parties that play at once on one worker: three workers, and all may come to one of them.
const CAPACITY_MILLICORES: &str = "4000";

/// A debug build that starts beside ten other processes.
const STARTS_WITHIN: Duration = Duration::from_mins(1);

/// With [`Store::forget`](crate::history::Store::forget): nothing is written before somebody insists.
const FORGETFUL: [(&str, &str); 2] = [("fsync", "off"), ("wal_writer_delay", "10s")];

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where processes of one kind run one after the other. Whoever acts on one holds its lock meanwhile.
pub struct Slot {
    /// Which.
    pub place: Place,
    /// The one that runs, or was the last to.
    pub process: Option<Process>,
    environment: Environment,
    lives: u32,
    /// Logs of all lives, the present one's too.
    pub logs: Vec<(Life, PathBuf)>,
}

impl Slot {
    /// Starts the next process here.
    pub fn start(&mut self, stage: &Base) -> Result<()> {
        self.process = None;
        self.lives += 1;
        let life = Life {
            place: self.place,
            number: self.lives,
        };
        let process = Process::start(
            &stage.orb,
            life,
            &self.environment,
            &stage.folder,
            &stage.network,
        )?;
        self.logs.push((life, process.log.clone()));
        self.process = Some(process);
        Ok(())
    }

    /// The last epoch under which a process here began to lead.
    pub fn led(&self) -> Option<u64> {
        let (_, log) = self.logs.last()?;
        let lines = logs::read(log);
        lines
            .iter()
            .rev()
            .find(|line| line.message() == "leading")
            .and_then(|line| line.number("epoch"))
    }
}

/// What does not change in a run.
pub struct Base {
    /// All links.
    pub network: Arc<Network>,
    /// Where logs go.
    pub folder: PathBuf,
    orb: PathBuf,
}

impl Drop for Base {
    fn drop(&mut self) {
        // Logs are kept, not what wrote them.
        let _ = std::fs::remove_file(&self.orb);
    }
}

/// All of it. Dropped from the top: processes before what they need.
pub struct Stage {
    /// Schedulers, workers, gateways.
    pub slots: BTreeMap<Place, Arc<Mutex<Slot>>>,
    /// What does not change.
    pub base: Arc<Base>,
    voice_server: AtomicUsize,
    /// Where the gateways answer.
    pub gateways: Vec<SocketAddr>,
    /// The Discord.
    pub discord: DiscordSim,
    /// The Jellyfin.
    pub jellyfin: JellyfinSim,
    /// Who leads.
    pub etcd: Arc<Mutex<Etcd>>,
    /// The store.
    pub postgres: Arc<Mutex<Postgres>>,
    /// The store's address, not by way of a relay.
    pub database_url: String,
    _relays: Vec<Relay>,
    _media: UdpRelay,
    _temporary: TempDir,
}

impl Stage {
    /// Starts everything; done when a scheduler leads, with an account and all workers.
    pub async fn start(plan: Plan, schedulers: usize, folder: PathBuf) -> Result<Self> {
        let built = folders::profile()?.join("orb");
        // A build meanwhile takes the name away: what is started again is what was started first.
        let orb = folder.join("orb");
        std::fs::hard_link(&built, &orb).with_context(|| {
            format!(
                "there is no {}: run `cargo build -p orb` first",
                built.display()
            )
        })?;
        let network = Arc::new(Network::default());
        let base = Arc::new(Base {
            network: Arc::clone(&network),
            folder,
            orb,
        });
        let etcd = Etcd::start().await?;
        let postgres = if plan.forgetful {
            Postgres::start_with(&FORGETFUL).await?
        } else {
            Postgres::start().await?
        };
        let relay = async |side| Relay::listen(&network, side).await;
        let (etcd_relay, postgres_relay) = (relay(Side::Etcd).await?, relay(Side::Postgres).await?);
        etcd_relay.lead_to(address_in(&etcd.endpoint())?);
        postgres_relay.lead_to(SocketAddr::from(([127, 0, 0, 1], postgres.port())));
        let rest = relay(Side::Discord).await?;
        let gateway = relay(Side::Discord).await?;
        let voice = [relay(Side::Discord).await?, relay(Side::Discord).await?];
        let media = UdpRelay::bind(&network, Side::Discord).await?;
        let discord = DiscordSim::start(DiscordSimConfig {
            tokens: BOT_TOKENS.split(',').map(str::to_owned).collect(),
            displacement: Displacement::from_seed(plan.seed),
            gateway_relay: Some(gateway.address()),
            voice_relays: Some([voice[0].address(), voice[1].address()]),
            media_relay: Some(media.address()),
            ..DiscordSimConfig::default()
        })
        .await?;
        rest.lead_to(address_in(&discord.api_url())?);
        gateway.lead_to(discord.gateway_endpoint());
        for (relay, server) in voice.iter().zip(discord.voice_endpoints()) {
            relay.lead_to(server);
        }
        media.lead_to(discord.media_address());
        let film = film::made(&folders::target()?.join("chaos-films")).await?;
        let jellyfin = JellyfinSim::start(JellyfinSimConfig {
            films: vec![Film::new(FILM_ID, FILM_TITLE, film)],
            stream_needs_auth: true,
            api_key: Some(JELLYFIN_KEY.to_owned()),
            ..JellyfinSimConfig::default()
        })
        .await?;
        let temporary = tempfile::tempdir().context("making a temporary folder")?;
        let common = Environment::bare()
            .with("ORB_API_TOKENS", API_TOKEN)
            .with(
                "ORB_ETCD_ENDPOINTS",
                format!("http://{}", etcd_relay.address()),
            )
            .with("ORB_JELLYFIN_URL", jellyfin.base_url())
            .with("ORB_JELLYFIN_API_KEY", JELLYFIN_KEY)
            .with("ORB_DISCORD_TOKENS", BOT_TOKENS)
            .with("ORB_DISCORD_API_URL", format!("http://{}", rest.address()))
            .with("ORB_DISCORD_CA", discord.ca_file().display().to_string())
            .with(
                "ORB_DATABASE_URL",
                format!("postgres://postgres@{}/postgres", postgres_relay.address()),
            )
            .with("TMPDIR", temporary.path().display().to_string());
        let mut relays = vec![etcd_relay, postgres_relay, rest, gateway];
        relays.extend(voice);
        let mut slots = BTreeMap::new();
        let mut slot = |kind, index, environment| {
            let place = Place { kind, index };
            let slot = Slot {
                place,
                process: None,
                environment,
                lives: 0,
                logs: Vec::new(),
            };
            slots.insert(place, Arc::new(Mutex::new(slot)));
        };
        for index in 0..schedulers {
            let front = Relay::listen(&network, Side::Scheduler).await?;
            let port = free_port()?;
            front.lead_to(SocketAddr::from(([127, 0, 0, 1], port)));
            let environment = common
                .clone()
                .with("ORB_GRPC_ADDR", format!("127.0.0.1:{port}"))
                .with(
                    "ORB_SCHEDULER__ADVERTISE",
                    format!("http://{}", front.address()),
                );
            relays.push(front);
            slot(Kind::Scheduler, index, environment);
        }
        for index in 0..WORKERS {
            let environment = common
                .clone()
                .with("ORB_WORKER_ID", format!("worker-{}", index + 1))
                .with("ORB_WORKER__CAPACITY_MILLICORES", CAPACITY_MILLICORES);
            slot(Kind::Worker, index, environment);
        }
        let mut gateways = Vec::new();
        for index in 0..GATEWAYS {
            let port = free_port()?;
            gateways.push(SocketAddr::from(([127, 0, 0, 1], port)));
            let environment = common
                .clone()
                .with("ORB_HTTP_ADDR", format!("127.0.0.1:{port}"));
            slot(Kind::Gateway, index, environment);
        }
        let database_url = postgres.url();
        let stage = Self {
            slots,
            base,
            voice_server: AtomicUsize::new(0),
            gateways,
            discord,
            jellyfin,
            etcd: Arc::new(Mutex::new(etcd)),
            postgres: Arc::new(Mutex::new(postgres)),
            database_url,
            _relays: relays,
            _media: media,
            _temporary: temporary,
        };
        stage.start_processes().await?;
        Ok(stage)
    }

    async fn start_processes(&self) -> Result<()> {
        let first = Place {
            kind: Kind::Scheduler,
            index: 0,
        };
        self.slot(first).lock().await.start(&self.base)?;
        self.says(first, "leading", 1).await?;
        for (place, slot) in &self.slots {
            if *place != first {
                slot.lock().await.start(&self.base)?;
            }
        }
        self.says(first, "account connected", 2).await?;
        self.says(first, "worker attached", WORKERS).await
    }

    /// Where something runs.
    pub fn slot(&self, place: Place) -> &Arc<Mutex<Slot>> {
        &self.slots[&place]
    }

    /// The places of one kind.
    pub fn places(&self, kind: Kind) -> impl Iterator<Item = Place> {
        self.slots
            .keys()
            .copied()
            .filter(move |place| place.kind == kind)
    }

    /// The voice server that calls are not on.
    pub fn other_voice_server(&self) -> usize {
        1 - self.voice_server.fetch_xor(1, Ordering::Relaxed)
    }

    /// The film's stream as a bot hands it over: with a key.
    pub fn stream_url(&self) -> String {
        format!(
            "{}&ApiKey={JELLYFIN_KEY}",
            self.jellyfin.stream_url(FILM_ID)
        )
    }

    /// The film's file, the same way.
    pub fn download_url(&self) -> String {
        format!(
            "{}?ApiKey={JELLYFIN_KEY}",
            self.jellyfin.download_url(FILM_ID)
        )
    }

    async fn says(&self, place: Place, message: &str, times: usize) -> Result<()> {
        let deadline = Instant::now() + STARTS_WITHIN;
        loop {
            let log = self
                .slot(place)
                .lock()
                .await
                .logs
                .last()
                .map(|(_, log)| log.clone());
            let lines = log.as_deref().map(logs::read).unwrap_or_default();
            if lines
                .iter()
                .filter(|line| line.message() == message)
                .count()
                >= times
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "{place} did not say '{message}' {times} times; its log is {}",
                    shown(log.as_deref())
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn shown(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string())
        .unwrap_or_default()
}

/// `http://127.0.0.1:2379`.
fn address_in(url: &str) -> Result<SocketAddr> {
    let (_, address) = url.split_once("://").context("a URL has a scheme")?;
    address
        .parse()
        .with_context(|| format!("{url} has no address"))
}
