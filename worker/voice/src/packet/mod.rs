//! The packet layer: how frames become packets on the wire, and back.
//!
//! A [`PacketLayer`] stands between the frames of a call, which are end-to-end encrypted already, and the datagrams of
//! one socket. It does no I/O and has no clock: packets and time go in, packets come out through `wire`.
//!
//! ```text
//!   frame ── send ──▶ ┌─────────────┐ ── wire ──▶ datagrams
//!                     │ PacketLayer │
//!   frame ◀─ receive─ └─────────────┘ ◀── packet
//!                        ▲ on_deadline, when next_deadline has come
//! ```
//!
//! There are two: [`UdpLayer`] is the one that Discord documents for bots (sound only). [`WebRtcLayer`] carries sound and
//! picture, as a browser would: its connection opens by itself after it was told of the server, and it knows its line.

use std::time::Instant;

mod crypto;
pub mod discovery;
mod error;
mod rtp;
mod udp;
mod webrtc;

pub use crypto::{TransportKey, TransportMode};
pub use error::PacketError;
pub use udp::{MAX_PAYLOAD, UdpLayer};
pub use webrtc::{LineReport, VideoSsrcs, WebRtcConfig, WebRtcLayer};

/// What a frame holds. The codec is fixed: Opus for sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// Opus; its RTP clock counts 48 000 a second.
    Audio,
    /// One picture; its RTP clock counts 90 000 a second.
    Video,
}

/// A frame on its way out.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingFrame<'a> {
    /// Sound or picture.
    pub kind: MediaKind,
    /// When it is to be played, by the RTP clock of its kind.
    pub rtp_time: u32,
    /// The moment that `rtp_time` stands for, on the clock that sound and picture share: receivers are told of it, and
    /// put both in step. Not after the `now` of the call.
    pub wallclock: Instant,
    /// The frame, end-to-end encrypted already where the call demands it.
    pub payload: &'a [u8],
}

/// A frame that came in. It may be a copy of an earlier one, or late: `sequence` says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncomingFrame<'a> {
    /// Sound or picture.
    pub kind: MediaKind,
    /// The stream that it belongs to; the voice gateway says whose it is.
    pub ssrc: u32,
    /// Its number in the stream; 0 follows upon 65535.
    pub sequence: u16,
    /// When it is to be played, by the RTP clock of its kind.
    pub rtp_time: u32,
    /// The frame, end-to-end encrypted still.
    pub payload: &'a [u8],
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathState {
    /// Nothing can be sent yet.
    Opening,
    /// Frames can be sent.
    Open,
    /// Over; a new connection is needed.
    Lost,
}

/// Turns frames into packets and packets into frames, for one connection.
///
/// `wire` is called once for each packet that has to be sent, in order, before the call returns.
pub trait PacketLayer: Send {
    /// Sends one frame, as one packet or several.
    fn send(
        &mut self,
        frame: OutgoingFrame<'_>,
        now: Instant,
        wire: &mut dyn FnMut(&[u8]),
    ) -> Result<(), PacketError>;

    /// Takes a packet from the socket, decrypting it in place. `None`: it was no frame, or not the last part of one.
    ///
    /// Anybody can send to a UDP port, so an error means that this packet is dropped and nothing else.
    fn receive<'a>(
        &'a mut self,
        packet: &'a mut [u8],
        now: Instant,
        wire: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<IncomingFrame<'a>>, PacketError>;

    /// When [`on_deadline`](Self::on_deadline) is to be called; ask anew after each call of another method.
    fn next_deadline(&self) -> Option<Instant>;

    /// Does what is due at `now`. Early or late calls do no harm.
    fn on_deadline(&mut self, now: Instant, wire: &mut dyn FnMut(&[u8]));

    /// How far the connection has come. Where there is nothing to open, it is open from the start.
    fn state(&self) -> PathState {
        PathState::Open
    }

    /// Whether it takes a picture now. If not, so much waits for the line that it is to be offered later.
    fn has_room(&mut self) -> bool {
        true
    }

    /// Bytes of pictures that it has taken and not sent yet.
    fn bytes_waiting(&mut self) -> usize {
        0
    }

    /// What the line does, about ten times a second once the connection is open. `None`: nothing new, or never known.
    fn take_feedback(&mut self, _now: Instant) -> Option<LineReport> {
        None
    }

    /// What the line's estimate shall be brought to if the line allows it, in bits a second of picture.
    fn set_probe_target(&mut self, _bits_per_second: u64) {}

    /// How often a receiver asked for a key frame.
    fn key_frame_requests(&self) -> u64 {
        0
    }
}
