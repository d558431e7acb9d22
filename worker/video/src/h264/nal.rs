//! NAL units, and where they begin and end in a packet.

use bytes::Bytes;

use super::Framing;
use crate::Error;

/// What a NAL unit holds (table 7-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalType {
    /// 1: a slice of a picture that is no IDR picture.
    Slice,
    /// 2 to 4: a part of a slice.
    Partition,
    /// 5: a slice of an IDR picture.
    IdrSlice,
    /// 6: supplemental enhancement information.
    Sei,
    /// 7: sequence parameter set.
    Sps,
    /// 8: picture parameter set.
    Pps,
    /// 9: access unit delimiter.
    Aud,
    /// 10 and 11.
    End,
    /// 12.
    Filler,
    /// 13, 14, 15, 19, 20, 21: extensions, of no use to a decoder of the base picture.
    Extension,
    /// Reserved, or not of the standard.
    Unknown,
}

impl NalType {
    /// By the first byte of the NAL unit.
    pub fn of(header: u8) -> Self {
        match header & 0x1f {
            1 => Self::Slice,
            2..=4 => Self::Partition,
            5 => Self::IdrSlice,
            6 => Self::Sei,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::Aud,
            10 | 11 => Self::End,
            12 => Self::Filler,
            13..=15 | 19..=21 => Self::Extension,
            _ => Self::Unknown,
        }
    }
}

/// The NAL units of a packet, in order, header byte first, without start code, length or trailing zero bytes. They
/// share the packet's memory.
#[derive(Debug, Clone)]
pub struct NalUnits {
    rest: Bytes,
    framing: Framing,
}

impl NalUnits {
    /// Takes a packet apart.
    pub fn new(packet: Bytes, framing: Framing) -> Self {
        let mut units = Self {
            rest: packet,
            framing,
        };
        if framing == Framing::AnnexB {
            // What is ahead of the first start code is no NAL unit.
            let first = start_code(&units.rest).map_or(units.rest.len(), |at| at + 3);
            units.rest = units.rest.slice(first..);
        }
        units
    }

    fn next_by_start_code(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        let (end, next) = match start_code(&self.rest) {
            Some(at) => (at, at + 3),
            None => (self.rest.len(), self.rest.len()),
        };
        let unit = self.rest.slice(..end);
        self.rest = self.rest.slice(next..);
        Some(unit)
    }

    fn next_by_length(&mut self, bytes: usize) -> Option<Result<Bytes, Error>> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.rest.get(..bytes).unwrap_or_default();
        let length = field
            .iter()
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        if field.is_empty() || length > self.rest.len() - bytes {
            self.rest.clear();
            return Some(Err(Error::Damaged("a NAL unit is longer than its packet")));
        }
        let unit = self.rest.slice(bytes..bytes + length);
        self.rest = self.rest.slice(bytes + length..);
        Some(Ok(unit))
    }
}

impl Iterator for NalUnits {
    type Item = Result<Bytes, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let unit = match self.framing {
                Framing::AnnexB => Ok(self.next_by_start_code()?),
                Framing::Length(bytes) => self.next_by_length(usize::from(bytes))?,
            };
            match unit.map(|unit| without_trailing_zeros(&unit)) {
                Ok(unit) if unit.is_empty() => {}
                other => return Some(other),
            }
        }
    }
}

/// `trailing_zero_8bits` and the first byte of a four-byte start code look the same and belong to no NAL unit (B.1).
pub(super) fn without_trailing_zeros(unit: &Bytes) -> Bytes {
    let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
    unit.slice(..unit.len() - zeros)
}

/// Where `00 00 01` is.
pub(super) fn start_code(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    // Looks at the third byte first: most of them are above 1 and rule out three positions at once.
    while let Some(&third) = data.get(at + 2) {
        match third {
            0 => at += 1,
            1 if data[at] == 0 && data[at + 1] == 0 => return Some(at),
            _ => at += 3,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn units(data: &[u8], framing: Framing) -> Vec<Vec<u8>> {
        NalUnits::new(Bytes::copy_from_slice(data), framing)
            .map(|unit| unit.unwrap().to_vec())
            .collect()
    }

    #[test]
    fn start_codes_of_both_lengths() {
        let data = [
            9, 9, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 0, 0, 0, 0, 1, 0, 0, 1, 0x65, 7,
        ];
        assert_eq!(
            units(&data, Framing::AnnexB),
            [vec![0x67, 1], vec![0x68], vec![0x65, 7]]
        );
        assert!(units(&[1, 2, 3], Framing::AnnexB).is_empty());
    }

    #[test]
    fn lengths_of_all_sizes() {
        assert_eq!(
            units(&[2, 0x65, 7, 0, 1, 0x41], Framing::Length(1)),
            [vec![0x65, 7], vec![0x41]]
        );
        assert_eq!(
            units(&[0, 0, 0, 2, 0x65, 7], Framing::Length(4)),
            [vec![0x65, 7]]
        );
        for broken in [
            &[0, 0, 0, 3, 0x65, 7][..],
            &[0, 0],
            &[255, 255, 255, 255, 1],
        ] {
            let mut units = NalUnits::new(Bytes::copy_from_slice(broken), Framing::Length(4));
            assert!(units.next().unwrap().is_err());
            assert!(units.next().is_none(), "damage ends the packet");
        }
    }

    proptest! {
        #[test]
        fn finds_every_start_code(data in prop::collection::vec(0_u8..3, 0..60)) {
            let naive = data.windows(3).position(|w| w == [0, 0, 1]);
            prop_assert_eq!(start_code(&data), naive);
        }

        #[test]
        fn never_panics(data in prop::collection::vec(any::<u8>(), 0..60), bytes in 1_u8..5) {
            NalUnits::new(data.clone().into(), Framing::AnnexB).for_each(drop);
            NalUnits::new(data.into(), Framing::Length(bytes)).for_each(drop);
        }
    }
}
