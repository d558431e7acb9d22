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
    /// The connection is not open yet.
    #[error("the media connection is not open yet; send when it is")]
    NotConnected,
    /// The connection is over.
    #[error("the media connection is lost; open a new voice connection")]
    Broken,
    /// So much waits for the line already that this frame would come too late.
    #[error("{bytes} bytes wait to be sent already; send less, or later")]
    TooMuchWaiting {
        /// Of pictures.
        bytes: usize,
    },
    /// The voice server's description of itself cannot be used.
    #[error("the voice server's description is malformed ({0}); open a new voice connection")]
    BadDescription(&'static str),
    /// No packets can go from or to an address.
    #[error(
        "an address is not that of one host, or of another protocol than the socket's; open a new voice connection"
    )]
    BadAddress,
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
            Self::NotConnected => "packet_not_connected",
            Self::Broken => "packet_broken",
            Self::TooMuchWaiting { .. } => "packet_too_much_waiting",
            Self::BadDescription(_) => "packet_bad_description",
            Self::BadAddress => "packet_bad_address",
            Self::Malformed(_) => "packet_malformed",
            Self::NotAuthentic => "packet_not_authentic",
        }
    }

    /// Whether this connection can send nothing any more. Otherwise the error concerns one frame or packet.
    pub fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::NoncesUsedUp | Self::Broken | Self::BadDescription(_) | Self::BadAddress
        )
    }
}
