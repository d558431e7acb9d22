//! The deck as the driver's supply of pictures.

use std::time::{Duration, Instant};

use orb_voice::{LineReport, NextPicture, PictureFormat, PictureSource};

use crate::voice::VoiceEvent;
use crate::voice::deck::Deck;

impl PictureSource for Deck {
    fn next(&self, now: Instant) -> NextPicture {
        let clock = self.clock();
        self.screen().next(clock.film().as_ref(), now)
    }

    fn sent(&self, _at: Instant, late: Duration) {
        self.screen().sent(late);
    }

    fn line(&self, report: &LineReport) -> u64 {
        let clock = self.clock();
        let film = clock.film();
        let (target, ask) = self.screen().line(film.as_ref(), report, Instant::now());
        // Under the lock, as all events.
        if let Some((run, rung)) = ask {
            self.outbox.push(VoiceEvent::Rung { run, rung });
        }
        target
    }

    fn format(&self) -> Option<PictureFormat> {
        let clock = self.clock();
        let film = clock.film()?;
        self.screen().format(&film)
    }
}
