//! Voice connections: who may send RTP, with which key, and over which WebSocket.
//!
//! A connection outlives its WebSocket for a while, so that it can be resumed (voice op 7).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc::Sender;
use tokio_tungstenite::tungstenite::Message;

use crate::call::Place;
use crate::transport_crypto::TransportCipher;
use crate::voice_replay::VoiceReplay;
use crate::voice_video::Announced;
use crate::voice_wire::WireVersion;
use crate::webrtc_peer::{PictureSsrcs, Ssrcs};
use crate::{ChannelId, GuildId, UserId};

/// SSRCs count from here: a value that no counter or index is mistaken for.
const FIRST_SSRC: u32 = 10_001;

/// What happens to a voice connection's client: a message, or something to its socket.
#[derive(Debug)]
pub(crate) enum VoiceOut {
    Json(u8, Value),
    Binary(u8, Vec<u8>),
    Close(u16, &'static str),
    /// Reset the TCP connection.
    Reset,
    /// End TLS and TCP in good order, but without a close frame.
    Eof,
    /// Answer nothing more, but keep the socket open.
    Silence,
}

/// What a voice socket's task is told to do.
#[derive(Debug)]
pub(crate) enum SocketOut {
    Frame(Message),
    Close(u16, &'static str),
    Reset,
    Eof,
    Silence,
}

pub(crate) struct VoiceSocket {
    pub(crate) id: u64,
    pub(crate) source: SocketAddr,
    pub(crate) out: Sender<SocketOut>,
}

pub(crate) struct VoiceConnection {
    pub(crate) ssrc: u32,
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    /// The SSRCs of its pictures, if it asked for any in op 0.
    pub(crate) pictures: Option<PictureSsrcs>,
    /// What it said last about its pictures (voice op 12), if anything.
    pub(crate) video: Option<Announced>,
    /// The `rtc_server_id` of the Go Live stream that it is of; none: of the voice channel. A stream's call has the id
    /// of its DAVE group where a voice call has its channel.
    pub(crate) stream: Option<u64>,
    pub(crate) user: UserId,
    pub(crate) voice_session: String,
    pub(crate) token: String,
    pub(crate) listener: usize,
    pub(crate) version: WireVersion,
    pub(crate) replay: VoiceReplay,
    pub(crate) cipher: Option<TransportCipher>,
    /// Nonce of the next packet that is forwarded to it.
    pub(crate) next_nonce: u32,
    /// What it said last about its speaking (the bits of voice op 5), if anything.
    pub(crate) speaking: Option<u64>,
    /// Where its packets come from, and where others' are sent to: since IP discovery, or since
    /// the first packet that its key opens.
    pub(crate) udp: Option<SocketAddr>,
    /// DAVE protocol version that was negotiated; 0: none.
    pub(crate) dave_version: u16,
    /// It gave way to a newer one; what it sends is refused.
    pub(crate) silenced: bool,
    pub(crate) socket: Option<VoiceSocket>,
    detached_at: Option<Instant>,
}

impl VoiceConnection {
    pub(crate) fn place(&self) -> Place {
        (self.guild, self.channel)
    }

    pub(crate) fn ssrcs(&self) -> Ssrcs {
        Ssrcs {
            sound: self.ssrc,
            pictures: self.pictures,
        }
    }

    /// The `server_id` that it identified with.
    pub(crate) fn server_id(&self) -> u64 {
        self.stream.unwrap_or(self.guild.0)
    }

    /// Sends `out` to its socket. While it has none, messages are kept for its resume if its
    /// version has that, and everything else is lost.
    pub(crate) fn send(&mut self, out: VoiceOut) {
        let numbered = |op| self.version.numbers(op);
        let out = match out {
            VoiceOut::Json(op, data) if numbered(op) => {
                let encode = |seq| WireVersion::numbered_json(op, &data, seq);
                SocketOut::Frame(self.replay.push(encode))
            }
            VoiceOut::Json(op, data) => SocketOut::Frame(WireVersion::json(op, &data)),
            VoiceOut::Binary(op, payload) if numbered(op) => {
                let encode = |seq| WireVersion::numbered_binary(op, &payload, seq);
                SocketOut::Frame(self.replay.push(encode))
            }
            VoiceOut::Binary(op, payload) => SocketOut::Frame(WireVersion::binary(op, &payload)),
            VoiceOut::Close(code, reason) => SocketOut::Close(code, reason),
            VoiceOut::Reset => SocketOut::Reset,
            VoiceOut::Eof => SocketOut::Eof,
            VoiceOut::Silence => SocketOut::Silence,
        };
        self.queue(out);
    }

    /// Hands `out` to its socket, if it has one. A full queue means that the client does not read:
    /// the socket is given up, as by a broken connection.
    pub(crate) fn queue(&mut self, out: SocketOut) {
        if let Some(socket) = &self.socket
            && socket.out.try_send(out).is_err()
        {
            self.detach(Instant::now());
        }
    }

    pub(crate) fn attach(&mut self, socket: VoiceSocket) {
        self.socket = Some(socket);
        self.detached_at = None;
    }

    pub(crate) fn detach(&mut self, now: Instant) {
        self.socket = None;
        self.detached_at = Some(now);
    }
}

/// All voice connections.
#[derive(Default)]
pub(crate) struct VoiceConnections {
    /// By call, then by SSRC: every packet asks who else is in its call.
    by_call: BTreeMap<Place, BTreeMap<u32, VoiceConnection>>,
    /// Which call an SSRC is in.
    places: BTreeMap<u32, Place>,
    opened: u32,
}

/// What a new connection is opened with.
pub(crate) struct Opening {
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    pub(crate) stream: Option<u64>,
    /// Whether it is to show pictures.
    pub(crate) pictures: bool,
    pub(crate) user: UserId,
    pub(crate) voice_session: String,
    pub(crate) token: String,
    pub(crate) listener: usize,
    pub(crate) version: WireVersion,
    pub(crate) replay: VoiceReplay,
    pub(crate) dave_version: u16,
    pub(crate) socket: VoiceSocket,
}

impl VoiceConnections {
    /// Adds a connection and returns its SSRC, which no other ever had. Its pictures have the next two.
    pub(crate) fn open(&mut self, opening: Opening) -> u32 {
        let ssrc = FIRST_SSRC + self.opened;
        self.opened += if opening.pictures { 3 } else { 1 };
        let pictures = opening.pictures.then_some(PictureSsrcs {
            ssrc: ssrc + 1,
            rtx: ssrc + 2,
        });
        let connection = VoiceConnection {
            ssrc,
            guild: opening.guild,
            channel: opening.channel,
            stream: opening.stream,
            pictures,
            video: None,
            user: opening.user,
            voice_session: opening.voice_session,
            token: opening.token,
            listener: opening.listener,
            version: opening.version,
            replay: opening.replay,
            cipher: None,
            next_nonce: 0,
            speaking: None,
            udp: None,
            dave_version: opening.dave_version,
            silenced: false,
            socket: Some(opening.socket),
            detached_at: None,
        };
        let place = (connection.guild, connection.channel);
        self.places.insert(ssrc, place);
        let call = self.by_call.entry(place).or_default();
        call.insert(ssrc, connection);
        ssrc
    }

    pub(crate) fn get(&self, ssrc: u32) -> Option<&VoiceConnection> {
        self.by_call.get(self.places.get(&ssrc)?)?.get(&ssrc)
    }

    pub(crate) fn get_mut(&mut self, ssrc: u32) -> Option<&mut VoiceConnection> {
        self.by_call
            .get_mut(self.places.get(&ssrc)?)?
            .get_mut(&ssrc)
    }

    pub(crate) fn remove(&mut self, ssrc: u32) -> Option<VoiceConnection> {
        let place = self.places.remove(&ssrc)?;
        let call = self.by_call.get_mut(&place)?;
        let removed = call.remove(&ssrc);
        if call.is_empty() {
            self.by_call.remove(&place);
        }
        removed
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &VoiceConnection> {
        self.by_call.values().flat_map(BTreeMap::values)
    }

    /// SSRCs of the connections to voice channels of `guild`, of one user or of all, oldest first.
    pub(crate) fn of_channels(&self, guild: GuildId, user: Option<UserId>) -> Vec<u32> {
        self.of_kind(guild, user, false)
    }

    /// SSRCs of the connections to streams in `guild`, of one user or of all, oldest first.
    pub(crate) fn of_streams(&self, guild: GuildId, user: Option<UserId>) -> Vec<u32> {
        self.of_kind(guild, user, true)
    }

    fn of_kind(&self, guild: GuildId, user: Option<UserId>, stream: bool) -> Vec<u32> {
        let mut found = self.in_guild(guild, user);
        found.retain(|&ssrc| {
            self.get(ssrc)
                .is_some_and(|one| one.stream.is_some() == stream)
        });
        found
    }

    /// SSRCs of all connections in `guild`, of one user or of all, oldest first.
    pub(crate) fn in_guild(&self, guild: GuildId, user: Option<UserId>) -> Vec<u32> {
        let everywhere = (guild, ChannelId(0))..=(guild, ChannelId(u64::MAX));
        let mut found: Vec<u32> = self
            .by_call
            .range(everywhere)
            .flat_map(|(_, call)| call.values())
            .filter(|one| user.is_none_or(|user| one.user == user))
            .map(|one| one.ssrc)
            .collect();
        found.sort_unstable();
        found
    }

    /// SSRCs of the connections to a Go Live stream, of one user or of all.
    pub(crate) fn in_stream(&self, rtc_server_id: u64, user: Option<UserId>) -> Vec<u32> {
        self.iter()
            .filter(|one| one.stream == Some(rtc_server_id))
            .filter(|one| user.is_none_or(|user| one.user == user))
            .map(|one| one.ssrc)
            .collect()
    }

    /// Connections that take part in the call in `channel`.
    pub(crate) fn in_call(&mut self, place: Place) -> impl Iterator<Item = &mut VoiceConnection> {
        let call = self.by_call.get_mut(&place).into_iter();
        call.flat_map(BTreeMap::values_mut)
            .filter(|one| !one.silenced)
    }

    /// SSRCs of those without a socket for longer than `window`.
    pub(crate) fn expired(&self, now: Instant, window: Duration) -> Vec<u32> {
        self.iter()
            .filter(|one| {
                one.detached_at
                    .is_some_and(|at| now.saturating_duration_since(at) >= window)
            })
            .map(|one| one.ssrc)
            .collect()
    }
}
