//! The pictures of a file of raw H.264.

use bytes::Bytes;
use orb_video::Error;
use orb_video::h264::{Framing, NalType, NalUnits};

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Access units in their order: parameter sets and the one slice behind them. What no decoder needs is left out.
pub(crate) fn pictures(file: Bytes) -> Result<Vec<Bytes>, Error> {
    let mut pictures = Vec::new();
    let mut picture = Vec::new();
    for unit in NalUnits::new(file, Framing::AnnexB) {
        let unit = unit?;
        let Some(kind) = unit.first().map(|header| NalType::of(*header)) else {
            continue;
        };
        if matches!(
            kind,
            NalType::Sps | NalType::Pps | NalType::Slice | NalType::IdrSlice
        ) {
            picture.extend(START_CODE);
            picture.extend(&unit);
        }
        if matches!(kind, NalType::Slice | NalType::IdrSlice) {
            pictures.push(Bytes::from(std::mem::take(&mut picture)));
        }
    }
    Ok(pictures)
}
