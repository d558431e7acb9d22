//! The Opus packets of an Ogg file (RFC 3533, RFC 7845), as `opusenc --framesize 20` and ffmpeg write them.

use bytes::Bytes;

/// A page's fixed header; its last byte is the number of segments.
const HEADER: usize = 27;

/// A segment of this length goes on in the next one.
const FULL_SEGMENT: u8 = 255;

/// The packets of sound. They must be of 20 ms each, and the only stream in the file.
pub(crate) fn opus_packets(mut file: &[u8]) -> Result<Vec<Bytes>, &'static str> {
    let cut_off = "the Ogg file ends in the middle of a page";
    let mut packets = Vec::new();
    let mut packet = Vec::new();
    while !file.is_empty() {
        let (header, rest) = file.split_at_checked(HEADER).ok_or(cut_off)?;
        if !header.starts_with(b"OggS") {
            return Err(
                "not an Ogg file; make one with: ffmpeg -i song.flac -c:a libopus song.opus",
            );
        }
        let segments = usize::from(header[HEADER - 1]);
        let (lengths, mut body) = rest.split_at_checked(segments).ok_or(cut_off)?;
        for &length in lengths {
            let (segment, rest) = body.split_at_checked(length.into()).ok_or(cut_off)?;
            packet.extend_from_slice(segment);
            body = rest;
            if length < FULL_SEGMENT {
                packets.push(Bytes::from(std::mem::take(&mut packet)));
            }
        }
        file = body;
    }
    if !packets
        .first()
        .is_some_and(|head| head.starts_with(b"OpusHead"))
    {
        return Err(
            "the Ogg file has no Opus in it; convert it with: ffmpeg -i it -c:a libopus song.opus",
        );
    }
    // OpusHead and OpusTags.
    Ok(packets.split_off(2.min(packets.len())))
}
