//! What a worker reports of a session.

use serde::{Deserialize, Serialize};

use crate::{
    EndReason, EntryId, Fence, Generation, HandoverReport, Item, KnownPlan, Millis, PlaybackState,
    SessionId, WorkerStatus,
};

/// A failure as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable, of `docs/errors.md`.
    pub code: String,
    /// One sentence, no URL.
    pub message: String,
}

/// Counters since the item began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Frames of 20 ms handed to the network.
    pub frames_sent: u64,
    /// Ticks that found no frame although one was due.
    pub frames_nulled: u64,
    /// Frames handed over late.
    pub frames_late: u64,
    /// Times ffmpeg was started again.
    pub restarts: u32,
}

/// The voice connection was lost in a way that the worker may not mend by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoiceLoss {
    /// Of the credentials that were lost.
    pub revision: u64,
    /// Discord's close code, where one came.
    pub close_code: Option<u16>,
    /// It was the Go Live stream's connection; that of the voice channel may stand.
    pub stream: bool,
}

/// The picture in the voice channel. Counters since the item began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PictureHealth {
    /// Handed to the network.
    pub pictures_sent: u64,
    /// Handed over later than their schedule allows.
    pub pictures_late: u64,
    /// 99 of 100 were at most this late.
    pub lateness_p99_ms: u32,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// What is sent now.
    pub kbits_per_second: u32,
    /// Changes of size or rate because of the line.
    pub rung_changes: u32,
    /// What the line takes, as estimated; 0: not known.
    pub line_kbits_per_second: u32,
    /// Of packets, before retransmission.
    pub loss_permille: u32,
    /// By receivers.
    pub key_frame_requests: u32,
}

/// A media position with the moment that it is true for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Media time of the last frame sent.
    pub media_ms: u64,
    /// On the scheduler's monotonic clock: receipt less the age that the worker stated.
    pub at: Millis,
    /// Media milliseconds a second.
    pub rate_permille: u32,
}

impl Position {
    /// Extrapolated to `now`.
    pub fn at(&self, now: Millis) -> u64 {
        self.media_ms + now.since(self.at) * u64::from(self.rate_permille) / 1000
    }
}

/// How far a worker is with the next item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Which.
    pub entry: EntryId,
    /// Its first frame waits.
    pub ready: bool,
    /// It cannot be played.
    pub failure: Option<Failure>,
    /// What was found out about it.
    pub known_plan: Option<KnownPlan>,
}

/// One report about one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Which.
    pub session: SessionId,
    /// The newest word that the worker has carried out.
    pub fence: Fence,
    /// Of the voice connection.
    pub worker_status: WorkerStatus,
    /// Of the item.
    pub playback: PlaybackState,
    /// With [`PlaybackState::Ended`].
    pub end_reason: Option<EndReason>,
    /// Where it is.
    pub position: Position,
    /// Of the item, where the probe knows it.
    pub duration_ms: Option<u64>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What ffmpeg does with the title, and why.
    pub plan: String,
    /// The generation whose anchor the open source was opened at: what is said of the item is about that,
    /// also while the fence is older because nothing of it was sent yet.
    pub opened_at: Generation,
    /// The same for the next worker, and what it costs; none before the probe.
    pub known_plan: Option<KnownPlan>,
    /// Counters.
    pub health: Health,
    /// The entry that this is about.
    pub entry: Option<EntryId>,
    /// The same by its caller's own id: all that workers of an older version say.
    pub external_id: Option<i64>,
    /// This entry was the current one of the newest word, it played to its end, and all that is said here is about what
    /// was next to it.
    pub advanced_from: Option<EntryId>,
    /// Of the next item; none while nothing is being prepared.
    pub prepared: Option<Box<Prepared>>,
    /// How far this worker is with a hand-over.
    pub handover: Option<HandoverReport>,
    /// Needs the leader's judgement.
    pub voice_loss: Option<VoiceLoss>,
    /// Of the watch output; none while there is none.
    pub watch_latency_ms: Option<u64>,
    /// Of the picture in the channel; none while there is none.
    pub picture: Option<PictureHealth>,
}

impl Observed {
    /// Whether it is about this item, as far as its entry tells.
    pub(crate) fn is_about(&self, item: &Item) -> bool {
        match self.entry {
            Some(entry) => entry == item.entry,
            None => self.external_id.is_some() && self.external_id == item.external_id,
        }
    }
}
