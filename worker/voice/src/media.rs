//! The way of a frame from its source to the wire, without I/O: schedule, speaking flag, end-to-end encryption,
//! packets. Sound has its ticks ([`Media::tick`]); pictures, and what the packet layer does by itself, have times of
//! their own ([`Media::turn`]).

use std::time::{Duration, Instant};

use orb_video::ladder::Wants;

use crate::{
    NextFrame, PictureSource,
    dave::{Dave, OPUS_SILENCE, Sealed},
    packet::{MediaKind, OutgoingFrame, PacketLayer, PathState},
    wire::Speaking,
};

mod clock;
mod group;
mod pictures;

use clock::RtpClock;
pub use group::Group;
use pictures::{Exit, Pictures};

/// Length of a frame.
pub const FRAME: Duration = Duration::from_millis(20);

/// What the server was told of pictures has reached it after so long: it goes another way than they do, and pictures that
/// overtake it are thrown away.
const ANNOUNCED_BEFORE: Duration = Duration::from_millis(100);

/// The line of a stream is asked for news so often, at least.
const LOOK_AT_LINE: Duration = Duration::from_millis(100);

/// After sound stops, so many frames of silence: receivers' decoders interpolate otherwise (Discord, "Voice Data
/// Interpolation").
const SILENCE_TAIL: u32 = 5;

/// What a tick came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticked {
    /// A frame of the source went out.
    pub sent_frame: bool,
    /// The speaking flag is to be sent.
    pub speaking: Option<Speaking>,
    /// Nothing more to do until something changes.
    pub idle: bool,
}

/// The media side of one connection.
pub struct Media {
    layer: Box<dyn PacketLayer>,
    rtp: RtpClock,
    /// Of a stream alone.
    pictures: Option<Pictures>,
    /// When the next turn is due and how far the path had come, as of the last one.
    turned: (Option<Instant>, PathState),
    held: bool,
    speaking: bool,
    tail: u32,
    sealed: Vec<u8>,
    counts: MediaCounts,
}

/// Counted since the path was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaCounts {
    /// Frames of the source that went out.
    pub frames: u64,
    /// Silence in place of a frame that was missing.
    pub missing: u64,
    /// Ticks that could not send: held, or no key.
    pub held: u64,
    /// Frames that the packet layer refused.
    pub refused: u64,
    /// Pictures that went to the packet layer.
    pub pictures: u64,
    /// Of these: that had been sent on the path before, and lead up to where this one began.
    pub pictures_again: u64,
    /// Pictures that nobody could have begun with, dropped up to the next IDR picture.
    pub pictures_dropped: u64,
    /// Pictures that could not be encrypted, or that the packet layer refused.
    pub pictures_refused: u64,
    /// Times that a receiver asked for an IDR picture.
    pub key_frame_requests: u64,
}

impl Media {
    /// A path to a voice channel that begins at `now`; `rtp_start` is random (RFC 3550, section 5.1).
    pub fn new(layer: Box<dyn PacketLayer>, rtp_start: u32, now: Instant) -> Self {
        Self {
            layer,
            rtp: RtpClock::of_sound(rtp_start, now),
            pictures: None,
            turned: (None, PathState::Opening),
            held: false,
            speaking: false,
            tail: 0,
            sealed: Vec::with_capacity(1500),
            counts: MediaCounts::default(),
        }
    }

    /// A path to a Go Live stream, for sound and pictures.
    pub fn for_stream(
        layer: Box<dyn PacketLayer>,
        [sound_start, picture_start]: [u32; 2],
        now: Instant,
    ) -> Self {
        Self {
            pictures: Some(Pictures::new(picture_start, now)),
            ..Self::new(layer, sound_start, now)
        }
    }

    /// Whether it is a path to a stream.
    pub fn is_stream(&self) -> bool {
        self.pictures.is_some()
    }

    /// This path takes the place of one that was given these pictures last.
    pub fn begin_after(&mut self, group: Group) {
        if let Some(pictures) = &mut self.pictures {
            pictures.begin_after(group);
        }
    }

    /// What this path was given last, for the one that takes its place.
    pub fn take_group(&mut self) -> Group {
        let pictures = self.pictures.as_mut();
        pictures.map(Pictures::take_group).unwrap_or_default()
    }

    /// The server was told at `now` what the pictures are, or that there are none: they are taken, or not any more.
    pub fn announce(&mut self, announced: bool, now: Instant) {
        // A path that is still to be opened takes longer.
        let ahead = match self.layer.state() {
            PathState::Opening => Duration::ZERO,
            PathState::Open | PathState::Lost => ANNOUNCED_BEFORE,
        };
        if let Some(pictures) = &mut self.pictures {
            pictures.announce(announced.then_some(now + ahead));
        }
    }

    /// Takes no frames until [`Media::release`].
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// Takes frames again.
    pub fn release(&mut self) {
        self.held = false;
    }

    /// Since the path was opened.
    pub fn counts(&self) -> MediaCounts {
        MediaCounts {
            key_frame_requests: self.layer.key_frame_requests(),
            ..self.counts
        }
    }

    /// The packet layer, for what comes in.
    pub fn layer(&mut self) -> &mut dyn PacketLayer {
        &mut *self.layer
    }

    /// One tick: at most one frame goes to `wire`.
    pub fn tick(
        &mut self,
        due: Instant,
        now: Instant,
        dave: &mut Dave,
        next: impl FnOnce() -> NextFrame,
        wire: &mut dyn FnMut(&[u8]),
    ) -> Ticked {
        if self.held || !dave.may_send() || self.layer.state() != PathState::Open {
            self.counts.held += 1;
            return self.silent();
        }
        match next() {
            NextFrame::Opus(packet) => {
                let speaking = self.begin_to_speak();
                let sent_frame = self.send(&packet, due, now, dave, wire);
                self.counts.frames += u64::from(sent_frame);
                self.tail = SILENCE_TAIL;
                Ticked {
                    sent_frame,
                    speaking,
                    idle: false,
                }
            }
            NextFrame::Missing => {
                self.counts.missing += 1;
                // Before the first frame there is nothing to bridge.
                if self.speaking {
                    self.send(&OPUS_SILENCE, due, now, dave, wire);
                }
                Ticked {
                    sent_frame: false,
                    speaking: None,
                    idle: false,
                }
            }
            NextFrame::Idle => self.end_softly(due, now, dave, wire),
        }
    }

    /// One turn of a stream's line: what the packet layer has to do, pictures that are due, news of the line. Returns when
    /// the next one is due; something that came in, or [`Call::wake`](crate::Call::wake), may make it sooner.
    pub fn turn(
        &mut self,
        now: Instant,
        dave: &mut Dave,
        source: Option<&dyn PictureSource>,
        wants: Wants,
        wire: &mut dyn FnMut(&[u8]),
    ) -> Option<Instant> {
        let deadline = self.layer.next_deadline();
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.layer.on_deadline(now, wire);
        }
        let mut next = None;
        if let (Some(source), PathState::Open) = (source, self.layer.state()) {
            let pictures = self.send_pictures(now, dave, source, wire);
            self.report(now, source, wants);
            next = soonest(pictures, Some(now + LOOK_AT_LINE));
        }
        let next = soonest(next, self.layer.next_deadline());
        self.turned = (next, self.layer.state());
        next
    }

    /// Whether a turn is due before the time that the last one named, because of what came in meanwhile, or of a tick.
    pub fn wants_turn(&self) -> bool {
        let (next, state) = self.turned;
        let sooner = |at: Instant| next.is_none_or(|next| at < next);
        self.is_stream()
            && (state != self.layer.state() || self.layer.next_deadline().is_some_and(sooner))
    }

    fn send_pictures(
        &mut self,
        now: Instant,
        dave: &mut Dave,
        source: &dyn PictureSource,
        wire: &mut dyn FnMut(&[u8]),
    ) -> Option<Instant> {
        let pictures = self.pictures.as_mut()?;
        // Without a key no picture is lost either: who has seen the last one sees the next.
        if self.held || !dave.may_send() {
            return None;
        }
        let exit = Exit {
            layer: &mut *self.layer,
            dave,
            wire,
            counts: &mut self.counts,
        };
        pictures.send_due(now, source, exit)
    }

    fn report(&mut self, now: Instant, source: &dyn PictureSource, wants: Wants) {
        if let Some(mut report) = self.layer.take_feedback(now) {
            report.wants = wants;
            let target = source.line(&report);
            self.layer.set_probe_target(target);
        }
    }

    /// Nothing may go out, not even the tail.
    fn silent(&mut self) -> Ticked {
        self.tail = 0;
        Ticked {
            sent_frame: false,
            speaking: self.stop_speaking(),
            idle: true,
        }
    }

    fn end_softly(
        &mut self,
        due: Instant,
        now: Instant,
        dave: &mut Dave,
        wire: &mut dyn FnMut(&[u8]),
    ) -> Ticked {
        if self.tail > 0 {
            self.tail -= 1;
            self.send(&OPUS_SILENCE, due, now, dave, wire);
        }
        let speaking = if self.tail == 0 {
            self.stop_speaking()
        } else {
            None
        };
        Ticked {
            sent_frame: false,
            speaking,
            idle: self.tail == 0,
        }
    }

    fn send(
        &mut self,
        packet: &[u8],
        due: Instant,
        now: Instant,
        dave: &mut Dave,
        wire: &mut dyn FnMut(&[u8]),
    ) -> bool {
        if dave.seal_opus(packet, &mut self.sealed) == Sealed::NoKey {
            self.counts.held += 1;
            return false;
        }
        let (rtp_time, moment) = self.rtp.at(due);
        let frame = OutgoingFrame {
            kind: MediaKind::Audio,
            rtp_time,
            wallclock: moment.min(now),
            payload: &self.sealed,
        };
        match self.layer.send(frame, now, wire) {
            Ok(()) => true,
            Err(error) => {
                if self.counts.refused == 0 {
                    tracing::error!(%error, "a frame was not sent");
                }
                self.counts.refused += 1;
                false
            }
        }
    }

    fn begin_to_speak(&mut self) -> Option<Speaking> {
        let flag = if self.is_stream() {
            Speaking::Soundshare
        } else {
            Speaking::Microphone
        };
        (!std::mem::replace(&mut self.speaking, true)).then_some(flag)
    }

    fn stop_speaking(&mut self) -> Option<Speaking> {
        std::mem::take(&mut self.speaking).then_some(Speaking::Not)
    }
}

fn soonest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
