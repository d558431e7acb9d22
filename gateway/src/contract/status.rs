//! The status object: what every 2xx answer of the contract is.

use orb_proto::v1::{self, Session};
use serde::Serialize;
use utoipa::ToSchema;

use super::picture::PictureHealth;

/// A session as a caller sees it. Bears no URL and no secret.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({
    "workerStatus": "connected", "playbackState": "playing", "currentTitle": "Movie Title", "positionSeconds": 381,
    "durationSeconds": 5420, "lastError": null, "positionMs": 381_240, "sessionId": "456",
    "workerSessionId": "0198c5a2-7d6e-7000-8000-000000000001", "queueEntryId": 12, "endReason": null,
    "updatedAt": "2026-01-01T20:15:00Z", "plan": "video copied, audio to Opus", "capabilities": ["voice", "watch"],
    "generation": 3, "health": {"framesSent": 19_062, "framesNulled": 0, "framesLate": 0, "restarts": 0},
})))]
pub(crate) struct SessionStatus {
    worker_status: WorkerStatus,
    playback_state: PlaybackState,
    /// Title of the item that plays or played last.
    #[schema(required)]
    current_title: Option<String>,
    /// Media time of the last frame sent, in whole seconds.
    #[schema(minimum = 0)]
    position_seconds: i64,
    /// Length of the item; null while unknown.
    #[schema(required)]
    duration_seconds: Option<i64>,
    /// One sentence on what went wrong last.
    #[schema(required)]
    last_error: Option<String>,
    /// Media time of the last frame sent, in milliseconds, as of `updatedAt`.
    #[schema(minimum = 0)]
    position_ms: i64,
    /// The caller's id of the session.
    session_id: String,
    /// Tells two lives of one session id apart.
    worker_session_id: String,
    /// The caller's id of the entry that plays or that ended last.
    #[schema(required)]
    queue_entry_id: Option<i64>,
    /// Why the last item ended; stays until the next play.
    #[schema(required)]
    end_reason: Option<EndReason>,
    /// RFC 3339, UTC.
    #[schema(required, format = DateTime)]
    updated_at: Option<String>,
    /// One sentence: how this title is played, and why so.
    #[schema(required)]
    plan: Option<String>,
    /// The outputs of this session: `voice`, `watch`, and `golive` only where the picture goes into the voice channel.
    capabilities: Vec<String>,
    /// Rises by one at every change of what is wanted.
    #[schema(minimum = 0)]
    generation: u64,
    #[schema(required)]
    health: Option<StreamHealth>,
    /// Of the picture in the voice channel; missing while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    picture: Option<PictureHealth>,
}

/// The session's connection to its voice channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WorkerStatus {
    Connecting,
    Connected,
    Reconnecting,
    Disconnected,
    Error,
}

/// What the session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PlaybackState {
    /// Before the first play.
    Idle,
    Loading,
    Playing,
    Paused,
    /// See `endReason`.
    Ended,
    Stopped,
}

/// Why an item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EndReason {
    Finished,
    Skipped,
    Stopped,
    Failed,
}

/// Counters since the item began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamHealth {
    /// Audio frames of 20 ms handed to the network.
    #[schema(minimum = 0)]
    frames_sent: u64,
    /// Ticks that found no frame although one was due.
    #[schema(minimum = 0)]
    frames_nulled: u64,
    /// Frames handed over late.
    #[schema(minimum = 0)]
    frames_late: u64,
    /// Times ffmpeg was started again for this item.
    #[schema(minimum = 0)]
    restarts: u32,
}

impl From<Session> for SessionStatus {
    fn from(session: Session) -> Self {
        let position_ms = session.position_ms.max(0);
        Self {
            worker_status: session.worker_status().into(),
            playback_state: session.playback_state().into(),
            end_reason: EndReason::of(session.end_reason()),
            position_seconds: position_ms / 1000,
            position_ms,
            duration_seconds: (session.duration_ms > 0).then_some(session.duration_ms / 1000),
            queue_entry_id: (session.queue_entry_id != 0).then_some(session.queue_entry_id),
            updated_at: session.updated_at.map(|time| time.to_string()),
            health: session.health.map(StreamHealth::from),
            current_title: not_empty(session.current_title),
            last_error: not_empty(session.last_error),
            plan: not_empty(session.plan),
            session_id: session.session_id,
            worker_session_id: session.worker_session_id,
            capabilities: session.capabilities,
            generation: session.generation,
            picture: session.picture.map(PictureHealth::from),
        }
    }
}

fn not_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

impl From<v1::WorkerStatus> for WorkerStatus {
    fn from(status: v1::WorkerStatus) -> Self {
        match status {
            // Unspecified: no worker has reported yet, and one is on its way.
            v1::WorkerStatus::Unspecified | v1::WorkerStatus::Connecting => Self::Connecting,
            v1::WorkerStatus::Connected => Self::Connected,
            v1::WorkerStatus::Reconnecting => Self::Reconnecting,
            v1::WorkerStatus::Disconnected => Self::Disconnected,
            v1::WorkerStatus::Error => Self::Error,
        }
    }
}

impl From<v1::PlaybackState> for PlaybackState {
    fn from(state: v1::PlaybackState) -> Self {
        match state {
            v1::PlaybackState::Unspecified | v1::PlaybackState::Idle => Self::Idle,
            v1::PlaybackState::Loading => Self::Loading,
            v1::PlaybackState::Playing => Self::Playing,
            v1::PlaybackState::Paused => Self::Paused,
            v1::PlaybackState::Ended => Self::Ended,
            v1::PlaybackState::Stopped => Self::Stopped,
        }
    }
}

impl EndReason {
    /// `None` before any item has ended.
    pub(crate) fn of(reason: v1::EndReason) -> Option<Self> {
        match reason {
            v1::EndReason::Unspecified => None,
            v1::EndReason::Finished => Some(Self::Finished),
            v1::EndReason::Skipped => Some(Self::Skipped),
            v1::EndReason::Stopped => Some(Self::Stopped),
            v1::EndReason::Failed => Some(Self::Failed),
        }
    }
}

impl From<v1::StreamHealth> for StreamHealth {
    fn from(health: v1::StreamHealth) -> Self {
        Self {
            frames_sent: health.frames_sent,
            frames_nulled: health.frames_nulled,
            frames_late: health.frames_late,
            restarts: health.restarts,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fresh_session_has_every_documented_field() {
        let status = SessionStatus::from(Session {
            session_id: "456".into(),
            ..Session::default()
        });
        assert_eq!(
            serde_json::to_value(status).unwrap(),
            json!({
                "workerStatus": "connecting", "playbackState": "idle", "currentTitle": null, "positionSeconds": 0,
                "durationSeconds": null, "lastError": null, "positionMs": 0, "sessionId": "456",
                "workerSessionId": "", "queueEntryId": null, "endReason": null, "updatedAt": null, "plan": null,
                "capabilities": [], "generation": 0, "health": null,
            })
        );
    }

    #[test]
    fn a_picture_shows_where_there_is_one() {
        let status = SessionStatus::from(Session {
            capabilities: vec!["voice".into(), "golive".into()],
            picture: Some(v1::PictureHealth {
                pictures_sent: 240,
                pictures_late: 1,
                lateness_p99_ms: 3,
                width: 1280,
                height: 720,
                kbits_per_second: 2500,
                rung_changes: 2,
                line_kbits_per_second: 4000,
                loss_permille: 15,
                key_frame_requests: 4,
            }),
            ..Session::default()
        });
        let shown = serde_json::to_value(status).unwrap();
        assert_eq!(shown["capabilities"], json!(["voice", "golive"]));
        assert_eq!(
            shown["picture"],
            json!({
                "picturesSent": 240, "picturesLate": 1, "latenessP99Ms": 3, "width": 1280, "height": 720,
                "kbitsPerSecond": 2500, "rungChanges": 2, "lineKbitsPerSecond": 4000, "lossPermille": 15,
                "keyFrameRequests": 4,
            })
        );
    }

    #[test]
    fn values_have_the_documented_names() {
        let session = Session {
            worker_status: v1::WorkerStatus::Reconnecting.into(),
            playback_state: v1::PlaybackState::Ended.into(),
            end_reason: v1::EndReason::Failed.into(),
            current_title: "Movie Title".into(),
            position_ms: 381_999,
            duration_ms: 5_419_600,
            queue_entry_id: 12,
            updated_at: Some(prost_time(1_700_000_000)),
            ..Session::default()
        };
        let status = serde_json::to_value(SessionStatus::from(session)).unwrap();
        assert_eq!(status["workerStatus"], "reconnecting");
        assert_eq!(status["playbackState"], "ended");
        assert_eq!(status["endReason"], "failed");
        assert_eq!(status["positionSeconds"], 381);
        assert_eq!(status["positionMs"], 381_999);
        assert_eq!(status["durationSeconds"], 5419);
        assert_eq!(status["updatedAt"], "2023-11-14T22:13:20Z");
    }

    fn prost_time(seconds: i64) -> prost_types::Timestamp {
        prost_types::Timestamp { seconds, nanos: 0 }
    }
}
