//! The parameter sets of a stream, as they came and as they are sent.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::nal::{NalType, start_code};
use super::pps::Pps;
use super::sps::Sps;
use super::vui::{SpsFix, restrict_reordering};
use crate::{Error, Refusal};

/// Both sets share one packet, a STAP-A (RFC 6184, 5.7.1): str0m drops it silently if it is larger than its packets of
/// 1,150 bytes, of which headers, encryption and DAVE's trailer take their part.
const MAX_ON_WIRE: usize = 1000;

/// Ids are bounded by 32 and 256, sizes by [`MAX_ON_WIRE`], so the whole is as well.
#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    sequence: BTreeMap<u8, SequenceSet>,
    picture: BTreeMap<u8, PictureSet>,
}

#[derive(Debug)]
struct SequenceSet {
    sps: Sps,
    came: Bytes,
    sent: Bytes,
}

#[derive(Debug)]
struct PictureSet {
    sps_id: u8,
    unit: Bytes,
}

/// The pair that an IDR picture begins with.
#[derive(Debug, Clone)]
pub(super) struct Active {
    pub(super) pps_id: u8,
    pub(super) sps: Sps,
    pub(super) sps_unit: Bytes,
    pub(super) pps_unit: Bytes,
}

impl ParameterSets {
    /// Remembers a set; whether it is news.
    pub(super) fn insert(&mut self, unit: &Bytes) -> Result<bool, Error> {
        if unit.len() > MAX_ON_WIRE {
            return Err(Refusal::LargeParameterSets.into());
        }
        if start_code(unit).is_some() {
            return Err(Error::Damaged("a parameter set holds a start code"));
        }
        // Copied: a small set must not keep the memory of a whole packet.
        if NalType::of(unit[0]) == NalType::Pps {
            let pps = Pps::parse(unit)?;
            let known = self.picture.get(&pps.id);
            if known.is_some_and(|known| known.unit == *unit) {
                return Ok(false);
            }
            let set = PictureSet {
                sps_id: pps.sps_id,
                unit: Bytes::copy_from_slice(unit),
            };
            self.picture.insert(pps.id, set);
            return Ok(true);
        }
        let sps = Sps::parse(unit)?;
        let known = self.sequence.get(&sps.id);
        if known.is_some_and(|known| known.came == *unit) {
            return Ok(false);
        }
        let came = Bytes::copy_from_slice(unit);
        let sent = match restrict_reordering(unit)? {
            SpsFix::Kept => came.clone(),
            SpsFix::Rewritten(sent) => sent,
        };
        self.sequence
            .insert(sps.id, SequenceSet { sps, came, sent });
        Ok(true)
    }

    /// The sets of an IDR picture that names `pps_id`.
    pub(super) fn activate(&self, pps_id: u8) -> Result<Active, Error> {
        let picture = self
            .picture
            .get(&pps_id)
            .ok_or(Error::Damaged("a picture names a PPS that never came"))?;
        let sequence = self
            .sequence
            .get(&picture.sps_id)
            .ok_or(Error::Damaged("a picture names an SPS that never came"))?;
        sequence.sps.check()?;
        let of_same_sequence = |set: &&PictureSet| set.sps_id == picture.sps_id;
        if self.picture.values().filter(of_same_sequence).count() > 1 {
            return Err(Refusal::SeveralParameterSets.into());
        }
        if sequence.sent.len() + picture.unit.len() > MAX_ON_WIRE {
            return Err(Refusal::LargeParameterSets.into());
        }
        Ok(Active {
            pps_id,
            sps: sequence.sps.clone(),
            sps_unit: sequence.sent.clone(),
            pps_unit: picture.unit.clone(),
        })
    }
}
