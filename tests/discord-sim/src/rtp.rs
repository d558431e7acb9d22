//! The fields of an RTP packet (RFC 3550) that the simulator looks at, read without trust.

/// The clear part of an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RtpHeader {
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// Bytes that `rtpsize` encryption leaves clear: fixed header, CSRCs, extension header.
    pub(crate) clear: usize,
    /// Bytes of extension body at the front of the decrypted part.
    extension: usize,
    padded: bool,
}

impl RtpHeader {
    /// Reads the header. `None`: no RTP version 2, or too short for what it announces.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; 12] = packet.first_chunk()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let csrcs = 4 * usize::from(fixed[0] & 0x0f);
        let mut clear = 12 + csrcs;
        let mut extension = 0;
        if fixed[0] & 0x10 != 0 {
            let words = packet.get(clear + 2..clear + 4)?;
            extension = 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
            clear += 4;
        }
        (packet.len() >= clear).then_some(Self {
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            clear,
            extension,
            padded: fixed[0] & 0x20 != 0,
        })
    }

    /// The media payload inside the decrypted part: without extension body and padding.
    pub(crate) fn payload<'a>(&self, decrypted: &'a [u8]) -> Option<&'a [u8]> {
        let media = decrypted.get(self.extension..)?;
        if !self.padded {
            return Some(media);
        }
        let padding = usize::from(*media.last()?);
        media.get(..media.len().checked_sub(padding)?)
    }
}

/// Whether this is RTCP rather than RTP (RFC 5761, section 4).
pub(crate) fn is_rtcp(packet: &[u8]) -> bool {
    packet.len() >= 8 && packet[0] >> 6 == 2 && (200..=207).contains(&packet[1])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_a_plain_header() {
        let packet = [0x80, 0x78, 0, 7, 0, 0, 0x03, 0xc0, 0, 0, 0x10, 0x92, 1, 2];
        let header = RtpHeader::parse(&packet).unwrap();
        assert_eq!(
            (header.sequence, header.timestamp, header.ssrc),
            (7, 960, 4242)
        );
        assert_eq!(header.clear, 12);
        assert_eq!(header.payload(&[1, 2]).unwrap(), [1, 2]);
    }

    #[test]
    fn extension_header_is_clear_and_its_body_is_not() {
        let mut packet = vec![0x90, 0x78, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1];
        packet.extend([0xbe, 0xde, 0, 2]);
        let header = RtpHeader::parse(&packet).unwrap();
        assert_eq!(header.clear, 16);
        assert_eq!(header.payload(&[9, 9, 9, 9, 9, 9, 9, 9, 5]).unwrap(), [5]);
        assert!(header.payload(&[9]).is_none());
    }

    #[test]
    fn padding_is_cut_and_lies_are_refused() {
        let packet = [0xa0, 0x78, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1];
        let header = RtpHeader::parse(&packet).unwrap();
        assert_eq!(header.payload(&[5, 6, 0, 2]).unwrap(), [5, 6]);
        assert!(header.payload(&[5, 200]).is_none());
        assert!(RtpHeader::parse(&[0x80; 11]).is_none());
        assert!(RtpHeader::parse(&[0x9f; 12]).is_none());
        assert!(RtpHeader::parse(&[0x40; 12]).is_none());
    }

    #[test]
    fn knows_rtcp() {
        assert!(is_rtcp(&[0x80, 200, 0, 0, 0, 0, 0, 0]));
        assert!(!is_rtcp(&[0x80, 0x78, 0, 0, 0, 0, 0, 0]));
    }
}
