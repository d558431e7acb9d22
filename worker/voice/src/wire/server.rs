//! What a server says.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::{
    description::{Answer, PictureCodec, SessionDescription, SessionUpdate},
    op,
    stream::SinkWants,
};
use crate::packet::VideoSsrcs;

/// A server message with its place in the stream.
#[derive(Debug)]
pub struct Numbered {
    /// What to acknowledge; messages that are not buffered for a resume bear none.
    pub seq: Option<u16>,
    /// The message.
    pub message: ServerMessage,
}

/// A message from the server.
#[derive(Debug)]
pub enum ServerMessage {
    /// Op 8.
    Hello {
        /// How often to send heartbeats, at least.
        heartbeat_interval: Duration,
    },
    /// Op 2.
    Ready {
        /// Of this client.
        ssrc: u32,
        /// Where media goes.
        media: SocketAddr,
        /// Transport encryption modes that the server offers.
        modes: Vec<String>,
        /// Of this client's pictures, if it asked for a place for some.
        pictures: Option<VideoSsrcs>,
    },
    /// Op 4.
    SessionDescription {
        /// The server's half of what makes the media path.
        answer: Answer,
        /// 0: no end-to-end encryption.
        dave_version: u16,
    },
    /// Op 6.
    HeartbeatAck {
        /// Of the heartbeat.
        nonce: u64,
    },
    /// Op 9.
    Resumed,
    /// Op 5: somebody's SSRC.
    Speaking {
        /// Who.
        user: u64,
        /// Which SSRC is theirs.
        ssrc: u32,
    },
    /// Op 11: these are in the call.
    ClientsConnect(Vec<u64>),
    /// Op 13: this one is there no longer.
    ClientDisconnect(u64),
    /// Op 14: codecs were negotiated anew.
    SessionUpdate {
        /// That of pictures, if it is said.
        pictures: Option<PictureCodec>,
    },
    /// Op 15: what those who watch want.
    SinkWants(SinkWants),
    /// Ops 21 to 30.
    Dave(DaveMessage),
    /// Something that a sender of sound need not know.
    Other {
        /// Its opcode.
        op: u8,
    },
}

/// Messages about end-to-end encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaveMessage {
    /// Op 21.
    PrepareTransition {
        /// Which.
        transition: u16,
        /// To this protocol version; 0 is a downgrade.
        version: u16,
    },
    /// Op 22.
    ExecuteTransition {
        /// Which.
        transition: u16,
    },
    /// Op 24.
    PrepareEpoch {
        /// Of the coming group.
        version: u16,
        /// 1: the group is made anew.
        epoch: u64,
    },
    /// Op 25: MLS `ExternalSender`.
    ExternalSender(Vec<u8>),
    /// Op 27.
    Proposals {
        /// What to do with them.
        change: ProposalChange,
        /// A vector of MLS proposals, or of references to some.
        payload: Vec<u8>,
    },
    /// Op 29.
    AnnounceCommit {
        /// The transition that it begins.
        transition: u16,
        /// MLS message.
        commit: Vec<u8>,
    },
    /// Op 30.
    Welcome {
        /// The transition that it begins.
        transition: u16,
        /// MLS `Welcome`.
        welcome: Vec<u8>,
    },
}

/// Op 27's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposalChange {
    /// 0.
    Append,
    /// 1.
    Revoke,
}

/// A message that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the voice server sent {0}")]
pub struct WireError(String);

impl Numbered {
    /// Reads a JSON message.
    pub fn from_text(text: &str) -> Result<Self, WireError> {
        let envelope: Envelope<'_> =
            serde_json::from_str(text).map_err(|error| malformed("an envelope", &error))?;
        let message = message(envelope.op, envelope.d.map_or("null", RawValue::get))
            .map_err(|error| malformed(&format!("op {}", envelope.op), &error))?;
        let seq = envelope.seq;
        Ok(Self { seq, message })
    }

    /// Reads a binary message: sequence number, opcode, payload.
    pub fn from_binary(bytes: &[u8]) -> Result<Self, WireError> {
        let short = || WireError("a binary message that is too short".to_owned());
        let ([high, low, op], payload) = bytes.split_first_chunk().ok_or_else(short)?;
        let message = match *op {
            op::DAVE_EXTERNAL_SENDER => DaveMessage::ExternalSender(payload.to_vec()),
            op::DAVE_PROPOSALS => {
                let (change, payload) = payload.split_first().ok_or_else(short)?;
                let change = match change {
                    0 => ProposalChange::Append,
                    1 => ProposalChange::Revoke,
                    other => {
                        let what = format!("proposals of an unknown kind ({other})");
                        return Err(WireError(what));
                    }
                };
                let payload = payload.to_vec();
                DaveMessage::Proposals { change, payload }
            }
            op::DAVE_ANNOUNCE_COMMIT | op::DAVE_WELCOME => {
                let (id, rest) = payload.split_first_chunk().ok_or_else(short)?;
                let (transition, rest) = (u16::from_be_bytes(*id), rest.to_vec());
                if *op == op::DAVE_WELCOME {
                    let welcome = rest;
                    DaveMessage::Welcome {
                        transition,
                        welcome,
                    }
                } else {
                    let commit = rest;
                    DaveMessage::AnnounceCommit { transition, commit }
                }
            }
            other => {
                return Ok(Self {
                    seq: Some(u16::from_be_bytes([*high, *low])),
                    message: ServerMessage::Other { op: other },
                });
            }
        };
        Ok(Self {
            seq: Some(u16::from_be_bytes([*high, *low])),
            message: ServerMessage::Dave(message),
        })
    }
}

/// serde's text may quote what was sent, and an op 4 bears a key: only the kind of the error and its place are kept.
fn malformed(what: &str, error: &serde_json::Error) -> WireError {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "with data of another shape than documented",
        _ => "that is no JSON",
    };
    WireError(format!("{what} {kind} (column {})", error.column()))
}

#[derive(Deserialize)]
struct Envelope<'a> {
    op: u8,
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
    #[serde(default)]
    seq: Option<u16>,
}

fn message(op: u8, data: &str) -> Result<ServerMessage, serde_json::Error> {
    Ok(match op {
        op::HELLO => {
            let Hello { heartbeat_interval } = serde_json::from_str(data)?;
            // Bounds that keep arithmetic and patience sane, whatever was sent.
            let ms = heartbeat_interval.clamp(100.0, 600_000.0);
            let heartbeat_interval = Duration::from_millis(ms as u64);
            ServerMessage::Hello { heartbeat_interval }
        }
        op::READY => {
            let Ready {
                ssrc,
                ip,
                port,
                modes,
                streams,
            } = serde_json::from_str(data)?;
            ServerMessage::Ready {
                ssrc,
                media: SocketAddr::new(ip, port),
                modes,
                // One was asked for.
                pictures: streams.into_iter().flatten().next().map(
                    |StreamOf { ssrc, rtx_ssrc }| VideoSsrcs {
                        ssrc,
                        rtx: rtx_ssrc,
                    },
                ),
            }
        }
        op::SESSION_DESCRIPTION => {
            let SessionDescription {
                dave_protocol_version,
                answer,
            } = serde_json::from_str(data)?;
            ServerMessage::SessionDescription {
                answer: answer.into(),
                // A server that does not name one speaks none.
                dave_version: dave_protocol_version.unwrap_or_default(),
            }
        }
        op::HEARTBEAT_ACK => {
            let HeartbeatAck { t } = serde_json::from_str(data)?;
            ServerMessage::HeartbeatAck { nonce: t }
        }
        op::RESUMED => ServerMessage::Resumed,
        op::SPEAKING => {
            let SpeakingOf { user_id, ssrc } = serde_json::from_str(data)?;
            ServerMessage::Speaking {
                user: user_id.0,
                ssrc,
            }
        }
        op::CLIENTS_CONNECT => {
            let ClientsConnect { user_ids } = serde_json::from_str(data)?;
            ServerMessage::ClientsConnect(user_ids.into_iter().map(|id| id.0).collect())
        }
        op::CLIENT_DISCONNECT => {
            let ClientDisconnect { user_id } = serde_json::from_str(data)?;
            ServerMessage::ClientDisconnect(user_id.0)
        }
        op::SESSION_UPDATE => {
            let SessionUpdate { video_codec } = serde_json::from_str(data)?;
            ServerMessage::SessionUpdate {
                pictures: video_codec,
            }
        }
        op::MEDIA_SINK_WANTS => ServerMessage::SinkWants(serde_json::from_str(data)?),
        op::DAVE_PREPARE_TRANSITION => {
            let PrepareTransition {
                transition_id,
                protocol_version,
            } = serde_json::from_str(data)?;
            ServerMessage::Dave(DaveMessage::PrepareTransition {
                transition: transition_id,
                version: protocol_version,
            })
        }
        op::DAVE_EXECUTE_TRANSITION => {
            let ExecuteTransition { transition_id } = serde_json::from_str(data)?;
            ServerMessage::Dave(DaveMessage::ExecuteTransition {
                transition: transition_id,
            })
        }
        op::DAVE_PREPARE_EPOCH => {
            let PrepareEpoch {
                protocol_version,
                epoch,
            } = serde_json::from_str(data)?;
            ServerMessage::Dave(DaveMessage::PrepareEpoch {
                version: protocol_version,
                epoch,
            })
        }
        op => ServerMessage::Other { op },
    })
}

#[derive(Deserialize)]
struct Hello {
    heartbeat_interval: f64,
}

#[derive(Deserialize)]
struct Ready {
    ssrc: u32,
    ip: IpAddr,
    port: u16,
    #[serde(default)]
    modes: Vec<String>,
    #[serde(default)]
    streams: Option<Vec<StreamOf>>,
}

#[derive(Deserialize)]
struct StreamOf {
    ssrc: u32,
    rtx_ssrc: u32,
}

#[derive(Deserialize)]
struct HeartbeatAck {
    t: u64,
}

#[derive(Deserialize)]
struct SpeakingOf {
    user_id: Snowflake,
    ssrc: u32,
}

#[derive(Deserialize)]
struct ClientsConnect {
    user_ids: Vec<Snowflake>,
}

#[derive(Deserialize)]
struct ClientDisconnect {
    user_id: Snowflake,
}

#[derive(Deserialize)]
struct PrepareTransition {
    transition_id: u16,
    protocol_version: u16,
}

#[derive(Deserialize)]
struct ExecuteTransition {
    transition_id: u16,
}

#[derive(Deserialize)]
struct PrepareEpoch {
    protocol_version: u16,
    epoch: u64,
}

/// An id as a string of digits, as Discord writes them; numbers are taken, too.
struct Snowflake(u64);

impl<'de> Deserialize<'de> for Snowflake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(id) => Ok(Self(id)),
            Either::Text(id) => id.parse().map(Self).map_err(D::Error::custom),
        }
    }
}
