//! What a client says.

use std::net::IpAddr;

use secrecy::ExposeSecret;
use serde_json::json;

use super::{
    MAX_DAVE_VERSION, op,
    stream::{self, Offer, Video},
};
use crate::VoiceServer;

/// A message to the server.
#[derive(Clone, PartialEq)]
pub enum ClientMessage {
    /// Op 0.
    Identify,
    /// Op 1, for the `udp` protocol.
    SelectProtocol {
        /// Where the server sees this client; of IP discovery.
        address: IpAddr,
        /// Of the same.
        port: u16,
        /// The transport encryption.
        mode: &'static str,
    },
    /// Op 1, for the `webrtc` protocol.
    SelectWebRtc(Offer),
    /// Op 3.
    Heartbeat {
        /// Comes back in the acknowledgement.
        nonce: u64,
        /// The last sequence number that was received, if any was.
        seq_ack: Option<u16>,
    },
    /// Op 5.
    Speaking {
        /// What is sent.
        speaking: Speaking,
        /// Of this client.
        ssrc: u32,
    },
    /// Op 7.
    Resume {
        /// As in a heartbeat: what follows it is sent again.
        seq_ack: Option<u16>,
    },
    /// Op 12: what is sent of pictures.
    Video(Video),
    /// Op 15: what is wanted of others.
    SinkWants,
    /// Op 23.
    TransitionReady {
        /// Which.
        transition: u16,
    },
    /// Op 26: an MLS `KeyPackage`.
    KeyPackage(Vec<u8>),
    /// Op 28: an MLS commit and, with members added, the welcome for them.
    CommitWelcome {
        /// MLS message.
        commit: Vec<u8>,
        /// MLS `Welcome`.
        welcome: Option<Vec<u8>>,
    },
    /// Op 31.
    InvalidCommitWelcome {
        /// Of the commit or welcome that could not be followed.
        transition: u16,
    },
}

impl std::fmt::Debug for ClientMessage {
    /// The name alone: the rest is long, or secret once it is encoded.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Identify => "Identify",
            Self::SelectProtocol { .. } => "SelectProtocol",
            Self::SelectWebRtc(_) => "SelectWebRtc",
            Self::Heartbeat { .. } => "Heartbeat",
            Self::Speaking { .. } => "Speaking",
            Self::Resume { .. } => "Resume",
            Self::Video(_) => "Video",
            Self::SinkWants => "SinkWants",
            Self::TransitionReady { .. } => "TransitionReady",
            Self::KeyPackage(_) => "KeyPackage",
            Self::CommitWelcome { .. } => "CommitWelcome",
            Self::InvalidCommitWelcome { .. } => "InvalidCommitWelcome",
        })
    }
}

/// The speaking flag of op 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaking {
    /// Nothing is sent.
    Not,
    /// Sound is sent.
    Microphone,
    /// Sound of a Go Live stream is sent.
    Soundshare,
}

impl Speaking {
    fn flags(self) -> u8 {
        match self {
            Self::Not => 0,
            Self::Microphone => 1,
            Self::Soundshare => 2,
        }
    }
}

/// A message as it goes into a WebSocket.
#[derive(Clone, PartialEq, Eq)]
pub enum Encoded {
    /// JSON. May bear the voice token.
    Text(String),
    /// Opcode and payload; what clients send is not numbered.
    Binary(Vec<u8>),
}

impl ClientMessage {
    /// The message for a connection to `server`.
    pub fn encode(&self, server: &VoiceServer) -> Encoded {
        match self {
            Self::Identify => {
                let mut data = json!({
                    "server_id": server.server_id().to_string(),
                    "user_id": server.user_id.to_string(),
                    "session_id": server.session_id.expose_secret(),
                    "token": server.token.expose_secret(),
                    "max_dave_protocol_version": MAX_DAVE_VERSION,
                });
                if server.stream.is_some() {
                    stream::identify(&mut data);
                }
                text(op::IDENTIFY, &data)
            }
            Self::SelectProtocol {
                address,
                port,
                mode,
            } => text(
                op::SELECT_PROTOCOL,
                &json!({
                    "protocol": "udp",
                    "data": {"address": address, "port": port, "mode": mode},
                }),
            ),
            Self::SelectWebRtc(offer) => text(op::SELECT_PROTOCOL, &offer.data()),
            Self::Heartbeat { nonce, seq_ack } => text(
                op::HEARTBEAT,
                &json!({"t": nonce, "seq_ack": acknowledged(*seq_ack)}),
            ),
            Self::Speaking { speaking, ssrc } => {
                let data = json!({"speaking": speaking.flags(), "delay": 0, "ssrc": ssrc});
                text(op::SPEAKING, &data)
            }
            Self::Resume { seq_ack } => text(
                op::RESUME,
                &json!({
                    "server_id": server.server_id().to_string(),
                    "session_id": server.session_id.expose_secret(),
                    "token": server.token.expose_secret(),
                    "seq_ack": acknowledged(*seq_ack),
                }),
            ),
            Self::Video(video) => text(op::VIDEO, &video.data()),
            Self::SinkWants => text(op::MEDIA_SINK_WANTS, &stream::wants_all()),
            Self::TransitionReady { transition } => text(
                op::DAVE_TRANSITION_READY,
                &json!({"transition_id": transition}),
            ),
            Self::KeyPackage(package) => binary(op::DAVE_KEY_PACKAGE, &[package]),
            Self::CommitWelcome { commit, welcome } => binary(
                op::DAVE_COMMIT_WELCOME,
                &[commit, welcome.as_deref().unwrap_or_default()],
            ),
            Self::InvalidCommitWelcome { transition } => text(
                op::DAVE_INVALID_COMMIT_WELCOME,
                &json!({"transition_id": transition}),
            ),
        }
    }
}

/// -1 before the first numbered message.
fn acknowledged(seq_ack: Option<u16>) -> i32 {
    seq_ack.map_or(-1, i32::from)
}

fn text(op: u8, data: &serde_json::Value) -> Encoded {
    Encoded::Text(json!({"op": op, "d": data}).to_string())
}

fn binary(op: u8, payload: &[&[u8]]) -> Encoded {
    Encoded::Binary([&[op], payload.concat().as_slice()].concat())
}
