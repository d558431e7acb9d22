//! One film on its way: the handle that a session holds, and what it reports.

use std::path::PathBuf;
use std::sync::Arc;

use orb_jellyfin::SourceUrl;
use orb_video::ladder::Rung;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::DropGuard;

use crate::{Failure, FrameQueue, PictureQueue, Plan};

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

/// The picture of a voice channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PictureSpec {
    /// The encoding to begin with; none: the film's own packets where they can be sent, else what most lines bear.
    pub start_rung: Option<Rung>,
    /// Of the picture; nothing above it is sent.
    pub most_bits_per_second: u64,
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
    /// Also give pictures for a voice channel.
    pub picture: Option<PictureSpec>,
    /// What another worker's [`PipelineEvent::Planned`] said of these sources: it saves a probe.
    pub known: Option<String>,
}

/// A film being read, decoded and queued. Dropping it ends everything of it: ffmpeg is killed and
/// reaped, its proxy route is gone, its watch runs are removed after a grace.
#[derive(Debug)]
pub struct Pipeline {
    /// The sound, in order, at most the run-ahead of it.
    pub frames: Arc<FrameQueue>,
    /// The pictures, in order, where they were asked for. Those before the asked position are needed to decode what
    /// follows, and are to be sent at once: a copy begins at the key frame before.
    pub pictures: Option<Arc<PictureQueue>>,
    /// What happens, in order. Read it: it is bounded and the pipeline waits for its reader.
    pub events: mpsc::Receiver<PipelineEvent>,
    pub(crate) changes: watch::Sender<Option<RungChange>>,
    pub(crate) _cancel_on_drop: DropGuard,
}

/// Another encoding that was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RungChange {
    pub(crate) rung: Option<Rung>,
    pub(crate) at_ms: u64,
}

impl Pipeline {
    /// Asks for the picture in another encoding; none: the film's own packets. Returns at once. A second ffmpeg is
    /// started beside the first, at `at_ms` as far as the sound allows (not before what was given out, not behind what is
    /// queued). At its first IDR picture after all that was given out it takes over; what the first one has ahead of
    /// that is thrown away. Sound goes on as if nothing had happened.
    ///
    /// Of several calls the last one counts, and [`RungChanged`](PipelineEvent::RungChanged) or
    /// [`RungFailed`](PipelineEvent::RungFailed) answers it. Without pictures it does nothing.
    pub fn change_rung(&self, rung: Option<Rung>, at_ms: u64) {
        self.changes.send_replace(Some(RungChange { rung, at_ms }));
    }
}

/// What a pipeline reports. [`Finished`](Self::Finished) and [`Failed`](Self::Failed) are last, but for answers to
/// [`Pipeline::change_rung`]: a film is read to its end some time before it is played to it.
#[derive(Debug, Clone, PartialEq)]
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
    /// The picture is of another encoding from some place on, which is in the queue.
    RungChanged {
        /// Which; none: the film's own packets.
        rung: Option<Rung>,
        /// What the plan costs now, in thousandths of a core.
        cost_millicores: u32,
    },
    /// The picture stays what it is.
    RungFailed {
        /// What was asked for.
        rung: Option<Rung>,
        /// Why it is not to be had.
        cause: Failure,
    },
    /// The film was read to its end; what is queued still has to be played.
    Finished,
    /// No source plays. What is queued may be played out.
    Failed(Failure),
}
