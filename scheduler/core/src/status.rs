//! What callers see of a session: derived, never stored.

use crate::{
    AtQueueEnd, EndReason, EntryId, Failure, Generation, Health, PictureHealth, Position, Session,
    SessionId, SessionStatus, WorkerId,
};

/// Of the voice connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkerStatus {
    /// On its way into the channel.
    Connecting,
    /// In the channel.
    Connected,
    /// Lost the channel or the worker; being mended.
    Reconnecting,
    /// In no channel.
    Disconnected,
    /// Could not get into the channel; see the last error.
    Error,
}

impl WorkerStatus {
    /// As the contract spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Disconnected => "disconnected",
            Self::Error => "error",
        }
    }
}

/// Of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaybackState {
    /// Before the first play.
    Idle,
    /// Asked for, not heard yet.
    Loading,
    /// Heard.
    Playing,
    /// Held.
    Paused,
    /// See [`EndReason`].
    Ended,
    /// The party was stopped.
    Stopped,
}

impl PlaybackState {
    /// As the contract spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Loading => "loading",
            Self::Playing => "playing",
            Self::Paused => "paused",
            Self::Ended => "ended",
            Self::Stopped => "stopped",
        }
    }
}

/// A session as it is at one moment. Bears no URL and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// The caller's id.
    pub id: SessionId,
    /// Made at creation.
    pub worker_session_id: String,
    /// Where.
    pub guild_id: String,
    /// Where.
    pub voice_channel_id: String,
    /// Where.
    pub text_channel_id: String,
    /// Of the voice connection.
    pub worker_status: WorkerStatus,
    /// Of the item.
    pub playback: PlaybackState,
    /// Of the item that plays or ended last.
    pub current_title: Option<String>,
    /// Where it is; extrapolate with [`Position::at`].
    pub position: Position,
    /// Where it is known.
    pub duration_ms: Option<u64>,
    /// What people should read.
    pub last_error: Option<Failure>,
    /// The entry that plays or that ended last.
    pub entry: Option<EntryId>,
    /// The same by its caller's own id, if it has one.
    pub queue_entry_id: Option<i64>,
    /// Why the last item ended.
    pub end_reason: Option<EndReason>,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// What ffmpeg does with the title.
    pub plan: String,
    /// Of what is wanted.
    pub generation: Generation,
    /// Of what the worker has carried out.
    pub observed_generation: Generation,
    /// Counters.
    pub health: Health,
    /// Who holds the lease.
    pub worker: Option<WorkerId>,
    /// Of the watch output; none while there is none.
    pub watch_latency_ms: Option<u64>,
    /// Whether the picture goes into the channel.
    pub go_live: bool,
    /// Of the picture in the channel; none while there is none.
    pub picture: Option<PictureHealth>,
    /// Of the party, for people; empty: none.
    pub title: String,
    /// Discord snowflake of whoever made it; empty: not known.
    pub owner_user_id: String,
    /// What happens when the last entry of the queue has ended.
    pub at_queue_end: AtQueueEnd,
    /// Rises at every change of the queue.
    pub queue_version: u64,
    /// How many entries wait.
    pub queued: usize,
    /// As the table has it.
    pub status: SessionStatus,
    /// Unix milliseconds.
    pub created_at: i64,
}

/// What of a [`SessionView`] every report moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    worker_status: WorkerStatus,
    position: Position,
    health: Health,
    watch_latency_ms: Option<u64>,
    picture: Option<PictureHealth>,
}

impl SessionView {
    /// The same session, a report later.
    pub fn advance(&mut self, vitals: Vitals) {
        self.worker_status = vitals.worker_status;
        self.position = vitals.position;
        self.health = vitals.health;
        self.watch_latency_ms = vitals.watch_latency_ms;
        self.picture = vitals.picture;
    }
}

impl Session {
    /// What a report has moved on. The same as of [`Session::view`], which costs a dozen allocations.
    pub(crate) fn vitals(&self, worker_alive: bool) -> Vitals {
        let observed = self.observed_current();
        Vitals {
            worker_status: self.worker_status(worker_alive),
            position: self.position(),
            health: observed.map(|o| o.health).unwrap_or_default(),
            watch_latency_ms: observed.and_then(|o| o.watch_latency_ms),
            picture: observed.and_then(|o| o.picture),
        }
    }

    fn position(&self) -> Position {
        let record = &self.record;
        let current = record.desired.current.as_ref();
        match (current, self.observed_current(), record.ended.as_ref()) {
            (Some(_), Some(observed), _) => observed.position,
            (None, _, Some(ended)) => Position {
                media_ms: ended.position_ms,
                ..Position::default()
            },
            _ => Position {
                media_ms: record.position_ms,
                ..Position::default()
            },
        }
    }

    /// The session as callers see it. `worker_alive` says whether its lease holder is heard of.
    pub(crate) fn view(&self, worker_alive: bool) -> SessionView {
        let record = &self.record;
        let current = record.desired.current.as_ref();
        let observed = self.observed_current();
        let ended = record.ended.as_ref();
        SessionView {
            id: record.id.clone(),
            worker_session_id: record.worker_session_id.clone(),
            guild_id: record.guild_id.clone(),
            voice_channel_id: record.voice_channel_id.clone(),
            text_channel_id: record.text_channel_id.clone(),
            worker_status: self.worker_status(worker_alive),
            playback: self.playback(),
            current_title: current
                .map(|item| item.title.clone())
                .or_else(|| ended.map(|e| e.title.clone())),
            position: self.position(),
            duration_ms: if current.is_some() {
                record.duration_ms
            } else {
                ended.and_then(|e| e.duration_ms)
            },
            last_error: record.last_error.clone(),
            entry: match (current, ended) {
                (Some(item), _) => Some(item.entry),
                (None, ended) => ended.map(|e| e.entry),
            },
            queue_entry_id: match (current, ended) {
                (Some(item), _) => item.external_id,
                (None, ended) => ended.and_then(|e| e.external_id),
            },
            end_reason: if current.is_some() {
                None
            } else {
                ended.map(|e| e.reason)
            },
            updated_at: record.updated_at,
            plan: observed.map(|o| o.plan.clone()).unwrap_or_default(),
            generation: record.desired.generation,
            observed_generation: self
                .observed
                .as_ref()
                .map(|o| o.fence.generation)
                .unwrap_or_default(),
            health: observed.map(|o| o.health).unwrap_or_default(),
            worker: record.lease.as_ref().map(|lease| lease.worker.clone()),
            watch_latency_ms: observed.and_then(|o| o.watch_latency_ms),
            go_live: record.desired.go_live,
            picture: observed.and_then(|o| o.picture),
            title: record.title.clone(),
            owner_user_id: record.owner_user_id.clone(),
            at_queue_end: record.at_queue_end,
            queue_version: record.queue_version,
            queued: self.queue.waiting().len(),
            status: self.table_status(),
            created_at: record.created_at,
        }
    }

    /// Of the item: what the worker sees, when its word is about this item at all.
    pub(crate) fn playback(&self) -> PlaybackState {
        let record = &self.record;
        match (&record.desired.current, self.observed_current()) {
            (Some(_), Some(observed)) => match observed.playback {
                // A worker that has not taken up this item's end or start yet.
                PlaybackState::Idle | PlaybackState::Stopped => PlaybackState::Loading,
                seen => seen,
            },
            (Some(_), None) => PlaybackState::Loading,
            (None, _) if record.stopped => PlaybackState::Stopped,
            (None, _) if record.ended.is_some() => PlaybackState::Ended,
            (None, _) => PlaybackState::Idle,
        }
    }

    fn worker_status(&self, worker_alive: bool) -> WorkerStatus {
        if !self.record.desired.in_channel {
            return WorkerStatus::Disconnected;
        }
        if self.voice_failed_since.is_some() {
            return WorkerStatus::Error;
        }
        match &self.observed {
            Some(_) if !worker_alive => WorkerStatus::Reconnecting,
            Some(observed) => match observed.worker_status {
                // It has not taken up the credentials yet.
                WorkerStatus::Disconnected => WorkerStatus::Connecting,
                seen => seen,
            },
            None if self.lease_is_inherited || self.record.last_token.get() > 1 => {
                WorkerStatus::Reconnecting
            }
            None => WorkerStatus::Connecting,
        }
    }

    /// The value of `watch_party_sessions.status`.
    pub(crate) fn table_status(&self) -> SessionStatus {
        match self.playback() {
            PlaybackState::Idle => SessionStatus::Draft,
            PlaybackState::Loading if self.record.lease.is_none() => SessionStatus::Queued,
            PlaybackState::Loading => SessionStatus::Connecting,
            PlaybackState::Playing => SessionStatus::Playing,
            PlaybackState::Paused => SessionStatus::Paused,
            PlaybackState::Ended | PlaybackState::Stopped => {
                match self.record.ended.as_ref().map(|ended| ended.reason) {
                    Some(EndReason::Failed) => SessionStatus::Error,
                    _ => SessionStatus::Stopped,
                }
            }
        }
    }
}
