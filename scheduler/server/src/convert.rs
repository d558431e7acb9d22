//! Between `orb.v1` messages and the state machine's types: here, what workers are told and say.

pub(crate) mod picture;
pub(crate) mod queue;
pub(crate) mod session;

use orb_proto::v1;
use orb_scheduler_core::{
    Anchor, Desired, EndReason, Epoch, Failure, Fence, FencingToken, Generation, HandoverReport,
    Health, KnownPlan, LeaseVerdict, Millis, Observed, PlaybackState, Position, Prepared, Role,
    SessionId, VoiceCredentials, VoiceLoss, WorkerStatus,
};

use self::queue::{entry_id, item};

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
            stream: voice.stream.map(|stream| v1::StreamCredentials {
                stream_key: stream.stream_key,
                rtc_server_id: stream.rtc_server_id.to_string(),
                endpoint: stream.endpoint,
                token: stream.token,
            }),
        }),
        current: desired.current.map(item),
        next: desired.next.map(item),
        paused: desired.paused,
        anchor: Some(v1::Anchor {
            position_ms: position_ms as i64,
            set_at_generation: set_at.get(),
        }),
        current_set_at_generation: desired.current_set_at.get(),
        go_live: desired.go_live,
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
        failure: state.failure.map(failure),
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
        entry: entry_id(state.entry_id),
        external_id: (state.queue_entry_id != 0).then_some(state.queue_entry_id),
        advanced_from: entry_id(state.advanced_from_entry_id),
        prepared: state.prepared.and_then(prepared).map(Box::new),
        voice_loss: state.voice_loss.map(|loss| VoiceLoss {
            revision: loss.revision,
            close_code: u16::try_from(loss.close_code).ok().filter(|code| *code > 0),
            stream: loss.stream,
        }),
        watch_latency_ms: u64::try_from(state.watch_latency_ms).ok(),
        picture: state.picture.map(picture::observed),
    }
}

fn failure(failure: v1::Failure) -> Failure {
    Failure {
        code: failure.code,
        message: failure.message,
    }
}

/// None when it names no entry.
fn prepared(prepared: v1::Prepared) -> Option<Prepared> {
    Some(Prepared {
        entry: entry_id(prepared.entry_id)?,
        ready: prepared.ready,
        failure: prepared.failure.map(failure),
        known_plan: prepared.known_plan.map(known_plan),
    })
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
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

fn end_reason_from(reason: v1::EndReason) -> Option<EndReason> {
    match reason {
        v1::EndReason::Unspecified => None,
        v1::EndReason::Finished => Some(EndReason::Finished),
        v1::EndReason::Skipped => Some(EndReason::Skipped),
        v1::EndReason::Stopped => Some(EndReason::Stopped),
        v1::EndReason::Failed => Some(EndReason::Failed),
    }
}
