//! The way of a picture from its source to the packet layer.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{MediaCounts, clock::RtpClock};
use crate::{
    NextPicture, PictureSource,
    dave::{Dave, Sealed},
    packet::{MediaKind, OutgoingFrame, PacketLayer},
};

/// Pictures that are taken in a row, when several are late or there is something to catch up on: others wait meanwhile,
/// sound among them.
const MOST_AT_ONCE: u32 = 8;

/// While much waits for the line, as after a seek that begins with seconds of pictures, it is looked at again after so long.
const NO_ROOM: Duration = Duration::from_millis(5);

pub(super) struct Pictures {
    clock: RtpClock,
    /// From when on the server knows what they are: before that, none may come (voice op 12).
    announced: Option<Instant>,
    /// No receiver could begin with another one.
    needs_idr: bool,
    sealed: Vec<u8>,
}

/// Where pictures go.
pub(super) struct Exit<'a> {
    pub(super) layer: &'a mut dyn PacketLayer,
    pub(super) dave: &'a mut Dave,
    pub(super) wire: &'a mut dyn FnMut(&[u8]),
    pub(super) counts: &'a mut MediaCounts,
}

impl Pictures {
    pub(super) fn new(rtp_start: u32, now: Instant) -> Self {
        Self {
            clock: RtpClock::of_pictures(rtp_start, now),
            announced: None,
            needs_idr: true,
            sealed: Vec::new(),
        }
    }

    /// Also when it is told anew: what goes out already goes on.
    pub(super) fn announce(&mut self, from: Option<Instant>) {
        self.announced = match (self.announced, from) {
            (Some(before), Some(_)) => Some(before),
            (_, from) => from,
        };
    }

    /// Sends what is due. Returns when to ask again; none: when something has changed.
    pub(super) fn send_due(
        &mut self,
        now: Instant,
        source: &dyn PictureSource,
        mut exit: Exit<'_>,
    ) -> Option<Instant> {
        let from = self.announced?;
        if from > now {
            return Some(from);
        }
        for _ in 0..MOST_AT_ONCE {
            // What is refused breaks the chain; what is left with its source does not.
            if !exit.layer.has_room() {
                return Some(now + NO_ROOM);
            }
            match source.next(now) {
                NextPicture::Picture { data, due, idr } => {
                    if self.send(&data, due, idr, now, &mut exit) {
                        source.sent(now, now.saturating_duration_since(due));
                    }
                }
                NextPicture::At(at) => return Some(at),
                NextPicture::Idle => return None,
            }
        }
        Some(now)
    }

    fn send(
        &mut self,
        picture: &Bytes,
        due: Instant,
        idr: bool,
        now: Instant,
        exit: &mut Exit<'_>,
    ) -> bool {
        if self.needs_idr && !idr {
            exit.counts.pictures_dropped += 1;
            return false;
        }
        let sent = self.seal_and_send(picture, due, now, exit);
        // What refers to a picture that is missing shows nothing good.
        self.needs_idr = !sent;
        if sent {
            exit.counts.pictures += 1;
        } else {
            exit.counts.pictures_refused += 1;
        }
        sent
    }

    fn seal_and_send(
        &mut self,
        picture: &[u8],
        due: Instant,
        now: Instant,
        exit: &mut Exit<'_>,
    ) -> bool {
        if exit.dave.seal_picture(picture, &mut self.sealed) == Sealed::NoKey {
            tracing::debug!("a picture could not be encrypted");
            return false;
        }
        let (rtp_time, moment) = self.clock.at(due);
        let frame = OutgoingFrame {
            kind: MediaKind::Video,
            rtp_time,
            wallclock: moment.min(now),
            payload: &self.sealed,
        };
        match exit.layer.send(frame, now, exit.wire) {
            Ok(()) => true,
            Err(error) => {
                if exit.counts.pictures_refused == 0 {
                    tracing::warn!(%error, "a picture was not sent");
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
