//! Voice clients without a main gateway: members that a test lets in by itself.
//!
//! A test of a voice driver alone, or a program in another language that joins as one more
//! member, needs what a `VOICE_STATE_UPDATE` and a `VOICE_SERVER_UPDATE` would have told it, and
//! nothing else of the main gateway. Bots that watch the guild see guests come and go as people.

use std::fmt;

use serde::Serialize;

use crate::joining::Entry;
use crate::world::State;
use crate::{ChannelId, DiscordSim, Error, GuildId, UserId};

/// What a voice client identifies with: the fields of `VOICE_STATE_UPDATE` and
/// `VOICE_SERVER_UPDATE`, by Discord's names.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct VoiceCredentials {
    /// The guild: `server_id` of voice op 0.
    #[serde(rename = "guild_id")]
    pub guild: GuildId,
    /// The voice channel; also the id of the call's DAVE group.
    #[serde(rename = "channel_id")]
    pub channel: ChannelId,
    /// The member.
    #[serde(rename = "user_id")]
    pub user: UserId,
    /// Host and port of the voice gateway: dial `wss://{endpoint}/?v=8`.
    pub endpoint: String,
    /// `session_id` of voice op 0.
    #[serde(rename = "session_id")]
    pub session: String,
    /// `token` of voice op 0.
    pub token: String,
}

impl fmt::Debug for VoiceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceCredentials")
            .field("guild", &self.guild)
            .field("channel", &self.channel)
            .field("user", &self.user)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The gateway session that a guest's voice state names. No session of the main gateway has this
/// name, so none ends with it.
fn session_of(user: UserId) -> String {
    format!("guest-{user}")
}

impl State {
    /// Lets `user` into `channel` as op 4 would, and says what it would be told.
    pub(crate) fn admit_guest(
        &mut self,
        guild: GuildId,
        channel: ChannelId,
        user: UserId,
    ) -> Result<VoiceCredentials, Error> {
        let session = session_of(user);
        self.enter(Entry {
            guild,
            channel,
            user,
            voice_session: format!("voice-{session}"),
            gateway_session: session,
            self_mute: false,
            self_deaf: false,
        });
        self.credentials(guild, user)
            .ok_or_else(|| Error::Fault("the guest was not let in".to_owned()))
    }

    /// The credentials that are in force for `user`.
    pub(crate) fn credentials(&self, guild: GuildId, user: UserId) -> Option<VoiceCredentials> {
        let state = self.voice_states.get(guild, user)?;
        let credentials = state.credentials.as_ref()?;
        Some(VoiceCredentials {
            guild,
            channel: state.channel,
            user,
            endpoint: self.context.endpoints.voice_told[credentials.listener].to_string(),
            session: state.voice_session.clone(),
            token: credentials.token.clone(),
        })
    }
}

impl DiscordSim {
    /// Lets `user` into a voice channel without a main gateway connection, as op 4 would, and
    /// returns the credentials for the voice gateway.
    ///
    /// Asked again for the same channel it returns those in force: the same ones, or new ones
    /// after a server move or after a close code made them void. Another channel moves the user:
    /// its connections are closed with 4014. Over HTTP: `POST /_sim/voice` with
    /// `{"guild": "1", "channel": "2", "user": "3"}`.
    pub fn voice_credentials(
        &self,
        guild: impl Into<GuildId>,
        channel: impl Into<ChannelId>,
        user: impl Into<UserId>,
    ) -> Result<VoiceCredentials, Error> {
        let mut state = self.world().state();
        state.admit_guest(guild.into(), channel.into(), user.into())
    }

    /// Takes `user` out of its voice channel, as op 4 with a null channel would: its connections
    /// are closed with 4014. Over HTTP: `DELETE /_sim/voice` with `{"guild": "1", "user": "3"}`.
    pub fn leave_voice(&self, guild: impl Into<GuildId>, user: impl Into<UserId>) {
        self.world().state().leave(guild.into(), user.into());
    }
}
