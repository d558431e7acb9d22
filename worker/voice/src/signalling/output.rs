//! What the machine wants done, and the words for it.

use std::net::SocketAddr;

use orb_video::ladder::Wants;

use crate::{
    Step,
    close::describe,
    packet::{TransportKey, TransportMode, VideoSsrcs},
    wire::{ClientMessage, DaveMessage},
};

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Ask the gate; answer with [`Signalling::gate_passed`](super::Signalling::gate_passed) or [`Signalling::gate_refused`](super::Signalling::gate_refused). A newer question, or a
    /// [`Output::Drop`], withdraws it.
    Ask(Step),
    /// Open the WebSocket; answer with [`Signalling::opened`](super::Signalling::opened) or [`Signalling::ended`](super::Signalling::ended).
    Dial,
    /// Close the WebSocket, or give up opening it, without waiting for anything.
    Drop,
    /// Send on the WebSocket.
    Send(ClientMessage),
    /// Find out which address this host has; answer with [`Signalling::discovered`](super::Signalling::discovered).
    Discover {
        /// Whom to ask: where media goes.
        media: SocketAddr,
        /// This client's.
        ssrc: u32,
    },
    /// Of a stream: make ready for a path, and say what is to be offered; answer with
    /// [`Signalling::offered`](super::Signalling::offered).
    Offer {
        /// Where media goes, as far as is known.
        media: SocketAddr,
        /// Of this client's sound.
        ssrc: u32,
        /// Of its pictures.
        pictures: VideoSsrcs,
    },
    /// Media has a new path; what went before is void. For a stream it has to be opened first: answer with
    /// [`Signalling::media_opened`](super::Signalling::media_opened).
    Media(MediaPath),
    /// A message about end-to-end encryption, for the present media path.
    Dave(DaveMessage),
    /// Who is in the call has changed.
    Roster(Roster),
    /// What those who watch want of the pictures.
    Wants(Wants),
    /// Something that the owner wants to know.
    News(News),
    /// Nobody can hear: take no frames.
    Hold,
    /// Take frames again.
    Release,
}

/// How media goes from here to the server.
#[derive(Debug)]
pub struct MediaPath {
    /// Of this client's sound.
    pub ssrc: u32,
    /// By which protocol.
    pub transport: Transport,
    /// 0: no end-to-end encryption.
    pub dave_version: u16,
}

/// What carries media, without its end-to-end encryption.
#[derive(Debug)]
pub enum Transport {
    /// RTP that is encrypted with the server's key.
    Udp {
        /// Transport encryption.
        mode: TransportMode,
        /// Its key.
        key: TransportKey,
    },
    /// The path that was [offered](Output::Offer).
    WebRtc {
        /// The server's abbreviated SDP.
        answer: String,
    },
}

/// A change of who is in the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roster {
    /// A new session: who is there will be said.
    Unknown,
    /// These are there.
    Joined(Vec<u64>),
    /// This one is not.
    Left(u64),
    /// This one sends with this SSRC.
    Speaks {
        /// Who.
        user: u64,
        /// Theirs.
        ssrc: u32,
    },
}

/// What became of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is up.
    Up {
        /// As the same session as before: media never stopped.
        resumed: bool,
    },
    /// It was cut and is being mended.
    Cut {
        /// Why.
        end: End,
    },
    /// It is gone, and nothing more is tried.
    Lost {
        /// Why.
        end: End,
    },
}

/// How a connection, or an attempt at one, ended. Bears no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The server's close code, if it sent a close frame.
    pub code: Option<u16>,
    /// A sentence's middle: "the connection was reset".
    pub reason: String,
}

impl End {
    /// An end by a close frame.
    pub fn closed(code: u16) -> Self {
        Self {
            code: Some(code),
            reason: format!("closed with {code} ({})", describe(code)),
        }
    }

    /// An end without one.
    pub fn broken(reason: impl Into<String>) -> Self {
        Self {
            code: None,
            reason: reason.into(),
        }
    }
}
