//! Which states of a party its listeners are told.
//!
//! The scheduler tells each beat of the worker, four a second. Whoever listens extrapolates the position, so one a second
//! will do while nothing but that moves; five hundred listeners would be two thousand states a second.

use std::time::Duration;

use orb_proto::v1::{PlaybackState, Session};
use tokio::time::Instant;

/// Less than the second that is promised: the beats do not fall on it.
const WHILE_PLAYING: Duration = Duration::from_millis(900);

/// How far from where a listener takes it to be the position may be until then.
const MAX_DRIFT_MS: u64 = 250;

/// What one listener was told last.
#[derive(Default)]
pub(super) struct Pace {
    told: Option<Told>,
}

struct Told {
    at: Instant,
    position_ms: i64,
    /// Without what each beat moves.
    still: Session,
}

impl Pace {
    /// Whether the listener is to be told this state.
    pub(super) fn tells(&mut self, session: &Session, now: Instant) -> bool {
        let still = without_motion(session);
        // Of what does not play no other beat need follow: each counts.
        let is_playing = session.playback_state() == PlaybackState::Playing;
        let waits = is_playing
            && self.told.as_ref().is_some_and(|told| {
                let since = now - told.at;
                let taken_for = told.position_ms + since.as_millis() as i64;
                let drift_ms = session.position_ms.abs_diff(taken_for);
                told.still == still && since < WHILE_PLAYING && drift_ms <= MAX_DRIFT_MS
            });
        if !waits {
            self.told = Some(Told {
                at: now,
                position_ms: session.position_ms,
                still,
            });
        }
        !waits
    }
}

/// The session without what each beat moves.
fn without_motion(session: &Session) -> Session {
    Session {
        position_ms: 0,
        updated_at: None,
        health: None,
        ..session.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playing(position_ms: i64) -> Session {
        Session {
            playback_state: PlaybackState::Playing.into(),
            position_ms,
            ..Session::default()
        }
    }

    #[test]
    fn one_a_second_while_only_the_position_moves() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        let beats = (0..12).filter(|beat| {
            let at = begin + Duration::from_millis(beat * 250);
            pace.tells(&playing(beat.cast_signed() * 250), at)
        });
        assert_eq!(beats.collect::<Vec<_>>(), [0, 4, 8]);
    }

    #[test]
    fn every_change_at_once() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!(pace.tells(&playing(0), now));
        assert!(!pace.tells(&playing(20), now));
        // It hangs, or jumps.
        assert!(pace.tells(&playing(1020), now));
        let later = now + Duration::from_millis(300);
        assert!(pace.tells(&playing(1020), later));
        let mut seek = playing(9000);
        seek.generation = 2;
        assert!(pace.tells(&seek, now));
        let mut paused = playing(9020);
        paused.playback_state = PlaybackState::Paused.into();
        assert!(pace.tells(&paused, now));
        // The frame that was under way when it was paused.
        paused.position_ms = 9040;
        assert!(pace.tells(&paused, now));
    }
}
