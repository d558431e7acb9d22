//! The simulator in process: start, look, break, stop.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::auth::AuthMode;
use crate::fault::{Fault, FaultBoard};
use crate::library::{Film, Library};
use crate::request_log::{RequestLog, RequestRecord};
use crate::state::{PlaybackReport, Reports, SimState};
use crate::{Error, server};

/// What to simulate. The default: no films, Jellyfin 12, a free port on loopback.
#[derive(Debug, Clone)]
pub struct JellyfinSimConfig {
    /// The films of the one library.
    pub films: Vec<Film>,
    /// Which Jellyfin to be.
    pub auth: AuthMode,
    /// Whether `/Videos/{id}/stream` demands a token. The real one does not (jellyfin issue 13984).
    pub stream_needs_auth: bool,
    /// The address to listen on.
    pub addr: IpAddr,
    /// The port, 0 for a free one.
    pub port: u16,
    /// The API key that is valid; made up when there is none.
    pub api_key: Option<String>,
}

impl Default for JellyfinSimConfig {
    fn default() -> Self {
        Self {
            films: Vec::new(),
            auth: AuthMode::default(),
            stream_needs_auth: false,
            addr: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            api_key: None,
        }
    }
}

/// A running simulator; dropping it stops it.
pub struct JellyfinSim {
    state: Arc<SimState>,
    server: JoinHandle<()>,
    cancel: DropGuard,
}

impl JellyfinSim {
    /// Looks at the films (ffprobe) and listens. Answers as soon as this returns.
    pub async fn start(config: JellyfinSimConfig) -> Result<Self, Error> {
        let library = Library::open(config.films).await?;
        let addr = SocketAddr::new(config.addr, config.port);
        let bind = |source| Error::Bind { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(bind)?;
        let local = listener.local_addr().map_err(bind)?;
        let random = || Uuid::new_v4().simple().to_string();
        let state = Arc::new(SimState {
            library,
            auth: config.auth,
            stream_needs_auth: config.stream_needs_auth,
            api_key: config.api_key.unwrap_or_else(random),
            user_token: random(),
            base_url: format!("http://{local}"),
            faults: FaultBoard::default(),
            log: RequestLog::new(),
            reports: Reports::default(),
        });
        let cancel = CancellationToken::new();
        let server = tokio::spawn(server::serve(listener, state.clone(), cancel.clone()));
        Ok(Self {
            state,
            server,
            cancel: cancel.drop_guard(),
        })
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.state.base_url
    }

    /// The API key that is valid.
    pub fn api_key(&self) -> &str {
        &self.state.api_key
    }

    /// The item's stream, without a key.
    pub fn stream_url(&self, item: &str) -> String {
        format!("{}/Videos/{item}/stream?static=true", self.base_url())
    }

    /// The item's download, without a key, which it needs: as header, or `?ApiKey=` added to it.
    pub fn download_url(&self, item: &str) -> String {
        format!("{}/Items/{item}/Download", self.base_url())
    }

    /// The requests so far, oldest first; the last 10,000.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state.log.snapshot()
    }

    /// The playback reports so far, oldest first; the last 10,000.
    pub fn reports(&self) -> Vec<PlaybackReport> {
        self.state.reports.snapshot()
    }

    /// Puts a fault in force. Of several that fit a request, the oldest counts.
    pub fn fault(&self, fault: Fault) -> Result<(), Error> {
        self.state.faults.add(fault)
    }

    /// Takes all faults back. Answers that suffer already go on suffering.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// Drops all connections and waits until the last is gone and the port free.
    pub async fn shutdown(self) {
        drop(self.cancel);
        // An error would be its panic, which has been printed.
        let _ = self.server.await;
    }
}
