//! What is durable of a session: its identity, its desired record, its lease and its last end.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, EntryId, Failure, FencingToken, Generation, Handover, Lease, QueueEntry, SessionId,
    TraceParent, WorkerId,
};

/// What to play. Sources were checked before they got here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The scheduler's id of the entry; 0 until it has one.
    #[serde(default)]
    pub entry: EntryId,
    /// The caller's own id of the entry, when it came through the worker contract.
    #[serde(default, alias = "queue_entry_id")]
    pub external_id: Option<i64>,
    /// Jellyfin's item id.
    pub item_id: String,
    /// Jellyfin's media source id.
    pub source_id: String,
    /// For people.
    pub title: String,
    /// As the caller names it.
    pub media_type: String,
    /// Primary source. A secret may stand in its query: never logged.
    pub stream_url: String,
    /// Fallback source.
    pub download_url: Option<String>,
    /// As the caller says; the probe may know better.
    pub duration_ms: Option<u64>,
    /// For people.
    pub poster_url: Option<String>,
    /// For people.
    pub year: Option<String>,
    /// The Movie Database's id.
    pub tmdb_id: Option<String>,
    /// `IMDb`'s id.
    pub imdb_id: Option<String>,
    /// Such as "S01E02".
    pub episode: Option<String>,
    /// A few sentences for people.
    #[serde(default)]
    pub summary: Option<String>,
}

/// Where playback starts, and since which generation that holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Media time.
    pub position_ms: u64,
    /// A worker that has carried out this generation does not move again.
    pub set_at: Generation,
}

/// Everything a worker's voice connection needs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceCredentials {
    /// Where.
    pub guild_id: u64,
    /// Where.
    pub channel_id: u64,
    /// The account's user id.
    pub user_id: u64,
    /// Of Discord's voice state.
    pub voice_session_id: String,
    /// `host:port` of the voice server.
    pub endpoint: String,
    /// Of the voice server; a secret.
    pub token: String,
    /// The generation that brought them: newer ones replace older ones.
    pub revision: Generation,
    /// Of the Go Live stream beside it, where there is one: then sound and picture go over that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Box<StreamCredentials>>,
}

/// Everything that the connection of a Go Live stream needs beside [`VoiceCredentials`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamCredentials {
    /// Discord's name of the stream.
    pub stream_key: String,
    /// What its connection identifies with.
    pub rtc_server_id: u64,
    /// `host:port` of its server.
    pub endpoint: String,
    /// Of its server; a secret.
    pub token: String,
}

impl std::fmt::Debug for StreamCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamCredentials")
            .field("stream_key", &self.stream_key)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for VoiceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VoiceCredentials")
            .field("guild_id", &self.guild_id)
            .field("channel_id", &self.channel_id)
            .field("endpoint", &self.endpoint)
            .field("revision", &self.revision)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// What a worker found out about the current item, so that the next one need not probe it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPlan {
    /// In thousandths of a core.
    pub cost_millicores: u32,
    /// The workers' own business: handed on as it is, never read here. Bears no URL.
    pub details: String,
}

/// What shall be: the whole of what a worker is told, but for the voice credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Rises by one at every change.
    pub generation: Generation,
    /// Nothing plays when it is none.
    pub current: Option<Item>,
    /// The generation that set `current`: older reports are about something else.
    pub current_set_at: Generation,
    /// Opened ahead: the head of the waiting entries, while something plays.
    pub next: Option<Item>,
    /// Whether playback is held.
    pub paused: bool,
    /// Whether the account shall be in the voice channel.
    pub in_channel: bool,
    /// Whether the picture goes into the channel, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub go_live: bool,
    /// Where playback starts.
    pub anchor: Anchor,
    /// Of the current item, once a worker has probed it. It raises no generation: it is for the next holder.
    #[serde(default)]
    pub plan: Option<KnownPlan>,
    /// Of the next item, once a worker has looked at it. It raises no generation either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_plan: Option<KnownPlan>,
    /// Of the call that asked for all this. It raises no generation: nothing depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceParent>,
}

/// Why the last item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndReason {
    /// It played to its end.
    Finished,
    /// Somebody skipped it, or another item took its place.
    Skipped,
    /// Somebody stopped the party, or Discord put the bot out.
    Stopped,
    /// No source of it could be played on.
    Failed,
}

impl EndReason {
    /// As the contract and the tables spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Skipped => "skipped",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// The end that a slow poller must still see: it stays until the next play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Of the item that ended.
    #[serde(default)]
    pub entry: EntryId,
    /// Of the item that ended.
    #[serde(default, alias = "queue_entry_id")]
    pub external_id: Option<i64>,
    /// Of the item that ended.
    pub title: String,
    /// Why.
    pub reason: EndReason,
    /// Where it ended.
    pub position_ms: u64,
    /// Its duration, where it was known.
    pub duration_ms: Option<u64>,
}

/// What happens when the last entry of the queue has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AtQueueEnd {
    /// The account stays in the channel until `idle_leave`; what is added meanwhile plays at once.
    #[default]
    Wait,
    /// As after a stop, but that the end of the last entry stays what callers see.
    Leave,
}

impl AtQueueEnd {
    /// As the party API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Leave => "leave",
        }
    }
}

/// `watch_party_sessions.status`; the values are those of the bot's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// Made; nothing was played yet.
    Draft,
    /// Something shall play, and there is no worker to play it.
    Queued,
    /// Loading.
    Connecting,
    /// Playing.
    Playing,
    /// Paused.
    Paused,
    /// Stopped, or the last item ended.
    Stopped,
    /// The last item failed.
    Error,
}

impl SessionStatus {
    /// As the table spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Queued => "queued",
            Self::Connecting => "connecting",
            Self::Playing => "playing",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Error => "error",
        }
    }
}

/// The durable part of a session: what a scheduler that starts anew must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The caller's id.
    pub id: SessionId,
    /// Made at creation.
    pub worker_session_id: String,
    /// Discord snowflakes, as digit strings.
    pub guild_id: String,
    /// The channel asked for.
    pub voice_channel_id: String,
    /// Where the party's messages go.
    pub text_channel_id: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// What shall be.
    pub desired: Desired,
    /// Who carries it out.
    pub lease: Option<Lease>,
    /// Who will carry it out next, while that is being prepared.
    #[serde(default)]
    pub handover: Option<Handover>,
    /// The newest token ever granted: it outlives its lease.
    pub last_token: FencingToken,
    /// To whom: it is asked first when the session is placed again.
    #[serde(default)]
    pub last_worker: Option<WorkerId>,
    /// When a holder was lost before the current item had got anywhere, in unix milliseconds; a holder under which it
    /// got on clears them.
    #[serde(default)]
    pub futile_losses: Vec<i64>,
    /// The `(account, guild)` that the session holds.
    pub account: Option<AccountId>,
    /// Not in clear in the store.
    pub voice: Option<VoiceCredentials>,
    /// How the last item ended.
    pub ended: Option<Ended>,
    /// Whether the party was stopped: `stopped` rather than `ended`.
    pub stopped: bool,
    /// The last failure that people should read.
    pub last_error: Option<Failure>,
    /// The last media position known, at most a checkpoint old.
    pub position_ms: u64,
    /// The duration, where it is known.
    pub duration_ms: Option<u64>,
    /// Of the party, for people; empty: none.
    #[serde(default)]
    pub title: String,
    /// Discord snowflake of whoever made it; empty: not known.
    #[serde(default)]
    pub owner_user_id: String,
    /// What happens when the last entry of the queue has ended.
    #[serde(default)]
    pub at_queue_end: AtQueueEnd,
    /// From 1; rises at every change of the queue, be it an edit or an advance.
    #[serde(default = "first_version")]
    pub queue_version: u64,
    /// The newest id ever given to an entry: it outlives the entry.
    #[serde(default)]
    pub last_entry: EntryId,
    /// The entry that ended when the current one began, where the current one was next to it: a worker that went on
    /// to it unasked says so in its reports, and these are about the current item, however old their fence is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<EntryId>,
}

/// Of an empty queue: callers say 0 for "any version".
pub(crate) const FIRST_VERSION: u64 = 1;

fn first_version() -> u64 {
    FIRST_VERSION
}

/// All that is durable of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// What it is.
    pub record: SessionRecord,
    /// What waits, what plays, and the newest [`crate::KEPT_ENDED`] of what ended; in any order.
    pub queue: Vec<QueueEntry>,
}
