//! A session on a worker without media: what it was told, reported as if it were done at once.

use std::time::Instant;

use orb_proto::v1;

/// What the real worker says of a copy; the length of the text is part of what a beat costs.
const PLAN: &str =
    "video copied (h264 1280x720), sound to Opus: the voice channel hears Opus alone";

/// A frame of sound is 20 ms.
const FRAME_MS: u128 = 20;

/// One leased session.
pub(super) struct SimSession {
    lease: v1::Lease,
    /// In thousandths of a core, while it plays.
    cost_millicores: u32,
    since: Instant,
}

impl SimSession {
    pub(super) fn new(lease: v1::Lease, cost_millicores: u32) -> Self {
        Self {
            lease,
            cost_millicores,
            since: Instant::now(),
        }
    }

    /// Takes a word if it is newer than what is known.
    pub(super) fn take(&mut self, lease: v1::Lease) -> bool {
        let is_newer = order(lease.fence.as_ref()) > order(self.lease.fence.as_ref());
        if is_newer {
            let anchor = |lease: &v1::Lease| {
                let desired = lease.desired.as_ref();
                desired
                    .and_then(|desired| desired.anchor)
                    .map(|a| a.set_at_generation)
            };
            if anchor(&lease) != anchor(&self.lease) {
                self.since = Instant::now();
            }
            self.lease = lease;
        }
        is_newer
    }

    /// Whether a revoke is newer than what is known.
    pub(super) fn ends_by(&self, fence: Option<&v1::Fence>) -> bool {
        order(fence) > order(self.lease.fence.as_ref())
    }

    pub(super) fn is_playing(&self) -> bool {
        let desired = self.lease.desired.as_ref();
        desired.is_some_and(|desired| desired.current.is_some() && !desired.paused)
    }

    /// What it takes of the worker now.
    pub(super) fn takes_millicores(&self) -> u32 {
        const CONNECTED: u32 = 5;
        if self.is_playing() {
            self.cost_millicores
        } else {
            CONNECTED
        }
    }

    /// Frames that would have been sent by now: rises from beat to beat while it plays.
    pub(super) fn frames(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis() / FRAME_MS).unwrap_or(u64::MAX)
    }

    /// As the real worker reports it.
    pub(super) fn observed(&self) -> v1::ObservedState {
        let desired = self.lease.desired.as_ref();
        let current = desired.and_then(|desired| desired.current.as_ref());
        let anchor = desired
            .and_then(|desired| desired.anchor)
            .unwrap_or_default();
        let revision = desired
            .and_then(|desired| desired.voice.as_ref())
            .map_or(0, |voice| voice.revision);
        let playing = self.is_playing();
        let frames = if playing { self.frames() } else { 0 };
        let mut observed = v1::ObservedState {
            session_id: self.lease.session_id.clone(),
            fence: self.lease.fence,
            position: Some(v1::Position {
                media_ms: anchor.position_ms + i64::try_from(frames).unwrap_or_default() * 20,
                age_ms: 0,
                rate_permille: if playing { 1000 } else { 0 },
            }),
            voice_revision: revision,
            watch_latency_ms: -1,
            ..v1::ObservedState::default()
        };
        observed.set_worker_status(if revision > 0 {
            v1::WorkerStatus::Connected
        } else {
            v1::WorkerStatus::Disconnected
        });
        observed.set_playback_state(match current {
            None => v1::PlaybackState::Idle,
            Some(_) if playing => v1::PlaybackState::Playing,
            Some(_) => v1::PlaybackState::Paused,
        });
        if let Some(item) = current {
            observed.duration_ms = item.duration_ms;
            observed.queue_entry_id = item.queue_entry_id;
            PLAN.clone_into(&mut observed.plan);
            observed.opened_at_generation = anchor.set_at_generation;
            observed.health = Some(v1::StreamHealth {
                frames_sent: frames,
                ..v1::StreamHealth::default()
            });
            observed.known_plan = Some(v1::KnownPlan {
                cost_millicores: self.cost_millicores,
                details: PLAN.to_owned(),
            });
        }
        observed
    }
}

/// Words are compared by this, as a whole.
fn order(fence: Option<&v1::Fence>) -> (u64, u64, u64) {
    let fence = fence.copied().unwrap_or_default();
    (fence.token, fence.epoch, fence.generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(generation: u64, plays: bool) -> v1::Lease {
        v1::Lease {
            session_id: "s".to_owned(),
            fence: Some(v1::Fence {
                token: 1,
                epoch: 1,
                generation,
            }),
            desired: Some(v1::DesiredState {
                current: plays.then(v1::Item::default),
                ..v1::DesiredState::default()
            }),
            ..v1::Lease::default()
        }
    }

    #[test]
    fn only_newer_words_are_taken_and_reported() {
        let mut session = SimSession::new(lease(2, false), 20);
        assert!(!session.take(lease(2, true)));
        assert!(!session.take(lease(1, true)));
        assert_eq!(session.takes_millicores(), 5);
        assert!(session.take(lease(3, true)));
        let observed = session.observed();
        assert_eq!(observed.fence.map(|fence| fence.generation), Some(3));
        assert_eq!(observed.playback_state(), v1::PlaybackState::Playing);
        assert_eq!(session.takes_millicores(), 20);
        assert!(!session.ends_by(lease(3, true).fence.as_ref()));
        assert!(session.ends_by(lease(4, true).fence.as_ref()));
    }
}
