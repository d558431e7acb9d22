//! Video usability information (E.1.1), and making it say that no picture is reordered.

use bytes::Bytes;

use super::bits::{BitReader, BitWriter};
use super::emulation::escape_into;
use super::sps::{Sps, rbsp};
use crate::Error;

/// What of a VUI decides about a decoder's buffering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vui {
    /// Bits of the SPS up to `nal_hrd_parameters_present_flag`: colours, aspect ratio, timing.
    head_end: usize,
    /// It announces SEI: HRD parameters or `pic_struct`.
    announces_sei: bool,
    restriction: Option<Restriction>,
}

/// `bitstream_restriction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Restriction {
    motion_vectors_over_boundaries: bool,
    max_bytes_per_picture: u32,
    max_bits_per_macroblock: u32,
    log2_max_vector_x: u32,
    log2_max_vector_y: u32,
    reorder_frames: u32,
    buffered_frames: u32,
}

impl Restriction {
    /// What E.2.1 says is to be assumed of a stream without, and no reordering.
    fn assumed() -> Self {
        Self {
            motion_vectors_over_boundaries: true,
            max_bytes_per_picture: 2,
            max_bits_per_macroblock: 1,
            log2_max_vector_x: 15,
            log2_max_vector_y: 15,
            reorder_frames: 0,
            buffered_frames: 0,
        }
    }

    fn parse(r: &mut BitReader<'_>) -> Result<Self, Error> {
        Ok(Self {
            motion_vectors_over_boundaries: r.flag()?,
            max_bytes_per_picture: r.ue()?,
            max_bits_per_macroblock: r.ue()?,
            log2_max_vector_x: r.ue()?,
            log2_max_vector_y: r.ue()?,
            reorder_frames: r.ue()?,
            buffered_frames: r.ue()?,
        })
    }

    fn write(self, w: &mut BitWriter) {
        w.flag(self.motion_vectors_over_boundaries);
        for value in [
            self.max_bytes_per_picture,
            self.max_bits_per_macroblock,
            self.log2_max_vector_x,
            self.log2_max_vector_y,
            self.reorder_frames,
            self.buffered_frames,
        ] {
            w.ue(value);
        }
    }
}

impl Vui {
    /// Reads on behind `vui_parameters_present_flag`.
    pub(super) fn parse(r: &mut BitReader<'_>) -> Result<Self, Error> {
        const EXTENDED_SAR: u32 = 255;
        if r.flag()? && r.bits(8)? == EXTENDED_SAR {
            r.bits(32)?;
        }
        if r.flag()? {
            let _overscan_appropriate = r.flag()?;
        }
        if r.flag()? {
            let _format_and_range = r.bits(4)?;
            if r.flag()? {
                let _colour_description = r.bits(24)?;
            }
        }
        if r.flag()? {
            let _chroma_location = (r.ue()?, r.ue()?);
        }
        if r.flag()? {
            let _timing = (r.bits(32)?, r.bits(32)?, r.flag()?);
        }
        let head_end = r.position();
        let mut hrd = false;
        for _nal_or_vcl in 0..2 {
            if r.flag()? {
                skip_hrd(r)?;
                hrd = true;
            }
        }
        if hrd {
            let _low_delay = r.flag()?;
        }
        let pic_struct = r.flag()?;
        let restriction = if r.flag()? {
            Some(Restriction::parse(r)?)
        } else {
            None
        };
        Ok(Self {
            head_end,
            announces_sei: hrd || pic_struct,
            restriction,
        })
    }
}

/// E.1.2.
fn skip_hrd(r: &mut BitReader<'_>) -> Result<(), Error> {
    let schedules = r.ue_at_most(31, "HRD parameters have too many schedules")? + 1;
    let _scales = r.bits(8)?;
    for _ in 0..schedules {
        let _rate_size_constant = (r.ue()?, r.ue()?, r.flag()?);
    }
    let _lengths = r.bits(20)?;
    Ok(())
}

/// What became of an SPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpsFix {
    /// It says already what it should.
    Kept,
    /// The NAL unit to send in its place.
    Rewritten(Bytes),
}

/// Makes an SPS say that pictures come in display order, so that no receiver holds one back. For streams without
/// reordered pictures only.
///
/// Takes and gives NAL units of type 7, header byte included. All bits ahead of the VUI are kept, as are its colours,
/// aspect ratio and timing.
pub fn restrict_reordering(unit: &[u8]) -> Result<SpsFix, Error> {
    let rbsp = rbsp(unit);
    let sps = Sps::parse_rbsp(&rbsp)?;
    let restriction = sps.vui.as_ref().and_then(|vui| vui.restriction);
    let restricted = restriction.is_some_and(|restriction| {
        restriction.reorder_frames == 0 && restriction.buffered_frames <= sps.reference_frames
    });
    let announces_sei = sps.vui.as_ref().is_some_and(|vui| vui.announces_sei);
    if restricted && !announces_sei {
        return Ok(SpsFix::Kept);
    }
    let mut w = BitWriter::default();
    if let Some(vui) = &sps.vui {
        w.copy(&rbsp, vui.head_end)?;
    } else {
        w.copy(&rbsp, sps.vui_at)?;
        // A VUI without aspect ratio, overscan, signal type, chroma location and timing.
        w.bits(0b10_0000, 6);
    }
    // No HRD parameters of either kind, no pic_struct, but a bitstream_restriction.
    w.bits(0b0001, 4);
    Restriction {
        reorder_frames: 0,
        buffered_frames: sps.reference_frames,
        ..restriction.unwrap_or_else(Restriction::assumed)
    }
    .write(&mut w);
    let mut unit = vec![unit.first().copied().unwrap_or_default()];
    escape_into(&w.finish(), &mut unit);
    Ok(SpsFix::Rewritten(unit.into()))
}

#[cfg(test)]
#[path = "vui/tests.rs"]
mod tests;
