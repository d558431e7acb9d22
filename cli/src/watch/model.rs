//! What is known of the party, and where it is by now.

use std::time::{Duration, Instant};

use super::StatusText;
use crate::api::{Party, PlaybackState};

/// The last state, and when it came.
#[derive(Default)]
pub(super) struct Model {
    pub(super) has_state: bool,
    pub(super) party: Party,
    received: Option<Instant>,
    /// Title of the next entry.
    pub(super) next: Option<String>,
    /// What is to be said beside the state.
    pub(super) notice: Option<String>,
}

impl Model {
    /// Whether the queue is another one than before.
    pub(super) fn take(&mut self, party: Party, now: Instant) -> bool {
        let is_other_queue = !self.has_state || party.queue_version != self.party.queue_version;
        self.has_state = true;
        self.party = party;
        self.received = Some(now);
        is_other_queue
    }

    pub(super) fn text(&self, now: Instant) -> StatusText<'_> {
        StatusText {
            party: &self.party,
            next: self.next.as_deref(),
            position_ms: self.position_ms(now),
            notice: self.notice.as_deref(),
        }
    }

    /// Carried on while it plays, and never beyond the end.
    fn position_ms(&self, now: Instant) -> u64 {
        let since = match (self.party.playback_state, self.received) {
            (PlaybackState::Playing, Some(received)) => now.saturating_duration_since(received),
            _ => Duration::ZERO,
        };
        let position = self.party.position_ms + since.as_millis() as u64;
        self.party.duration_ms().map_or(position, |end| {
            position.min(end.max(self.party.position_ms))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(state: PlaybackState, position_ms: u64) -> Party {
        Party {
            playback_state: state,
            position_ms,
            duration_seconds: Some(60),
            ..Party::default()
        }
    }

    #[test]
    fn only_what_plays_moves_and_not_beyond_the_end() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut model = Model::default();
        model.take(party(PlaybackState::Playing, 10_000), start);
        assert_eq!(model.position_ms(later(5)), 15_000);
        assert_eq!(model.position_ms(later(500)), 60_000);
        for state in [
            PlaybackState::Paused,
            PlaybackState::Loading,
            PlaybackState::Ended,
        ] {
            model.take(party(state, 10_000), start);
            assert_eq!(model.position_ms(later(5)), 10_000);
        }
        // A length that is rounded down to seconds is no reason to go back.
        model.take(party(PlaybackState::Playing, 60_400), start);
        assert_eq!(model.position_ms(later(5)), 60_400);
    }

    #[test]
    fn the_queue_is_looked_at_when_it_has_changed() {
        let mut model = Model::default();
        assert!(model.take(party(PlaybackState::Idle, 0), Instant::now()));
        assert!(!model.take(party(PlaybackState::Playing, 0), Instant::now()));
        let changed = Party {
            queue_version: 2,
            ..Party::default()
        };
        assert!(model.take(changed, Instant::now()));
    }
}
