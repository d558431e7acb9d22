//! What a worker needs to join a voice channel, as the scheduler hands it over.

use std::{fmt, num::NonZeroU64};

use secrecy::SecretString;

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

/// The ids of [`VoiceCredentials`]; no snowflake is zero.
pub(super) struct Ids {
    pub(super) guild: NonZeroU64,
    pub(super) channel: NonZeroU64,
    pub(super) user: NonZeroU64,
}

impl VoiceCredentials {
    /// Refuses an id of zero: a field that was not sent.
    pub(super) fn ids(&self) -> Result<Ids, Error> {
        let id = |name, id| NonZeroU64::new(id).ok_or(Error::ZeroId { name });
        Ok(Ids {
            guild: id("guild_id", self.guild_id)?,
            channel: id("channel_id", self.channel_id)?,
            user: id("user_id", self.user_id)?,
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
        .ids()
        .err()
        .expect("zero");
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
