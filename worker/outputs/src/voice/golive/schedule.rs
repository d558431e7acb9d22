//! When a picture leaves.

use std::time::{Duration, Instant};

use orb_worker_media::FRAME_MS;

use crate::voice::clock::Position;

/// The least between two pictures' times, so that no two have the same RTP time (90,000 a second).
const APART: Duration = Duration::from_micros(100);

/// Pictures that only lead up to where the film begins get times in the stretch before that: RTP times must not run back,
/// and nothing is to be shown with them. Enough for 10,000 of them.
const LEAD_IN: Duration = Duration::from_secs(1);

/// Looks again so often while the sound has not come so far: it is starved, or has not begun. A picture is not later than
/// that when it goes on.
pub(super) const SOUND_IS_AWAY: Duration = Duration::from_millis(5);

/// A decoder of Opus gives the sound of a packet so long after what the packet's time says: 312 samples of 48,000 a second
/// (libopus's look-ahead). The picture waits for it.
const DECODED_LATE: Duration = Duration::from_micros(6_500);

/// What is to be done with the next picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// It goes now; its place on the sound's clock is `due`.
    Now {
        /// Rises from picture to picture. It is [`DECODED_LATE`] after the sound packet of its time.
        due: Instant,
        /// There is no sound to go with it: it is only needed to decode what follows.
        leads_in: bool,
    },
    /// Look again then.
    At(Instant),
}

/// The sound of a film as it was heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sound {
    /// The frame that was sent last.
    pub(super) last: Position,
    /// Media time of the first one of this source.
    pub(super) first_ms: u64,
}

/// Gives the pictures of a connection their times, in order.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Of the picture that went last.
    last_due: Option<Instant>,
}

impl Schedule {
    /// About the picture of `pts_ms`.
    pub(super) fn when(&mut self, sound: Option<Sound>, pts_ms: u64, now: Instant) -> When {
        let Some(Sound { last, first_ms }) = sound else {
            return When::At(now + SOUND_IS_AWAY);
        };
        if pts_ms < first_ms {
            let begin = at(last, first_ms);
            let due = begin.checked_sub(LEAD_IN).unwrap_or(begin);
            return self.goes(due, true);
        }
        let due = at(last, pts_ms);
        if due > now {
            return When::At(due);
        }
        // Where the sound has stopped in the middle of this picture's time, its next frame says anew when that is.
        let stands = now > at(last, last.frame_ms() + FRAME_MS) + SOUND_IS_AWAY;
        if stands || pts_ms >= last.frame_ms() + FRAME_MS {
            return When::At(now + SOUND_IS_AWAY);
        }
        self.goes(due, false)
    }

    fn goes(&mut self, due: Instant, leads_in: bool) -> When {
        let due = self.last_due.map_or(due, |last| due.max(last + APART));
        self.last_due = Some(due);
        When::Now { due, leads_in }
    }
}

/// When a media time is heard, if the sound goes on in step.
fn at(last: Position, pts_ms: u64) -> Instant {
    let from = last.frame_ms();
    let off = Duration::from_millis(pts_ms.abs_diff(from));
    let heard = last.due + DECODED_LATE;
    if pts_ms >= from {
        heard + off
    } else {
        heard.checked_sub(off).unwrap_or(heard)
    }
}

#[cfg(test)]
mod tests;
