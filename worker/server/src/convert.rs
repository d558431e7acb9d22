//! From `orb.v1` messages to the state machine's types.

use orb_proto::v1;
use orb_worker_core::{
    Anchor, Desired, Failure, Fence, Handover, Item, KnownPlan, Next, Role, StreamCredentials,
    VoiceCredentials,
};

use orb_worker_outputs::voice;
use secrecy::SecretString;

use crate::changed::Declined;

pub(crate) fn fence(fence: Option<v1::Fence>) -> Fence {
    let fence = fence.unwrap_or_default();
    Fence {
        token: fence.token,
        epoch: fence.epoch,
        generation: fence.generation,
    }
}

pub(crate) fn fence_message(fence: Fence) -> v1::Fence {
    v1::Fence {
        token: fence.token,
        epoch: fence.epoch,
        generation: fence.generation,
    }
}

pub(crate) fn role(role: Option<v1::lease::Role>) -> Role {
    match role {
        None | Some(v1::lease::Role::Holds(_)) => Role::Holds,
        Some(v1::lease::Role::HoldsUntil(until)) => Role::HoldsUntil {
            position_ms: u64::try_from(until.position_ms).unwrap_or_default(),
        },
        Some(v1::lease::Role::WarmsUp(_)) => Role::WarmsUp,
    }
}

pub(crate) fn handover(handover: Handover) -> v1::observed_state::Handover {
    match handover {
        Handover::Warm => v1::observed_state::Handover::Warm(v1::Warm {}),
        Handover::Stopped { position_ms } => v1::observed_state::Handover::Stopped(v1::Stopped {
            position_ms: position_ms as i64,
        }),
    }
}

pub(crate) fn known_plan(plan: KnownPlan) -> v1::KnownPlan {
    v1::KnownPlan {
        cost_millicores: plan.cost_millicores,
        details: plan.details,
    }
}

pub(crate) fn failure(failure: Failure) -> v1::Failure {
    v1::Failure {
        code: failure.code,
        message: failure.message,
    }
}

pub(crate) fn prepared(next: Next) -> v1::Prepared {
    v1::Prepared {
        entry_id: next.entry_id,
        ready: next.ready,
        failure: next.failure.map(failure),
        known_plan: next.known_plan.map(known_plan),
    }
}

pub(crate) fn lease_declined(declined: Declined) -> v1::LeaseDeclined {
    v1::LeaseDeclined {
        session_id: declined.session,
        token: declined.token,
        plan: declined.plan.map(known_plan),
    }
}

pub(crate) fn desired(desired: v1::DesiredState, plan: Option<v1::KnownPlan>) -> Desired {
    let anchor = desired.anchor.unwrap_or_default();
    Desired {
        voice: desired.voice.map(|voice| VoiceCredentials {
            guild_id: voice.guild_id.parse().unwrap_or_default(),
            channel_id: voice.channel_id.parse().unwrap_or_default(),
            user_id: voice.user_id.parse().unwrap_or_default(),
            voice_session_id: voice.voice_session_id,
            endpoint: voice.endpoint,
            token: voice.token,
            revision: voice.revision,
            stream: voice.stream.map(|stream| StreamCredentials {
                rtc_server_id: stream.rtc_server_id.parse().unwrap_or_default(),
                stream_key: stream.stream_key,
                endpoint: stream.endpoint,
                token: stream.token,
            }),
        }),
        current: desired.current.map(item),
        next: desired.next.map(item),
        current_set_at: desired.current_set_at_generation,
        paused: desired.paused,
        anchor: Anchor {
            position_ms: u64::try_from(anchor.position_ms).unwrap_or_default(),
            set_at: anchor.set_at_generation,
        },
        go_live: desired.go_live,
        plan: plan.map(|plan| KnownPlan {
            cost_millicores: plan.cost_millicores,
            details: plan.details,
        }),
    }
}

/// For the voice output.
pub(crate) fn credentials(of: VoiceCredentials) -> voice::VoiceCredentials {
    voice::VoiceCredentials {
        guild_id: of.guild_id,
        channel_id: of.channel_id,
        user_id: of.user_id,
        voice_session_id: of.voice_session_id,
        endpoint: of.endpoint,
        token: SecretString::from(of.token),
        revision: of.revision,
        stream: of.stream.map(|stream| voice::StreamCredentials {
            stream_key: stream.stream_key,
            rtc_server_id: stream.rtc_server_id,
            endpoint: stream.endpoint,
            token: SecretString::from(stream.token),
        }),
    }
}

pub(crate) fn picture(of: voice::PictureSnapshot) -> v1::PictureHealth {
    let kbits = |bits: u64| u32::try_from(bits / 1000).unwrap_or(u32::MAX);
    let format = of.format;
    v1::PictureHealth {
        pictures_sent: of.entry.sent,
        pictures_late: of.entry.late,
        lateness_p99_ms: of.lateness_p99_ms,
        width: format.map_or(0, |format| format.width),
        height: format.map_or(0, |format| format.height),
        kbits_per_second: format.map_or(0, |format| kbits(format.bits_per_second)),
        rung_changes: u32::try_from(of.entry.rung_changes).unwrap_or(u32::MAX),
        line_kbits_per_second: of.estimate.map_or(0, kbits),
        loss_permille: (of.loss.clamp(0.0, 1.0) * 1000.0).round() as u32,
        key_frame_requests: u32::try_from(of.entry.key_frame_requests).unwrap_or(u32::MAX),
    }
}

fn item(item: v1::Item) -> Item {
    Item {
        entry_id: item.entry_id,
        queue_entry_id: item.queue_entry_id,
        item_id: item.item_id,
        title: item.title,
        stream_url: item.stream_url,
        download_url: (!item.download_url.is_empty()).then_some(item.download_url),
        duration_ms: u64::try_from(item.duration_ms).ok().filter(|ms| *ms > 0),
    }
}
