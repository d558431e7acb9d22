//! What voice messages do: identify, resume, protocol selection, and how connections end.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::accounts::digest;
use crate::admission::Presented;
use crate::config::{Displacement, ResumedOrder};
use crate::heard::ConnectionInfo;
use crate::record::{ClosedBy, RecordEvent};
use crate::transport_crypto::{TransportCipher, TransportMode};
use crate::voice_connections::{Opening, SocketOut, VoiceOut, VoiceSocket};
use crate::voice_gateway::VoiceClient;
use crate::voice_replay::VoiceReplay;
use crate::voice_wire::{Heartbeat, WireVersion, op};
use crate::webrtc_offer::Codec;
use crate::world::State;
use crate::{GuildId, UserId};

/// Voice op 0.
#[derive(Deserialize)]
pub(crate) struct Identify {
    /// A guild, or the `rtc_server_id` of a stream.
    server_id: GuildId,
    user_id: UserId,
    session_id: String,
    token: String,
    #[serde(default)]
    max_dave_protocol_version: u16,
    #[serde(default)]
    video: bool,
    /// What it may show.
    #[serde(default)]
    streams: Vec<AskedStream>,
}

/// A stream that a client asks for in op 0. The simulator gives SSRCs to the first alone: no simulcast.
#[derive(Deserialize)]
struct AskedStream {
    #[serde(rename = "type")]
    kind: String,
    rid: String,
    quality: u32,
}

impl Identify {
    fn asked_stream(&self) -> Option<&AskedStream> {
        self.streams.first().filter(|_| self.video)
    }
}

/// Voice op 7.
#[derive(Deserialize)]
pub(crate) struct Resume {
    server_id: GuildId,
    session_id: String,
    token: String,
    /// Since version 8.
    #[serde(default)]
    seq_ack: Option<i64>,
}

/// Voice op 1.
#[derive(Deserialize)]
pub(crate) struct SelectProtocol {
    protocol: String,
    /// By protocol.
    pub(crate) data: Value,
    #[serde(default)]
    pub(crate) codecs: Vec<Codec>,
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
    ) -> Option<SocketOut> {
        let context = Arc::clone(&self.context);
        let dave_version = if context.config.dave {
            identify.max_dave_protocol_version.min(DAVE_VERSION)
        } else {
            0
        };
        let admitted = self.admit(&Presented {
            server_id: identify.server_id.0,
            user: identify.user_id,
            voice_session: &identify.session_id,
            token: &identify.token,
            listener: client.listener,
        });
        let refused = match (self.faults.voice.refuse_identify(), admitted) {
            (Some(code), _) => Some(code),
            (None, Err(refusal)) => Some(refusal.close_code()),
            // End-to-end encryption is required (change log of 2 Sep 2025).
            (None, Ok(_)) if context.config.dave && dave_version == 0 => Some(4017),
            (None, Ok(_)) => None,
        };
        let connection = match (refused, admitted) {
            (None, Ok(admitted)) => Some((
                admitted,
                self.connections.open(Opening {
                    guild: admitted.guild,
                    channel: admitted.place.1,
                    stream: admitted.stream,
                    pictures: identify.asked_stream().is_some(),
                    user: identify.user_id,
                    voice_session: identify.session_id.clone(),
                    token: identify.token.clone(),
                    listener: client.listener,
                    version: client.version,
                    replay: VoiceReplay::new(
                        context.config.voice_first_seq,
                        context.config.voice_replay_buffer,
                    ),
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
            guild: self.guild_of_server(identify.server_id.0),
            channel: admitted.ok().map(|admitted| admitted.channel),
            stream: self.stream_of_server(identify.server_id.0),
            session: identify.session_id.clone(),
            token: digest(&identify.token),
            version: client.version.number(),
            connection: connection.map(|(_, ssrc)| u64::from(ssrc)),
            refused,
        };
        context
            .record
            .add(Some(client.source), Some(identify.user_id), event);
        let Some((admitted, ssrc)) = connection else {
            return Some(SocketOut::Close(
                refused.unwrap_or(4006),
                "identify refused",
            ));
        };
        client.connection = Some(ssrc);
        if admitted.stream.is_some() {
            self.ensure_stream_call(&admitted);
        }
        let info = ConnectionInfo {
            ssrc,
            guild: admitted.guild,
            channel: admitted.channel,
            stream: admitted.stream,
            user: identify.user_id,
            source: client.source,
            dave: dave_version > 0,
            opened_at: Instant::now(),
        };
        let pictures = self.connections.get(ssrc).and_then(|one| one.pictures);
        if pictures.is_some() {
            context.seen.open(info.clone());
        }
        context.heard.open(info);
        self.displace_older(ssrc, client.source);
        let streams = pictures.zip(identify.asked_stream()).map(|(own, asked)| {
            json!({
                "type": asked.kind, "rid": asked.rid, "quality": asked.quality, "active": false,
                "ssrc": own.ssrc, "rtx_ssrc": own.rtx
            })
        });
        let media = context.config.media_relay.unwrap_or(context.endpoints.udp);
        let ready = json!({
            "ssrc": ssrc, "ip": media.ip(), "port": media.port(),
            "modes": context.config.modes, "experiments": [], "streams": Vec::from_iter(streams)
        });
        if let Some(connection) = self.connections.get_mut(ssrc) {
            connection.send(VoiceOut::Json(op::READY, ready));
        }
        None
    }

    /// Voice op 3.
    pub(crate) fn voice_heartbeat(&self, ssrc: Option<u32>, heartbeat: &Heartbeat) -> SocketOut {
        let connection = ssrc.and_then(|ssrc| self.connections.get(ssrc));
        if connection.is_some_and(|one| !one.replay.was_sent(heartbeat.seq_ack)) {
            return SocketOut::Close(4020, "seq_ack was never sent");
        }
        SocketOut::Frame(WireVersion::json(op::HEARTBEAT_ACK, &heartbeat.answer))
    }

    /// The last to identify wins; what the older one gets to feel is configured.
    fn displace_older(&mut self, newer: u32, source: SocketAddr) {
        let Some(connection) = self.connections.get(newer) else {
            return;
        };
        let (guild, user) = (connection.guild, connection.user);
        let of_same_kind = match connection.stream {
            Some(stream) => self.connections.in_stream(stream, Some(user)),
            None => self.connections.of_channels(guild, Some(user)),
        };
        for older in of_same_kind {
            if older == newer {
                continue;
            }
            let configured = self.context.config.displacement;
            let how = self.faults.voice.displacement(configured);
            let event = RecordEvent::VoiceDisplaced {
                guild,
                connection: u64::from(older),
                by: u64::from(newer),
                how,
            };
            self.context.record.add(Some(source), Some(user), event);
            match how {
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

    pub(crate) fn voice_resume(
        &mut self,
        client: &mut VoiceClient,
        resume: &Resume,
    ) -> Option<SocketOut> {
        self.end_expired_connections(Instant::now());
        let candidates = self.connections.iter().filter(|one| {
            one.server_id() == resume.server_id.0
                && one.voice_session == resume.session_id
                && one.listener == client.listener
                && one.version == client.version
                && !one.silenced
        });
        // Two of one session, when displacement ignores the older: the one that lost its socket
        // is meant, else the newer.
        let found = candidates.max_by_key(|one| (one.socket.is_none(), one.ssrc));
        let ssrc = found.map(|one| one.ssrc);
        let missed = match found {
            None => Err(4006),
            Some(one) if one.token != resume.token => Err(4004),
            Some(_) if client.version == WireVersion::V4 => Ok(Vec::new()),
            Some(one) => one.replay.after(resume.seq_ack.into()).ok_or(4006),
        };
        // What it missed is gone: "the session will be closed" (Discord, "Buffered resume").
        let out_of_reach = found.is_some() && missed == Err(4006);
        let user = found.map(|one| one.user).or_else(|| {
            let guild = self.guild_of_server(resume.server_id.0);
            self.voice_states.user_of_session(guild, &resume.session_id)
        });
        let missed = match self.faults.voice.refuse_resume() {
            Some(code) => Err(code),
            None => missed,
        };
        let event = RecordEvent::VoiceResume {
            guild: self.guild_of_server(resume.server_id.0),
            stream: self.stream_of_server(resume.server_id.0),
            session: resume.session_id.clone(),
            token: digest(&resume.token),
            version: client.version.number(),
            seq_ack: resume.seq_ack,
            connection: ssrc.map(u64::from),
            replayed: missed.as_ref().map_or(0, Vec::len),
            refused: missed.as_ref().err().copied(),
        };
        self.context.record.add(Some(client.source), user, event);
        let missed = match missed {
            Ok(missed) => missed,
            Err(code) => {
                if let (Some(ssrc), true) = (ssrc, out_of_reach) {
                    self.end_connection(ssrc, None);
                }
                return Some(SocketOut::Close(code, "resume refused"));
            }
        };
        let order = self.context.config.resumed;
        let connection = self.connections.get_mut(ssrc?)?;
        client.connection = ssrc;
        connection.send(VoiceOut::Close(4000, "resumed elsewhere"));
        connection.attach(VoiceSocket {
            id: client.id,
            source: client.source,
            out: client.out.clone(),
        });
        let resumed = SocketOut::Frame(WireVersion::json(op::RESUMED, &Value::Null));
        let mut again: Vec<SocketOut> = missed.into_iter().map(SocketOut::Frame).collect();
        match order {
            ResumedOrder::BeforeReplay => again.insert(0, resumed),
            ResumedOrder::AfterReplay => again.push(resumed),
        }
        for out in again {
            connection.queue(out);
        }
        None
    }

    pub(crate) fn select_protocol(
        &mut self,
        ssrc: u32,
        select: &SelectProtocol,
    ) -> Option<SocketOut> {
        match select.protocol.as_str() {
            "udp" => {}
            "webrtc" => return self.select_webrtc(ssrc, select),
            _ => return Some(SocketOut::Close(4012, "unknown protocol")),
        }
        let Ok(data) = ProtocolData::deserialize(&select.data) else {
            return Some(SocketOut::Close(4002, "failed to decode payload"));
        };
        let mode: Option<TransportMode> =
            serde_json::from_value(Value::String(data.mode.clone())).ok();
        let Some(mode) = mode.filter(|mode| self.context.config.modes.contains(mode)) else {
            return Some(SocketOut::Close(4016, "unknown encryption mode"));
        };
        let key: [u8; 32] = rand::random();
        let connection = self.connections.get_mut(ssrc)?;
        // What it may have had before.
        self.webrtc.remove(ssrc);
        connection.cipher = Some(TransportCipher::new(mode, &key));
        connection.next_nonce = 0;
        let dave_version = self.dave_version_for(ssrc);
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

    /// Ends a connection for good: it cannot be resumed. `last` is sent to its socket.
    pub(crate) fn end_connection(&mut self, ssrc: u32, last: Option<VoiceOut>) {
        self.leave_group(ssrc);
        let Some(mut ended) = self.connections.remove(ssrc) else {
            return;
        };
        self.webrtc.remove(ssrc);
        if let Some(last) = last {
            ended.send(last);
        }
        self.context.heard.close(ssrc, Instant::now());
        self.context.seen.close(ssrc, Instant::now());
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
