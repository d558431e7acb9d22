//! Bits of an RBSP (7.2), and their Exp-Golomb codes (9.1).

use crate::Error;

const SHORT: Error = Error::Damaged("a header ends too early");
const LONG_CODE: Error = Error::Damaged("an Exp-Golomb code is longer than 32 bits");

/// Reads an RBSP from its most significant bit on.
#[derive(Debug, Clone)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// Bits read so far.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn flag(&mut self) -> Result<bool, Error> {
        let byte = self.data.get(self.position / 8).ok_or(SHORT)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Ok(bit == 1)
    }

    /// u(n), n at most 32.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, Error> {
        debug_assert!(count <= 32);
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Ok(value)
    }

    /// ue(v).
    pub(super) fn ue(&mut self) -> Result<u32, Error> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(LONG_CODE);
            }
        }
        // 31 zeros: up to 2^32 - 2.
        Ok(((1_u64 << zeros) - 1 + u64::from(self.bits(zeros)?)) as u32)
    }

    /// ue(v) that the standard bounds by `most`.
    pub(super) fn ue_at_most(&mut self, most: u32, beyond: &'static str) -> Result<u32, Error> {
        match self.ue()? {
            value if value <= most => Ok(value),
            _ => Err(Error::Damaged(beyond)),
        }
    }

    /// se(v).
    pub(super) fn se(&mut self) -> Result<i32, Error> {
        let code = i64::from(self.ue()?);
        let magnitude = (code + 1) / 2;
        Ok((if code % 2 == 1 { magnitude } else { -magnitude }) as i32)
    }
}

/// Writes an RBSP.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    data: Vec<u8>,
    /// Bits used of the last byte; 0: it is full.
    used: u32,
}

impl BitWriter {
    pub(super) fn flag(&mut self, bit: bool) {
        if self.used == 0 {
            self.data.push(0);
        }
        if let Some(last) = self.data.last_mut() {
            *last |= u8::from(bit) << (7 - self.used);
        }
        self.used = (self.used + 1) % 8;
    }

    /// u(n), n at most 32.
    pub(super) fn bits(&mut self, value: u32, count: u32) {
        debug_assert!(count <= 32);
        for shift in (0..count).rev() {
            self.flag(value >> shift & 1 == 1);
        }
    }

    /// ue(v); the standard has no larger value than 2^32 - 2.
    pub(super) fn ue(&mut self, value: u32) {
        let code = u64::from(value) + 1;
        let length = code.ilog2();
        self.bits(0, length);
        self.flag(true);
        self.bits((code - (1 << length)) as u32, length);
    }

    /// Several ue(v), for tests.
    #[cfg(test)]
    pub(super) fn ues(&mut self, values: &[u32]) {
        for &value in values {
            self.ue(value);
        }
    }

    /// The first `count` bits of `source`.
    pub(super) fn copy(&mut self, source: &[u8], count: usize) -> Result<(), Error> {
        let mut reader = BitReader::new(source);
        for _ in 0..count {
            self.flag(reader.flag()?);
        }
        Ok(())
    }

    /// Ends with `rbsp_trailing_bits` (7.3.2.11).
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.flag(true);
        self.data
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Item {
        Flag(bool),
        Bits(u32, u32),
        Ue(u32),
    }

    fn item() -> impl Strategy<Value = Item> {
        prop_oneof![
            any::<bool>().prop_map(Item::Flag),
            (any::<u32>(), 1_u32..=32).prop_map(|(v, n)| Item::Bits(v >> (32 - n), n)),
            (0..u32::MAX, 0_u32..32).prop_map(|(v, shift)| Item::Ue(v >> shift)),
        ]
    }

    #[test]
    fn codes_are_the_standards() {
        // Table 9-2.
        for (value, code) in [
            (0, "1"),
            (1, "010"),
            (2, "011"),
            (3, "00100"),
            (7, "0001000"),
        ] {
            let mut writer = BitWriter::default();
            writer.ue(value);
            let mut reader = BitReader::new(&writer.data);
            let bits: String = (0..code.len())
                .map(|_| if reader.flag().unwrap() { '1' } else { '0' })
                .collect();
            assert_eq!(bits, code);
        }
        // Table 9-3.
        for (code, value) in [(0, 0), (1, 1), (2, -1), (3, 2), (4, -2)] {
            let mut writer = BitWriter::default();
            writer.ue(code);
            assert_eq!(BitReader::new(&writer.data).se().unwrap(), value);
        }
    }

    #[test]
    fn an_endless_code_is_damage() {
        assert_eq!(BitReader::new(&[0; 16]).ue(), Err(LONG_CODE));
        assert_eq!(BitReader::new(&[0; 2]).ue(), Err(SHORT));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(items in prop::collection::vec(item(), 0..40)) {
            let mut writer = BitWriter::default();
            for item in &items {
                match *item {
                    Item::Flag(bit) => writer.flag(bit),
                    Item::Bits(value, count) => writer.bits(value, count),
                    Item::Ue(value) => writer.ue(value),
                }
            }
            let data = writer.finish();
            let mut reader = BitReader::new(&data);
            for item in &items {
                match *item {
                    Item::Flag(bit) => prop_assert_eq!(reader.flag().unwrap(), bit),
                    Item::Bits(value, count) => prop_assert_eq!(reader.bits(count).unwrap(), value),
                    Item::Ue(value) => prop_assert_eq!(reader.ue().unwrap(), value),
                }
            }
            prop_assert!(reader.flag().unwrap(), "the stop bit");
        }
    }
}
