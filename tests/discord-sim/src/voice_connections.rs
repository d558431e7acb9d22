//! Voice connections: who may send RTP, with which key, and over which WebSocket.
//!
//! A connection outlives its WebSocket for a while, so that it can be resumed (voice op 7).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc::Sender;

use crate::call::Place;
use crate::transport_crypto::TransportCipher;
use crate::{ChannelId, GuildId, UserId};

/// SSRCs count from here: a value that no counter or index is mistaken for.
const FIRST_SSRC: u32 = 10_001;

/// What a voice socket's task is told to do.
#[derive(Debug)]
pub(crate) enum VoiceOut {
    Json(u8, Value),
    Binary(u8, Vec<u8>),
    Close(u16, &'static str),
    /// Reset the TCP connection.
    Reset,
    /// Answer nothing more, but keep the socket open.
    Silence,
}

pub(crate) struct VoiceSocket {
    pub(crate) id: u64,
    pub(crate) source: SocketAddr,
    pub(crate) out: Sender<VoiceOut>,
}

pub(crate) struct VoiceConnection {
    pub(crate) ssrc: u32,
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    pub(crate) user: UserId,
    pub(crate) voice_session: String,
    pub(crate) token: String,
    pub(crate) listener: usize,
    pub(crate) cipher: Option<TransportCipher>,
    /// Where its packets come from, since IP discovery or the first packet.
    pub(crate) udp: Option<SocketAddr>,
    /// DAVE protocol version that was negotiated; 0: none.
    pub(crate) dave_version: u16,
    /// It gave way to a newer one; what it sends is refused.
    pub(crate) silenced: bool,
    pub(crate) socket: Option<VoiceSocket>,
    detached_at: Option<Instant>,
}

impl VoiceConnection {
    /// Sends `out` to its socket, if it has one. A full queue means that the client does not read:
    /// the socket is given up, as by a broken connection.
    pub(crate) fn send(&mut self, out: VoiceOut) {
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

/// All voice connections, by SSRC.
#[derive(Default)]
pub(crate) struct VoiceConnections {
    by_ssrc: BTreeMap<u32, VoiceConnection>,
    opened: u32,
}

/// What a new connection is opened with.
pub(crate) struct Opening {
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    pub(crate) user: UserId,
    pub(crate) voice_session: String,
    pub(crate) token: String,
    pub(crate) listener: usize,
    pub(crate) dave_version: u16,
    pub(crate) socket: VoiceSocket,
}

impl VoiceConnections {
    /// Adds a connection and returns its SSRC, which no other ever had.
    pub(crate) fn open(&mut self, opening: Opening) -> u32 {
        let ssrc = FIRST_SSRC + self.opened;
        self.opened += 1;
        let connection = VoiceConnection {
            ssrc,
            guild: opening.guild,
            channel: opening.channel,
            user: opening.user,
            voice_session: opening.voice_session,
            token: opening.token,
            listener: opening.listener,
            cipher: None,
            udp: None,
            dave_version: opening.dave_version,
            silenced: false,
            socket: Some(opening.socket),
            detached_at: None,
        };
        self.by_ssrc.insert(ssrc, connection);
        ssrc
    }

    pub(crate) fn get(&self, ssrc: u32) -> Option<&VoiceConnection> {
        self.by_ssrc.get(&ssrc)
    }

    pub(crate) fn get_mut(&mut self, ssrc: u32) -> Option<&mut VoiceConnection> {
        self.by_ssrc.get_mut(&ssrc)
    }

    pub(crate) fn remove(&mut self, ssrc: u32) -> Option<VoiceConnection> {
        self.by_ssrc.remove(&ssrc)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &VoiceConnection> {
        self.by_ssrc.values()
    }

    /// SSRCs of the connections in `guild`, of one user or of all, oldest first.
    pub(crate) fn in_guild(&self, guild: GuildId, user: Option<UserId>) -> Vec<u32> {
        self.iter()
            .filter(|one| one.guild == guild && user.is_none_or(|user| one.user == user))
            .map(|one| one.ssrc)
            .collect()
    }

    /// Connections that take part in the call in `channel`.
    pub(crate) fn in_call(
        &mut self,
        (guild, channel): Place,
    ) -> impl Iterator<Item = &mut VoiceConnection> {
        self.by_ssrc
            .values_mut()
            .filter(move |one| (one.guild, one.channel) == (guild, channel) && !one.silenced)
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
