//! What speaks against passing a picture on as it is.

use std::fmt;

use crate::probe::VideoStream;

/// Above this many lines a copy would ask too much of viewers' lines and decoders.
const MAX_COPY_HEIGHT: u32 = 1088;
const MAX_COPY_WIDTH: u32 = 1920;
/// A watch page behind a home uplink; also bounds the spool.
const MAX_COPY_RATE: u64 = 12_000_000;

/// Why a picture cannot be passed on as it is.
pub(super) enum Reason {
    Codec(String),
    PixelFormat(String),
    Hdr,
    Size(u32, u32),
    Rate(u64),
    Interlaced,
    Reshaped,
    Container(String),
    CopyFailed,
    NoPicture,
    Reordered,
    /// What was found out when it was tried.
    Refused(String),
    Asked,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codec(codec) => write!(f, "{codec} is not H.264"),
            Self::PixelFormat(name) => write!(f, "{name} is not 8-bit 4:2:0"),
            Self::Hdr => f.write_str("it is HDR"),
            Self::Size(w, h) => write!(f, "{w}x{h} is more than 1080p"),
            Self::Rate(rate) => write!(f, "{} Mbit/s is too much", rate / 1_000_000),
            Self::Interlaced => f.write_str("it is interlaced"),
            Self::Reshaped => f.write_str("its pixels are not square or it is turned"),
            Self::Container(name) => write!(f, "{name} has no usable time stamps"),
            Self::CopyFailed => f.write_str("copying it failed"),
            Self::NoPicture => f.write_str("copying it gives viewers nothing"),
            Self::Reordered => f.write_str("it has B frames"),
            Self::Refused(why) => f.write_str(why),
            Self::Asked => f.write_str("the voice channel's line asks for it"),
        }
    }
}

pub(super) fn reasons_against_copy(v: &VideoStream, container: &str) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if v.codec != "h264" {
        reasons.push(Reason::Codec(v.codec.clone()));
    }
    if v.hdr {
        reasons.push(Reason::Hdr);
    } else if !matches!(v.pix_fmt.as_str(), "yuv420p" | "yuvj420p") {
        reasons.push(Reason::PixelFormat(v.pix_fmt.clone()));
    }
    if v.width > MAX_COPY_WIDTH || v.height > MAX_COPY_HEIGHT {
        reasons.push(Reason::Size(v.width, v.height));
    }
    if let Some(rate) = v.bits_per_second.filter(|rate| *rate > MAX_COPY_RATE) {
        reasons.push(Reason::Rate(rate));
    }
    if v.interlaced {
        reasons.push(Reason::Interlaced);
    }
    if v.reshaped {
        reasons.push(Reason::Reshaped);
    }
    // AVI has no presentation times, and fMP4 cannot be written without.
    if container == "avi" {
        reasons.push(Reason::Container(container.to_owned()));
    }
    reasons
}

/// What speaks against it in a voice channel besides.
pub(super) fn reasons_against_sending(v: &VideoStream, most_bits_per_second: u64) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let too_much = |rate: &u64| *rate > most_bits_per_second && *rate <= MAX_COPY_RATE;
    reasons.extend(v.bits_per_second.filter(too_much).map(Reason::Rate));
    if v.codec == "h264" && v.reorders {
        reasons.push(Reason::Reordered);
    }
    reasons.extend(v.copy_refused.clone().map(Reason::Refused));
    reasons
}
