//! A scheduler on a real port, which can be killed and started again.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use discord_sim::{DiscordSim, DiscordSimConfig};
use orb_accounts::{AccountConfig, AccountTiming};
use orb_coordinator::SingleCoordinator;
use orb_jellyfin::SourcePolicy;
use orb_scheduler::{Candidate, SchedulerServer, ServerConfig, TermConfig};
use orb_scheduler_core::{AtQueueEnd, GoLive, SchedulerTiming};
use orb_scheduler_store::{Seal, SqliteStore};
use orb_tls::{KeepAlive, Listener, MutualTls, Part, Protocol, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// As by default.
pub(crate) const KEEP_ALIVE: KeepAlive = KeepAlive {
    interval: Duration::from_secs(2),
    timeout: Duration::from_secs(4),
};

pub(crate) const TOKEN: &str = "internal-token";

/// What outlives a scheduler.
pub(crate) struct Installation {
    folder: TempDir,
    discord: DiscordSim,
    pub(crate) tls: Option<MutualTls>,
}

impl Installation {
    pub(crate) async fn new(tls: Option<MutualTls>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let discord = DiscordSim::start(DiscordSimConfig::default());
        Self {
            discord: discord.await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
            tls,
        }
    }

    pub(crate) async fn start(&self) -> Scheduler {
        self.start_at("127.0.0.1:0".parse().unwrap()).await
    }

    /// Comes back when it leads and listens.
    pub(crate) async fn start_at(&self, addr: SocketAddr) -> Scheduler {
        let url = format!("sqlite://{}", self.folder.path().join("orb.db").display());
        let account = AccountConfig {
            kind: orb_accounts::AccountKind::Bot,
            token: SecretString::from(self.discord.bot_token().to_owned()),
            api_url: Some(self.discord.api_url()),
        };
        let store = SqliteStore::open(&url, Seal::new([&account.token]));
        let term = TermConfig {
            timing: SchedulerTiming::default(),
            command_retention: Duration::from_hours(1),
            accounts: vec![account],
            account_timing: AccountTiming::default(),
            go_live: GoLive::Off,
            progress: None,
            alone: true,
        };
        let alone = SingleCoordinator::new();
        let candidate = Candidate::new(alone, store.await.unwrap(), "http://here", term);
        let standing = candidate.standing().clone();
        let config = ServerConfig {
            api_tokens: Vec::new(),
            internal_tokens: vec![SecretString::from(TOKEN)],
            sources: SourcePolicy::default(),
            at_queue_end: AtQueueEnd::Wait,
            heartbeat_playing: Duration::from_millis(250),
            heartbeat_idle: Duration::from_secs(1),
            self_stop_after: Duration::from_secs(90),
            dial_permit: Duration::from_millis(100),
            watch_interval: Duration::from_secs(1),
            keep_alive: KEEP_ALIVE,
        };
        let server = SchedulerServer::new(standing.clone(), config);
        let mut tasks = JoinSet::new();
        let cancel = CancellationToken::new();
        let leading = cancel.clone();
        tasks.spawn(async move { candidate.run(leading).await.unwrap() });
        let mut readiness = standing.readiness();
        let leads = timeout(
            Duration::from_secs(20),
            readiness.wait_for(|ready| ready.leading),
        );
        leads.await.expect("it leads").unwrap();
        let listener = Listener::bind(addr, self.tls.clone(), Protocol::Grpc).unwrap();
        let addr = listener.local_addr();
        tasks.spawn(async move { server.serve(listener, cancel).await.unwrap() });
        Scheduler {
            addr,
            is_encrypted: self.tls.is_some(),
            tasks,
        }
    }
}

pub(crate) struct Scheduler {
    pub(crate) addr: SocketAddr,
    is_encrypted: bool,
    tasks: JoinSet<()>,
}

impl Scheduler {
    pub(crate) fn address(&self) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }

    /// Every connection is cut, and no goodbye is said.
    pub(crate) async fn crash(&mut self) {
        self.tasks.shutdown().await;
    }
}

/// One certificate for both ends, as an installation may have it.
pub(crate) fn certificates(folder: &Path) -> MutualTls {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["orb-stream".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let write = |name: &str, pem: String| {
        let path = folder.join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let files = TlsFiles {
        ca: write("ca.crt", issuer.pem()),
        certificate: write("tls.crt", leaf.pem()),
        key: write("tls.key", key.serialize_pem()),
        server_name: "orb-stream".to_owned(),
    };
    MutualTls::load(files, Part::Both).unwrap()
}
