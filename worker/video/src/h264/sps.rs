//! Sequence parameter sets (7.3.2.1.1).

use super::bits::BitReader;
use super::emulation::unescape;
use super::vui::Vui;
use crate::{Error, Refusal};

/// Scaling lists and all, an SPS of the profiles read here has less.
const MAX_SPS: usize = 1024;
/// 16,384 pixels: beyond level 6.2.
const MAX_MACROBLOCKS: u32 = 1024;

/// Which decoder a stream needs: the three bytes of `profile-level-id` less the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// `profile_idc`: 66 Baseline, 77 Main, 100 High.
    pub idc: u8,
    /// The byte of the constraint flags.
    pub constraints: u8,
}

/// What a sequence parameter set says, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sps {
    /// Its profile.
    pub profile: Profile,
    /// `level_idc`: 31 is level 3.1.
    pub level: u8,
    /// Width of the picture shown, in pixels.
    pub width: u32,
    /// Height of the picture shown, in pixels.
    pub height: u32,
    /// How many pictures a decoder keeps to predict from.
    pub reference_frames: u32,
    pub(super) id: u8,
    pub(super) frame_num_bits: u32,
    pub(super) order: PictureOrder,
    pub(super) frames_only: bool,
    eight_bit_420: bool,
    /// Bits ahead of `vui_parameters_present_flag`.
    pub(super) vui_at: usize,
    pub(super) vui: Option<Vui>,
}

/// How a picture tells its place in display order (8.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PictureOrder {
    /// Type 0: the low bits of it, this many.
    LowBits(u32),
    /// Type 1: an expected cycle and differences from it.
    Cycle,
    /// Type 2: the order of decoding.
    Decoding,
}

impl Sps {
    /// Reads a NAL unit of type 7, header byte included.
    pub fn parse(unit: &[u8]) -> Result<Self, Error> {
        Self::parse_rbsp(&rbsp(unit))
    }

    pub(super) fn parse_rbsp(rbsp: &[u8]) -> Result<Self, Error> {
        let mut r = BitReader::new(rbsp);
        let idc = r.bits(8)? as u8;
        let constraints = r.bits(8)? as u8;
        let level = r.bits(8)? as u8;
        let id = r.ue_at_most(31, "an SPS has an impossible id")? as u8;
        let format = if has_chroma_format(idc) {
            ChromaFormat::parse(&mut r)?
        } else {
            ChromaFormat::of_main()
        };
        let frame_num_bits = r.ue_at_most(12, "frame_num is too long")? + 4;
        let order = picture_order(&mut r)?;
        let reference_frames = r.ue_at_most(16, "an SPS has too many reference frames")?;
        let _gaps_allowed = r.flag()?;
        let too_large = "an SPS has an impossible size";
        let columns = r.ue_at_most(MAX_MACROBLOCKS - 1, too_large)? + 1;
        let rows = r.ue_at_most(MAX_MACROBLOCKS - 1, too_large)? + 1;
        let frames_only = r.flag()?;
        if !frames_only {
            let _macroblock_adaptive = r.flag()?;
        }
        let _direct_8x8_inference = r.flag()?;
        let rows = if frames_only { rows } else { rows * 2 };
        let (crop_x, crop_y) = if r.flag()? {
            let (unit_x, unit_y) = format.crop_unit(frames_only);
            let mut sum = |unit: u32| -> Result<u32, Error> {
                Ok(r.ue()?.saturating_add(r.ue()?).saturating_mul(unit))
            };
            (sum(unit_x)?, sum(unit_y)?)
        } else {
            (0, 0)
        };
        let (width, height) = (columns * 16, rows * 16);
        if crop_x >= width || crop_y >= height {
            return Err(Error::Damaged("an SPS crops the whole picture away"));
        }
        let vui_at = r.position();
        let vui = if r.flag()? {
            Some(Vui::parse(&mut r)?)
        } else {
            None
        };
        Ok(Self {
            profile: Profile { idc, constraints },
            level,
            width: width - crop_x,
            height: height - crop_y,
            reference_frames,
            id,
            frame_num_bits,
            order,
            frames_only,
            eight_bit_420: format.is_eight_bit_420(),
            vui_at,
            vui,
        })
    }

    /// Whether pictures of it can be sent at all.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if !self.eight_bit_420 {
            return Err(Refusal::PixelFormat);
        }
        if !self.frames_only {
            return Err(Refusal::Interlaced);
        }
        if self.order == PictureOrder::Cycle {
            return Err(Refusal::PictureOrder);
        }
        Ok(())
    }
}

/// The RBSP of an SPS's NAL unit.
pub(super) fn rbsp(unit: &[u8]) -> Vec<u8> {
    unescape(unit.get(1..).unwrap_or_default(), MAX_SPS)
}

/// The profiles whose SPS tells the chroma format and bit depth.
fn has_chroma_format(profile: u8) -> bool {
    matches!(
        profile,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    )
}

fn picture_order(r: &mut BitReader<'_>) -> Result<PictureOrder, Error> {
    match r.ue()? {
        0 => {
            let bits = r.ue_at_most(12, "picture order is too long")? + 4;
            Ok(PictureOrder::LowBits(bits))
        }
        1 => {
            let _always_zero = r.flag()?;
            let _non_reference_offset = r.se()?;
            let _bottom_offset = r.se()?;
            let cycle = r.ue_at_most(255, "a cycle of picture order is too long")?;
            for _ in 0..cycle {
                r.se()?;
            }
            Ok(PictureOrder::Cycle)
        }
        2 => Ok(PictureOrder::Decoding),
        _ => Err(Error::Damaged("an unknown type of picture order")),
    }
}

struct ChromaFormat {
    /// 0 is monochrome, 1 is 4:2:0, 2 is 4:2:2, 3 is 4:4:4.
    idc: u32,
    eight_bit: bool,
}

impl ChromaFormat {
    fn of_main() -> Self {
        Self {
            idc: 1,
            eight_bit: true,
        }
    }

    fn parse(r: &mut BitReader<'_>) -> Result<Self, Error> {
        let idc = r.ue_at_most(3, "an unknown chroma format")?;
        if idc == 3 {
            let _separate_planes = r.flag()?;
        }
        let luma = r.ue_at_most(6, "an unknown bit depth")?;
        let chroma = r.ue_at_most(6, "an unknown bit depth")?;
        let _lossless = r.flag()?;
        if r.flag()? {
            for list in 0..if idc == 3 { 12 } else { 8 } {
                if r.flag()? {
                    skip_scaling_list(r, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Ok(Self {
            idc,
            eight_bit: luma == 0 && chroma == 0,
        })
    }

    fn is_eight_bit_420(&self) -> bool {
        self.eight_bit && self.idc == 1
    }

    /// (7-19) to (7-22).
    fn crop_unit(&self, frames_only: bool) -> (u32, u32) {
        let (x, y) = match self.idc {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        (x, if frames_only { y } else { y * 2 })
    }
}

/// 7.3.2.1.1.1: values come as differences until one becomes 0.
fn skip_scaling_list(r: &mut BitReader<'_>, size: u32) -> Result<(), Error> {
    let mut last = 8;
    for _ in 0..size {
        let next = (last + r.se()?.rem_euclid(256)) % 256;
        if next == 0 {
            break;
        }
        last = next;
    }
    Ok(())
}
