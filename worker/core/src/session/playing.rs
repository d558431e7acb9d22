//! One item and its pipeline, from its opening to its end.

use super::{EndReason, Failure};
use crate::{Item, KnownPlan, PipelineNews};

/// What a warm pipeline has made ahead, and skips when it is fed from a later position. The scheduler warms up anew
/// beyond that; a queue holds more.
const WARM_COVERS_MS: u64 = 3_000;

/// Half a frame, as in the queue: the holder stops between two frames, where that is nearest to what it was told. That
/// may be a little before the place where this one opened.
const SAME_FRAME_MS: u64 = 10;

/// The item that a pipeline is open for, or was until it ended.
#[derive(Debug, Clone)]
pub(super) struct Playing {
    pub(super) run: u64,
    pub(super) entry_id: u64,
    pub(super) queue_entry_id: i64,
    /// The generation whose anchor it was opened at; 0: that of no word, since none has named it as the current one.
    pub(super) opened_at: u64,
    pub(super) start_ms: u64,
    /// Opened with the picture for the voice channel.
    pub(super) picture: bool,
    /// Where the voice output was in it, when that was looked at last.
    pub(super) position_ms: Option<u64>,
    /// Open, and not fed to the voice output.
    pub(super) warm: bool,
    /// The first frame waits in the queue.
    pub(super) ready: bool,
    /// Its first frame was sent.
    pub(super) started: bool,
    pub(super) starved: bool,
    /// Its last frame is in the queue: it costs nothing any more.
    pub(super) read: bool,
    pub(super) ended: Option<EndReason>,
    pub(super) failure: Option<Failure>,
    pub(super) plan: String,
    /// What was found out about it, for the next worker.
    pub(super) known: String,
    pub(super) duration_ms: Option<u64>,
    pub(super) cost_millicores: u32,
    pub(super) restarts: u32,
}

impl Playing {
    /// Being opened at a media time.
    pub(super) fn new(run: u64, item: &Item, start_ms: u64) -> Self {
        Self {
            run,
            entry_id: item.entry_id,
            queue_entry_id: item.queue_entry_id,
            opened_at: 0,
            start_ms,
            picture: false,
            position_ms: None,
            warm: false,
            ready: false,
            started: false,
            starved: false,
            read: false,
            ended: None,
            failure: None,
            plan: String::new(),
            known: String::new(),
            duration_ms: item.duration_ms,
            cost_millicores: 0,
            restarts: 0,
        }
    }

    /// What its pipeline says, but for a failure.
    pub(super) fn heard(&mut self, news: PipelineNews) {
        match news {
            PipelineNews::Planned {
                plan,
                duration_ms,
                cost_millicores,
                known,
            } => {
                self.plan = plan;
                self.known = known;
                self.duration_ms = duration_ms.or(self.duration_ms);
                self.cost_millicores = cost_millicores;
            }
            PipelineNews::Costs { millicores } => self.cost_millicores = millicores,
            PipelineNews::Ready => self.ready = true,
            PipelineNews::Restarted => self.restarts += 1,
            PipelineNews::Read => self.read = true,
            PipelineNews::SwitchedSource | PipelineNews::Failed(_) => {}
        }
    }

    pub(super) fn is_warm(&self) -> bool {
        self.warm && self.ready && self.ended.is_none()
    }

    /// Whether it is warm, and has the frames from there on.
    pub(super) fn covers(&self, position_ms: u64) -> bool {
        let made = self.start_ms.saturating_sub(SAME_FRAME_MS)..=self.start_ms + WARM_COVERS_MS;
        self.warm && self.ended.is_none() && made.contains(&position_ms)
    }

    /// It is fed from there on, since that anchor.
    pub(super) fn fed(&mut self, from_ms: u64, opened_at: u64) {
        self.warm = false;
        self.opened_at = opened_at;
        self.start_ms = from_ms;
    }

    pub(super) fn known_plan(&self) -> Option<KnownPlan> {
        (self.cost_millicores > 0).then(|| KnownPlan {
            cost_millicores: self.cost_millicores,
            details: self.known.clone(),
        })
    }
}
