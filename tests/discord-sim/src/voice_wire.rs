//! Framing of the voice gateway, by the version that the client asks for with `?v=`.
//!
//! Version 4 numbers nothing. From version 8 on, server messages bear a sequence number (`seq` in
//! JSON, two leading bytes in binary), heartbeats are `{t, seq_ack}`, and a resume replays what
//! was missed: that version gets its variant here, and its replay buffer where
//! [`crate::voice_connections`] sends.

use serde_json::{Value, json};

use crate::sockets;

/// Voice opcodes (Discord, "Voice opcodes"; DAVE: dave-protocol, "Voice gateway opcodes").
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
    pub(crate) const CLIENT_DISCONNECT: u8 = 13;
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

/// A voice gateway version that is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireVersion {
    /// What songbird speaks.
    V4,
}

impl WireVersion {
    pub(crate) fn negotiate(query: Option<&str>) -> Option<Self> {
        match sockets::query_value(query, "v") {
            Some("4") => Some(Self::V4),
            _ => None,
        }
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
        }
    }

    pub(crate) fn json(self, op: u8, data: &Value) -> String {
        match self {
            Self::V4 => json!({"op": op, "d": data}).to_string(),
        }
    }

    pub(crate) fn binary(self, op: u8, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::V4 => [&[op], payload].concat(),
        }
    }

    /// The data of a heartbeat's acknowledgement.
    pub(crate) fn heartbeat_ack(self, heartbeat: Value) -> Value {
        match self {
            Self::V4 => heartbeat,
        }
    }
}
