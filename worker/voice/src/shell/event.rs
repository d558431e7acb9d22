//! What the owner of a call is told.

use bytes::Bytes;

use crate::Verdict;

/// Something happened on the connection. Bears no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// The channel is joined; media flows as soon as encryption is on.
    Connected {
        /// As the same session as before a cut: media never stopped.
        resumed: bool,
    },
    /// The connection was cut; it is being mended.
    Reconnecting {
        /// Discord's close code, if there was one.
        close_code: Option<u16>,
        /// A sentence's middle: "the connection was reset".
        reason: String,
    },
    /// The connection is gone, and nothing more is tried with these credentials.
    Lost {
        /// Discord's close code, if there was one.
        close_code: Option<u16>,
        /// What could be done about it.
        verdict: Verdict,
        /// A sentence's middle: "the connection was reset".
        reason: String,
    },
    /// The state of end-to-end encryption has changed.
    Encryption(Encryption),
}

/// The state of end-to-end encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Not negotiated: transport encryption alone.
    TransportOnly,
    /// Negotiated, and there is no key: frames wait.
    Waiting,
    /// Frames are encrypted end to end.
    EndToEnd,
}

/// A packet of another member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who sent it; 0 until the server has said whose the SSRC is (op 5 may come after the first packets), and then there
    /// is no key for it either.
    pub user: u64,
    /// Theirs.
    pub ssrc: u32,
    /// RTP's.
    pub sequence: u16,
    /// RTP's, in 48,000ths of a second.
    pub rtp_time: u32,
    /// An Opus packet, decrypted; none when there was no key that fits.
    pub opus: Option<Bytes>,
}
