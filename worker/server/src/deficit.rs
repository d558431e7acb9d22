//! Frames that were due by the clock and never became one: neither sent nor nulled.

use std::time::{Duration, Instant};

use orb_worker_outputs::voice::Snapshot;

/// Frames fall due so often.
const FRAME: Duration = Duration::from_millis(20);

/// The longest that a stretch is looked at as one: what was missing longer ago is no news.
const WINDOW: Duration = Duration::from_mins(1);

/// Sound that flows from one look to the next: since when, and how many frames there were then.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    since: Instant,
    frames: u64,
    /// Of the desired record: a seek in between is no loss.
    generation: u64,
}

/// Looks at one session now and then.
#[derive(Debug, Default)]
pub(crate) struct Deficit {
    stretch: Option<Stretch>,
    missing: u64,
}

impl Deficit {
    /// Looks at the session now; `generation` changes with every play, pause and seek.
    pub(crate) fn look(&mut self, voice: &Snapshot, generation: u64, now: Instant) {
        let frames = voice.total.sent + voice.total.nulled;
        let here = Stretch {
            since: now,
            frames,
            generation,
        };
        match self.stretch {
            _ if !voice.playing => *self = Self::default(),
            Some(stretch) if stretch.generation == generation => {
                let passed = now.saturating_duration_since(stretch.since);
                let due = (passed.as_millis() / FRAME.as_millis()) as u64;
                self.missing = due.saturating_sub(frames.saturating_sub(stretch.frames));
                if passed >= WINDOW {
                    self.stretch = Some(here);
                }
            }
            _ => {
                self.stretch = Some(here);
                self.missing = 0;
            }
        }
    }

    /// Frames missing in the present stretch, of at most a minute.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }
}

#[cfg(test)]
mod tests {
    use orb_worker_outputs::voice::Counts;

    use super::*;

    fn heard(frames: u64) -> Snapshot {
        Snapshot {
            total: Counts {
                sent: frames,
                ..Counts::default()
            },
            playing: true,
            ..Snapshot::default()
        }
    }

    #[test]
    fn what_is_neither_sent_nor_nulled_is_missing() {
        let (mut deficit, start) = (Deficit::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        deficit.look(&heard(100), 1, at(0));
        deficit.look(&heard(150), 1, at(1_000));
        assert_eq!(deficit.missing(), 0);
        let mut nulled = heard(170);
        nulled.total.nulled = 10;
        deficit.look(&nulled, 1, at(2_000));
        assert_eq!(deficit.missing(), 20);
        // Made up for: late, and counted as that.
        deficit.look(&heard(250), 1, at(3_000));
        assert_eq!(deficit.missing(), 0);
    }

    #[test]
    fn pauses_and_seeks_are_no_loss_and_a_minute_is_forgotten() {
        let (mut deficit, start) = (Deficit::default(), Instant::now());
        let at = |s: u64| start + Duration::from_secs(s);
        deficit.look(&heard(0), 1, at(0));
        deficit.look(&heard(60), 2, at(2));
        assert_eq!(deficit.missing(), 0, "another generation");
        deficit.look(&heard(3_000), 2, at(62));
        assert_eq!(deficit.missing(), 60);
        deficit.look(&heard(3_050), 2, at(63));
        assert_eq!(deficit.missing(), 0, "a new minute");
        let paused = Snapshot {
            playing: false,
            ..heard(3_050)
        };
        deficit.look(&paused, 2, at(70));
        deficit.look(&heard(3_051), 2, at(80));
        assert_eq!(deficit.missing(), 0);
    }
}
