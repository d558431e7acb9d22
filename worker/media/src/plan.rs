//! What is done with a film: the cheapest thing that plays everywhere.

/// What is done with the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoPlan {
    /// No picture in the source, or no output that shows one.
    None,
    /// The H.264 packets as they are.
    Copy,
    /// Decoded and encoded again as H.264.
    Transcode {
        /// Output width in pixels, even.
        width: u32,
        /// Output height in pixels, even, at most 720.
        height: u32,
    },
}

/// The decision for one source, made once from its probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The picture.
    pub video: VideoPlan,
}
