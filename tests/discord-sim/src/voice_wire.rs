//! Framing of the voice gateway, by the version that the client asks for with `?v=`.
//!
//! Version 4 numbers nothing. From version 8 on, messages that can be sent again after a resume
//! bear a sequence number (`seq` in JSON, two leading bytes in binary), and heartbeats are
//! `{t, seq_ack}` (Discord, "Voice connections": "Heartbeating", "Buffered resume", "Binary
//! websocket messages"). Clients never number what they send.

use serde::Deserialize;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

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

/// A voice gateway version that is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireVersion {
    /// What songbird speaks.
    V4,
    /// Numbered messages and buffered resume.
    V8,
}

/// A heartbeat's `seq_ack` for "nothing numbered was received yet".
const NOTHING_RECEIVED: i64 = -1;

/// What a client says that it received last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeqAck {
    /// No numbered message.
    Nothing,
    /// The message with this number.
    Received(u16),
    /// A number that no message can have.
    Impossible,
}

impl From<Option<i64>> for SeqAck {
    fn from(seq_ack: Option<i64>) -> Self {
        match seq_ack {
            None | Some(NOTHING_RECEIVED) => Self::Nothing,
            Some(number) => u16::try_from(number).map_or(Self::Impossible, Self::Received),
        }
    }
}

/// A heartbeat: what is sent back for it, and what it acknowledges.
#[derive(Debug, PartialEq)]
pub(crate) struct Heartbeat {
    pub(crate) answer: Value,
    pub(crate) seq_ack: SeqAck,
}

/// Data of op 3 since version 8.
#[derive(Deserialize)]
struct HeartbeatV8 {
    t: u64,
    #[serde(default)]
    seq_ack: Option<i64>,
}

impl WireVersion {
    pub(crate) fn negotiate(query: Option<&str>) -> Option<Self> {
        match sockets::query_value(query, "v") {
            Some("4") => Some(Self::V4),
            Some("8") => Some(Self::V8),
            _ => None,
        }
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V8 => 8,
        }
    }

    /// Whether messages with this op bear a sequence number. Those that belong to a socket and not
    /// to the session do not.
    pub(crate) fn numbers(self, op: u8) -> bool {
        self == Self::V8 && !matches!(op, op::HELLO | op::HEARTBEAT_ACK | op::RESUMED)
    }

    /// A JSON message that bears no sequence number.
    pub(crate) fn json(op: u8, data: &Value) -> Message {
        Message::text(json!({"op": op, "d": data}).to_string())
    }

    pub(crate) fn numbered_json(op: u8, data: &Value, seq: u16) -> Message {
        Message::text(json!({"op": op, "d": data, "seq": seq}).to_string())
    }

    /// A binary message that bears no sequence number: version 4 alone has those.
    pub(crate) fn binary(op: u8, payload: &[u8]) -> Message {
        Message::binary([&[op], payload].concat())
    }

    pub(crate) fn numbered_binary(op: u8, payload: &[u8], seq: u16) -> Message {
        Message::binary([&seq.to_be_bytes(), &[op][..], payload].concat())
    }

    /// Reads the data of op 3. `None`: not what this version sends.
    pub(crate) fn heartbeat(self, data: Value) -> Option<Heartbeat> {
        match self {
            Self::V4 => Some(Heartbeat {
                answer: data,
                seq_ack: SeqAck::Nothing,
            }),
            Self::V8 => {
                let HeartbeatV8 { t, seq_ack } = serde_json::from_value(data).ok()?;
                Some(Heartbeat {
                    answer: json!({"t": t}),
                    seq_ack: seq_ack.into(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_belongs_to_a_socket_is_not_numbered() {
        for op in [op::HELLO, op::HEARTBEAT_ACK, op::RESUMED] {
            assert!(!WireVersion::V8.numbers(op));
        }
        for op in [op::READY, op::SESSION_DESCRIPTION, op::DAVE_WELCOME] {
            assert!(WireVersion::V8.numbers(op));
            assert!(!WireVersion::V4.numbers(op));
        }
    }

    #[test]
    fn numbers_stand_beside_op_and_before_it() {
        let text = WireVersion::numbered_json(5, &json!({"ssrc": 1}), 10);
        let text: Value = serde_json::from_str(text.to_text().unwrap()).unwrap();
        assert_eq!(text, json!({"op": 5, "d": {"ssrc": 1}, "seq": 10}));
        let binary = WireVersion::numbered_binary(27, &[9, 8], 0x0102);
        assert_eq!(binary.into_data(), [1, 2, 27, 9, 8].as_slice());
        assert_eq!(
            WireVersion::binary(27, &[9]).into_data(),
            [27, 9].as_slice()
        );
    }

    #[test]
    fn heartbeats_are_read_by_version() {
        let bare = WireVersion::V4.heartbeat(json!(77)).unwrap();
        assert_eq!(bare.answer, json!(77));
        assert!(WireVersion::V8.heartbeat(json!(77)).is_none());
        let read = |data| WireVersion::V8.heartbeat(data).unwrap();
        let beat = read(json!({"t": 77, "seq_ack": 3}));
        assert_eq!(beat.answer, json!({"t": 77}));
        assert_eq!(beat.seq_ack, SeqAck::Received(3));
        assert_eq!(read(json!({"t": 1})).seq_ack, SeqAck::Nothing);
        assert_eq!(
            read(json!({"t": 1, "seq_ack": -1})).seq_ack,
            SeqAck::Nothing
        );
        let beyond = read(json!({"t": 1, "seq_ack": 65_536}));
        assert_eq!(beyond.seq_ack, SeqAck::Impossible);
    }
}
