//! What the scheduler wants, in the worker's own types.

use std::fmt;

/// Orders all words about one session; compared as a whole, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence {
    /// Of the lease.
    pub token: u64,
    /// Of the scheduler's leadership.
    pub epoch: u64,
    /// Of the desired record.
    pub generation: u64,
}

/// What to play.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// The scheduler's id of the entry: never used twice in a session. Two items are the same when it is.
    pub entry_id: u64,
    /// The caller's id; 0: none.
    pub queue_entry_id: i64,
    /// Jellyfin's.
    pub item_id: String,
    /// For logs.
    pub title: String,
    /// Primary source; may bear a secret.
    pub stream_url: String,
    /// Fallback; may bear a secret.
    pub download_url: Option<String>,
    /// Where the caller knows it.
    pub duration_ms: Option<u64>,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("entry_id", &self.entry_id)
            .field("queue_entry_id", &self.queue_entry_id)
            .field("item_id", &self.item_id)
            .finish_non_exhaustive()
    }
}

/// Where playback starts, and since which generation that holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Anchor {
    /// Media time.
    pub position_ms: u64,
    /// A session that has carried out this generation does not move again.
    pub set_at: u64,
}

/// Everything a voice connection needs.
#[derive(Clone, PartialEq, Eq)]
pub struct VoiceCredentials {
    /// Where.
    pub guild_id: u64,
    /// Where.
    pub channel_id: u64,
    /// Whose.
    pub user_id: u64,
    /// Of Discord's voice state; a secret with the token.
    pub voice_session_id: String,
    /// `host:port`.
    pub endpoint: String,
    /// A secret.
    pub token: String,
    /// Newer ones replace older ones.
    pub revision: u64,
    /// Sound and picture go over this one then, and the connection of the channel sends nothing.
    pub stream: Option<StreamCredentials>,
}

/// Of a Go Live stream; account, voice session and channel are those of the voice channel.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamCredentials {
    /// What the connection identifies with.
    pub rtc_server_id: u64,
    /// Which stream, for logs.
    pub stream_key: String,
    /// `host:port`.
    pub endpoint: String,
    /// A secret.
    pub token: String,
}

impl fmt::Debug for StreamCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamCredentials")
            .field("stream_key", &self.stream_key)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for VoiceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceCredentials")
            .field("channel_id", &self.channel_id)
            .field("endpoint", &self.endpoint)
            .field("revision", &self.revision)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// What was found out about an item by whoever opened it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPlan {
    /// In thousandths of a core, while it plays.
    pub cost_millicores: u32,
    /// For the next worker; bears no URL.
    pub details: String,
}

/// What to do with the desired record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// Carry it out.
    #[default]
    Holds,
    /// Carry it out up to a media time, then send nothing and dial nothing. [`Role::Holds`] takes it back.
    HoldsUntil {
        /// Of the first frame that is not sent.
        position_ms: u64,
    },
    /// Open the source at the anchor and send nothing. [`Role::Holds`] with a later anchor follows.
    WarmsUp,
}

/// How far this worker is with a hand-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// Frames from the anchor on are ready, and none was sent.
    Warm,
    /// Nothing is sent any more, and nothing dialled.
    Stopped {
        /// Media time of the first frame that was not sent.
        position_ms: u64,
    },
}

/// The whole of what shall be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// None: be in no voice channel.
    pub voice: Option<VoiceCredentials>,
    /// None: play nothing.
    pub current: Option<Item>,
    /// Opened ahead, and played when the current one has ended.
    pub next: Option<Item>,
    /// The generation that made `current` the current one: older than the anchor's when it was moved in since.
    pub current_set_at: u64,
    /// Hold.
    pub paused: bool,
    /// Where playback starts.
    pub anchor: Anchor,
    /// The picture goes into the channel, too: sources are opened for it.
    pub go_live: bool,
    /// What an earlier worker found out about the current item.
    pub plan: Option<KnownPlan>,
}
