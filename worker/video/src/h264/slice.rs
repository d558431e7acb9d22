//! The first fields of a slice header (7.3.3): which picture it begins, and that picture's place.

use super::bits::BitReader;
use super::emulation::unescape;
use super::nal::NalType;
use super::sps::{PictureOrder, Sps};
use crate::Error;

/// Five Exp-Golomb codes and two counters of 16 bits: never more.
const HEAD: usize = 40;

/// How a slice is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SliceType {
    Predicted,
    Bidirectional,
    Intra,
}

/// What can be read without any parameter set.
#[derive(Debug, Clone)]
pub(super) struct SliceHead {
    pub(super) idr: bool,
    /// Others are predicted from it.
    pub(super) reference: bool,
    pub(super) first_macroblock: u32,
    pub(super) kind: SliceType,
    pub(super) pps_id: u8,
    rbsp: Vec<u8>,
    read: usize,
}

impl SliceHead {
    /// Reads a NAL unit of type 1 or 5, header byte included.
    pub(super) fn parse(unit: &[u8]) -> Result<Self, Error> {
        let header = unit.first().copied().unwrap_or_default();
        let rbsp = unescape(unit.get(1..).unwrap_or_default(), HEAD);
        let mut r = BitReader::new(&rbsp);
        let first_macroblock = r.ue()?;
        let kind = match r.ue_at_most(9, "a slice is of no known type")? % 5 {
            1 => SliceType::Bidirectional,
            2 | 4 => SliceType::Intra,
            _ => SliceType::Predicted,
        };
        let pps_id = r.ue_at_most(255, "a slice names an impossible PPS")? as u8;
        let read = r.position();
        Ok(Self {
            idr: NalType::of(header) == NalType::IdrSlice,
            reference: header >> 5 & 3 != 0,
            first_macroblock,
            kind,
            pps_id,
            rbsp,
            read,
        })
    }

    /// `pic_order_cnt_lsb`, where the SPS (of frames only) has its pictures tell one.
    pub(super) fn order_low_bits(&self, sps: &Sps) -> Result<Option<u32>, Error> {
        let PictureOrder::LowBits(bits) = sps.order else {
            return Ok(None);
        };
        let mut r = BitReader::new(&self.rbsp);
        for _ in 0..self.read {
            r.flag()?;
        }
        let _frame_num = r.bits(sps.frame_num_bits)?;
        if self.idr {
            let _idr_pic_id = r.ue()?;
        }
        r.bits(bits).map(Some)
    }
}
