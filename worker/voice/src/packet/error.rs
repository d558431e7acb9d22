//! What can go wrong between a frame and a packet.

/// Why a frame was not sent or a packet not understood. Bears no payload and no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Every nonce was used under this connection's key: one more packet would break the encryption.
    #[error("all nonces of this connection's key are used; open a new voice connection")]
    NoncesUsedUp,
    /// A frame does not fit into one datagram.
    #[error("a frame of {len} bytes does not fit into a packet; lower the bitrate")]
    FrameTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// This layer does not carry that kind of frame.
    #[error("this packet layer carries sound only; send no video frames over it")]
    VideoUnsupported,
    /// A packet is not what it claims to be.
    #[error("a packet is malformed ({0}); drop it")]
    Malformed(&'static str),
    /// A packet was not sealed with this connection's key, or changed on the way.
    #[error("a packet is not sealed with this connection's key; drop it")]
    NotAuthentic,
}

impl PacketError {
    /// A stable code for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoncesUsedUp => "packet_nonces_used_up",
            Self::FrameTooLong { .. } => "packet_frame_too_long",
            Self::VideoUnsupported => "packet_video_unsupported",
            Self::Malformed(_) => "packet_malformed",
            Self::NotAuthentic => "packet_not_authentic",
        }
    }

    /// Whether this connection can send nothing any more. Otherwise the error concerns one frame or packet.
    pub fn ends_connection(&self) -> bool {
        matches!(self, Self::NoncesUsedUp)
    }
}
