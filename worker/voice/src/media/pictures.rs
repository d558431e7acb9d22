//! The way of a picture from its source to the packet layer.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Group, MediaCounts, clock::RtpClock, soonest};
use crate::{
    NextPicture, PictureSource,
    dave::{Dave, Sealed},
    packet::{MediaKind, OutgoingFrame, PacketLayer},
};

mod catch_up;

use catch_up::CatchUp;

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
    /// Nothing has been sent on this path.
    is_new: bool,
    group: Group,
    /// The path began in the middle of a group.
    catch_up: Option<CatchUp>,
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
            is_new: true,
            group: Group::default(),
            catch_up: None,
            sealed: Vec::new(),
        }
    }

    /// What the path before this one was given last.
    pub(super) fn begin_after(&mut self, group: Group) {
        self.group = group;
    }

    /// For the path after this one.
    pub(super) fn take_group(&mut self) -> Group {
        std::mem::take(&mut self.group)
    }

    /// Also when it is told anew: what goes out already goes on.
    pub(super) fn announce(&mut self, from: Option<Instant>) {
        self.announced = match (self.announced, from) {
            (Some(before), Some(_)) => Some(before),
            (_, from) => from,
        };
        if from.is_none() && self.catch_up.take().is_some() {
            self.needs_idr = true;
        }
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
        let mut next = Some(now);
        for _ in 0..MOST_AT_ONCE {
            // What is refused breaks the chain; what is left with its source does not.
            if !exit.layer.has_room() {
                return Some(now + NO_ROOM);
            }
            match source.next(now) {
                NextPicture::Picture { data, due, idr } => {
                    self.take(&data, due, idr, now, source, &mut exit);
                }
                NextPicture::At(at) => {
                    next = Some(at);
                    break;
                }
                NextPicture::Idle => {
                    next = None;
                    break;
                }
            }
        }
        let catches_up = self.catch_up(now, source, &mut exit);
        soonest(next, catches_up)
    }

    /// A picture of the source's, which goes out now unless others go before it.
    fn take(
        &mut self,
        data: &Bytes,
        due: Instant,
        idr: bool,
        now: Instant,
        source: &dyn PictureSource,
        exit: &mut Exit<'_>,
    ) {
        if idr {
            // Whatever is left before it: here is something to begin with.
            self.drop_catch_up(exit.counts);
        } else if std::mem::take(&mut self.is_new) {
            self.begin_in_the_middle(due, now);
        }
        self.group.keep(data, due, idr);
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.add(data, due);
        } else if self.send(data, due, idr, now, exit) {
            source.sent(now, now.saturating_duration_since(due));
        }
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
        self.is_new = false;
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
