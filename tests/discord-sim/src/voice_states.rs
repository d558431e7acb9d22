//! Who is in which voice channel, and with which credentials they may connect to it.

use std::collections::BTreeMap;

use crate::{ChannelId, GuildId, UserId};

/// What a `VOICE_SERVER_UPDATE` hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) token: String,
    /// Which of the voice gateway's listeners.
    pub(crate) listener: usize,
}

/// One bot's place in one guild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VoiceState {
    pub(crate) channel: ChannelId,
    /// The main gateway session that it lives and dies with.
    pub(crate) gateway_session: String,
    pub(crate) voice_session: String,
    pub(crate) self_mute: bool,
    pub(crate) self_deaf: bool,
    /// `None` after the credentials were made void; a new op 4 makes new ones.
    pub(crate) credentials: Option<Credentials>,
}

/// Why a voice IDENTIFY or RESUME is refused, as a close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 4004: the token is not the one handed out.
    Authentication,
    /// 4006: no such session, or not here.
    Session,
}

impl Refusal {
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::Authentication => 4004,
            Self::Session => 4006,
        }
    }
}

/// Voice states of all bots, one a guild and user.
#[derive(Default)]
pub(crate) struct VoiceStates {
    by_place: BTreeMap<(GuildId, UserId), VoiceState>,
}

impl VoiceStates {
    pub(crate) fn get(&self, guild: GuildId, user: UserId) -> Option<&VoiceState> {
        self.by_place.get(&(guild, user))
    }

    pub(crate) fn get_mut(&mut self, guild: GuildId, user: UserId) -> Option<&mut VoiceState> {
        self.by_place.get_mut(&(guild, user))
    }

    pub(crate) fn set(&mut self, guild: GuildId, user: UserId, state: VoiceState) {
        self.by_place.insert((guild, user), state);
    }

    pub(crate) fn remove(&mut self, guild: GuildId, user: UserId) -> Option<VoiceState> {
        self.by_place.remove(&(guild, user))
    }

    /// Users in `guild`, with their states.
    pub(crate) fn in_guild(&self, guild: GuildId) -> impl Iterator<Item = (UserId, &VoiceState)> {
        self.by_place
            .range((guild, UserId(0))..=(guild, UserId(u64::MAX)))
            .map(|((_, user), state)| (*user, state))
    }

    /// Guilds that the user is in a channel of.
    pub(crate) fn guilds_of(&self, user: UserId) -> Vec<GuildId> {
        let places = self.by_place.keys();
        let own = places.filter(|(_, other)| *other == user);
        own.map(|(guild, _)| *guild).collect()
    }

    /// Whose voice session this is.
    pub(crate) fn user_of_session(&self, guild: GuildId, voice_session: &str) -> Option<UserId> {
        self.in_guild(guild)
            .find(|(_, state)| state.voice_session == voice_session)
            .map(|(user, _)| user)
    }

    /// The places whose states live with this main gateway session.
    pub(crate) fn of_session(&self, gateway_session: &str) -> Vec<(GuildId, UserId)> {
        self.by_place
            .iter()
            .filter(|(_, state)| state.gateway_session == gateway_session)
            .map(|(place, _)| *place)
            .collect()
    }

    /// Checks what a voice client presents against what the main gateway handed out.
    pub(crate) fn admit(
        &self,
        guild: GuildId,
        user: UserId,
        voice_session: &str,
        token: &str,
        listener: usize,
    ) -> Result<&VoiceState, Refusal> {
        let state = self.get(guild, user).ok_or(Refusal::Session)?;
        let credentials = state.credentials.as_ref().ok_or(Refusal::Session)?;
        if state.voice_session != voice_session || credentials.listener != listener {
            return Err(Refusal::Session);
        }
        if credentials.token != token {
            return Err(Refusal::Authentication);
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUILD: GuildId = GuildId(1);
    const BOT: UserId = UserId(2);

    fn states() -> VoiceStates {
        let mut states = VoiceStates::default();
        let state = VoiceState {
            channel: ChannelId(3),
            gateway_session: "g".into(),
            voice_session: "v".into(),
            self_mute: false,
            self_deaf: false,
            credentials: Some(Credentials {
                token: "t".into(),
                listener: 0,
            }),
        };
        states.set(GUILD, BOT, state);
        states
    }

    #[test]
    fn admits_only_what_was_handed_out() {
        let states = states();
        assert!(states.admit(GUILD, BOT, "v", "t", 0).is_ok());
        let refused = |guild, user, session, token, listener| {
            states.admit(guild, user, session, token, listener).err()
        };
        assert_eq!(
            refused(GuildId(9), BOT, "v", "t", 0),
            Some(Refusal::Session)
        );
        assert_eq!(
            refused(GUILD, UserId(9), "v", "t", 0),
            Some(Refusal::Session)
        );
        assert_eq!(refused(GUILD, BOT, "g", "t", 0), Some(Refusal::Session));
        assert_eq!(refused(GUILD, BOT, "v", "t", 1), Some(Refusal::Session));
        assert_eq!(
            refused(GUILD, BOT, "v", "x", 0),
            Some(Refusal::Authentication)
        );
    }

    #[test]
    fn void_credentials_admit_nobody() {
        let mut states = states();
        if let Some(state) = states.get_mut(GUILD, BOT) {
            state.credentials = None;
        }
        assert_eq!(
            states.admit(GUILD, BOT, "v", "t", 0).err(),
            Some(Refusal::Session)
        );
    }

    #[test]
    fn states_are_found_by_session_and_guild() {
        let states = states();
        assert_eq!(states.of_session("g"), [(GUILD, BOT)]);
        assert!(states.of_session("x").is_empty());
        assert_eq!(states.in_guild(GUILD).count(), 1);
        assert_eq!(states.in_guild(GuildId(2)).count(), 0);
    }
}
