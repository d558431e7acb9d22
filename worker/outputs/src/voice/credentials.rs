//! What a worker needs to join a voice channel, as the scheduler hands it over.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use songbird::{
    ConnectionInfo,
    id::{ChannelId, GuildId, UserId},
};

use crate::Error;

/// The values of Discord's `VOICE_STATE_UPDATE` and `VOICE_SERVER_UPDATE` for one account in one guild.
#[derive(Clone)]
pub struct VoiceCredentials {
    /// The guild (a Discord snowflake).
    pub guild_id: u64,
    /// The voice channel; DAVE's group bears this id.
    pub channel_id: u64,
    /// The bot account's user id.
    pub user_id: u64,
    /// `session_id` of the `VOICE_STATE_UPDATE`.
    pub voice_session_id: String,
    /// `endpoint` of the `VOICE_SERVER_UPDATE`: host and perhaps port, no scheme.
    pub endpoint: String,
    /// `token` of the `VOICE_SERVER_UPDATE`.
    pub token: SecretString,
    /// Counts the credentials of a session. Every event about a connection names the revision it was opened with.
    pub revision: u64,
}

impl fmt::Debug for VoiceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Session id and token together are enough to speak as the bot: neither is shown.
        f.debug_struct("VoiceCredentials")
            .field("guild_id", &self.guild_id)
            .field("channel_id", &self.channel_id)
            .field("user_id", &self.user_id)
            .field("endpoint", &self.endpoint)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl VoiceCredentials {
    /// songbird's form of the same; refuses an id of zero.
    pub(super) fn into_connection_info(self) -> Result<ConnectionInfo, Error> {
        let id = |name, id: u64| id.try_into().map_err(|_| Error::ZeroId { name });
        Ok(ConnectionInfo {
            channel_id: ChannelId(id("channel_id", self.channel_id)?),
            guild_id: GuildId(id("guild_id", self.guild_id)?),
            user_id: UserId(id("user_id", self.user_id)?),
            endpoint: self.endpoint,
            session_id: self.voice_session_id,
            token: self.token.expose_secret().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", example());
        assert!(
            !shown.contains("s3ss10n") && !shown.contains("t0k3n"),
            "{shown}"
        );
    }

    #[test]
    fn an_id_of_zero_is_refused_by_name() {
        let error = VoiceCredentials {
            user_id: 0,
            ..example()
        }
        .into_connection_info()
        .expect_err("zero");
        assert!(error.to_string().contains("user_id"), "{error}");
    }

    fn example() -> VoiceCredentials {
        VoiceCredentials {
            guild_id: 1,
            channel_id: 2,
            user_id: 3,
            voice_session_id: "s3ss10n".into(),
            endpoint: "localhost:1".into(),
            token: SecretString::from("t0k3n"),
            revision: 7,
        }
    }
}
