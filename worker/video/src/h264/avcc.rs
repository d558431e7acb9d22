//! Extradata: how a container tells the parameter sets and how it separates NAL units.

use bytes::Bytes;

use super::NalUnits;
use super::nal::without_trailing_zeros;
use crate::Error;

/// What separates the NAL units of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Start codes (Annex B): raw H.264, MPEG-TS.
    AnnexB,
    /// A length of this many bytes, 1 to 4, ahead of each: Matroska, MP4.
    Length(u8),
}

/// What is read off a container's extradata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvcConfig {
    /// How its packets are to be read.
    pub framing: Framing,
    /// The NAL units in it: parameter sets.
    pub parameter_sets: Vec<Bytes>,
}

/// More parameter sets than a stream of the standard can have in use (32 and 256).
const MOST_SETS: usize = 288;

impl AvcConfig {
    /// Reads an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 5.3.3.1) or parameter sets in Annex B form. Nothing
    /// at all means Annex B with the sets in the packets.
    pub fn parse(extradata: &Bytes) -> Result<Self, Error> {
        // A record begins with its version, 1; Annex B with zeros.
        match extradata.first() {
            Some(1) => Self::record(extradata),
            Some(0) | None => Ok(Self {
                framing: Framing::AnnexB,
                parameter_sets: NalUnits::new(extradata.clone(), Framing::AnnexB)
                    .take(MOST_SETS)
                    .collect::<Result<_, _>>()?,
            }),
            Some(_) => Err(Error::Damaged("its extradata is of no known form")),
        }
    }

    fn record(extradata: &Bytes) -> Result<Self, Error> {
        const SHORT: Error = Error::Damaged("its extradata ends too early");
        let lengths = *extradata.get(4).ok_or(SHORT)? & 3;
        let mut parameter_sets = Vec::new();
        let mut at = 5;
        // 5 bits count sequence sets, 8 bits picture sets.
        for mask in [0x1f, 0xff] {
            let count = *extradata.get(at).ok_or(SHORT)? & mask;
            at += 1;
            for _ in 0..count {
                let Some(&[high, low]) = extradata.get(at..at + 2) else {
                    return Err(SHORT);
                };
                let from = at + 2;
                at = from + usize::from(u16::from_be_bytes([high, low]));
                if at > extradata.len() {
                    return Err(SHORT);
                }
                parameter_sets.push(without_trailing_zeros(&extradata.slice(from..at)));
            }
        }
        Ok(Self {
            framing: Framing::Length(lengths + 1),
            parameter_sets,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_give_the_same_sets() {
        let record: &[u8] = &[
            1, 100, 0, 31, 0xff, 0xe1, 0, 2, 0x67, 1, 1, 0, 1, 0x68, 0xfd, 0xf8,
        ];
        let start_codes: &[u8] = &[0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68];
        let a = AvcConfig::parse(&Bytes::from_static(record)).unwrap();
        let b = AvcConfig::parse(&Bytes::from_static(start_codes)).unwrap();
        assert_eq!(a.framing, Framing::Length(4));
        assert_eq!(b.framing, Framing::AnnexB);
        assert_eq!(a.parameter_sets, b.parameter_sets);
        assert_eq!(a.parameter_sets, [&[0x67, 1][..], &[0x68]]);
    }

    #[test]
    fn none_is_annex_b() {
        let config = AvcConfig::parse(&Bytes::new()).unwrap();
        assert_eq!(
            (config.framing, config.parameter_sets.len()),
            (Framing::AnnexB, 0)
        );
    }

    proptest! {
        #[test]
        fn never_panics(version in 0_u8..3, rest in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = AvcConfig::parse(&[vec![version], rest].concat().into());
        }
    }
}
