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

use crate::voice::opus;

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
    debug_assert!(opus::is_one_frame(packet), "checked before");
    out.extend_from_slice(&(packet.len() as u16).to_le_bytes());
    out.extend_from_slice(packet);
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
