//! The roles: which parts a process has, and how they are wired.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use orb_accounts::{AccountConfig, AccountKind, AccountTiming};
use orb_config::Config;
use orb_coordinator::{Coordinator, SingleCoordinator};
use orb_gateway::{GatewayConfig, SigningKey};
use orb_jellyfin::SourcePolicy;
use orb_jellyfin::client::{JellyfinClient, JellyfinConfig};
use orb_scheduler::{
    Candidate, JellyfinReporter, ProgressReporter, SchedulerServer, ServerConfig, Standing,
    TermConfig,
};
use orb_scheduler_client::LeaderChannel;
use orb_scheduler_core::{AtQueueEnd, GoLive, SchedulerTiming};
use orb_scheduler_store::{AnyStore, Seal};
use orb_tls::{Listener, MutualTls, Protocol};
use orb_voice::{Driver, DriverConfig};
use orb_worker::{Drain, Reconnect, Worker, WorkerConfig};
use orb_worker_media::{Media, MediaConfig};
use orb_worker_outputs::voice::VoiceDriver;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::cli::Role;
use crate::stack::Stack;
use crate::trust::Trust;
use crate::{certificates, election, file_limit, in_process, operation};

/// The address of a leader that nobody has to look for.
const IN_PROCESS: &str = "in-process";

/// A worker that has handed its sessions over, or had its time to, has nothing left to do but to reap its children.
const STOP_GRACE: Duration = Duration::from_secs(5);

pub(crate) async fn run(
    role: Role,
    config: Config,
    trust: Trust,
    tls: Option<MutualTls>,
) -> Result<()> {
    // Kept until the end: it owns the bundle that voice connections read.
    let _trust = &trust;
    tracing::debug!(?config, "configuration");
    match role {
        Role::Up => {
            let mut stack = Stack::default();
            let grace = config.timing.drain_grace;
            up(
                &mut stack,
                &config,
                tls,
                GatewayConfig::new(config.http.tokens.clone()),
            )
            .await?;
            stack.run(grace).await
        }
        #[cfg(feature = "demo")]
        Role::Demo(options) => crate::demo::run(options, config, &trust).await,
        Role::Gateway => {
            let mut stack = Stack::default();
            file_limit::raise();
            let leader = election::leader(&config, tls.clone()).await?;
            let mut gateway_config = GatewayConfig::new(config.http.tokens.clone());
            let internal = internal_token(&config)?;
            // Watch links and cookies of one gateway are good at all others, and after its restart.
            gateway_config.signing_key = SigningKey::derived_from(&internal);
            gateway_config.scheduler_token = Some(internal);
            gateway_config.tls = tls;
            if let Some(library) = library(&config)? {
                gateway_config = gateway_config.with_library(library);
            }
            let (_ready, readiness) = watch::channel(orb_gateway::Readiness::Ready);
            gateway(&mut stack, &config, gateway_config, leader, readiness)?;
            stack.run(config.timing.drain_grace).await
        }
        Role::Scheduler => {
            let mut stack = Stack::default();
            file_limit::raise();
            let internal = internal_token(&config)?;
            let term = term_config(&config, jellyfin_client(&config)?);
            let serving = if config.etcd.endpoints.is_empty() {
                let only = (SingleCoordinator::new(), IN_PROCESS);
                scheduler(&mut stack, &config, only, term, internal).await?
            } else {
                let coordinator = election::etcd(&config).await?;
                let address = election::advertised(&config);
                let term = TermConfig {
                    alone: false,
                    ..term
                };
                scheduler(&mut stack, &config, (coordinator, &address), term, internal).await?
            };
            listen_grpc(&mut stack, &config, tls, &serving)?;
            let (standing, served) = (serving.standing, serving.cancel);
            operation::listen(&mut stack, config.scheduler.http_addr, standing, served).await?;
            stack.run(config.timing.drain_grace).await
        }
        Role::Worker => {
            let mut stack = Stack::default();
            let leader = election::leader(&config, tls.clone()).await?;
            let token = internal_token(&config)?;
            worker(&mut stack, &config, tls, leader, token).await?;
            stack
                .run_and_drain(config.timing.drain_grace, STOP_GRACE)
                .await
        }
    }
}

/// All roles in this process. Comes back when everything listens, with a channel to the scheduler and
/// the address of the HTTP side.
pub(crate) async fn up(
    stack: &mut Stack,
    config: &Config,
    tls: Option<MutualTls>,
    mut gateway_config: GatewayConfig,
) -> Result<Upped> {
    // The embedded worker died with the last process: nobody has to be waited for.
    let library = library(config)?;
    let mut term = term_config(config, library.clone());
    term.timing.reattach_grace_ms = 0;
    let internal = SecretString::from(uuid::Uuid::new_v4().to_string());
    let only = (SingleCoordinator::new(), IN_PROCESS);
    let serving = scheduler(stack, config, only, term, internal.clone()).await?;
    let (channel, incoming) = in_process::channel();
    let (embedded, cancel) = (serving.server.clone(), serving.cancel.clone());
    stack.spawn("scheduler's server", async move {
        Ok(embedded.serve(incoming, cancel).await?)
    });
    listen_grpc(stack, config, tls, &serving)?;
    // What stays in this process needs no certificate.
    worker(stack, config, None, channel.clone(), internal.clone()).await?;
    gateway_config.scheduler_token = Some(internal.clone());
    if let Some(library) = library {
        // The scheduler's own: what it reports shows at once.
        gateway_config = gateway_config.with_library(library);
    }
    let readiness = gateway_readiness(stack, &serving.standing);
    let http = gateway(stack, config, gateway_config, channel.clone(), readiness)?;
    Ok(Upped {
        channel,
        token: internal,
        http,
    })
}

/// What [`up`] started.
pub(crate) struct Upped {
    /// To the scheduler.
    #[cfg_attr(not(feature = "demo"), allow(dead_code))]
    pub(crate) channel: Channel,
    /// For calls over it.
    #[cfg_attr(not(feature = "demo"), allow(dead_code))]
    pub(crate) token: SecretString,
    /// Where the HTTP side listens.
    #[cfg_attr(not(feature = "demo"), allow(dead_code))]
    pub(crate) http: std::net::SocketAddr,
}

/// A scheduler that leads when `coordinator` says so. Its server ends after it, so that it can refuse calls while it
/// hands over.
async fn scheduler<C: Coordinator>(
    stack: &mut Stack,
    config: &Config,
    (coordinator, address): (C, &str),
    term: TermConfig,
    internal_token: SecretString,
) -> Result<Serving> {
    let seal = Seal::new(&config.discord.tokens);
    let store = AnyStore::prepare(config.database.url.expose_secret(), seal)
        .await
        .context("ORB_DATABASE_URL")?;
    let candidate = Candidate::new(coordinator, store, address, term);
    let standing = candidate.standing().clone();
    standing.register(&stack.metrics);
    let server = SchedulerServer::new(
        standing.clone(),
        ServerConfig {
            api_tokens: config.http.tokens.clone(),
            internal_tokens: vec![internal_token],
            sources: source_policy(config)?,
            at_queue_end: match config.party.at_queue_end {
                orb_config::AtQueueEnd::Wait => AtQueueEnd::Wait,
                orb_config::AtQueueEnd::Leave => AtQueueEnd::Leave,
            },
            heartbeat_playing: config.timing.heartbeat_playing,
            heartbeat_idle: config.timing.heartbeat_idle,
            self_stop_after: config.timing.self_stop_after,
            dial_permit: config.timing.dial_permit,
            watch_interval: config.timing.watch_interval,
            keep_alive: election::keep_alive(config),
        },
    );
    let served = CancellationToken::new();
    let (cancel, end) = (stack.cancel.clone(), served.clone());
    stack.spawn("scheduler", async move {
        let _then_the_server = end.drop_guard();
        Ok(candidate.run(cancel).await?)
    });
    Ok(Serving {
        standing,
        server,
        cancel: served,
    })
}

/// A scheduler, and the server in front of it.
struct Serving {
    standing: Standing,
    server: SchedulerServer,
    /// Ends the server.
    cancel: CancellationToken,
}

fn term_config(config: &Config, jellyfin: Option<JellyfinClient>) -> TermConfig {
    let discord = &config.discord;
    let account = |kind| {
        move |token: &SecretString| AccountConfig {
            kind,
            token: token.clone(),
            api_url: discord.api_url.as_ref().map(|url| url.base().to_owned()),
        }
    };
    let go_live = go_live(config);
    let bots = discord.tokens.iter().map(account(AccountKind::Bot));
    // Whatever else is configured: without it no user account is connected at all.
    let users = discord
        .golive_tokens
        .iter()
        .filter(|_| go_live != GoLive::Off);
    let users = users.map(account(AccountKind::User));
    let progress = jellyfin.map(|client| {
        let reporter: Arc<dyn ProgressReporter> = Arc::new(JellyfinReporter::new(client));
        reporter
    });
    TermConfig {
        timing: scheduler_timing(config),
        command_retention: config.timing.command_retention,
        accounts: bots.chain(users).collect(),
        account_timing: AccountTiming {
            voice_event_wait: config.timing.voice_event_wait,
            ..AccountTiming::default()
        },
        go_live,
        progress,
        alone: true,
    }
}

/// Whether parties may have a picture in the voice channel.
fn go_live(config: &Config) -> GoLive {
    match config.worker.golive {
        orb_config::GoLive::Off => GoLive::Off,
        orb_config::GoLive::AcceptAccountRisk => {
            tracing::warn!(
                "pictures go into voice channels by user accounts, which Discord may ban: see docs/golive.md"
            );
            GoLive::Allowed {
                by_default: config.party.go_live,
            }
        }
    }
}

fn listen_grpc(
    stack: &mut Stack,
    config: &Config,
    tls: Option<MutualTls>,
    serving: &Serving,
) -> Result<()> {
    let addr = config.grpc.addr;
    certificates::warn_if_open("gRPC", addr, tls.as_ref());
    let listener = Listener::bind(addr, tls, Protocol::Grpc)
        .with_context(|| format!("cannot listen on {addr}; set ORB_GRPC_ADDR"))?;
    tracing::info!(addr = %listener.local_addr(), "gRPC listens");
    let (server, cancel) = (serving.server.clone(), serving.cancel.clone());
    stack.spawn("gRPC server", async move {
        Ok(server.serve(listener, cancel).await?)
    });
    Ok(())
}

async fn worker(
    stack: &mut Stack,
    config: &Config,
    tls: Option<MutualTls>,
    leader: impl Into<LeaderChannel>,
    token: SecretString,
) -> Result<()> {
    let sources = source_policy(config)?;
    let media = Media::start(MediaConfig {
        policy: sources.clone(),
        api_key: config.jellyfin.api_key.clone(),
        ..MediaConfig::default()
    })
    .await?;
    certificates::warn_if_open("the watch output", config.worker.media_addr, tls.as_ref());
    let timing = &config.timing;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let media = Arc::new(media);
    let worker = Worker::start(
        WorkerConfig {
            id: config.worker.id.clone(),
            incarnation: *crate::LIFE,
            capacity_millicores: config
                .worker
                .capacity_millicores
                .unwrap_or_else(|| u32::try_from(cores * 1000).unwrap_or(u32::MAX)),
            media_addr: config.worker.media_addr,
            media_url: config
                .worker
                .media_url
                .as_ref()
                .map(|url| url.base().to_owned()),
            sources,
            go_live: config.worker.golive.is_on(),
            most_picture_bits_per_second: u64::from(config.worker.golive_kbits_per_second) * 1_000,
            reconnect: Reconnect {
                min: timing.reconnect_backoff_min,
                max: timing.reconnect_backoff_max,
                spread: timing.reconnect_spread,
            },
            tls,
            metrics: stack.metrics.clone(),
        },
        Arc::clone(&media),
        voice_driver(config)?,
    )?;
    let (leader, cancel) = (leader.into(), stack.cancel.clone());
    let drain = Drain::when(stack.drain.clone());
    stack.spawn("worker", async move {
        worker.run(leader, &token, drain, cancel).await;
        media.shutdown().await;
        Ok(())
    });
    Ok(())
}

/// One for all sessions of the worker.
fn voice_driver(config: &Config) -> Result<VoiceDriver> {
    let driver = match config.worker.voice_driver {
        orb_config::VoiceDriver::Orb => VoiceDriver::Orb(Driver::new(DriverConfig::default())?),
        orb_config::VoiceDriver::Songbird => {
            tracing::warn!("voice goes over songbird: see docs/adr/0005-own-voice-driver.md");
            VoiceDriver::Songbird
        }
    };
    Ok(driver)
}

fn gateway(
    stack: &mut Stack,
    config: &Config,
    mut gateway_config: GatewayConfig,
    leader: impl Into<LeaderChannel>,
    readiness: watch::Receiver<orb_gateway::Readiness>,
) -> Result<std::net::SocketAddr> {
    gateway_config.public_url = config
        .http
        .public_url
        .as_ref()
        .map(|url| url.as_url().clone());
    gateway_config.metrics = stack.metrics.clone();
    let addr = config.http.addr;
    let listener = orb_gateway::listen(addr)
        .with_context(|| format!("cannot listen on {addr}; set ORB_HTTP_ADDR"))?;
    let local = listener.local_addr()?;
    let router = orb_gateway::router(gateway_config, leader, readiness);
    tracing::info!(addr = %local, "HTTP listens");
    let cancel = stack.cancel.clone();
    stack.spawn("gateway", async move {
        Ok(orb_gateway::serve(listener, router, cancel).await?)
    });
    Ok(local)
}

/// In one process `/readyz` speaks for all of it.
fn gateway_readiness(
    stack: &mut Stack,
    standing: &Standing,
) -> watch::Receiver<orb_gateway::Readiness> {
    let mut known = standing.readiness();
    let translate = |ready: orb_scheduler::Readiness| {
        let missing = match ready {
            orb_scheduler::Readiness { leading: false, .. } => {
                "no leader yet: the state is being loaded"
            }
            orb_scheduler::Readiness { worker: false, .. } => "no worker is attached yet",
            orb_scheduler::Readiness { account: false, .. } => {
                "no Discord account is connected yet"
            }
            _ => return orb_gateway::Readiness::Ready,
        };
        orb_gateway::Readiness::NotReady(missing.to_owned())
    };
    let (sender, readiness) = watch::channel(translate(*known.borrow()));
    let cancel = stack.cancel.clone();
    stack.spawn("readiness", async move {
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                changed = known.changed() => if changed.is_err() { return Ok(()) },
            }
            sender.send_replace(translate(*known.borrow_and_update()));
        }
    });
    readiness
}

/// What the parts of one installation bear towards each other.
fn internal_token(config: &Config) -> Result<SecretString> {
    config
        .scheduler
        .token
        .as_ref()
        .or(config.http.tokens.first())
        .cloned()
        .context("no token for the scheduler: set ORB_SCHEDULER__TOKEN (or ORB_API_TOKENS) to the same for all roles")
}

/// What there is to watch, where a Jellyfin and a key to it are configured. Nothing is asked of it yet.
fn library(config: &Config) -> Result<Option<JellyfinClient>> {
    let client = jellyfin_client(config)?;
    if client.is_none() {
        tracing::info!("no library: set ORB_JELLYFIN_URL and ORB_JELLYFIN_API_KEY to have one");
    }
    Ok(client)
}

fn jellyfin_client(config: &Config) -> Result<Option<JellyfinClient>> {
    let (Some(url), Some(key)) = (&config.jellyfin.url, &config.jellyfin.api_key) else {
        return Ok(None);
    };
    let mut jellyfin = JellyfinConfig::new(url.as_str(), key.clone())?;
    jellyfin.user.clone_from(&config.jellyfin.user);
    Ok(Some(JellyfinClient::new(jellyfin)?))
}

/// Which sources may be played. An error is the configuration's.
pub(crate) fn source_policy(config: &Config) -> Result<SourcePolicy> {
    let jellyfin = &config.jellyfin;
    let allowed: Vec<&str> = jellyfin
        .allowed_origins
        .iter()
        .map(orb_config::HttpUrl::as_str)
        .collect();
    let policy = SourcePolicy::from_config(
        jellyfin.url.as_ref().map(orb_config::HttpUrl::as_str),
        &allowed,
        jellyfin.rewrite.as_ref().map(orb_config::Rewrite::as_str),
    )?;
    Ok(policy)
}

fn scheduler_timing(config: &Config) -> SchedulerTiming {
    let timing = &config.timing;
    let ms = |duration: Duration| duration.as_millis() as u64;
    SchedulerTiming {
        call_wait_ms: ms(timing.call_wait),
        suspect_after_ms: ms(timing.suspect_after),
        reset_grace_ms: ms(timing.reset_grace),
        reattach_grace_ms: ms(timing.reattach_grace),
        idle_leave_ms: ms(timing.idle_leave),
        voice_event_wait_ms: ms(timing.voice_event_wait),
        position_checkpoint_ms: ms(timing.position_checkpoint),
        leader_pause_ms: ms(timing.leader_pause),
        empty_leave_ms: ms(timing.empty_leave),
    }
}
