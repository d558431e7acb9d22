//! What a session looks like to the scheduler.

use std::time::{Duration, Instant};

use orb_proto::v1;
use orb_worker_core::{EndReason, Playback, Session, VoiceStatus};
use orb_worker_outputs::voice::Snapshot;

use crate::convert;

/// How far behind the channel a viewer is who follows the page's sync: segments are published ahead of
/// the channel, so the page can be in step with it.
const WATCH_LATENCY_MS: i64 = 0;

/// The last frame sent is older: the media clock stands.
const CLOCK_STOOD: Duration = Duration::from_millis(100);

pub(crate) fn observed(
    id: &str,
    session: &Session,
    voice: &Snapshot,
    has_watch: bool,
    now: Instant,
) -> v1::ObservedState {
    let has_left = session.has_started() && voice.run != session.current_run();
    let (media_ms, sent_at) = match (session.has_started(), voice.position_ms, voice.sent_at) {
        // The voice output went over to the next item a moment ago, which the session has not heard: its position would
        // pass for one at the start of this item.
        _ if has_left => (voice.followed_ms.unwrap_or(session.start_ms()), now),
        (true, Some(position), Some(sent_at)) => (position, sent_at),
        _ => (session.start_ms(), now),
    };
    let playing = session.playback() == Playback::Playing && voice.playing && !has_left;
    // A frame goes out each 20 ms. A last one that is older than a few of them was sent before a pause or
    // a cut: the media clock stood since, so the position is as good as new.
    let age = Some(now.saturating_duration_since(sent_at))
        .filter(|age| *age < CLOCK_STOOD)
        .unwrap_or_default();
    let mut state = v1::ObservedState {
        session_id: id.to_owned(),
        fence: Some(convert::fence_message(session.reported())),
        position: Some(v1::Position {
            media_ms: media_ms as i64,
            age_ms: if playing { age.as_millis() as i64 } else { 0 },
            rate_permille: if playing { 1000 } else { 0 },
        }),
        duration_ms: session.duration_ms().unwrap_or_default() as i64,
        failure: session.failure().cloned().map(convert::failure),
        plan: session.plan().to_owned(),
        health: Some(v1::StreamHealth {
            frames_sent: voice.entry.sent,
            frames_nulled: voice.entry.nulled,
            frames_late: voice.entry.late,
            restarts: session.restarts(),
        }),
        queue_entry_id: session.queue_entry_id().unwrap_or_default(),
        voice_revision: session.voice_revision(),
        voice_loss: match session.voice_status() {
            VoiceStatus::Lost { close_code, stream } => Some(v1::VoiceLoss {
                revision: session.voice_revision(),
                close_code: close_code.map_or(0, u32::from),
                stream,
            }),
            _ => None,
        },
        opened_at_generation: session.opened_at(),
        entry_id: session.entry_id().unwrap_or_default(),
        advanced_from_entry_id: session.advanced_from().unwrap_or_default(),
        prepared: session.next().map(convert::prepared),
        known_plan: session.known_plan().map(convert::known_plan),
        handover: session.handover().map(convert::handover),
        picture: voice.picture.map(convert::picture),
        watch_latency_ms: if has_watch { WATCH_LATENCY_MS } else { -1 },
        ..v1::ObservedState::default()
    };
    state.set_worker_status(match session.voice_status() {
        VoiceStatus::Disconnected => v1::WorkerStatus::Disconnected,
        VoiceStatus::Connecting => v1::WorkerStatus::Connecting,
        VoiceStatus::Connected => v1::WorkerStatus::Connected,
        VoiceStatus::Reconnecting | VoiceStatus::Lost { .. } => v1::WorkerStatus::Reconnecting,
    });
    state.set_playback_state(match session.playback() {
        Playback::Idle => v1::PlaybackState::Idle,
        Playback::Loading => v1::PlaybackState::Loading,
        Playback::Playing => v1::PlaybackState::Playing,
        Playback::Paused => v1::PlaybackState::Paused,
        Playback::Ended(_) => v1::PlaybackState::Ended,
    });
    state.set_end_reason(match session.playback() {
        Playback::Ended(EndReason::Finished) => v1::EndReason::Finished,
        Playback::Ended(EndReason::Failed) => v1::EndReason::Failed,
        _ => v1::EndReason::Unspecified,
    });
    state
}

#[cfg(test)]
mod tests {
    use orb_worker_core::{Desired, Fence, Input, Item, Role, VoiceNews};

    use super::*;

    /// Plays entry 7 as run 1.
    fn playing() -> Session {
        let item = Item {
            entry_id: 7,
            queue_entry_id: 0,
            item_id: String::new(),
            title: String::new(),
            stream_url: String::new(),
            download_url: None,
            duration_ms: Some(60_000),
        };
        let mut session = Session::new();
        session.handle(Input::Lease {
            fence: Fence {
                token: 1,
                epoch: 1,
                generation: 1,
            },
            desired: Box::new(Desired {
                current: Some(item),
                ..Desired::default()
            }),
            role: Role::Holds,
        });
        session.handle(Input::Voice(VoiceNews::Started));
        session
    }

    fn position(voice: &Snapshot) -> (i64, i32) {
        let state = observed("s", &playing(), voice, false, Instant::now());
        assert_eq!(state.entry_id, 7);
        let position = state.position.unwrap_or_default();
        (position.media_ms, position.rate_permille)
    }

    #[test]
    fn the_next_items_position_is_never_this_ones() {
        let here = Snapshot {
            run: 1,
            position_ms: Some(59_980),
            sent_at: Some(Instant::now()),
            playing: true,
            ..Snapshot::default()
        };
        assert_eq!(position(&here), (59_980, 1_000));
        // It went over, and the session has not heard of it.
        let first_sent = Snapshot {
            run: 2,
            position_ms: Some(20),
            followed_ms: Some(60_000),
            ..here
        };
        assert_eq!(position(&first_sent), (60_000, 0));
        let none_sent = Snapshot {
            position_ms: None,
            sent_at: None,
            ..first_sent
        };
        assert_eq!(position(&none_sent), (60_000, 0));
    }
}
