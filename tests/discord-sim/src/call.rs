//! A call: what goes on in one voice channel.

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::accounts::user_of;
use crate::dave::{DaveFault, DaveGroup, Effects, Hearing, Sight};
use crate::gateway_events;
use crate::gateway_sessions::INTENT_VOICE_STATES;
use crate::member::is_dave_frame;
use crate::record::RecordEvent;
use crate::voice_connections::VoiceOut;
use crate::voice_wire::op;
use crate::world::{Context, State};
use crate::{ChannelId, Error, GuildId, UserId};

/// Where a call is. A stream's call has the id of its DAVE group where a voice call has its channel: both are the id of
/// the call's group. Discord's channel ids are unique across guilds, but those that tests and newcomers make
/// up are not.
pub(crate) type Place = (GuildId, ChannelId);

/// One call, with its listening members. It begins when the first bot comes and is never taken
/// down: one member, the listener, stays.
pub(crate) struct Call {
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    /// Of a Go Live stream, and not of a voice channel.
    stream: bool,
    /// The listener.
    pub(crate) member: UserId,
    /// The listener is in the channel. While it is not, it hears all the same: only people's voice states tell.
    listener_is_here: bool,
    /// Simulated members that came besides, in the order that they came.
    further: Vec<UserId>,
    /// How many ever came: names the next one.
    came: u32,
    context: Arc<Context>,
    /// Begun with the first connection that negotiates DAVE.
    dave: Option<DaveGroup>,
}

impl Call {
    pub(crate) fn new(context: Arc<Context>, guild: GuildId, channel: ChannelId) -> Self {
        Self {
            guild,
            channel,
            stream: false,
            member: user_of(&format!("listener in {channel}")),
            listener_is_here: true,
            further: Vec::new(),
            came: 0,
            context,
            dave: None,
        }
    }

    /// The call of a stream: the listener of the channel that it is shown in looks on.
    pub(crate) fn of_stream(context: Arc<Context>, place: Place, shown_in: ChannelId) -> Self {
        Self {
            stream: true,
            member: user_of(&format!("listener in {shown_in}")),
            ..Self::new(context, place.0, place.1)
        }
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.stream
    }

    /// All simulated members, the listener first.
    pub(crate) fn members(&self) -> Vec<UserId> {
        [&[self.member], self.further.as_slice()].concat()
    }

    /// Those of them whom bots see in the channel.
    pub(crate) fn seated(&self) -> Vec<UserId> {
        let listener = self.listener_is_here.then_some(self.member);
        listener
            .into_iter()
            .chain(self.further.iter().copied())
            .collect()
    }

    /// The listener comes or goes, as others see it; `false` when it did so before.
    pub(crate) fn seat_listener(&mut self, here: bool) -> bool {
        std::mem::replace(&mut self.listener_is_here, here) != here
    }

    /// The members get a packet of `user`.
    pub(crate) fn hear(&mut self, user: UserId, payload: &[u8], at: Instant) -> Hearing {
        if let Some(group) = &mut self.dave {
            return group.hear(user, payload, at);
        }
        if !is_dave_frame(payload) {
            return Hearing::in_the_clear(payload, 1);
        }
        Hearing {
            dave: true,
            opus: None,
            members: 1,
            decrypted_by: 0,
            downgraded: false,
        }
    }

    /// The members get a picture of `user`; the listener alone looks at it.
    pub(crate) fn see(&mut self, user: UserId, frame: &[u8], at: Instant) -> Sight {
        if let Some(group) = &mut self.dave {
            return group.see(user, frame, at);
        }
        let dave = is_dave_frame(frame);
        Sight {
            dave,
            picture: (!dave).then(|| frame.to_vec()),
            downgraded: false,
        }
    }

    fn group(&mut self) -> Result<&mut DaveGroup, Error> {
        if self.dave.is_none() {
            let config = &self.context.config;
            let (first, later) = (config.first_commit, config.later_commits);
            self.dave = Some(DaveGroup::new(self.channel, self.member, first, later)?);
        }
        self.dave
            .as_mut()
            .ok_or_else(|| Error::Dave("no group".to_owned()))
    }
}

/// Data of ops 23 and 31.
#[derive(Deserialize)]
struct TransitionId {
    transition_id: u16,
}

impl State {
    /// Op 25 for a connection that negotiated DAVE.
    pub(crate) fn offer_external_sender(&mut self, ssrc: u32) {
        let Some(connection) = self.connections.get(ssrc) else {
            return;
        };
        if connection.dave_version == 0 {
            return;
        }
        let user = connection.user;
        self.in_group_of(ssrc, true, |group| group.connect(ssrc, user));
    }

    /// The connection takes part in its call's DAVE group no longer.
    pub(crate) fn leave_group(&mut self, ssrc: u32) {
        self.in_group_of(ssrc, false, |group| group.leave(ssrc, Instant::now()));
    }

    /// Ops 23 and 31.
    pub(crate) fn dave_json(&mut self, ssrc: u32, op: u8, data: &Value) {
        let Ok(TransitionId { transition_id }) = TransitionId::deserialize(data) else {
            return;
        };
        self.in_group_of(ssrc, false, |group| match op {
            op::DAVE_INVALID_COMMIT_WELCOME => group.invalid(ssrc, Instant::now()),
            _ => group.ready(ssrc, transition_id, Instant::now()),
        });
    }

    /// Ops 26 and 28.
    pub(crate) fn dave_binary(&mut self, ssrc: u32, op: u8, payload: &[u8]) {
        self.in_group_of(ssrc, false, |group| match op {
            op::DAVE_COMMIT_WELCOME => group.commit_welcome(ssrc, payload, Instant::now()),
            _ => group.key_package(ssrc, payload, Instant::now()),
        });
    }

    pub(crate) fn dave_overdue(&mut self, now: Instant) {
        // Most calls of a load bench have no group: nobody speaks in them.
        let with_group = self.calls.iter().filter(|(_, call)| call.dave.is_some());
        let places: Vec<Place> = with_group.map(|(place, _)| *place).collect();
        for place in places {
            self.in_group(place, |group| group.overdue(now));
        }
    }

    /// The DAVE version that op 4 tells a connection.
    pub(crate) fn dave_version_for(&self, ssrc: u32) -> u16 {
        let Some(connection) = self.connections.get(ssrc) else {
            return 0;
        };
        let call = self.calls.get(&(connection.guild, connection.channel));
        let in_force = call
            .and_then(|call| call.dave.as_ref())
            .map(DaveGroup::version);
        in_force.map_or(connection.dave_version, |version| {
            version.min(connection.dave_version)
        })
    }

    /// Has the groups of a guild's calls made anew; returns how many there were.
    pub(crate) fn recreate_groups(&mut self, guild: GuildId) -> usize {
        let places = self.places(guild, |call| call.dave.is_some());
        for &place in &places {
            self.in_group(place, |group| group.recreate(Instant::now()));
        }
        places.len()
    }

    /// Applies a fault to all groups of a guild; returns how many there were.
    pub(crate) fn apply_to_groups(
        &mut self,
        guild: GuildId,
        fault: &DaveFault,
    ) -> Result<usize, Error> {
        if !self.context.config.dave {
            return Err(Error::Fault("the simulator runs without dave".to_owned()));
        }
        let places = match fault {
            DaveFault::JoinMember { .. } => self.places(guild, |_| true),
            DaveFault::LeaveMember { user } => self.places(guild, |call| match user {
                Some(user) => call.further.contains(user),
                None => !call.further.is_empty(),
            }),
            _ => self.places(guild, |call| call.dave.is_some()),
        };
        for &place in &places {
            match fault {
                DaveFault::JoinMember { user } => self.join_member(place, *user)?,
                DaveFault::LeaveMember { user } => self.leave_member(place, *user)?,
                _ => self.act(place, |group| group.apply(fault, Instant::now()))?,
            }
        }
        Ok(places.len())
    }

    /// A simulated member comes. Clients are told of it before it is proposed: they refuse
    /// proposals about users that they do not know.
    fn join_member(&mut self, place: Place, user: Option<UserId>) -> Result<(), Error> {
        let Some(call) = self.calls.get_mut(&place) else {
            return Ok(());
        };
        let user = user.unwrap_or_else(|| user_of(&format!("member {} in {}", call.came, place.1)));
        if self.voice_states.get(place.0, user).is_some() {
            return Err(Error::Fault(format!(
                "{user} is in the guild's voice already"
            )));
        }
        call.group()?.check_room(user)?;
        call.came += 1;
        call.further.push(user);
        for client in self.connections.in_call(place) {
            let came = json!({"user_ids": [user]});
            client.send(VoiceOut::Json(op::CLIENTS_CONNECT, came));
        }
        self.announce_member(place, user, true);
        self.act(place, |group| group.join_member(user, Instant::now()))
    }

    /// A simulated member leaves; `None`: the last that came.
    fn leave_member(&mut self, place: Place, user: Option<UserId>) -> Result<(), Error> {
        let Some(call) = self.calls.get_mut(&place) else {
            return Ok(());
        };
        let Some(user) = user.or_else(|| call.further.last().copied()) else {
            return Ok(());
        };
        call.further.retain(|member| *member != user);
        for client in self.connections.in_call(place) {
            let gone = json!({"user_id": user});
            client.send(VoiceOut::Json(op::CLIENT_DISCONNECT, gone));
        }
        self.announce_member(place, user, false);
        self.act(place, |group| group.leave_member(user, Instant::now()))
    }

    /// `VOICE_STATE_UPDATE` for the bots that watch the guild.
    fn announce_member(&mut self, (guild, channel): Place, user: UserId, there: bool) {
        if self
            .calls
            .get(&(guild, channel))
            .is_some_and(Call::is_stream)
        {
            // Who looks on is in the voice channel all the time.
            return;
        }
        let channel = there.then_some(channel);
        let state = gateway_events::member_voice_state(guild, channel, user);
        self.gateway
            .broadcast(guild, INTENT_VOICE_STATES, "VOICE_STATE_UPDATE", &state);
    }

    fn places(&self, guild: GuildId, pick: impl Fn(&Call) -> bool) -> Vec<Place> {
        self.calls
            .values()
            .filter(|call| call.guild == guild && pick(call))
            .map(|call| (call.guild, call.channel))
            .collect()
    }

    /// Acts on the group of a connection's call. `begin`: when there is none, one is begun.
    fn in_group_of(
        &mut self,
        ssrc: u32,
        begin: bool,
        act: impl FnOnce(&mut DaveGroup) -> Result<Effects, Error>,
    ) {
        let Some(place) = self
            .connections
            .get(ssrc)
            .map(|one| (one.guild, one.channel))
        else {
            return;
        };
        if begin
            && let Some(call) = self.calls.get_mut(&place)
            && let Err(error) = call.group().map(drop)
        {
            tracing::error!(%error, channel = %place.1, "cannot begin a dave group");
        }
        self.in_group(place, act);
    }

    /// A client's bad message must not end the simulator; the record shows it.
    fn in_group(
        &mut self,
        place: Place,
        act: impl FnOnce(&mut DaveGroup) -> Result<Effects, Error>,
    ) {
        let group = self.calls.get(&place).and_then(|call| call.dave.as_ref());
        let epoch = group.map_or(0, DaveGroup::epoch);
        if let Err(error) = self.act(place, act) {
            let channel = place.1;
            tracing::warn!(%error, %channel, "dave step failed");
            let event = RecordEvent::Dave {
                channel,
                step: error.to_string(),
                epoch,
            };
            self.context.record.add(None, None, event);
        }
    }

    fn act(
        &mut self,
        place: Place,
        act: impl FnOnce(&mut DaveGroup) -> Result<Effects, Error>,
    ) -> Result<(), Error> {
        let call = self.calls.get_mut(&place);
        let Some(group) = call.and_then(|call| call.dave.as_mut()) else {
            return Ok(());
        };
        let effects = act(group)?;
        let channel = place.1;
        for (step, epoch) in effects.steps {
            let event = RecordEvent::Dave {
                channel,
                step,
                epoch,
            };
            self.context.record.add(None, None, event);
        }
        for (ssrc, out) in effects.out {
            if let Some(connection) = self.connections.get_mut(ssrc) {
                connection.send(out);
            }
        }
        Ok(())
    }
}
