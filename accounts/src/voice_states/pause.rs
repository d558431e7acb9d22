//! Whether a stream is shown as paused: what is wanted, and what Discord was told of it by op 22.
//!
//! Its answer is a `STREAM_UPDATE` (userdoccers). One that does not come is no reason to go on asking: what viewers see
//! is a mark on a picture that stands either way.

use std::time::Instant;

/// Op 22s for one change, with and without an answer.
const ATTEMPTS: u8 = 2;

#[derive(Default)]
pub(super) struct Pause {
    /// Where anybody said so.
    wanted: Option<bool>,
    said: Option<bool>,
    /// When the answer to what was said is given up.
    until: Option<Instant>,
    unanswered: u8,
}

impl Pause {
    pub(super) fn want(&mut self, paused: bool) {
        if self.wanted != Some(paused) {
            self.wanted = Some(paused);
            self.unanswered = 0;
        }
    }

    /// Of a stream that is there: what it is to be told.
    pub(super) fn to_say(&self) -> Option<bool> {
        self.wanted.filter(|wanted| self.said != Some(*wanted))
    }

    /// That was sent, and is answered until then.
    pub(super) fn said(&mut self, paused: bool, until: Instant) {
        self.said = Some(paused);
        self.until = Some(until);
    }

    /// A stream began, and none does so paused.
    pub(super) fn begins(&mut self) {
        self.said = Some(false);
        self.until = None;
        self.unanswered = 0;
    }

    /// What was said may have been lost with the connection.
    pub(super) fn forget_said(&mut self) {
        self.said = None;
        self.until = None;
    }

    pub(super) fn on_updated(&mut self, paused: bool) {
        if self.said == Some(paused) {
            self.until = None;
            self.unanswered = 0;
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn on_time(&mut self, now: Instant) {
        if self.until.is_none_or(|until| until > now) {
            return;
        }
        self.until = None;
        self.unanswered += 1;
        if self.unanswered < ATTEMPTS {
            self.said = None;
        } else {
            tracing::warn!(
                paused = self.said,
                "op 22 was not answered; not asked again"
            );
        }
    }
}
