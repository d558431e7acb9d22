//! A scheduler with its store and an account at the simulated Discord, and clients of its gRPC side.

use std::sync::Arc;
use std::time::Duration;

use discord_sim::{DiscordSim, DiscordSimConfig};
use hyper_util::rt::TokioIo;
use orb_accounts::{AccountConfig, AccountKind, AccountTiming};
use orb_coordinator::{Coordinator, SingleCoordinator};
use orb_jellyfin::SourcePolicy;
use orb_proto::v1;
use orb_proto::v1::admin_service_client::AdminServiceClient;
use orb_proto::v1::attach_request::Message as Report;
use orb_proto::v1::attach_response::Message as Word;
use orb_proto::v1::party_service_client::PartyServiceClient;
use orb_proto::v1::session_service_client::SessionServiceClient;
use orb_proto::v1::worker_service_client::WorkerServiceClient;
use orb_scheduler::{
    Candidate, ProgressReporter, SchedulerServer, ServerConfig, Standing, TermConfig,
};
use orb_scheduler_core::{AtQueueEnd, GoLive, SchedulerTiming};
use orb_scheduler_store::{Seal, SqliteStore, Store};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status, Streaming};

pub(crate) const API: &str = "api-token";
pub(crate) const INTERNAL: &str = "internal-token";
pub(crate) const SOURCE: &str = "http://jellyfin:8096/Videos/1/stream";

/// What outlives a scheduler: its database and Discord.
pub(crate) struct Surroundings {
    folder: TempDir,
    pub(crate) discord: DiscordSim,
}

impl Surroundings {
    pub(crate) async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let discord = DiscordSim::start(DiscordSimConfig::default())
            .await
            .unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            discord,
        }
    }

    /// A scheduler that is ready to take calls.
    pub(crate) async fn scheduler(&self) -> Scheduler {
        let alone = SingleCoordinator::new();
        let scheduler = self.candidate(alone, "http://here").await;
        scheduler.ready().await;
        scheduler
    }

    /// A scheduler that campaigns.
    pub(crate) async fn candidate<C: Coordinator>(
        &self,
        coordinator: C,
        address: &str,
    ) -> Scheduler {
        Scheduler::start(coordinator, self.store().await, address, self.bot(), None)
    }

    /// A scheduler that is ready to take calls, and says what plays.
    pub(crate) async fn telling(&self, reporter: Arc<dyn ProgressReporter>) -> Scheduler {
        let (alone, store) = (SingleCoordinator::new(), self.store().await);
        let reporter = Some(reporter);
        let scheduler = Scheduler::start(alone, store, "http://here", self.bot(), reporter);
        scheduler.ready().await;
        scheduler
    }

    /// The same on that store.
    pub(crate) fn candidate_with<C: Coordinator, S: Store>(
        &self,
        coordinator: C,
        store: S,
    ) -> Scheduler {
        Scheduler::start(coordinator, store, "http://here", self.bot(), None)
    }

    /// A scheduler with a bot and a user account, ready when both are connected: the installation allows pictures, or
    /// not.
    pub(crate) async fn with_user(&self, go_live: GoLive) -> Scheduler {
        let (mut accounts, _) = self.bot();
        accounts.push(AccountConfig {
            kind: AccountKind::User,
            token: SecretString::from("user.of.tests"),
            api_url: Some(self.discord.api_url()),
        });
        let (alone, store) = (SingleCoordinator::new(), self.store().await);
        let accounts = (accounts, go_live);
        let scheduler = Scheduler::start(alone, store, "http://here", accounts, None);
        scheduler.ready().await;
        scheduler
    }

    /// One account, and no pictures.
    fn bot(&self) -> (Vec<AccountConfig>, GoLive) {
        let bot = AccountConfig {
            kind: AccountKind::Bot,
            token: SecretString::from(self.discord.bot_token().to_owned()),
            api_url: Some(self.discord.api_url()),
        };
        (vec![bot], GoLive::Off)
    }

    pub(crate) async fn store(&self) -> SqliteStore {
        let url = format!("sqlite://{}", self.folder.path().join("orb.db").display());
        SqliteStore::open(&url, self.seal()).await.unwrap()
    }

    pub(crate) fn seal(&self) -> Seal {
        let token = SecretString::from(self.discord.bot_token().to_owned());
        Seal::new([&token])
    }
}

impl Scheduler {
    fn start<C: Coordinator, S: Store>(
        coordinator: C,
        store: S,
        address: &str,
        (accounts, go_live): (Vec<AccountConfig>, GoLive),
        progress: Option<Arc<dyn ProgressReporter>>,
    ) -> Self {
        let term = TermConfig {
            timing: SchedulerTiming {
                reattach_grace_ms: 300,
                ..SchedulerTiming::default()
            },
            command_retention: Duration::from_hours(1),
            accounts,
            account_timing: AccountTiming::default(),
            go_live,
            progress,
            alone: false,
        };
        let candidate = Candidate::new(coordinator, store, address, term);
        let standing = candidate.standing().clone();
        let cancel = CancellationToken::new();
        let served = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (leading, end) = (cancel.clone(), served.clone());
        tasks.spawn(async move {
            let _then_the_server = end.drop_guard();
            candidate.run(leading).await.unwrap();
        });
        let config = ServerConfig {
            api_tokens: vec![SecretString::from(API)],
            internal_tokens: vec![SecretString::from(INTERNAL)],
            sources: SourcePolicy::from_config(Some("http://jellyfin:8096"), &[""; 0], None)
                .unwrap(),
            at_queue_end: AtQueueEnd::Wait,
            heartbeat_playing: Duration::from_millis(250),
            heartbeat_idle: Duration::from_secs(1),
            self_stop_after: Duration::from_secs(90),
            dial_permit: Duration::from_millis(100),
            watch_interval: Duration::from_secs(1),
            keep_alive: orb_tls::KeepAlive {
                interval: Duration::from_secs(2),
                timeout: Duration::from_secs(4),
            },
        };
        let (connections, accepted) = mpsc::channel(16);
        let server = SchedulerServer::new(standing.clone(), config);
        let incoming = ReceiverStream::new(accepted).map(Ok::<_, std::io::Error>);
        tasks.spawn(async move { server.serve(incoming, served).await.unwrap() });
        let connector = tower::service_fn(move |_: Uri| {
            let connections = connections.clone();
            async move {
                let (here, there) = tokio::io::duplex(64 * 1024);
                connections
                    .send(there)
                    .await
                    .map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(TokioIo::new(here))
            }
        });
        let channel =
            Endpoint::from_static("http://scheduler").connect_with_connector_lazy(connector);
        Self {
            channel,
            standing,
            cancel,
            tasks,
        }
    }

    /// Waits until it leads and its account is connected.
    pub(crate) async fn ready(&self) {
        let mut readiness = self.standing.readiness();
        let connected = readiness.wait_for(|ready| ready.account);
        timeout(Duration::from_secs(10), connected)
            .await
            .expect("the account connects")
            .unwrap();
    }
}

pub(crate) struct Scheduler {
    pub(crate) channel: Channel,
    standing: Standing,
    cancel: CancellationToken,
    tasks: JoinSet<()>,
}

impl Scheduler {
    pub(crate) fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.channel.clone())
    }

    pub(crate) fn parties(&self) -> PartyServiceClient<Channel> {
        PartyServiceClient::new(self.channel.clone())
    }

    pub(crate) fn sessions(&self) -> SessionServiceClient<Channel> {
        SessionServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn stop(mut self) {
        self.cancel.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }

    /// A worker that attaches and answers nothing by itself.
    pub(crate) async fn attach(
        &self,
        id: &str,
        incarnation: &str,
        holds: Vec<v1::ObservedState>,
    ) -> Result<FakeWorker, Status> {
        self.register(registration(id, incarnation, holds)).await
    }

    /// The same of one that sends pictures.
    pub(crate) async fn attach_live(&self, id: &str, incarnation: &str) -> FakeWorker {
        let worker = self.register(v1::Register {
            go_live: true,
            ..registration(id, incarnation, Vec::new())
        });
        worker.await.unwrap()
    }

    async fn register(&self, register: v1::Register) -> Result<FakeWorker, Status> {
        let (reports, stream) = mpsc::channel(16);
        reports
            .send(v1::AttachRequest {
                message: Some(Report::Register(register)),
            })
            .await
            .unwrap();
        let request = with_token(INTERNAL, ReceiverStream::new(stream));
        let words = WorkerServiceClient::new(self.channel.clone())
            .attach(request)
            .await?
            .into_inner();
        let mut worker = FakeWorker { reports, words };
        match worker.word().await {
            Some(Word::Registered(registered)) => assert_eq!(registered.dial_permit_ms, 100),
            other => panic!("{other:?}"),
        }
        Ok(worker)
    }
}

impl Scheduler {
    /// A worker that attaches as soon as the scheduler has noticed that the first process with this id is gone.
    pub(crate) async fn attach_when_free(&self, id: &str, incarnation: &str) -> FakeWorker {
        let free = async {
            loop {
                match self.attach(id, incarnation, vec![]).await {
                    Ok(worker) => return worker,
                    Err(status) => assert_eq!(status.code(), tonic::Code::AlreadyExists),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let worker = timeout(Duration::from_secs(10), free).await;
        worker.expect("the first one's stream ends")
    }
}

pub(crate) struct FakeWorker {
    reports: mpsc::Sender<v1::AttachRequest>,
    words: Streaming<v1::AttachResponse>,
}

impl FakeWorker {
    /// The next word; none when the stream has ended.
    pub(crate) async fn word(&mut self) -> Option<Word> {
        let word = timeout(Duration::from_secs(10), self.words.next())
            .await
            .expect("a word in time");
        word?.ok()?.message
    }

    /// Skips to the first lease that fits.
    pub(crate) async fn lease_where(
        &mut self,
        fits: impl Fn(&v1::DesiredState) -> bool,
    ) -> v1::Lease {
        loop {
            match self.word().await.expect("the stream goes on") {
                Word::Lease(lease) if fits(lease.desired.as_ref().unwrap()) => return lease,
                _ => {}
            }
        }
    }

    /// Whether these leases are held, each `(session, token)`, in the order of the question.
    pub(crate) async fn confirm(&mut self, request_id: u64, leases: &[(&str, u64)]) -> Vec<bool> {
        let leases: Vec<_> = leases
            .iter()
            .map(|(session, token)| v1::LeaseRef {
                session_id: (*session).to_owned(),
                token: *token,
            })
            .collect();
        let question = v1::ConfirmLeases {
            request_id,
            leases: leases.clone(),
        };
        self.reports
            .send(v1::AttachRequest {
                message: Some(Report::ConfirmLeases(question)),
            })
            .await
            .unwrap();
        loop {
            if let Word::LeasesConfirmed(answer) = self.word().await.expect("the stream goes on") {
                assert_eq!(answer.request_id, request_id);
                let about = answer.verdicts.iter().map(|v| v.lease.clone().unwrap());
                assert_eq!(about.collect::<Vec<_>>(), leases);
                return answer.verdicts.into_iter().map(|v| v.held).collect();
            }
        }
    }

    pub(crate) async fn say(&self, report: Report) {
        let message = Some(report);
        let said = self.reports.send(v1::AttachRequest { message }).await;
        said.expect("the stream is open");
    }

    pub(crate) async fn report(&self, observed: v1::ObservedState) {
        let beat = v1::Heartbeat {
            capacity: Some(v1::Capacity {
                total_millicores: 2000,
                free_millicores: 2000,
            }),
            sessions: vec![observed],
        };
        self.reports
            .send(v1::AttachRequest {
                message: Some(Report::Heartbeat(beat)),
            })
            .await
            .unwrap();
    }
}

fn registration(id: &str, incarnation: &str, holds: Vec<v1::ObservedState>) -> v1::Register {
    v1::Register {
        worker_id: id.to_owned(),
        incarnation: incarnation.to_owned(),
        capacity: Some(v1::Capacity {
            total_millicores: 2000,
            free_millicores: 2000,
        }),
        media_url: "http://worker:9000".to_owned(),
        media_token: "media-token".to_owned(),
        sessions: holds,
        draining: false,
        go_live: false,
    }
}

/// A lease, carried out.
pub(crate) fn playing(lease: &v1::Lease, media_ms: i64) -> v1::ObservedState {
    let mut observed = v1::ObservedState {
        session_id: lease.session_id.clone(),
        fence: lease.fence,
        position: Some(v1::Position {
            media_ms,
            age_ms: 0,
            rate_permille: 1000,
        }),
        queue_entry_id: lease
            .desired
            .as_ref()
            .and_then(|desired| desired.current.as_ref())
            .map_or(0, |item| item.queue_entry_id),
        entry_id: lease
            .desired
            .as_ref()
            .and_then(|desired| desired.current.as_ref())
            .map_or(0, |item| item.entry_id),
        watch_latency_ms: 0,
        ..v1::ObservedState::default()
    };
    observed.set_worker_status(v1::WorkerStatus::Connected);
    observed.set_playback_state(v1::PlaybackState::Playing);
    observed
}

pub(crate) fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

pub(crate) fn create(session: &str) -> v1::CreateRequest {
    v1::CreateRequest {
        session_id: session.to_owned(),
        guild_id: "123".to_owned(),
        voice_channel_id: "456".to_owned(),
        text_channel_id: "789".to_owned(),
        command_id: String::new(),
        ..v1::CreateRequest::default()
    }
}

pub(crate) fn play(session: &str, command: &str) -> v1::PlayRequest {
    v1::PlayRequest {
        session_id: session.to_owned(),
        item: Some(v1::Item {
            queue_entry_id: 12,
            item_id: "film".to_owned(),
            title: "Film".to_owned(),
            stream_url: SOURCE.to_owned(),
            duration_ms: 60_000,
            ..v1::Item::default()
        }),
        command_id: command.to_owned(),
        ..v1::PlayRequest::default()
    }
}
