//! The way of a frame from its source to the wire, without I/O: schedule, speaking flag, end-to-end encryption,
//! packets.

use std::time::{Duration, Instant};

use crate::{
    NextFrame,
    dave::{Dave, OPUS_SILENCE, Sealed},
    packet::{MediaKind, OutgoingFrame, PacketLayer},
    wire::Speaking,
};

/// Length of a frame.
pub const FRAME: Duration = Duration::from_millis(20);

/// Opus in RTP counts 48,000 a second, whatever the sound was (RFC 7587, section 4.1).
const RTP_TICKS_A_FRAME: u32 = 960;

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
}

impl Media {
    /// A path that begins at `now`; `rtp_start` is random (RFC 3550, section 5.1).
    pub fn new(layer: Box<dyn PacketLayer>, rtp_start: u32, now: Instant) -> Self {
        Self {
            layer,
            rtp: RtpClock::new(rtp_start, now),
            held: false,
            speaking: false,
            tail: 0,
            sealed: Vec::with_capacity(1500),
            counts: MediaCounts::default(),
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
        self.counts
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
        if self.held || !dave.may_send() {
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
        let frame = OutgoingFrame {
            kind: MediaKind::Audio,
            rtp_time: self.rtp.at(due),
            wallclock: due,
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
        (!std::mem::replace(&mut self.speaking, true)).then_some(Speaking::Microphone)
    }

    fn stop_speaking(&mut self) -> Option<Speaking> {
        std::mem::take(&mut self.speaking).then_some(Speaking::Not)
    }
}

/// RTP timestamps that follow the clock: a pause is in them, and no two frames have the same.
struct RtpClock {
    start: u32,
    epoch: Instant,
    frames: u64,
}

impl RtpClock {
    fn new(start: u32, epoch: Instant) -> Self {
        Self {
            start,
            epoch,
            frames: 0,
        }
    }

    fn at(&mut self, due: Instant) -> u32 {
        let since = due.saturating_duration_since(self.epoch) + FRAME / 2;
        let by_clock = (since.as_nanos() / FRAME.as_nanos()) as u64;
        self.frames = by_clock.max(self.frames + 1);
        // Wraps, as RTP's do.
        self.start
            .wrapping_add((self.frames as u32).wrapping_mul(RTP_TICKS_A_FRAME))
    }
}

#[cfg(test)]
mod tests;
