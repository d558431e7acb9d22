//! A pipeline as the actor holds it.

use std::path::PathBuf;
use std::sync::Arc;

use orb_video::ladder::Rung;
use orb_worker_media::{FrameQueue, PicturePlan, Pipeline, PipelineEvent};
use orb_worker_outputs::voice::Track;

/// An item that is open. Dropping it closes it.
pub(super) struct Opened {
    pub(super) run: u64,
    entry: u64,
    pipeline: Pipeline,
    /// Of an item that is opened ahead: viewers see them once it is the current one.
    pub(super) watch_runs: Vec<WatchRun>,
    /// What its picture can be sent as; none before that is known, and without a picture for the voice channel.
    pub(super) picture: Option<PicturePlan>,
}

/// Where a run of ffmpeg writes for viewers.
pub(super) struct WatchRun {
    pub(super) name: String,
    pub(super) dir: PathBuf,
}

impl Opened {
    pub(super) fn new(run: u64, entry: u64, pipeline: Pipeline) -> Self {
        Self {
            run,
            entry,
            pipeline,
            watch_runs: Vec::new(),
            picture: None,
        }
    }

    pub(super) fn frames(&self) -> &FrameQueue {
        &self.pipeline.frames
    }

    /// Nothing from before is heard or seen, but for the pictures that later ones need.
    pub(super) fn skip_to(&self, media_ms: u64) {
        self.pipeline.frames.skip_to(media_ms);
        if let Some(pictures) = &self.pipeline.pictures {
            pictures.skip_to(media_ms);
        }
    }

    pub(super) fn entry(&self) -> u64 {
        self.entry
    }

    /// See [`Pipeline::change_rung`].
    pub(super) fn change_rung(&self, rung: Option<Rung>, at_ms: u64) {
        self.pipeline.change_rung(rung, at_ms);
    }

    /// For the voice output.
    pub(super) fn track(&self) -> Track {
        Track {
            frames: Arc::clone(&self.pipeline.frames),
            pictures: self.pipeline.pictures.clone(),
            entry: self.entry,
            run: self.run,
        }
    }
}

/// Its next event; forever pending without one, and after its last.
pub(super) async fn next_event(opened: &mut Option<Opened>) -> (u64, PipelineEvent) {
    if let Some(opened) = opened
        && let Some(event) = opened.pipeline.events.recv().await
    {
        return (opened.run, event);
    }
    std::future::pending().await
}
