//! What is wrong with a stream or a setting, and what to do about it.

/// Why a picture was not made ready, or a setting not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The stream is sound, but what it uses cannot be sent: transcode it.
    #[error("this H.264 cannot be sent as it is: {0}; transcode it")]
    Refused(#[from] Refusal),
    /// This packet is broken. The stream goes on at its next IDR picture.
    #[error("H.264 packet is damaged: {0}; go on with the next one")]
    Damaged(&'static str),
    /// The rungs are no ladder.
    #[error("bit-rate ladder: {0}; change it")]
    Ladder(&'static str),
}

impl Error {
    /// Stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Damaged(_) => "h264_damaged",
            Self::Ladder(_) => "config_invalid",
        }
    }

    /// Whether the next packet of the same stream may succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Damaged(_))
    }
}

/// What about a sound stream forbids to copy it. Final for the stream: only decoding and encoding it again helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A packetizer eats zero bytes between slices, and DAVE then fails to authenticate the frame (8 of 600 frames with
    /// four slices). Two pictures in one packet count as this too.
    #[error("a picture has several slices")]
    SeveralSlices,
    /// Decoders of real-time receivers show pictures in the order in which they come.
    #[error("it has B frames")]
    BFrames,
    /// Pictures are not coded in the order in which they are shown, though none is a B frame.
    #[error("its pictures are not in display order")]
    Reordered,
    /// Picture order count type 1, which no encoder of today writes: not followed here.
    #[error("its picture order cannot be followed")]
    PictureOrder,
    /// Fields, or frames that may be coded as such.
    #[error("it is interlaced")]
    Interlaced,
    /// Not 8 bit 4:2:0.
    #[error("it is not 8-bit 4:2:0")]
    PixelFormat,
    /// Slice data partitioning of the Extended profile.
    #[error("its slices are partitioned")]
    Partitioned,
    /// Packetizers send one sequence and one picture parameter set ahead of an IDR picture, and drop further ones.
    #[error("it has several picture parameter sets")]
    SeveralParameterSets,
    /// Both parameter sets travel in one packet, and a packetizer drops what does not fit.
    #[error("its parameter sets do not fit into one packet")]
    LargeParameterSets,
    /// A receiver can begin at an IDR picture only, and none came for long.
    #[error("it has no IDR pictures")]
    NoIdr,
}

impl Refusal {
    /// Stable.
    pub fn code(self) -> &'static str {
        match self {
            Self::SeveralSlices => "h264_several_slices",
            Self::BFrames => "h264_b_frames",
            Self::Reordered => "h264_reordered",
            Self::PictureOrder => "h264_picture_order",
            Self::Interlaced => "h264_interlaced",
            Self::PixelFormat => "h264_pixel_format",
            Self::Partitioned => "h264_partitioned",
            Self::SeveralParameterSets => "h264_several_parameter_sets",
            Self::LargeParameterSets => "h264_large_parameter_sets",
            Self::NoIdr => "h264_no_idr",
        }
    }
}
