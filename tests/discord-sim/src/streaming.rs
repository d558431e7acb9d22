//! What Go Live streams do: main gateway ops 18 to 22, and how streams end.
//!
//! From userdoccers (July 2026): the ops, the events and their fields, the reasons of `STREAM_DELETE`. Guesses are
//! marked as such: nothing says what Discord does with a request that makes no sense, in which order events come, or
//! with which code the voice connections of an ended stream are closed.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::gateway::Reply;
use crate::record::RecordEvent;
use crate::stream_events::StreamDeleteReason;
use crate::streams::{Seat, Stream};
use crate::voice_connections::VoiceOut;
use crate::voice_states::Credentials;
use crate::world::State;
use crate::{ChannelId, GuildId, UserId};

/// Op codes of the main gateway.
pub(crate) mod op {
    pub(crate) const STREAM_CREATE: u64 = 18;
    pub(crate) const STREAM_DELETE: u64 = 19;
    pub(crate) const STREAM_WATCH: u64 = 20;
    pub(crate) const STREAM_PING: u64 = 21;
    pub(crate) const STREAM_SET_PAUSED: u64 = 22;
}

/// What closes the voice connections of a stream that is over: as where a user is taken out of a voice channel. A
/// guess.
const ENDED: u16 = 4014;

/// Op 18.
#[derive(Deserialize)]
struct CreateStream {
    #[serde(rename = "type")]
    kind: String,
    guild_id: Option<GuildId>,
    channel_id: ChannelId,
}

/// Ops 19, 20 and 21.
#[derive(Deserialize)]
struct OfStream {
    stream_key: String,
}

/// Op 22.
#[derive(Deserialize)]
struct PauseStream {
    stream_key: String,
    paused: bool,
}

/// Who asks, and from where.
struct Asker<'a> {
    session: &'a str,
    source: SocketAddr,
    user: UserId,
    is_user: bool,
}

impl State {
    /// Ops 18 to 22 of an identified client.
    pub(crate) fn stream_request(
        &mut self,
        session: &str,
        op: u64,
        d: Value,
        source: SocketAddr,
    ) -> Reply {
        let Some(begun) = self.gateway.get(session) else {
            return Reply::Nothing;
        };
        let asker = Asker {
            session,
            source,
            user: begun.account.user,
            is_user: begun.account.is_user,
        };
        let understood = match op {
            op::STREAM_CREATE => read(d).map(|create| self.create_stream(&asker, &create)),
            op::STREAM_SET_PAUSED => read(d).map(|pause| self.pause_stream(&asker, &pause)),
            _ => read(d).map(|of: OfStream| self.of_stream(&asker, op, &of.stream_key)),
        };
        match understood {
            Some(()) => Reply::Nothing,
            None => Reply::Close(4002, "decode error"),
        }
    }

    fn create_stream(&mut self, asker: &Asker<'_>, create: &CreateStream) {
        let user = asker.user;
        let guild = create.guild_id.unwrap_or(GuildId(0));
        let channel = create.channel_id;
        let key = format!("guild:{guild}:{channel}:{user}");
        let seated = self.voice_states.get(guild, user);
        let is_there = seated.is_some_and(|state| {
            state.channel == channel && state.gateway_session == asker.session
        });
        let ignored = if !asker.is_user {
            Some("bot account")
        } else if create.kind != "guild" {
            Some("no stream of a guild")
        } else if !is_there {
            Some("not in that channel")
        } else {
            None
        };
        if let Some(reason) = ignored {
            // Discord is silent to bots (see `research`, section 3); to the others, as for op 4, that is a guess.
            self.record_stream(asker, op::STREAM_CREATE, &key, None, Some(reason));
            return;
        }
        if let Some(reason) = self.faults.streams.refused() {
            self.record_stream(asker, op::STREAM_CREATE, &key, None, Some("fault"));
            self.tell_deleted(asker.session, &key, reason);
            return;
        }
        self.record_stream(asker, op::STREAM_CREATE, &key, None, None);
        // One that goes on already is told again: a guess.
        let id = match self.streams.of_owner(guild, user) {
            Some(id) => {
                let void = self.stream_and_seat(id, user);
                if void.is_some_and(|(_, seat)| seat.credentials.is_none()) {
                    self.renew_seat(id, user, self.new_credentials(0));
                }
                id
            }
            None => self.begin_stream(guild, channel, user),
        };
        self.tell_created(id, user);
        self.announce_voice_state(guild, user);
        self.tell_server(id, user);
    }

    /// Ops 19, 20 and 21.
    fn of_stream(&mut self, asker: &Asker<'_>, op: u64, key: &str) {
        let found = self.streams.by_key(key);
        let stream = found.map(|(id, stream)| (id, stream.guild, stream.channel, stream.owner));
        let seated = found.is_some_and(|(_, stream)| stream.seats.contains_key(&asker.user));
        let may_watch = stream.is_some_and(|(_, guild, channel, _)| {
            let state = self.voice_states.get(guild, asker.user);
            state.is_some_and(|state| state.channel == channel)
        });
        let ignored = match op {
            _ if !asker.is_user => Some("bot account"),
            op::STREAM_WATCH if stream.is_none() => Some("no such stream"),
            op::STREAM_WATCH if !may_watch => Some("not in that channel"),
            op::STREAM_DELETE | op::STREAM_PING if !seated => Some("no such stream"),
            _ => None,
        };
        self.record_stream(asker, op, key, None, ignored);
        match (op, ignored, stream) {
            (op::STREAM_DELETE, None, Some((id, _, _, owner))) if owner == asker.user => {
                self.end_stream(id, StreamDeleteReason::UserRequested);
            }
            (op::STREAM_DELETE, None, Some((id, ..))) => {
                self.end_watching(id, asker.user, StreamDeleteReason::UserRequested);
            }
            (op::STREAM_WATCH, None, Some((id, ..))) => {
                self.seat_viewer(id, asker.user);
                self.tell_created(id, asker.user);
                self.tell_server(id, asker.user);
            }
            (op::STREAM_WATCH, Some(_), _) if asker.is_user => {
                let is_key = key.starts_with("guild:") && key.split(':').count() == 4;
                let reason = match (is_key, stream) {
                    (false, _) => StreamDeleteReason::ParseFailed,
                    (true, None) => StreamDeleteReason::StreamEnded,
                    (true, Some(_)) => StreamDeleteReason::Unauthorized,
                };
                self.tell_deleted(asker.session, key, reason);
            }
            // "May fire a Stream Server Update": here it always does, with what is in force.
            (op::STREAM_PING, None, Some((id, ..))) => self.tell_server(id, asker.user),
            _ => {}
        }
    }

    fn pause_stream(&mut self, asker: &Asker<'_>, pause: &PauseStream) {
        let found = self.streams.by_key(&pause.stream_key);
        let own = found.filter(|(_, stream)| asker.is_user && stream.owner == asker.user);
        let id = own.map(|(id, _)| id);
        let ignored = id.is_none().then_some("no stream of one's own");
        let (op, key) = (op::STREAM_SET_PAUSED, &pause.stream_key);
        self.record_stream(asker, op, key, Some(pause.paused), ignored);
        let Some(id) = id else { return };
        if let Some(stream) = self.streams.get_mut(id) {
            stream.paused = pause.paused;
        }
        self.tell_updated(id);
        // userdoccers has it that op 22 fires this one.
        self.tell_server(id, asker.user);
    }

    fn record_stream(
        &self,
        asker: &Asker<'_>,
        op: u64,
        key: &str,
        paused: Option<bool>,
        refused: Option<&str>,
    ) {
        let event = RecordEvent::StreamRequest {
            session: asker.session.to_owned(),
            op,
            stream_key: key.to_owned(),
            paused,
            refused: refused.map(str::to_owned),
        };
        let record = &self.context.record;
        record.add(Some(asker.source), Some(asker.user), event);
    }

    /// The user, who is in the channel, streams from now on.
    pub(crate) fn begin_stream(
        &mut self,
        guild: GuildId,
        channel: ChannelId,
        owner: UserId,
    ) -> u64 {
        let seats = self.new_seat(guild, owner).map(|seat| (owner, seat));
        let id = self.streams.begin(Stream {
            guild,
            channel,
            owner,
            paused: false,
            seats: BTreeMap::from_iter(seats),
        });
        let event = RecordEvent::StreamBegun {
            guild,
            channel,
            rtc_server_id: id,
        };
        self.context.record.add(None, Some(owner), event);
        id
    }

    /// The user, who is in the channel, watches from now on.
    pub(crate) fn seat_viewer(&mut self, id: u64, viewer: UserId) {
        let Some(guild) = self.streams.get(id).map(|stream| stream.guild) else {
            return;
        };
        let seat = self.new_seat(guild, viewer);
        let Some((stream, seat)) = self.streams.get_mut(id).zip(seat) else {
            return;
        };
        stream.seats.entry(viewer).or_insert(seat);
        self.tell_updated(id);
    }

    fn new_seat(&self, guild: GuildId, user: UserId) -> Option<Seat> {
        let state = self.voice_states.get(guild, user)?;
        Some(Seat {
            gateway_session: state.gateway_session.clone(),
            voice_session: state.voice_session.clone(),
            credentials: Some(self.new_credentials(0)),
        })
    }

    /// The stream is over: all who have a seat in it are told, the owner with this reason.
    pub(crate) fn end_stream(&mut self, id: u64, reason: StreamDeleteReason) {
        let Some(ended) = self.streams.remove(id) else {
            return;
        };
        let event = RecordEvent::StreamEnded {
            guild: ended.guild,
            channel: ended.channel,
            rtc_server_id: id,
            reason,
        };
        self.context.record.add(None, Some(ended.owner), event);
        let key = ended.key();
        for (user, seat) in &ended.seats {
            let reason = match user {
                owner if *owner == ended.owner => reason,
                _ => StreamDeleteReason::StreamEnded,
            };
            self.tell_deleted(&seat.gateway_session, &key, reason);
        }
        self.end_stream_connections(id, None, ENDED, "stream ended");
        self.announce_voice_state(ended.guild, ended.owner);
    }

    fn end_watching(&mut self, id: u64, viewer: UserId, reason: StreamDeleteReason) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        let Some(seat) = stream.seats.remove(&viewer) else {
            return;
        };
        let key = stream.key();
        self.tell_deleted(&seat.gateway_session, &key, reason);
        self.end_stream_connections(id, Some(viewer), ENDED, "disconnected");
        self.tell_updated(id);
    }

    /// The user is in this voice channel no longer: neither streams there nor watches.
    pub(crate) fn end_streams_of(&mut self, guild: GuildId, user: UserId) {
        for id in self.streams.in_guild(guild, None) {
            if self.streams.of_owner(guild, user) == Some(id) {
                self.end_stream(id, StreamDeleteReason::StreamEnded);
            } else {
                self.end_watching(id, user, StreamDeleteReason::StreamEnded);
            }
        }
    }

    /// All who have a seat get another server or token; with a code, their connections are closed.
    pub(crate) fn move_stream_server(&mut self, id: u64, listener: usize, close: Option<u16>) {
        let users: Vec<UserId> = match self.streams.get(id) {
            Some(stream) => stream.seats.keys().copied().collect(),
            None => return,
        };
        for user in users {
            self.renew_seat(id, user, self.new_credentials(listener));
            self.tell_server(id, user);
        }
        if let Some(code) = close {
            self.end_stream_connections(id, None, code, "stream server moved");
        }
    }

    /// The stream's server is gone, and there is no other yet: nobody can connect.
    pub(crate) fn lose_stream_server(&mut self, id: u64) {
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        let key = stream.key();
        let seats = stream.seats.iter();
        let seats: Vec<_> = seats
            .map(|(user, seat)| (*user, seat.gateway_session.clone()))
            .collect();
        for (user, session) in seats {
            self.streams.void(id, user);
            self.tell_server_gone(&session, &key);
        }
        self.end_stream_connections(id, None, ENDED, "stream server gone");
    }

    fn renew_seat(&mut self, id: u64, user: UserId, credentials: Credentials) {
        let stream = self.streams.get_mut(id);
        if let Some(seat) = stream.and_then(|stream| stream.seats.get_mut(&user)) {
            seat.credentials = Some(credentials);
        }
    }

    /// Ends the voice connections of a stream, or one user's to it.
    pub(crate) fn end_stream_connections(
        &mut self,
        id: u64,
        user: Option<UserId>,
        code: u16,
        reason: &'static str,
    ) {
        for ssrc in self.connections.in_stream(id, user) {
            self.end_connection(ssrc, Some(VoiceOut::Close(code, reason)));
        }
    }
}

fn read<T: DeserializeOwned>(d: Value) -> Option<T> {
    serde_json::from_value(d).ok()
}
