//! What voice messages do: identify, resume, protocol selection, and how connections end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::accounts::digest;
use crate::config::Displacement;
use crate::heard::ConnectionInfo;
use crate::record::{ClosedBy, RecordEvent};
use crate::transport_crypto::{TransportCipher, TransportMode};
use crate::voice_connections::{Opening, VoiceOut, VoiceSocket};
use crate::voice_gateway::VoiceClient;
use crate::voice_wire::op;
use crate::world::State;
use crate::{GuildId, UserId};

/// Voice op 0.
#[derive(Deserialize)]
pub(crate) struct Identify {
    server_id: GuildId,
    user_id: UserId,
    session_id: String,
    token: String,
    #[serde(default)]
    max_dave_protocol_version: u16,
}

/// Voice op 7.
#[derive(Deserialize)]
pub(crate) struct Resume {
    server_id: GuildId,
    session_id: String,
    token: String,
}

/// Voice op 1.
#[derive(Deserialize)]
pub(crate) struct SelectProtocol {
    protocol: String,
    data: ProtocolData,
}

#[derive(Deserialize)]
struct ProtocolData {
    /// Where the client believes that it sends from; not used, as on Discord.
    #[serde(rename = "address")]
    _address: IpAddr,
    #[serde(rename = "port")]
    _port: u16,
    mode: String,
}

/// The only DAVE protocol version there is.
const DAVE_VERSION: u16 = 1;

impl State {
    pub(crate) fn voice_identify(
        &mut self,
        client: &mut VoiceClient,
        identify: &Identify,
    ) -> VoiceOut {
        let context = Arc::clone(&self.context);
        let dave_version = if context.config.dave {
            identify.max_dave_protocol_version.min(DAVE_VERSION)
        } else {
            0
        };
        let admitted = self.voice_states.admit(
            identify.server_id,
            identify.user_id,
            &identify.session_id,
            &identify.token,
            client.listener,
        );
        let channel = admitted.map(|state| state.channel);
        let refused = match (self.faults.refuse_voice_identify(), channel) {
            (Some(code), _) => Some(code),
            (None, Err(refusal)) => Some(refusal.close_code()),
            // End-to-end encryption is required (change log of 2 Sep 2025).
            (None, Ok(_)) if context.config.dave && dave_version == 0 => Some(4017),
            (None, Ok(_)) => None,
        };
        let connection = match (refused, channel) {
            (None, Ok(channel)) => Some((
                channel,
                self.connections.open(Opening {
                    guild: identify.server_id,
                    channel,
                    user: identify.user_id,
                    voice_session: identify.session_id.clone(),
                    token: identify.token.clone(),
                    listener: client.listener,
                    dave_version,
                    socket: VoiceSocket {
                        id: client.id,
                        source: client.source,
                        out: client.out.clone(),
                    },
                }),
            )),
            _ => None,
        };
        let event = RecordEvent::VoiceIdentify {
            guild: identify.server_id,
            channel: channel.ok(),
            session: identify.session_id.clone(),
            token: digest(&identify.token),
            version: client.version.number(),
            connection: connection.map(|(_, ssrc)| u64::from(ssrc)),
            refused,
        };
        context
            .record
            .add(Some(client.source), Some(identify.user_id), event);
        let Some((channel, ssrc)) = connection else {
            return VoiceOut::Close(refused.unwrap_or(4006), "identify refused");
        };
        client.connection = Some(ssrc);
        context.heard.open(ConnectionInfo {
            ssrc,
            guild: identify.server_id,
            channel,
            user: identify.user_id,
            source: client.source,
            dave: dave_version > 0,
            opened_at: Instant::now(),
        });
        self.displace_older(identify.server_id, identify.user_id, ssrc);
        VoiceOut::Json(
            op::READY,
            json!({
                "ssrc": ssrc, "ip": context.endpoints.udp.ip(), "port": context.endpoints.udp.port(),
                "modes": context.config.modes, "experiments": [], "streams": []
            }),
        )
    }

    /// The last to identify wins; what the older one gets to feel is configured.
    fn displace_older(&mut self, guild: GuildId, user: UserId, newer: u32) {
        for older in self.connections.in_guild(guild, Some(user)) {
            if older == newer {
                continue;
            }
            let event = RecordEvent::VoiceDisplaced {
                guild,
                connection: u64::from(older),
                by: u64::from(newer),
            };
            self.context.record.add(None, Some(user), event);
            match self.context.config.displacement {
                Displacement::Close(code) => {
                    self.end_connection(older, Some(VoiceOut::Close(code, "displaced")));
                }
                Displacement::Reset => self.end_connection(older, Some(VoiceOut::Reset)),
                Displacement::Silence => {
                    self.leave_group(older);
                    if let Some(connection) = self.connections.get_mut(older) {
                        connection.send(VoiceOut::Silence);
                        connection.silenced = true;
                    }
                }
                Displacement::Ignore => self.leave_group(older),
            }
        }
    }

    pub(crate) fn voice_resume(&mut self, client: &mut VoiceClient, resume: &Resume) -> VoiceOut {
        let now = Instant::now();
        self.end_expired_connections(now);
        let found = self
            .connections
            .iter()
            .find(|one| {
                one.guild == resume.server_id
                    && one.voice_session == resume.session_id
                    && one.listener == client.listener
                    && !one.silenced
            })
            .map(|one| (one.ssrc, one.user, one.token == resume.token));
        let refused = match found {
            None => Some(4006),
            Some((_, _, false)) => Some(4004),
            Some((_, _, true)) => None,
        };
        let event = RecordEvent::VoiceResume {
            guild: resume.server_id,
            session: resume.session_id.clone(),
            token: digest(&resume.token),
            connection: found.map(|(ssrc, ..)| u64::from(ssrc)),
            refused,
        };
        let user = found.map(|(_, user, _)| user);
        self.context.record.add(Some(client.source), user, event);
        let (None, Some((ssrc, ..))) = (refused, found) else {
            return VoiceOut::Close(refused.unwrap_or(4006), "resume refused");
        };
        client.connection = Some(ssrc);
        if let Some(connection) = self.connections.get_mut(ssrc) {
            connection.send(VoiceOut::Close(4000, "resumed elsewhere"));
            connection.attach(VoiceSocket {
                id: client.id,
                source: client.source,
                out: client.out.clone(),
            });
        }
        VoiceOut::Json(op::RESUMED, Value::Null)
    }

    pub(crate) fn select_protocol(
        &mut self,
        ssrc: u32,
        select: &SelectProtocol,
    ) -> Option<VoiceOut> {
        if select.protocol != "udp" {
            return Some(VoiceOut::Close(4012, "unknown protocol"));
        }
        let mode: Option<TransportMode> =
            serde_json::from_value(Value::String(select.data.mode.clone())).ok();
        let Some(mode) = mode.filter(|mode| self.context.config.modes.contains(mode)) else {
            return Some(VoiceOut::Close(4016, "unknown encryption mode"));
        };
        let key: [u8; 32] = rand::random();
        let connection = self.connections.get_mut(ssrc)?;
        connection.cipher = Some(TransportCipher::new(mode, &key));
        let dave_version = connection.dave_version;
        let description = json!({
            "mode": mode, "secret_key": key, "audio_codec": "opus", "video_codec": "H264",
            "media_session_id": format!("{ssrc:032x}"), "dave_protocol_version": dave_version
        });
        // Who is there comes first: a client refuses DAVE proposals about users that it was not
        // told of.
        self.introduce(ssrc);
        if let Some(connection) = self.connections.get_mut(ssrc) {
            connection.send(VoiceOut::Json(op::SESSION_DESCRIPTION, description));
        }
        self.offer_external_sender(ssrc);
        None
    }

    /// Tells a new connection who is in the call, and the others that it came.
    fn introduce(&mut self, ssrc: u32) {
        let Some(newcomer) = self.connections.get(ssrc) else {
            return;
        };
        let (place, user) = ((newcomer.guild, newcomer.channel), newcomer.user);
        let Some(call) = self.calls.get(&place) else {
            return;
        };
        let mut present = vec![call.member];
        for other in self.connections.in_call(place) {
            if other.ssrc != ssrc && other.user != user {
                present.push(other.user);
                let came = json!({"user_ids": [user]});
                other.send(VoiceOut::Json(op::CLIENTS_CONNECT, came));
            }
        }
        if let Some(newcomer) = self.connections.get_mut(ssrc) {
            let present = json!({"user_ids": present});
            newcomer.send(VoiceOut::Json(op::CLIENTS_CONNECT, present));
        }
    }

    pub(crate) fn speaking(&mut self, ssrc: u32, data: &Value) {
        let Some(speaker) = self.connections.get(ssrc) else {
            return;
        };
        let (place, user) = ((speaker.guild, speaker.channel), speaker.user);
        let source = speaker.socket.as_ref().map(|socket| socket.source);
        let speaking = data["speaking"].as_u64().unwrap_or_default();
        let event = RecordEvent::VoiceSpeaking {
            connection: u64::from(ssrc),
            speaking,
        };
        self.context.record.add(source, Some(user), event);
        let relayed = json!({"user_id": user, "ssrc": ssrc, "speaking": speaking});
        for other in self.connections.in_call(place) {
            if other.user != user {
                other.send(VoiceOut::Json(op::SPEAKING, relayed.clone()));
            }
        }
    }

    /// Ends a connection for good: it cannot be resumed. `last` is sent to its socket.
    pub(crate) fn end_connection(&mut self, ssrc: u32, last: Option<VoiceOut>) {
        self.leave_group(ssrc);
        let Some(mut ended) = self.connections.remove(ssrc) else {
            return;
        };
        if let Some(last) = last {
            ended.send(last);
        }
        self.context.heard.close(ssrc, Instant::now());
        let still_there = self
            .connections
            .in_call((ended.guild, ended.channel))
            .any(|other| other.user == ended.user);
        if !still_there {
            for other in self.connections.in_call((ended.guild, ended.channel)) {
                let gone = json!({"user_id": ended.user});
                other.send(VoiceOut::Json(op::CLIENT_DISCONNECT, gone));
            }
        }
    }

    pub(crate) fn voice_socket_closed(
        &mut self,
        client: &VoiceClient,
        code: Option<u16>,
        by: ClosedBy,
    ) {
        let connection = client
            .connection
            .and_then(|ssrc| self.connections.get(ssrc));
        let event = RecordEvent::VoiceClosed {
            guild: connection.map(|connection| connection.guild),
            connection: client.connection.map(u64::from),
            code,
            by,
        };
        let user = connection.map(|connection| connection.user);
        self.context.record.add(Some(client.source), user, event);
        let Some(ssrc) = client.connection else {
            return;
        };
        let Some(connection) = self.connections.get_mut(ssrc) else {
            return;
        };
        if connection
            .socket
            .as_ref()
            .is_none_or(|own| own.id != client.id)
        {
            return;
        }
        if by == ClosedBy::Client && matches!(code, Some(1000 | 1001)) {
            self.end_connection(ssrc, None);
        } else {
            connection.detach(Instant::now());
        }
    }

    /// Ends every connection that nobody resumed in time.
    pub(crate) fn end_expired_connections(&mut self, now: Instant) {
        let window = self.context.config.voice_resume_window;
        for ssrc in self.connections.expired(now, window) {
            self.end_connection(ssrc, None);
        }
    }
}
