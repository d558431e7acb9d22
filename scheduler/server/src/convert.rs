//! Between `orb.v1` messages and the state machine's types.

use orb_proto::v1;
use orb_scheduler_core::{
    Anchor, Desired, EndReason, Epoch, Failure, Fence, FencingToken, Generation, HandoverReport,
    Health, Item, KnownPlan, LeaseVerdict, Millis, Now, Observed, PlaybackState, Position, Role,
    SessionId, SessionView, VoiceCredentials, VoiceLoss, WorkerStatus,
};

pub(crate) fn fence(fence: Fence) -> v1::Fence {
    v1::Fence {
        token: fence.token.get(),
        epoch: fence.epoch.get(),
        generation: fence.generation.get(),
    }
}

pub(crate) fn lease_ref(lease: v1::LeaseRef) -> (SessionId, FencingToken) {
    (
        SessionId::new(lease.session_id),
        FencingToken::new(lease.token),
    )
}

pub(crate) fn leases_confirmed(
    request_id: u64,
    verdicts: Vec<LeaseVerdict>,
) -> v1::LeasesConfirmed {
    let verdict = |verdict: LeaseVerdict| v1::LeaseVerdict {
        lease: Some(v1::LeaseRef {
            session_id: verdict.session.to_string(),
            token: verdict.token.get(),
        }),
        held: verdict.held,
    };
    v1::LeasesConfirmed {
        request_id,
        verdicts: verdicts.into_iter().map(verdict).collect(),
    }
}

fn fence_from(fence: Option<v1::Fence>) -> Fence {
    let fence = fence.unwrap_or_default();
    Fence {
        token: FencingToken::new(fence.token),
        epoch: Epoch::new(fence.epoch),
        generation: Generation::new(fence.generation),
    }
}

/// The whole word to a worker: never without its role, or one that warms up would take itself for the holder.
pub(crate) fn lease(
    session: &SessionId,
    fence_of_it: Fence,
    desired_of_it: Desired,
    voice: Option<VoiceCredentials>,
    role: Role,
    traceparent: String,
) -> v1::Lease {
    v1::Lease {
        session_id: session.to_string(),
        fence: Some(fence(fence_of_it)),
        traceparent,
        plan: desired_of_it.plan.clone().map(|plan| v1::KnownPlan {
            cost_millicores: plan.cost_millicores,
            details: plan.details,
        }),
        desired: Some(desired(desired_of_it, voice)),
        role: Some(match role {
            Role::Holds => v1::lease::Role::Holds(v1::Holds {}),
            Role::HoldsUntil { position_ms } => v1::lease::Role::HoldsUntil(v1::HoldsUntil {
                position_ms: position_ms as i64,
            }),
            Role::WarmsUp => v1::lease::Role::WarmsUp(v1::WarmsUp {}),
        }),
    }
}

pub(crate) fn known_plan(plan: v1::KnownPlan) -> KnownPlan {
    KnownPlan {
        cost_millicores: plan.cost_millicores,
        details: plan.details,
    }
}

fn handover(handover: v1::observed_state::Handover) -> HandoverReport {
    match handover {
        v1::observed_state::Handover::Warm(_) => HandoverReport::Warm,
        v1::observed_state::Handover::Stopped(stopped) => HandoverReport::Stopped {
            position_ms: unsigned(stopped.position_ms),
        },
    }
}

fn desired(desired: Desired, voice: Option<VoiceCredentials>) -> v1::DesiredState {
    let Anchor {
        position_ms,
        set_at,
    } = desired.anchor;
    v1::DesiredState {
        voice: voice.map(|voice| v1::VoiceCredentials {
            guild_id: voice.guild_id.to_string(),
            channel_id: voice.channel_id.to_string(),
            user_id: voice.user_id.to_string(),
            voice_session_id: voice.voice_session_id,
            endpoint: voice.endpoint,
            token: voice.token,
            revision: voice.revision.get(),
        }),
        current: desired.current.map(item),
        next: desired.next.map(item),
        paused: desired.paused,
        anchor: Some(v1::Anchor {
            position_ms: position_ms as i64,
            set_at_generation: set_at.get(),
        }),
        ..v1::DesiredState::default()
    }
}

fn item(item: Item) -> v1::Item {
    v1::Item {
        queue_entry_id: item.queue_entry_id,
        item_id: item.item_id,
        source_id: item.source_id,
        title: item.title,
        media_type: item.media_type,
        stream_url: item.stream_url,
        download_url: item.download_url.unwrap_or_default(),
        duration_ms: item.duration_ms.unwrap_or_default() as i64,
        poster_url: item.poster_url.unwrap_or_default(),
        year: item.year.unwrap_or_default(),
        tmdb_id: item.tmdb_id.unwrap_or_default(),
        imdb_id: item.imdb_id.unwrap_or_default(),
        episode: item.episode.unwrap_or_default(),
        ..v1::Item::default()
    }
}

/// `received` is when the report came in: the age that the worker states is taken off it.
pub(crate) fn observed(state: v1::ObservedState, received: Millis) -> Observed {
    let playback = playback_from(state.playback_state());
    let worker_status = worker_status_from(state.worker_status());
    let end_reason = end_reason_from(state.end_reason());
    let position = state.position.unwrap_or_default();
    let health = state.health.unwrap_or_default();
    Observed {
        session: SessionId::new(state.session_id),
        fence: fence_from(state.fence),
        worker_status,
        playback,
        end_reason,
        position: Position {
            media_ms: unsigned(position.media_ms),
            at: Millis(received.0.saturating_sub(unsigned(position.age_ms))),
            rate_permille: u32::try_from(position.rate_permille).unwrap_or_default(),
        },
        duration_ms: Some(unsigned(state.duration_ms)).filter(|ms| *ms > 0),
        failure: state.failure.map(|failure| Failure {
            code: failure.code,
            message: failure.message,
        }),
        plan: state.plan,
        opened_at: Generation::new(state.opened_at_generation),
        known_plan: state.known_plan.map(known_plan),
        handover: state.handover.map(handover),
        health: Health {
            frames_sent: health.frames_sent,
            frames_nulled: health.frames_nulled,
            frames_late: health.frames_late,
            restarts: health.restarts,
        },
        queue_entry_id: (state.queue_entry_id != 0).then_some(state.queue_entry_id),
        voice_loss: state.voice_loss.map(|loss| VoiceLoss {
            revision: loss.revision,
            close_code: u16::try_from(loss.close_code).ok().filter(|code| *code > 0),
        }),
        watch_latency_ms: u64::try_from(state.watch_latency_ms).ok(),
    }
}

/// A session for callers.
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
        current_title: view.title.clone().unwrap_or_default(),
        position_ms: position as i64,
        duration_ms: view.duration_ms.unwrap_or_default() as i64,
        last_error: view
            .last_error
            .as_ref()
            .map(|f| f.message.clone())
            .unwrap_or_default(),
        queue_entry_id: view.queue_entry_id.unwrap_or_default(),
        updated_at: Some(prost_types::Timestamp {
            seconds: wall.div_euclid(1000),
            nanos: (wall.rem_euclid(1000) * 1_000_000) as i32,
        }),
        plan: view.plan.clone(),
        capabilities: vec!["voice".to_owned(), "watch".to_owned()],
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
        ..v1::Session::default()
    };
    session.set_worker_status(worker_status(view.worker_status));
    session.set_playback_state(playback(view.playback));
    session.set_end_reason(end_reason(view.end_reason));
    session
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
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

fn worker_status_from(status: v1::WorkerStatus) -> WorkerStatus {
    match status {
        v1::WorkerStatus::Connecting => WorkerStatus::Connecting,
        v1::WorkerStatus::Connected => WorkerStatus::Connected,
        v1::WorkerStatus::Reconnecting => WorkerStatus::Reconnecting,
        v1::WorkerStatus::Unspecified | v1::WorkerStatus::Disconnected => {
            WorkerStatus::Disconnected
        }
        v1::WorkerStatus::Error => WorkerStatus::Error,
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

fn playback_from(state: v1::PlaybackState) -> PlaybackState {
    match state {
        v1::PlaybackState::Unspecified | v1::PlaybackState::Idle => PlaybackState::Idle,
        v1::PlaybackState::Loading => PlaybackState::Loading,
        v1::PlaybackState::Playing => PlaybackState::Playing,
        v1::PlaybackState::Paused => PlaybackState::Paused,
        v1::PlaybackState::Ended => PlaybackState::Ended,
        v1::PlaybackState::Stopped => PlaybackState::Stopped,
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

fn end_reason_from(reason: v1::EndReason) -> Option<EndReason> {
    match reason {
        v1::EndReason::Unspecified => None,
        v1::EndReason::Finished => Some(EndReason::Finished),
        v1::EndReason::Skipped => Some(EndReason::Skipped),
        v1::EndReason::Stopped => Some(EndReason::Stopped),
        v1::EndReason::Failed => Some(EndReason::Failed),
    }
}
