//! A party: the status object of the contract, and what the bot has no need of.

use std::sync::Arc;

use axum::{Json, http::StatusCode};
use orb_proto::v1::{self, Session};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    contract::{SessionStatus, present, settled_code},
    problem::Problem,
};

/// A party as a caller sees it. Bears no URL and no secret.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({
    "id": "friday", "title": "Film night", "ownerUserId": "80351110224678912", "guildId": "111",
    "voiceChannelId": "222", "textChannelId": "333", "atQueueEnd": "wait", "goLive": false, "status": "playing", "entryId": 2,
    "queueVersion": 7, "queued": 1, "createdAt": "2026-01-01T20:00:00Z",
    "workerStatus": "connected", "playbackState": "playing", "currentTitle": "Movie Title", "positionSeconds": 381,
    "durationSeconds": 5420, "lastError": null, "positionMs": 381_240, "sessionId": "friday",
    "workerSessionId": "0198c5a2-7d6e-7000-8000-000000000001", "queueEntryId": null, "endReason": null,
    "updatedAt": "2026-01-01T20:15:00Z", "plan": "video copied, audio to Opus", "capabilities": ["voice", "watch"],
    "generation": 3, "health": {"framesSent": 19_062, "framesNulled": 0, "framesLate": 0, "restarts": 0},
})))]
pub(super) struct Party {
    /// Same as `sessionId`.
    id: String,
    /// For people.
    #[schema(required)]
    title: Option<String>,
    /// Discord snowflake of whoever made it.
    #[schema(required)]
    owner_user_id: Option<String>,
    /// Discord snowflake.
    guild_id: String,
    /// Discord snowflake.
    voice_channel_id: String,
    /// Discord snowflake.
    text_channel_id: String,
    at_queue_end: AtQueueEnd,
    /// Whether the picture goes into the voice channel: `golive` is among the `capabilities`. False again once Discord
    /// has refused it.
    go_live: bool,
    status: PartyStatus,
    /// The entry of the queue that plays or that ended last.
    #[schema(required, minimum = 1)]
    entry_id: Option<u64>,
    /// Rises at every change of the queue; its `ETag`.
    #[schema(minimum = 0)]
    queue_version: u64,
    /// How many entries wait.
    #[schema(minimum = 0)]
    queued: u32,
    /// RFC 3339, UTC.
    #[schema(required, format = DateTime)]
    created_at: Option<String>,
    #[serde(flatten)]
    session: SessionStatus,
}

/// Among the capabilities.
const GO_LIVE: &str = "golive";

/// What happens when the last entry of the queue has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum AtQueueEnd {
    /// The bot stays in the channel for a while; what is added meanwhile plays at once.
    Wait,
    /// The bot leaves the channel.
    Leave,
}

/// What the party does, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum PartyStatus {
    /// Nothing was played yet.
    Draft,
    /// Something shall play, and no worker has it yet.
    Queued,
    Connecting,
    Playing,
    Paused,
    Stopped,
    Error,
}

/// 200 when a worker has done it, 202 when it is durable and still under way.
pub(super) fn settled(
    session: Option<Session>,
    settled: bool,
) -> Result<(StatusCode, Json<Party>), Problem> {
    Ok((settled_code(settled), Json(present(session)?.into())))
}

impl From<Session> for Party {
    fn from(session: Session) -> Self {
        Self {
            at_queue_end: session.at_queue_end().into(),
            go_live: session.capabilities.iter().any(|name| name == GO_LIVE),
            status: session.status().into(),
            id: session.session_id.clone(),
            title: Some(session.title.clone()).filter(|title| !title.is_empty()),
            owner_user_id: Some(session.owner_user_id.clone()).filter(|owner| !owner.is_empty()),
            guild_id: session.guild_id.clone(),
            voice_channel_id: session.voice_channel_id.clone(),
            text_channel_id: session.text_channel_id.clone(),
            entry_id: (session.entry_id != 0).then_some(session.entry_id),
            queue_version: session.queue_version,
            queued: session.queued,
            created_at: session.created_at.map(|time| time.to_string()),
            session: session.into(),
        }
    }
}

impl From<Arc<Session>> for Party {
    fn from(session: Arc<Session>) -> Self {
        Arc::unwrap_or_clone(session).into()
    }
}

impl AtQueueEnd {
    pub(super) fn parse(text: &str) -> Option<v1::AtQueueEnd> {
        match text {
            "wait" => Some(v1::AtQueueEnd::Wait),
            "leave" => Some(v1::AtQueueEnd::Leave),
            _ => None,
        }
    }
}

impl From<v1::AtQueueEnd> for AtQueueEnd {
    fn from(at_end: v1::AtQueueEnd) -> Self {
        match at_end {
            v1::AtQueueEnd::Unspecified | v1::AtQueueEnd::Wait => Self::Wait,
            v1::AtQueueEnd::Leave => Self::Leave,
        }
    }
}

impl From<v1::SessionStatus> for PartyStatus {
    fn from(status: v1::SessionStatus) -> Self {
        match status {
            v1::SessionStatus::Unspecified | v1::SessionStatus::Draft => Self::Draft,
            v1::SessionStatus::Queued => Self::Queued,
            v1::SessionStatus::Connecting => Self::Connecting,
            v1::SessionStatus::Playing => Self::Playing,
            v1::SessionStatus::Paused => Self::Paused,
            v1::SessionStatus::Stopped => Self::Stopped,
            v1::SessionStatus::Error => Self::Error,
        }
    }
}
