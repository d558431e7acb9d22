//! RTP headers (RFC 3550, section 5.1), written and read. What comes from the network is read without trust.

use super::PacketError;

/// Length of the header without CSRCs and extension, in bytes.
pub(super) const FIXED_HEADER: usize = 12;

/// Payload type of Opus in `udp` mode (Discord, "Voice connections").
pub(super) const OPUS: u8 = 120;

/// Version 2; no padding, no extension, no CSRC.
const PLAIN: u8 = 0x80;
const VERSION: u8 = 0xc0;
const PADDED: u8 = 0x20;
const EXTENDED: u8 = 0x10;
const CSRC_COUNT: u8 = 0x0f;

/// The header of a packet of ours: Opus, nothing optional.
pub(super) fn write_header(sequence: u16, rtp_time: u32, ssrc: u32) -> [u8; FIXED_HEADER] {
    let mut header = [0; FIXED_HEADER];
    header[0] = PLAIN;
    header[1] = OPUS;
    header[2..4].copy_from_slice(&sequence.to_be_bytes());
    header[4..8].copy_from_slice(&rtp_time.to_be_bytes());
    header[8..].copy_from_slice(&ssrc.to_be_bytes());
    header
}

/// Whether this is RTCP (sender reports and the like), which shares the port with RTP: types 200 to 207, which would
/// be RTP's 72 to 79 (RFC 5761, section 4).
pub(super) fn is_rtcp(packet: &[u8]) -> bool {
    matches!(packet, [first, kind, ..] if first & VERSION == PLAIN && matches!(kind & 0x7f, 72..=79))
}

/// The clear part of a packet that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RtpHeader {
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) rtp_time: u32,
    pub(super) ssrc: u32,
    /// Bytes that `rtpsize` encryption leaves clear: fixed header, CSRCs, the extension's own header.
    pub(super) clear: usize,
    /// Bytes of extension body at the front of the decrypted part.
    extension: usize,
    padded: bool,
}

impl RtpHeader {
    pub(super) fn parse(packet: &[u8]) -> Result<Self, PacketError> {
        let Some(fixed) = packet.first_chunk::<FIXED_HEADER>() else {
            return Err(PacketError::Malformed("shorter than an rtp header"));
        };
        if fixed[0] & VERSION != PLAIN {
            return Err(PacketError::Malformed("not rtp version 2"));
        }
        let mut clear = FIXED_HEADER + 4 * usize::from(fixed[0] & CSRC_COUNT);
        let mut extension = 0;
        if fixed[0] & EXTENDED != 0 {
            let Some(&[_, _, high, low]) = packet.get(clear..clear + 4) else {
                return Err(PacketError::Malformed("no room for its extension"));
            };
            extension = 4 * usize::from(u16::from_be_bytes([high, low]));
            clear += 4;
        }
        if packet.len() < clear {
            return Err(PacketError::Malformed("no room for its csrcs"));
        }
        Ok(Self {
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            rtp_time: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            clear,
            extension,
            padded: fixed[0] & PADDED != 0,
        })
    }

    /// The media in the decrypted part: what stands between the extension's body and the padding.
    pub(super) fn media<'a>(&self, decrypted: &'a [u8]) -> Result<&'a [u8], PacketError> {
        let media = decrypted.get(self.extension..);
        let media = media.ok_or(PacketError::Malformed("extension beyond its end"))?;
        if !self.padded {
            return Ok(media);
        }
        // The last byte counts itself.
        let padding = usize::from(media.last().copied().unwrap_or_default());
        match media.len().checked_sub(padding) {
            Some(end) if padding > 0 => Ok(&media[..end]),
            _ => Err(PacketError::Malformed("padding beyond its begin")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_of_a_header() {
        let header = write_header(0x0102, 960, 4242);
        assert_eq!(header, [0x80, 0x78, 1, 2, 0, 0, 3, 0xc0, 0, 0, 0x10, 0x92]);
    }

    #[test]
    fn csrcs_and_extension_header_are_clear_and_the_extension_body_is_not() {
        let mut packet = write_header(7, 0, 1).to_vec();
        packet[0] = 0x92;
        packet.extend([0; 8]);
        packet.extend([0xbe, 0xde, 0, 2]);
        let header = RtpHeader::parse(&packet).unwrap();
        assert_eq!(header.clear, 24);
        assert_eq!(header.media(&[9, 9, 9, 9, 9, 9, 9, 9, 5]).unwrap(), [5]);
        assert_eq!(header.media(&[9; 8]).unwrap(), b"");
        assert!(header.media(&[9; 7]).is_err());
        assert!(RtpHeader::parse(&packet[..23]).is_err());
        packet[0] = 0x82;
        assert!(RtpHeader::parse(&packet[..19]).is_err());
    }

    #[test]
    fn padding_is_cut_and_lies_about_it_are_refused() {
        let mut packet = write_header(7, 0, 1);
        packet[0] |= PADDED;
        let header = RtpHeader::parse(&packet).unwrap();
        assert_eq!(header.media(&[5, 6, 0, 2]).unwrap(), [5, 6]);
        assert_eq!(header.media(&[0, 2]).unwrap(), b"");
        for lie in [&[5, 3][..], &[5, 0], &[]] {
            assert!(header.media(lie).is_err(), "{lie:?}");
        }
    }

    #[test]
    fn rtcp_is_told_from_opus() {
        for kind in (72..=76).chain(200..=204) {
            assert!(is_rtcp(&[0x81, kind]), "{kind}");
        }
        assert!(!is_rtcp(&write_header(0, 0, 0)));
        assert!(!is_rtcp(&[0x80, OPUS | 0x80]));
        assert!(!is_rtcp(&[0x00, 200]));
        assert!(!is_rtcp(&[0x80]));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(sequence: u16, rtp_time: u32, ssrc: u32) {
            let header = RtpHeader::parse(&write_header(sequence, rtp_time, ssrc)).unwrap();
            prop_assert_eq!(
                (header.payload_type, header.sequence, header.rtp_time, header.ssrc, header.clear),
                (OPUS, sequence, rtp_time, ssrc, FIXED_HEADER)
            );
        }

        #[test]
        fn nothing_that_comes_in_panics(packet: Vec<u8>, decrypted: Vec<u8>) {
            is_rtcp(&packet);
            if let Ok(header) = RtpHeader::parse(&packet) {
                prop_assert!(header.clear <= packet.len());
                let _ = header.media(&decrypted);
            }
        }
    }
}
