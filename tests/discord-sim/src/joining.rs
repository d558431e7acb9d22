//! How bots come into voice channels, move, and leave: op 4, kicks, server moves, dead sessions.
//!
//! These are the changes that touch main gateway sessions, voice states and voice connections at
//! once, so they are methods of the whole [`State`].

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::Call;
use crate::gateway_events;
use crate::gateway_sessions::{INTENT_GUILDS, INTENT_VOICE_STATES};
use crate::record::RecordEvent;
use crate::voice_connections::VoiceOut;
use crate::voice_states::{Credentials, VoiceState};
use crate::world::State;
use crate::{ChannelId, GuildId, UserId};

/// Op 4. Ids may be integers or strings.
#[derive(Debug, Deserialize)]
pub(crate) struct VoiceStateRequest {
    pub(crate) guild_id: GuildId,
    pub(crate) channel_id: Option<ChannelId>,
    #[serde(default)]
    pub(crate) self_mute: bool,
    #[serde(default)]
    pub(crate) self_deaf: bool,
}

/// A user comes into a voice channel.
pub(crate) struct Entry {
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    pub(crate) user: UserId,
    pub(crate) gateway_session: String,
    pub(crate) voice_session: String,
    pub(crate) self_mute: bool,
    pub(crate) self_deaf: bool,
}

impl State {
    /// READY and the guilds.
    pub(crate) fn greet(&mut self, session: &str) {
        let Some(begun) = self.gateway.get(session) else {
            return;
        };
        let guilds = begun.guilds.clone();
        let resume_url = self.context.endpoints.gateway_url();
        let (account, shard) = (&begun.account, begun.shard);
        if account.is_user {
            let guilds: Vec<Value> = guilds.iter().map(|guild| self.guild(*guild)).collect();
            let ready = gateway_events::ready_of_user(account, session, &resume_url, &guilds);
            self.gateway.dispatch(session, "READY", &ready);
            return;
        }
        let ready = gateway_events::ready(account, session, &resume_url, &guilds, shard);
        self.gateway.dispatch(session, "READY", &ready);
        for guild in guilds {
            self.announce_guild(session, guild);
        }
    }

    /// `GUILD_CREATE` for one session, with the calls that there are.
    fn announce_guild(&mut self, session: &str, guild: GuildId) {
        let Some(to) = self.gateway.get(session) else {
            return;
        };
        if to.wants(INTENT_GUILDS) {
            let created = self.guild(guild);
            self.gateway.dispatch(session, "GUILD_CREATE", &created);
        }
    }

    /// A guild with the calls that there are.
    fn guild(&self, guild: GuildId) -> Value {
        let places = (guild, ChannelId(0))..=(guild, ChannelId(u64::MAX));
        let calls = || {
            let calls = self.calls.range(places.clone()).map(|(_, call)| call);
            calls.filter(|call| !call.is_stream())
        };
        let channels: BTreeSet<ChannelId> = calls().map(|call| call.channel).collect();
        let mut voice_states: Vec<Value> = calls()
            .flat_map(|call| {
                call.seated()
                    .into_iter()
                    .map(|member| (call.channel, member))
            })
            .map(|(at, member)| gateway_events::member_voice_state(guild, Some(at), member))
            .collect();
        let members: Vec<Value> = calls()
            .flat_map(Call::members)
            .map(gateway_events::listening_member)
            .collect();
        for (user, state) in self.voice_states.in_guild(guild) {
            voice_states.push(self.voice_state_event(guild, user, state, Some(state.channel)));
        }
        gateway_events::guild_create(guild, &channels, &voice_states, &members)
    }

    /// Op 4: join, move, leave, or change mute and deaf.
    pub(crate) fn request_voice_state(
        &mut self,
        session: &str,
        request: &VoiceStateRequest,
        source: SocketAddr,
    ) {
        let Some(begun) = self.gateway.get(session) else {
            return;
        };
        let user = begun.account.user;
        let is_elsewhere = !begun.shard.has(request.guild_id);
        let event = RecordEvent::VoiceStateRequest {
            session: session.to_owned(),
            guild: request.guild_id,
            channel: request.channel_id,
            refused: is_elsewhere.then(|| "guild of another shard".to_owned()),
        };
        self.context.record.add(Some(source), Some(user), event);
        if is_elsewhere {
            return;
        }
        match request.channel_id {
            Some(channel) => self.join(session, user, channel, request),
            None => self.leave(request.guild_id, user),
        }
    }

    fn join(
        &mut self,
        session: &str,
        user: UserId,
        channel: ChannelId,
        request: &VoiceStateRequest,
    ) {
        let guild = request.guild_id;
        if self.gateway.join_guild(session, guild) {
            self.announce_guild(session, guild);
        }
        if self
            .gateway
            .get(session)
            .is_some_and(|begun| begun.account.is_user)
        {
            self.leave_other_guilds(guild, user);
        }
        let entry = Entry {
            guild,
            channel,
            user,
            gateway_session: session.to_owned(),
            voice_session: self.voice_session_of(session),
            self_mute: request.self_mute,
            self_deaf: request.self_deaf,
        };
        self.enter(entry);
    }

    /// A person is in one voice channel at a time; a bot in one of each guild. (Known of every client; no documentation
    /// has it.)
    fn leave_other_guilds(&mut self, guild: GuildId, user: UserId) {
        for elsewhere in self.voice_states.guilds_of(user) {
            if elsewhere != guild {
                self.leave(elsewhere, user);
            }
        }
    }

    /// The user is in the channel from now on, with credentials for its call.
    pub(crate) fn enter(&mut self, entry: Entry) {
        let (guild, channel, user) = (entry.guild, entry.channel, entry.user);
        self.ensure_call(guild, channel);
        let before = self.voice_states.get(guild, user).cloned();
        let same_place = before.as_ref().is_some_and(|before| {
            before.channel == channel && before.gateway_session == entry.gateway_session
        });
        // The same place keeps its credentials, unless they were made void.
        let kept = before
            .as_ref()
            .filter(|_| same_place)
            .and_then(|before| before.credentials.clone());
        let listener = before
            .as_ref()
            .and_then(|before| before.credentials.as_ref())
            .map_or(0, |credentials| credentials.listener);
        let state = VoiceState {
            channel,
            gateway_session: entry.gateway_session,
            voice_session: entry.voice_session,
            self_mute: entry.self_mute,
            self_deaf: entry.self_deaf,
            credentials: Some(kept.unwrap_or_else(|| self.new_credentials(listener))),
        };
        self.voice_states.set(guild, user, state);
        self.announce_voice_state(guild, user);
        if !same_place || self.context.config.same_channel_server_update {
            self.announce_voice_server(guild, user);
        }
        if before.as_ref().is_some_and(|_| !same_place) {
            self.end_streams_of(guild, user);
        }
        if before.is_some_and(|before| before.channel != channel) {
            self.close_connections(guild, user, 4014, "moved to another channel");
        }
    }

    /// Takes the bot out of its channel; nothing if it is in none.
    pub(crate) fn leave(&mut self, guild: GuildId, user: UserId) {
        let Some(state) = self.voice_states.remove(guild, user) else {
            return;
        };
        let left = self.voice_state_event(guild, user, &state, None);
        self.gateway
            .broadcast(guild, INTENT_VOICE_STATES, "VOICE_STATE_UPDATE", &left);
        self.end_streams_of(guild, user);
        self.close_connections(guild, user, 4014, "disconnected");
    }

    /// Somebody drags the bot to another channel.
    pub(crate) fn move_to(&mut self, guild: GuildId, user: UserId, channel: ChannelId) -> bool {
        let Some(before) = self.voice_states.get(guild, user) else {
            return false;
        };
        let listener = before
            .credentials
            .as_ref()
            .map_or(0, |credentials| credentials.listener);
        let credentials = Some(self.new_credentials(listener));
        self.ensure_call(guild, channel);
        if let Some(state) = self.voice_states.get_mut(guild, user) {
            state.channel = channel;
            state.credentials = credentials;
        }
        self.announce_voice_state(guild, user);
        self.announce_voice_server(guild, user);
        self.end_streams_of(guild, user);
        self.close_connections(guild, user, 4014, "moved to another channel");
        true
    }

    /// The listeners of the guild's channels leave, or come back, as far as bots can see.
    pub(crate) fn seat_listeners(&mut self, guild: GuildId, here: bool) -> usize {
        let calls = self.calls.values_mut();
        let calls = calls.filter(|call| call.guild == guild && !call.is_stream());
        let changed: Vec<_> = calls
            .filter_map(|call| {
                call.seat_listener(here)
                    .then_some((call.channel, call.member))
            })
            .collect();
        for (channel, member) in &changed {
            let channel = here.then_some(*channel);
            let update = gateway_events::member_voice_state(guild, channel, *member);
            self.gateway
                .broadcast(guild, INTENT_VOICE_STATES, "VOICE_STATE_UPDATE", &update);
        }
        changed.len()
    }

    /// The call moves to another voice server: new endpoint and token.
    pub(crate) fn move_server(
        &mut self,
        guild: GuildId,
        user: UserId,
        listener: usize,
        close: Option<u16>,
    ) -> bool {
        let credentials = self.new_credentials(listener);
        let Some(state) = self.voice_states.get_mut(guild, user) else {
            return false;
        };
        state.credentials = Some(credentials);
        self.announce_voice_server(guild, user);
        if let Some(code) = close {
            self.close_connections(guild, user, code, "voice server moved");
        }
        true
    }

    /// Ends a main gateway session; its voice states leave.
    pub(crate) fn end_session(&mut self, session: &str, reason: &str) {
        let places = self.voice_states.of_session(session);
        // The states leave while the session still stands, so that its name is known; its own
        // socket is gone, others see the bot leave.
        for (guild, user) in places {
            self.leave(guild, user);
        }
        if let Some(ended) = self.gateway.end(session) {
            let event = RecordEvent::GatewaySessionEnded {
                session: session.to_owned(),
                reason: reason.to_owned(),
            };
            let user = Some(ended.account.user);
            self.context.record.add(None, user, event);
        }
    }

    /// Ends every main gateway session that nobody resumed in time.
    pub(crate) fn end_expired_sessions(&mut self, now: Instant) {
        let window = self.context.config.resume_window;
        for session in self.gateway.expired(now, window) {
            self.end_session(&session, "not resumed in time");
        }
    }

    /// The call in `channel`; the first to come finds its listening member there already.
    fn ensure_call(&mut self, guild: GuildId, channel: ChannelId) {
        if self.calls.contains_key(&(guild, channel)) {
            return;
        }
        let call = Call::new(Arc::clone(&self.context), guild, channel);
        let member = gateway_events::member_voice_state(guild, Some(channel), call.member);
        let created = gateway_events::voice_channel(guild, channel, self.calls.len());
        self.calls.insert((guild, channel), call);
        self.gateway
            .broadcast(guild, INTENT_GUILDS, "CHANNEL_CREATE", &created);
        self.gateway
            .broadcast(guild, INTENT_VOICE_STATES, "VOICE_STATE_UPDATE", &member);
    }

    pub(crate) fn announce_voice_state(&mut self, guild: GuildId, user: UserId) {
        let Some(state) = self.voice_states.get(guild, user) else {
            return;
        };
        let update = self.voice_state_event(guild, user, state, Some(state.channel));
        self.gateway
            .broadcast(guild, INTENT_VOICE_STATES, "VOICE_STATE_UPDATE", &update);
    }

    /// `VOICE_STATE_UPDATE` of a bot, or of a guest, who has no main gateway session.
    fn voice_state_event(
        &self,
        guild: GuildId,
        user: UserId,
        state: &VoiceState,
        channel: Option<ChannelId>,
    ) -> Value {
        let mut event = match self.gateway.get(&state.gateway_session) {
            Some(owner) => {
                gateway_events::client_voice_state(guild, &owner.account, state, channel)
            }
            None => gateway_events::guest_voice_state(guild, user, state, channel),
        };
        let streams = channel.is_some() && self.streams.of_owner(guild, user).is_some();
        event["self_stream"] = streams.into();
        event
    }

    fn announce_voice_server(&mut self, guild: GuildId, user: UserId) {
        let Some(state) = self.voice_states.get(guild, user) else {
            return;
        };
        let Some(credentials) = &state.credentials else {
            return;
        };
        let update = json!({
            "guild_id": guild, "token": credentials.token,
            "endpoint": self.context.endpoints.voice_told[credentials.listener].to_string(),
        });
        let session = state.gateway_session.clone();
        self.gateway
            .dispatch(&session, "VOICE_SERVER_UPDATE", &update);
    }

    fn voice_session_of(&self, session: &str) -> String {
        self.gateway
            .get(session)
            .map(|session| session.voice_session.clone())
            .unwrap_or_default()
    }

    pub(crate) fn new_credentials(&self, listener: usize) -> Credentials {
        let token = format!("{:016x}-{}", rand::random::<u64>(), self.context.next_id());
        Credentials { token, listener }
    }

    /// Closes the connections to the guild's voice channels; those to streams end with their streams.
    fn close_connections(&mut self, guild: GuildId, user: UserId, code: u16, reason: &'static str) {
        for ssrc in self.connections.of_channels(guild, Some(user)) {
            self.end_connection(ssrc, Some(VoiceOut::Close(code, reason)));
        }
    }
}
