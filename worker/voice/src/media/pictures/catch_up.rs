//! A path that begins in the middle of a group: what receivers need before the present picture goes out before it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Exit, MOST_AT_ONCE, NO_ROOM, Pictures};
use crate::{PictureSource, media::MediaCounts};

/// What is sent once more to a path that begins in the middle has so long to get out, and the present picture with it.
/// After that the next IDR picture is waited for: on a line that is no wider than the film, it would stay behind the sound.
const CATCHES_UP_WITHIN: Duration = Duration::from_secs(1);

/// So many bytes of it are with the packet layer at once, at most: an IDR picture that comes meanwhile waits for no more.
pub(super) const AHEAD: usize = 32 << 10;

/// The times of what is sent once more: just before the present picture's, so that no receiver shows it at its old pace.
/// The RTP clock keeps them apart.
const JUST_BEFORE: Duration = Duration::from_micros(100);

/// What goes out as soon as there is room, in order.
pub(super) struct CatchUp {
    waiting: VecDeque<Waiting>,
    until: Instant,
}

struct Waiting {
    data: Bytes,
    due: Instant,
    idr: bool,
    /// It was sent on the path before.
    again: bool,
}

impl CatchUp {
    /// The source's next picture: no IDR picture, which would be the end of this.
    pub(super) fn add(&mut self, data: &Bytes, due: Instant) {
        self.waiting.push_back(Waiting {
            data: data.clone(),
            due,
            idr: false,
            again: false,
        });
    }
}

impl Pictures {
    /// The first picture that comes on this path is no IDR picture: it is due at `due`.
    pub(super) fn begin_in_the_middle(&mut self, due: Instant, now: Instant) {
        let so_far = self.group.so_far();
        if so_far.is_empty() {
            return;
        }
        let lead_in = JUST_BEFORE * u32::try_from(so_far.len()).unwrap_or(u32::MAX);
        let from = due.checked_sub(lead_in).unwrap_or(due);
        let waiting = so_far.iter().enumerate().map(|(number, data)| Waiting {
            data: data.clone(),
            due: from,
            idr: number == 0,
            again: true,
        });
        self.catch_up = Some(CatchUp {
            waiting: waiting.collect(),
            until: now + CATCHES_UP_WITHIN,
        });
    }

    /// Sends what goes before the present picture, as far as there is room. Returns when to go on.
    pub(super) fn catch_up(
        &mut self,
        now: Instant,
        source: &dyn PictureSource,
        exit: &mut Exit<'_>,
    ) -> Option<Instant> {
        for _ in 0..MOST_AT_ONCE {
            let catch_up = self.catch_up.as_mut()?;
            if catch_up.until <= now {
                tracing::debug!("the line is too narrow to begin in the middle");
                // The next IDR picture is waited for.
                self.needs_idr = true;
                self.drop_catch_up(exit.counts);
                return None;
            }
            if exit.layer.bytes_waiting() > AHEAD {
                return Some(now + NO_ROOM);
            }
            let Some(picture) = catch_up.waiting.pop_front() else {
                self.catch_up = None;
                return None;
            };
            let Waiting {
                data,
                due,
                idr,
                again,
            } = picture;
            if !self.send(&data, due, idr, now, exit) {
                self.drop_catch_up(exit.counts);
                return None;
            }
            if again {
                exit.counts.pictures_again += 1;
            } else {
                source.sent(now, now.saturating_duration_since(due));
            }
        }
        Some(now)
    }

    pub(super) fn drop_catch_up(&mut self, counts: &mut MediaCounts) {
        if let Some(CatchUp { waiting, .. }) = self.catch_up.take() {
            let dropped = waiting.iter().filter(|picture| !picture.again).count();
            counts.pictures_dropped += dropped as u64;
        }
    }
}
