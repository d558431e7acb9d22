//! One film on its way: the handle that a session holds, and what it reports.

use std::path::PathBuf;
use std::sync::Arc;

use orb_jellyfin::SourceUrl;
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use crate::{Failure, FrameQueue, Plan};

/// Where the film is.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Tried first.
    pub stream: SourceUrl,
    /// Tried when the first cannot be opened or dies for good.
    pub download: Option<SourceUrl>,
}

/// Where the picture goes, for an item that is watched.
#[derive(Debug, Clone)]
pub struct WatchSpool {
    /// The folder under which each run of ffmpeg gets one of its own.
    pub dir: PathBuf,
    /// Their names are `<prefix>-<run>`, runs counted from 0; names in use are skipped. Plain file
    /// name characters.
    pub prefix: String,
}

/// What to play, and from where.
#[derive(Debug, Clone)]
pub struct OpenSpec {
    /// For logs and thread names.
    pub session: String,
    /// Where the film is.
    pub sources: Sources,
    /// Media time to start at, in ms.
    pub start_ms: u64,
    /// The length of the film if the caller knows it; what the file says goes before it.
    pub duration_ms: Option<u64>,
    /// Also write HLS.
    pub watch: Option<WatchSpool>,
    /// What another worker's [`PipelineEvent::Planned`] said of these sources: it saves a probe.
    pub known: Option<String>,
}

/// A film being read, decoded and queued. Dropping it ends everything of it: ffmpeg is killed and
/// reaped, its proxy route is gone, its watch runs are removed after a grace.
#[derive(Debug)]
pub struct Pipeline {
    /// The sound, in order, at most the run-ahead of it.
    pub frames: Arc<FrameQueue>,
    /// What happens, in order. Read it: it is bounded and the pipeline waits for its reader.
    pub events: mpsc::Receiver<PipelineEvent>,
    pub(crate) _cancel_on_drop: DropGuard,
}

/// What a pipeline reports. [`Finished`](Self::Finished) and [`Failed`](Self::Failed) are last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PipelineEvent {
    /// A source was opened and understood; comes again when the source or the plan changes.
    Planned {
        /// What will be done.
        plan: Plan,
        /// The length of the film, if the file or the caller says it.
        duration_ms: Option<u64>,
        /// What it costs, in thousandths of a core.
        cost_millicores: u32,
        /// What was found out, for whoever opens these sources next; bears no URL.
        known: String,
    },
    /// The first frame is in the queue.
    FirstFrame {
        /// Its media time.
        pts_ms: u64,
    },
    /// A new run of ffmpeg writes HLS into `dir`; its `index.m3u8` appears with the first whole
    /// segment, and each listed file is whole. `tfdt` of a track is the media time at which its first
    /// sample is shown: the sound's is where the run was started, the picture's at a copy that of
    /// the key frame before. Where runs overlap in media time, the later one counts.
    WatchRun {
        /// The run's own folder.
        dir: PathBuf,
        /// The last part of `dir`.
        name: String,
    },
    /// ffmpeg ended early and was started again at the media position; nothing is lost.
    Restarted {
        /// Why it ended.
        cause: Failure,
    },
    /// The first source is given up, the second one goes on at the media position.
    SwitchedSource {
        /// What was wrong with the first.
        cause: Failure,
    },
    /// The film was read to its end; what is queued still has to be played.
    Finished,
    /// No source plays. What is queued may be played out.
    Failed(Failure),
}
