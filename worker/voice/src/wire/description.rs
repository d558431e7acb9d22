//! What a SESSION DESCRIPTION (op 4) says of the media path, by either protocol; and its update (op 14).

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::packet::TransportKey;

/// How media is to go, by the protocol that was selected.
#[derive(Debug)]
pub enum Answer {
    /// `udp`.
    Udp {
        /// The chosen transport encryption.
        mode: String,
        /// Its key.
        key: TransportKey,
    },
    /// `webrtc`.
    WebRtc {
        /// The server's abbreviated SDP.
        sdp: String,
        /// Of pictures, if it is said.
        pictures: Option<PictureCodec>,
    },
}

/// A codec for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureCodec {
    /// The one that is offered here.
    H264,
    /// Any other.
    Other,
}

#[derive(Deserialize)]
pub(super) struct SessionDescription {
    #[serde(default)]
    pub(super) dave_protocol_version: Option<u16>,
    #[serde(flatten)]
    pub(super) answer: Described,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Described {
    WebRtc {
        sdp: Sdp,
        #[serde(default)]
        video_codec: Option<PictureCodec>,
    },
    Udp {
        mode: String,
        secret_key: [u8; 32],
    },
}

impl From<Described> for Answer {
    fn from(described: Described) -> Self {
        match described {
            Described::WebRtc {
                sdp: Sdp(sdp),
                video_codec: pictures,
            } => Self::WebRtc { sdp, pictures },
            Described::Udp { mode, secret_key } => Self::Udp {
                mode,
                key: TransportKey::new(secret_key),
            },
        }
    }
}

/// An abbreviated SDP has some hundred bytes.
pub(super) struct Sdp(String);

impl Sdp {
    const LONGEST: usize = 16 << 10;
}

impl<'de> Deserialize<'de> for Sdp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sdp = String::deserialize(deserializer)?;
        if sdp.len() > Self::LONGEST {
            return Err(D::Error::custom("too long"));
        }
        Ok(Self(sdp))
    }
}

impl<'de> Deserialize<'de> for PictureCodec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(match name.as_str() {
            "H264" => Self::H264,
            _ => Self::Other,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct SessionUpdate {
    #[serde(default)]
    pub(super) video_codec: Option<PictureCodec>,
}
