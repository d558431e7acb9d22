//! Opus packets, as far as a sender that leaves them alone has to look at them.

/// The largest Opus packet of one frame: a TOC byte and 1275 bytes (RFC 6716, section 3.2).
const MAX_PACKET: usize = 1276;

/// Whether this packet can take the place of one tick: 20 ms long, and small enough for a datagram.
///
/// Any other would put the clock out of step. (songbird would decode and mix it, after the third every packet of the
/// track, too; an invalid one ends its track.)
pub(super) fn is_one_frame(packet: &[u8]) -> bool {
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

#[cfg(test)]
mod tests {
    use orb_voice::OPUS_SILENCE;

    use super::*;

    #[test]
    fn lengths_follow_the_table_of_contents() {
        assert_eq!(samples_at_48_khz(&OPUS_SILENCE), Some(960));
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
    fn anything_but_one_frame_is_refused() {
        assert!(is_one_frame(&OPUS_SILENCE));
        assert!(!is_one_frame(&[0b1111_1001, 1, 2]), "40 ms");
        assert!(!is_one_frame(&[0xf8; MAX_PACKET + 1]), "too long");
    }
}
