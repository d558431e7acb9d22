//! The layer of the `udp` protocol: one RTP packet for each Opus frame.

use std::time::{Duration, Instant};

use super::crypto::{Cipher, Nonces, OVERHEAD};
use super::rtp::{self, RtpHeader};
use super::{
    IncomingFrame, MediaKind, OutgoingFrame, PacketError, PacketLayer, TransportKey, TransportMode,
};

/// The longest datagram: what an Ethernet frame bears besides the IP and UDP headers.
const MAX_PACKET: usize = 1472;

/// The longest frame, in bytes. Opus needs 1275 at most, and its end-to-end encryption fewer than 20 more.
pub const MAX_PAYLOAD: usize = MAX_PACKET - rtp::FIXED_HEADER - OVERHEAD;

/// How often a sign of life goes out, also while no sound does. Clients of Discord use this interval; home routers
/// forget a UDP port after 30 s and more.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// Bytes of a sign of life: a counter, lowest byte first. The server sends it back as it is.
const KEEP_ALIVE_LEN: usize = 8;

/// Sound over the `udp` protocol, the one that Discord documents for bots.
///
/// It takes the key and lives as long: it stays through a RESUME, and a new SESSION DESCRIPTION makes a new one. A
/// second layer with the same key would use nonces twice.
pub struct UdpLayer {
    ssrc: u32,
    sequence: u16,
    cipher: Cipher,
    nonces: Nonces,
    /// The packet that is being made, kept for its memory.
    packet: Vec<u8>,
    keep_alive_at: Instant,
    keep_alives: u64,
}

impl UdpLayer {
    /// A layer for the stream `ssrc` that READY (op 2) assigned. The first keep-alive goes out 5 s after `now`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a key that is given away makes no second layer"
    )]
    pub fn new(ssrc: u32, mode: TransportMode, key: TransportKey, now: Instant) -> Self {
        Self {
            ssrc,
            sequence: rand::random(),
            cipher: Cipher::new(mode, &key),
            nonces: Nonces::begin_at(rand::random()),
            packet: Vec::with_capacity(MAX_PACKET),
            keep_alive_at: now + KEEP_ALIVE_INTERVAL,
            keep_alives: 0,
        }
    }
}

impl PacketLayer for UdpLayer {
    fn send(
        &mut self,
        frame: OutgoingFrame<'_>,
        _: Instant,
        wire: &mut dyn FnMut(&[u8]),
    ) -> Result<(), PacketError> {
        if frame.kind != MediaKind::Audio {
            return Err(PacketError::VideoUnsupported);
        }
        let len = frame.payload.len();
        if len > MAX_PAYLOAD {
            return Err(PacketError::FrameTooLong { len });
        }
        let nonce = self.nonces.take()?;
        let header = rtp::write_header(self.sequence, frame.rtp_time, self.ssrc);
        self.sequence = self.sequence.wrapping_add(1);
        self.packet.clear();
        self.packet.extend_from_slice(&header);
        self.packet.extend_from_slice(frame.payload);
        self.cipher.seal(&mut self.packet, header.len(), nonce);
        wire(&self.packet);
        Ok(())
    }

    fn receive<'a>(
        &'a mut self,
        packet: &'a mut [u8],
        _: Instant,
        _: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<IncomingFrame<'a>>, PacketError> {
        if packet.len() == KEEP_ALIVE_LEN || rtp::is_rtcp(packet) {
            return Ok(None);
        }
        let header = RtpHeader::parse(packet)?;
        if header.payload_type != rtp::OPUS {
            return Ok(None); // somebody's camera
        }
        let opened = self.cipher.open(packet, header.clear)?;
        Ok(Some(IncomingFrame {
            kind: MediaKind::Audio,
            ssrc: header.ssrc,
            sequence: header.sequence,
            rtp_time: header.rtp_time,
            payload: header.media(&packet[opened])?,
        }))
    }

    fn next_deadline(&self) -> Option<Instant> {
        Some(self.keep_alive_at)
    }

    fn on_deadline(&mut self, now: Instant, wire: &mut dyn FnMut(&[u8])) {
        if now < self.keep_alive_at {
            return;
        }
        wire(&self.keep_alives.to_le_bytes());
        self.keep_alives += 1;
        // From now on: what was missed while the process stood still is not made up for.
        self.keep_alive_at = now + KEEP_ALIVE_INTERVAL;
    }
}

#[cfg(test)]
mod tests;
