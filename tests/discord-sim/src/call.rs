//! A call: what goes on in one voice channel.

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::Value;

use crate::accounts::user_of;
use crate::dave::{DaveGroup, Effects};
use crate::member::is_dave_frame;
use crate::record::RecordEvent;
use crate::voice_wire::op;
use crate::world::{Context, State};
use crate::{ChannelId, Error, GuildId, UserId};

/// Where a call is. Discord's channel ids are unique across guilds, but those that tests and newcomers make
/// up are not.
pub(crate) type Place = (GuildId, ChannelId);

/// One call, with its listening member. It begins when the first bot comes and is never taken
/// down: the member stays.
pub(crate) struct Call {
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    /// The listening member.
    pub(crate) member: UserId,
    context: Arc<Context>,
    /// Begun with the first connection that negotiates DAVE.
    dave: Option<DaveGroup>,
}

impl Call {
    pub(crate) fn new(context: Arc<Context>, guild: GuildId, channel: ChannelId) -> Self {
        Self {
            guild,
            channel,
            member: user_of(&format!("listener in {channel}")),
            context,
            dave: None,
        }
    }

    /// The member gets a packet of `user`. Returns whether it was a DAVE frame, and the Opus
    /// packet unless it could not be decrypted.
    pub(crate) fn hear(&mut self, user: UserId, payload: &[u8]) -> (bool, Option<Vec<u8>>) {
        match &mut self.dave {
            Some(group) if is_dave_frame(payload) => (true, group.member().decrypt(user, payload)),
            None if is_dave_frame(payload) => (true, None),
            _ => (false, Some(payload.to_vec())),
        }
    }

    fn group(&mut self) -> Result<&mut DaveGroup, Error> {
        if self.dave.is_none() {
            let first_commit = self.context.config.first_commit;
            self.dave = Some(DaveGroup::new(self.channel, self.member, first_commit)?);
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
            _ => group.ready(ssrc, transition_id),
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
        let places: Vec<Place> = self.calls.keys().copied().collect();
        for place in places {
            self.in_group(place, |group| group.overdue(now));
        }
    }

    /// Has the groups of a guild's calls made anew; returns how many there were.
    pub(crate) fn recreate_groups(&mut self, guild: GuildId) -> usize {
        let places: Vec<Place> = self
            .calls
            .values()
            .filter(|call| call.guild == guild && call.dave.is_some())
            .map(|call| (call.guild, call.channel))
            .collect();
        for &place in &places {
            self.in_group(place, DaveGroup::recreate);
        }
        places.len()
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

    fn in_group(
        &mut self,
        place: Place,
        act: impl FnOnce(&mut DaveGroup) -> Result<Effects, Error>,
    ) {
        let Some(group) = self
            .calls
            .get_mut(&place)
            .and_then(|call| call.dave.as_mut())
        else {
            return;
        };
        let channel = place.1;
        let epoch = group.member().epoch();
        let effects = act(group).unwrap_or_else(|error| {
            // A client's bad message must not end the simulator; the record shows it.
            tracing::warn!(%error, %channel, "dave step failed");
            Effects {
                out: Vec::new(),
                steps: vec![(error.to_string(), epoch)],
            }
        });
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
    }
}
