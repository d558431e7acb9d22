//! What all pipelines of a worker share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use orb_jellyfin::{SourcePolicy, SourceUrl};
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::child::{Limits, Spawn, Spawner, find_tool};
use crate::lanes::{PICTURE_BYTES, Queues};
use crate::probe::{Probe, ProbeCache};
use crate::proxy::{Access, Proxy, Upstream};
use crate::spool::SpoolRoot;
use crate::supervisor::Supervisor;
use crate::{Error, FrameQueue, OpenSpec, PictureQueue, Pipeline, timing};

/// Events that a slow reader may leave lying.
const EVENTS: usize = 32;

/// How a worker plays.
#[derive(Clone)]
pub struct MediaConfig {
    /// ffmpeg, if it is not the one in `PATH`.
    pub ffmpeg: Option<PathBuf>,
    /// ffprobe, if it is not the one in `PATH`.
    pub ffprobe: Option<PathBuf>,
    /// What may be opened; also asked for every redirect.
    pub policy: SourcePolicy,
    /// The key for Jellyfin's own origin.
    pub api_key: Option<SecretString>,
    /// How far ffmpeg may be ahead of what was popped.
    pub run_ahead: Duration,
    /// The folder under which watch files go; the system's temporary folder by default.
    pub spool_root: Option<PathBuf>,
    /// Niceness of an ffmpeg that encodes a picture: sending must win against encoding.
    pub niceness: i32,
    /// Address space of each ffmpeg. A 4K film needs under 1 GB.
    pub memory_limit_bytes: u64,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            ffmpeg: None,
            ffprobe: None,
            policy: SourcePolicy::default(),
            api_key: None,
            run_ahead: timing::RUN_AHEAD,
            spool_root: None,
            niceness: 5,
            memory_limit_bytes: 4 << 30,
        }
    }
}

impl std::fmt::Debug for MediaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaConfig")
            .field("policy", &self.policy)
            .field("run_ahead", &self.run_ahead)
            .finish_non_exhaustive()
    }
}

/// The media side of a worker: the tools, the loopback proxy, the spool, and what is known of
/// recent sources. One a process.
pub struct Media {
    shared: Arc<Shared>,
    cancel: CancellationToken,
    tasks: TaskTracker,
    _cancel_on_drop: DropGuard,
}

pub(crate) struct Shared {
    pub(crate) ffmpeg: PathBuf,
    pub(crate) ffprobe: PathBuf,
    pub(crate) tone_map: bool,
    pub(crate) limits: Limits,
    pub(crate) proxy: Proxy,
    pub(crate) spawner: Spawner,
    spool: SpoolRoot,
    run_ahead: Duration,
    probes: Mutex<ProbeCache>,
}

impl Media {
    /// Finds the tools, looks at what ffmpeg can do, and opens the proxy.
    pub async fn start(config: MediaConfig) -> Result<Self, Error> {
        let ffmpeg = find_tool(config.ffmpeg.as_deref(), "ffmpeg")?;
        let ffprobe = find_tool(config.ffprobe.as_deref(), "ffprobe")?;
        let limits = Limits {
            niceness: config.niceness,
            memory_bytes: config.memory_limit_bytes,
        };
        let spawner = Spawner::start()?;
        let (encoders, filters, probe_version) = tokio::try_join!(
            ask(&spawner, &ffmpeg, "ffmpeg", "-encoders", limits),
            ask(&spawner, &ffmpeg, "ffmpeg", "-filters", limits),
            ask(&spawner, &ffprobe, "ffprobe", "-version", limits),
        )?;
        drop(probe_version);
        for encoder in ["libopus", "libx264"] {
            if !lists(&encoders, encoder) {
                return Err(Error::ToolIncomplete { missing: encoder });
            }
        }
        let upstream = Upstream::new(Access {
            policy: config.policy,
            api_key: config.api_key,
        })?;
        let parent = config
            .spool_root
            .unwrap_or_else(|| std::env::temp_dir().join("orb-spool"));
        let cancel = CancellationToken::new();
        Ok(Self {
            shared: Arc::new(Shared {
                ffmpeg,
                ffprobe,
                tone_map: lists(&filters, "zscale") && lists(&filters, "tonemap"),
                limits,
                proxy: Proxy::start(upstream).await?,
                spawner,
                spool: SpoolRoot::create(&parent).map_err(Error::Spool)?,
                run_ahead: config.run_ahead,
                probes: Mutex::default(),
            }),
            _cancel_on_drop: cancel.clone().drop_guard(),
            cancel,
            tasks: TaskTracker::new(),
        })
    }

    /// A folder of this process for watch files, removed with it: for [`crate::WatchSpool::dir`].
    pub fn spool_dir(&self) -> &Path {
        self.shared.spool.dir()
    }

    /// Starts to play. Returns at once; the rest is told by events. Call it inside a tokio runtime.
    pub fn open(&self, spec: OpenSpec) -> Pipeline {
        let frames = FrameQueue::new(self.shared.run_ahead);
        let pictures = spec.picture.map(|_| PictureQueue::new(PICTURE_BYTES));
        let (sender, events) = mpsc::channel(EVENTS);
        let (changes, asked) = watch::channel(None);
        let cancel = self.cancel.child_token();
        let queues = Queues {
            frames: Arc::clone(&frames),
            pictures: pictures.clone(),
        };
        let supervisor = Supervisor::new(Arc::clone(&self.shared), spec, queues, sender, asked);
        self.tasks
            .spawn(supervisor.run(cancel.clone(), self.cancel.clone()));
        Pipeline {
            frames,
            pictures,
            events,
            changes,
            _cancel_on_drop: cancel.drop_guard(),
        }
    }

    /// Ends all pipelines, reaps their ffmpegs, removes their files.
    pub async fn shutdown(&self) {
        self.cancel.cancel();
        self.tasks.close();
        if timeout(timing::SHUTDOWN, self.tasks.wait()).await.is_err() {
            tracing::warn!("pipelines did not end in time");
        }
    }
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn cached_probe(&self, source: &SourceUrl) -> Option<Probe> {
        let now = Instant::now();
        self.probes()
            .get(source.expose().as_str(), now, timing::PROBE_KEPT)
    }

    pub(crate) fn keep_probe(&self, source: &SourceUrl, probe: Probe) {
        let url = source.expose().to_string();
        self.probes()
            .insert(url, Instant::now(), probe, timing::PROBE_KEPT);
    }

    pub(crate) fn forget_probe(&self, source: &SourceUrl) {
        self.probes().forget(source.expose().as_str());
    }

    fn probes(&self) -> std::sync::MutexGuard<'_, ProbeCache> {
        // Nothing panics while it is held.
        self.probes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a tool answers to one question, as text.
async fn ask(
    spawner: &Spawner,
    program: &Path,
    tool: &'static str,
    question: &str,
    limits: Limits,
) -> Result<String, Error> {
    let broken = |detail: String| Error::ToolBroken { tool, detail };
    let spawn = Spawn {
        program: program.to_owned(),
        args: vec!["-hide_banner".into(), question.into()],
        dir: None,
        limits,
    };
    let process = spawner
        .spawn(spawn)
        .await
        .map_err(|error| broken(error.to_string()))?;
    let answer = timeout(timing::TOOL_CHECK, process.output(tool.to_owned()))
        .await
        .map_err(|_| broken("no answer".into()))?;
    let (text, _, status) = answer.map_err(|error| broken(error.to_string()))?;
    match status {
        Some(status) if status.success() => Ok(String::from_utf8_lossy(&text).into_owned()),
        Some(status) => Err(broken(status.to_string())),
        None => Err(broken("it was killed".into())),
    }
}

/// ffmpeg's lists have flags, the name, and a description on each line.
fn lists(answer: &str, name: &str) -> bool {
    answer
        .lines()
        .any(|line| line.split_whitespace().nth(1) == Some(name))
}
