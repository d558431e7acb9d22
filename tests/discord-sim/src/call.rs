//! A call: what goes on in one voice channel.

use std::sync::Arc;

use crate::accounts::user_of;
use crate::world::Context;
use crate::{ChannelId, GuildId, UserId};

/// One call, with its listening member. It begins when the first bot comes and is never taken
/// down: the member stays.
pub(crate) struct Call {
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    /// The listening member.
    pub(crate) member: UserId,
}

impl Call {
    pub(crate) fn new(_context: Arc<Context>, guild: GuildId, channel: ChannelId) -> Self {
        Self {
            guild,
            channel,
            member: user_of(&format!("listener in {channel}")),
        }
    }

    /// The member gets a packet of `user`. Returns whether it was a DAVE frame, and the Opus
    /// packet unless it could not be decrypted.
    pub(crate) fn hear(&mut self, _user: UserId, payload: &[u8]) -> (bool, Option<Vec<u8>>) {
        (false, Some(payload.to_vec()))
    }
}

impl crate::world::State {
    pub(crate) fn leave_group(&mut self, _ssrc: u32) {}
    pub(crate) fn offer_external_sender(&mut self, _ssrc: u32) {}
    pub(crate) fn dave_json(&mut self, _ssrc: u32, _op: u8, _data: &serde_json::Value) {}
    pub(crate) fn dave_binary(&mut self, _ssrc: u32, _op: u8, _payload: &[u8]) {}
    pub(crate) fn dave_overdue(&mut self, _now: std::time::Instant) {}
}
