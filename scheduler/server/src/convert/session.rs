//! A session for callers.

use orb_proto::v1;
use orb_scheduler_core::{
    AtQueueEnd, EndReason, EntryId, Now, PlaybackState, SessionStatus, SessionView, WorkerStatus,
};

use super::picture;
use super::queue::timestamp;

/// As it is at that moment.
pub(crate) fn session(view: &SessionView, now: Now) -> v1::Session {
    let position = match view.playback {
        PlaybackState::Playing => view.position.at(now.monotonic),
        _ => view.position.media_ms,
    };
    let position = view
        .duration_ms
        .map_or(position, |duration| position.min(duration));
    let wall = now.wall_ms.max(view.updated_at);
    let mut session = v1::Session {
        session_id: view.id.to_string(),
        worker_session_id: view.worker_session_id.clone(),
        guild_id: view.guild_id.clone(),
        voice_channel_id: view.voice_channel_id.clone(),
        text_channel_id: view.text_channel_id.clone(),
        current_title: view.current_title.clone().unwrap_or_default(),
        position_ms: position as i64,
        duration_ms: view.duration_ms.unwrap_or_default() as i64,
        last_error: view
            .last_error
            .as_ref()
            .map(|f| f.message.clone())
            .unwrap_or_default(),
        queue_entry_id: view.queue_entry_id.unwrap_or_default(),
        updated_at: Some(timestamp(wall)),
        plan: view.plan.clone(),
        capabilities: capabilities(view.go_live),
        generation: view.generation.get(),
        observed_generation: view.observed_generation.get(),
        health: Some(v1::StreamHealth {
            frames_sent: view.health.frames_sent,
            frames_nulled: view.health.frames_nulled,
            frames_late: view.health.frames_late,
            restarts: view.health.restarts,
        }),
        watch: view.watch_latency_ms.map(|latency| v1::WatchOutput {
            latency_ms: latency as i64,
        }),
        picture: view.picture.map(picture::message),
        entry_id: view.entry.map(EntryId::get).unwrap_or_default(),
        title: view.title.clone(),
        owner_user_id: view.owner_user_id.clone(),
        queue_version: view.queue_version,
        queued: u32::try_from(view.queued).unwrap_or(u32::MAX),
        created_at: Some(timestamp(view.created_at)),
        ..v1::Session::default()
    };
    session.set_worker_status(worker_status(view.worker_status));
    session.set_playback_state(playback(view.playback));
    session.set_end_reason(end_reason(view.end_reason));
    session.set_status(status(view.status));
    session.set_at_queue_end(at_queue_end(view.at_queue_end));
    session
}

fn capabilities(go_live: bool) -> Vec<String> {
    let outputs = ["voice", "watch", "golive"];
    let outputs = &outputs[..if go_live { 3 } else { 2 }];
    outputs.iter().map(|output| (*output).to_owned()).collect()
}

fn worker_status(status: WorkerStatus) -> v1::WorkerStatus {
    match status {
        WorkerStatus::Connecting => v1::WorkerStatus::Connecting,
        WorkerStatus::Connected => v1::WorkerStatus::Connected,
        WorkerStatus::Reconnecting => v1::WorkerStatus::Reconnecting,
        WorkerStatus::Disconnected => v1::WorkerStatus::Disconnected,
        WorkerStatus::Error => v1::WorkerStatus::Error,
    }
}

fn playback(state: PlaybackState) -> v1::PlaybackState {
    match state {
        PlaybackState::Idle => v1::PlaybackState::Idle,
        PlaybackState::Loading => v1::PlaybackState::Loading,
        PlaybackState::Playing => v1::PlaybackState::Playing,
        PlaybackState::Paused => v1::PlaybackState::Paused,
        PlaybackState::Ended => v1::PlaybackState::Ended,
        PlaybackState::Stopped => v1::PlaybackState::Stopped,
    }
}

fn end_reason(reason: Option<EndReason>) -> v1::EndReason {
    match reason {
        None => v1::EndReason::Unspecified,
        Some(EndReason::Finished) => v1::EndReason::Finished,
        Some(EndReason::Skipped) => v1::EndReason::Skipped,
        Some(EndReason::Stopped) => v1::EndReason::Stopped,
        Some(EndReason::Failed) => v1::EndReason::Failed,
    }
}

fn status(status: SessionStatus) -> v1::SessionStatus {
    match status {
        SessionStatus::Draft => v1::SessionStatus::Draft,
        SessionStatus::Queued => v1::SessionStatus::Queued,
        SessionStatus::Connecting => v1::SessionStatus::Connecting,
        SessionStatus::Playing => v1::SessionStatus::Playing,
        SessionStatus::Paused => v1::SessionStatus::Paused,
        SessionStatus::Stopped => v1::SessionStatus::Stopped,
        SessionStatus::Error => v1::SessionStatus::Error,
    }
}

fn at_queue_end(at_queue_end: AtQueueEnd) -> v1::AtQueueEnd {
    match at_queue_end {
        AtQueueEnd::Wait => v1::AtQueueEnd::Wait,
        AtQueueEnd::Leave => v1::AtQueueEnd::Leave,
    }
}
