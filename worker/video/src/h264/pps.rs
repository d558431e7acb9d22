//! Picture parameter sets (7.3.2.2).

use super::bits::BitReader;
use super::emulation::unescape;
use crate::Error;

/// Two Exp-Golomb codes.
const HEAD: usize = 16;

/// Which SPS a PPS belongs to; the rest of it concerns decoders alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pps {
    pub(super) id: u8,
    pub(super) sps_id: u8,
}

impl Pps {
    /// Reads a NAL unit of type 8, header byte included.
    pub(super) fn parse(unit: &[u8]) -> Result<Self, Error> {
        let rbsp = unescape(unit.get(1..).unwrap_or_default(), HEAD);
        let mut r = BitReader::new(&rbsp);
        Ok(Self {
            id: r.ue_at_most(255, "a PPS has an impossible id")? as u8,
            sps_id: r.ue_at_most(31, "a PPS names an impossible SPS")? as u8,
        })
    }
}
