//! The simulator in process: start, look, break, stop.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::accounts::{Accounts, SimUser};
use crate::auth::AuthMode;
use crate::catalog::{Catalog, Contents};
use crate::fault::{Fault, FaultBoard};
use crate::playback::{PlaybackReport, Reports};
use crate::request_log::{RequestLog, RequestRecord};
use crate::state::SimState;
use crate::titles::{Collection, Film, GeneratedLibrary, Show};
use crate::user_data::UserDataStore;
use crate::{Error, server};

/// The name and password of the user that there is by default.
const DEFAULT_USER: &str = "orb";

/// A shorter film counts as seen after any part of it (`MinResumeDurationSeconds`, as the server ships).
const MIN_RESUME_DURATION: Duration = Duration::from_mins(5);

/// What to simulate. The default: nothing in the library, the user `orb` with the password `orb`,
/// Jellyfin 12, a free port on loopback.
#[derive(Debug, Clone)]
pub struct JellyfinSimConfig {
    /// The films of the library "Movies".
    pub films: Vec<Film>,
    /// The series of the library "Shows", which is there when there are some.
    pub shows: Vec<Show>,
    /// The box sets of the library "Collections", which is there when there are some.
    pub collections: Vec<Collection>,
    /// More films in "Movies", made up, that share one file.
    pub generated: Option<GeneratedLibrary>,
    /// Who may log in.
    pub users: Vec<SimUser>,
    /// Of a film shorter than this no position is kept: any part of it counts as all. The server's own value
    /// (an operator can change it) is 300 s, so that a test with a short film and a resume position needs less.
    pub min_resume_duration: Duration,
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
            shows: Vec::new(),
            collections: Vec::new(),
            generated: None,
            users: vec![SimUser::new(DEFAULT_USER, DEFAULT_USER)],
            min_resume_duration: MIN_RESUME_DURATION,
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
        let accounts = Accounts::new(config.users)?;
        let contents = Contents {
            films: config.films,
            shows: config.shows,
            collections: config.collections,
            generated: config.generated,
        };
        let catalog = Catalog::open(contents, config.auth).await?;
        let addr = SocketAddr::new(config.addr, config.port);
        let bind = |source| Error::Bind { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(bind)?;
        let local = listener.local_addr().map_err(bind)?;
        let random = || Uuid::new_v4().simple().to_string();
        let state = Arc::new(SimState {
            catalog,
            accounts,
            user_data: UserDataStore::default(),
            version: config.auth,
            stream_needs_auth: config.stream_needs_auth,
            min_resume_duration: config.min_resume_duration,
            api_key: config.api_key.unwrap_or_else(random),
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

    /// The id of a user, by name.
    pub fn user_id(&self, name: &str) -> Option<String> {
        self.state.accounts.by_name(name).map(Accounts::id)
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
