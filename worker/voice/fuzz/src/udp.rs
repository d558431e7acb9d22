//! Datagrams of anybody, and of a peer that has the key and lies.
//!
//! The first byte chooses the encryption. Each chunk: what it is (one byte), length (two), bytes.

use std::time::{Duration, Instant};

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{AeadInPlace, KeyInit},
};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use orb_voice::packet::{
    IncomingFrame, MAX_PAYLOAD, MediaKind, OutgoingFrame, PacketLayer, TransportKey, TransportMode,
    UdpLayer, discovery,
};

use super::input::Input;

const KEY: [u8; 32] = [7; 32];
const SSRC: u32 = 4242;

/// What goes in front of a packet's payload, and behind it, at least.
const HEADER: usize = 12;
const OVERHEAD: usize = 20;

/// Returns how many frames came through.
pub fn run(data: &[u8]) -> usize {
    let mut input = Input::new(data);
    let mode = TransportMode::PREFERENCE[input.below(2)];
    let mut now = Instant::now();
    let mut layer = UdpLayer::new(SSRC, mode, TransportKey::new(KEY), now);
    let mut frames = 0;
    while !input.is_empty() {
        let (kind, bytes) = (input.byte(), input.piece());
        match kind % 5 {
            // Sealed with another key, or with none.
            0 => {
                let mut packet = bytes.to_vec();
                assert!(!matches!(receive(&mut layer, &mut packet), Some(Ok(_))));
            }
            1 => frames += usize::from(sealed(&mut layer, mode, bytes)),
            2 => sent(&mut layer, bytes),
            3 => discovered(bytes),
            _ => {
                now += Duration::from_millis(bytes.iter().map(|byte| u64::from(*byte)).sum());
                let mut packets = 0;
                layer.on_deadline(now, &mut |packet| {
                    assert_eq!(packet.len(), 8);
                    packets += 1;
                });
                assert!(packets <= 1);
                assert!(layer.next_deadline().is_some_and(|next| next > now));
            }
        }
    }
    frames
}

/// A frame, a refusal, or neither.
fn receive<'a>(
    layer: &'a mut UdpLayer,
    packet: &'a mut [u8],
) -> Option<Result<IncomingFrame<'a>, &'static str>> {
    let received = layer.receive(packet, Instant::now(), &mut |_| panic!("nothing to send"));
    received.map_err(|error| error.code()).transpose()
}

/// Bytes of the header that stay clear, as the documents have it; none for what is no packet.
fn clear_part(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let clear = HEADER + 4 * usize::from(first & 0x0f) + usize::from(first & 0x10 != 0) * 4;
    (first >> 6 == 2 && packet.len() >= clear).then_some(clear)
}

/// What stands behind the header is encrypted first, so that it is believed. Whether it was a frame.
fn sealed(layer: &mut UdpLayer, mode: TransportMode, bytes: &[u8]) -> bool {
    let Some(clear) = clear_part(bytes) else {
        return false;
    };
    let mut packet = bytes.to_vec();
    seal(mode, &mut packet, clear);
    let (is_opus, is_keep_alive) = (bytes[1] & 0x7f == 120, packet.len() == 8);
    match receive(layer, &mut packet) {
        None => assert!(!is_opus || is_keep_alive),
        Some(Ok(frame)) => {
            assert!(is_opus);
            assert_eq!(frame.ssrc.to_be_bytes(), bytes[8..12]);
            assert_eq!(Some(frame.payload), payload(bytes, clear));
            return true;
        }
        Some(Err(code)) => {
            assert_eq!((code, payload(bytes, clear)), ("packet_malformed", None));
        }
    }
    false
}

/// What is left of the plain text without extension and padding.
fn payload(bytes: &[u8], clear: usize) -> Option<&[u8]> {
    let mut payload = &bytes[clear..];
    if bytes[0] & 0x10 != 0 {
        let words = u16::from_be_bytes([bytes[clear - 2], bytes[clear - 1]]);
        payload = payload.get(4 * usize::from(words)..)?;
    }
    if bytes[0] & 0x20 != 0 {
        let padding = usize::from(*payload.last()?);
        let end = payload.len().checked_sub(padding)?;
        payload = (padding > 0).then_some(&payload[..end])?;
    }
    Some(payload)
}

fn seal(mode: TransportMode, packet: &mut Vec<u8>, clear: usize) {
    let (header, body) = packet.split_at_mut(clear);
    let tag = match mode {
        TransportMode::Aes256Gcm => {
            Aes256Gcm::new(&KEY.into()).encrypt_in_place_detached(&Nonce::default(), header, body)
        }
        TransportMode::XChaCha20Poly1305 => XChaCha20Poly1305::new(&KEY.into())
            .encrypt_in_place_detached(&XNonce::default(), header, body),
    };
    packet.extend_from_slice(&tag.expect("short enough"));
    packet.extend_from_slice(&[0; 4]);
}

/// A frame of ours comes back as it was, and not at all when one bit is another.
fn sent(layer: &mut UdpLayer, bytes: &[u8]) {
    let frame = OutgoingFrame {
        kind: MediaKind::Audio,
        rtp_time: 960,
        wallclock: Instant::now(),
        payload: bytes,
    };
    let mut packets = Vec::new();
    let outcome = layer.send(frame, Instant::now(), &mut |packet| {
        packets.push(packet.to_vec());
    });
    assert_eq!(outcome.is_ok(), bytes.len() <= MAX_PAYLOAD);
    assert_eq!(packets.len(), usize::from(outcome.is_ok()));
    let Some(mut packet) = packets.pop() else {
        return;
    };
    assert_eq!(packet.len(), HEADER + bytes.len() + OVERHEAD);
    let mut spoiled = packet.clone();
    let at = bytes.first().map_or(8, |byte| usize::from(*byte)) % packet.len();
    spoiled[at] ^= 1;
    assert!(!matches!(receive(layer, &mut spoiled), Some(Ok(_))));
    let back = receive(layer, &mut packet).map(|frame| frame.map(|frame| frame.payload));
    assert_eq!(back, Some(Ok(bytes)));
}

fn discovered(bytes: &[u8]) {
    let _ = discovery::parse_response(bytes, SSRC);
    let mut answer = discovery::request(SSRC);
    answer[1] = 2;
    let length = bytes.len().min(66);
    answer[8..8 + length].copy_from_slice(&bytes[..length]);
    if let Ok(address) = discovery::parse_response(&answer, SSRC) {
        assert_eq!(address.port().to_be_bytes(), answer[72..]);
    }
}
