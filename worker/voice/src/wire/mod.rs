//! Voice gateway messages, version 8, in both directions.
//!
//! Sources: Discord's developer documentation, "Voice Connections" and "Opcodes and Status Codes"; for the end-to-end
//! encryption messages (21 to 31) <https://github.com/discord/dave-protocol/blob/main/protocol.md>, "Voice Gateway
//! Opcodes"; for Go Live streams (`webrtc`, ops 12, 14, 15), which Discord does not document, userdoccers' "Voice
//! Connections" (July 2026). Whatever a server may send is either a message of these types or a [`WireError`]; nothing panics.

mod client;
mod description;
mod server;
mod stream;

pub use client::{ClientMessage, Encoded, Speaking};
pub use description::{Answer, PictureCodec};
pub use server::{DaveMessage, Numbered, ProposalChange, ServerMessage, WireError};
pub use stream::{Offer, SinkWants, Video};

/// The version in `?v=`.
pub const GATEWAY_VERSION: u8 = 8;

/// The newest DAVE protocol version that is spoken; sent with IDENTIFY.
pub const MAX_DAVE_VERSION: u16 = 1;

/// Voice opcodes.
pub(crate) mod op {
    #![allow(missing_docs)]
    pub(crate) const IDENTIFY: u8 = 0;
    pub(crate) const SELECT_PROTOCOL: u8 = 1;
    pub(crate) const READY: u8 = 2;
    pub(crate) const HEARTBEAT: u8 = 3;
    pub(crate) const SESSION_DESCRIPTION: u8 = 4;
    pub(crate) const SPEAKING: u8 = 5;
    pub(crate) const HEARTBEAT_ACK: u8 = 6;
    pub(crate) const RESUME: u8 = 7;
    pub(crate) const HELLO: u8 = 8;
    pub(crate) const RESUMED: u8 = 9;
    pub(crate) const CLIENTS_CONNECT: u8 = 11;
    pub(crate) const VIDEO: u8 = 12;
    pub(crate) const CLIENT_DISCONNECT: u8 = 13;
    pub(crate) const SESSION_UPDATE: u8 = 14;
    pub(crate) const MEDIA_SINK_WANTS: u8 = 15;
    pub(crate) const DAVE_PREPARE_TRANSITION: u8 = 21;
    pub(crate) const DAVE_EXECUTE_TRANSITION: u8 = 22;
    pub(crate) const DAVE_TRANSITION_READY: u8 = 23;
    pub(crate) const DAVE_PREPARE_EPOCH: u8 = 24;
    pub(crate) const DAVE_EXTERNAL_SENDER: u8 = 25;
    pub(crate) const DAVE_KEY_PACKAGE: u8 = 26;
    pub(crate) const DAVE_PROPOSALS: u8 = 27;
    pub(crate) const DAVE_COMMIT_WELCOME: u8 = 28;
    pub(crate) const DAVE_ANNOUNCE_COMMIT: u8 = 29;
    pub(crate) const DAVE_WELCOME: u8 = 30;
    pub(crate) const DAVE_INVALID_COMMIT_WELCOME: u8 = 31;
}

#[cfg(test)]
mod tests;
