//! Opus packets in the one shape that songbird passes through from a plain byte stream: DCA1.
//!
//! A DCA1 stream is `DCA1`, an `i32` length and that much JSON, then per packet an `i16` length and the packet, all
//! little-endian (<https://github.com/bwmarrin/dca/wiki/DCA1-specification>). songbird brings a reader for it, which
//! hands the packet's bytes to the network untouched (`driver/tasks/mixer/mix_logic.rs`).

use songbird::{
    input::{
        AudioStream, Input, LiveInput,
        codecs::{get_codec_registry, get_probe},
    },
    tracks::Track,
};
use symphonia::core::io::MediaSource;

/// Opus for 20 ms of silence; what Discord wants to hear before a pause.
pub(super) const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// The largest Opus packet of one frame: a TOC byte and 1275 bytes (RFC 6716, section 3.2).
const MAX_PACKET: usize = 1276;

const METADATA: &str = concat!(
    r#"{"dca":{"version":1,"tool":{"name":"orb","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}},"opus":{"mode":"music","sample_rate":48000,"frame_size":960,"vbr":true,"channels":2}}"#
);

/// Appends the stream's header.
pub(super) fn put_header(out: &mut Vec<u8>) {
    out.extend_from_slice(b"DCA1");
    out.extend_from_slice(&(METADATA.len() as u32).to_le_bytes());
    out.extend_from_slice(METADATA.as_bytes());
}

/// Appends one packet.
pub(super) fn put_packet(out: &mut Vec<u8>, packet: &[u8]) {
    debug_assert!(is_playable(packet), "checked before");
    out.extend_from_slice(&(packet.len() as u16).to_le_bytes());
    out.extend_from_slice(packet);
}

/// Whether songbird hands this packet on as it is: one tick long and small enough.
///
/// It would decode and mix any other, and after the third it would do so with every packet of the track; an invalid
/// one ends the track.
pub(super) fn is_playable(packet: &[u8]) -> bool {
    packet.len() <= MAX_PACKET && samples_at_48_khz(packet) == Some(960)
}

/// Length of a packet from its table of contents (RFC 6716, section 3.1).
fn samples_at_48_khz(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let config = u32::from(toc >> 3);
    let frame = match config {
        0..=11 => [480, 960, 1920, 2880][(config % 4) as usize],
        12..=15 => [480, 960][(config % 2) as usize],
        _ => [120, 240, 480, 960][(config % 4) as usize],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 63),
    };
    Some(frame * frames)
}

/// A track over `source`, whose header is read at once, so that the mixer need not start a thread to do it.
pub(super) fn track(source: impl MediaSource + 'static) -> Track {
    let stream = AudioStream {
        input: Box::new(source) as Box<dyn MediaSource>,
    };
    let parsed = LiveInput::Raw(stream)
        .promote(get_codec_registry(), get_probe())
        .expect("the header is a constant that songbird's reader takes (tested)");
    Track::new(Input::Live(parsed, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_follow_the_table_of_contents() {
        assert_eq!(samples_at_48_khz(&SILENCE), Some(960));
        assert_eq!(samples_at_48_khz(&[0x00]), Some(480), "SILK 10 ms");
        assert_eq!(samples_at_48_khz(&[0b0001_1000]), Some(2880), "SILK 60 ms");
        assert_eq!(samples_at_48_khz(&[0b0110_1000]), Some(960), "hybrid 20 ms");
        assert_eq!(samples_at_48_khz(&[0b1000_0000]), Some(120), "CELT 2.5 ms");
        assert_eq!(
            samples_at_48_khz(&[0b1111_1001]),
            Some(1920),
            "two frames of 20 ms"
        );
        assert_eq!(
            samples_at_48_khz(&[0b1110_0011, 8]),
            Some(960),
            "eight frames of 2.5 ms"
        );
        assert_eq!(
            samples_at_48_khz(&[0b1110_0011]),
            None,
            "count byte missing"
        );
        assert_eq!(samples_at_48_khz(&[]), None);
    }

    #[test]
    fn what_songbird_would_decode_is_refused() {
        assert!(is_playable(&SILENCE));
        assert!(!is_playable(&[0b1111_1001, 1, 2]), "40 ms");
        assert!(!is_playable(&[0xf8; MAX_PACKET + 1]), "too long");
    }
}
