//! What a worker needs to join a voice channel, as the scheduler hands it over.

use std::{fmt, num::NonZeroU64};

use secrecy::{ExposeSecret, SecretString};

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
    /// Counts the credentials of a session. Every event about a connection names the newest revision by then.
    pub revision: u64,
    /// Sound and picture go over a second connection then, to this stream; the one to the channel stays up and sends
    /// nothing.
    pub stream: Option<StreamCredentials>,
}

/// What a connection to a Go Live stream needs beside the [`VoiceCredentials`] of its account: the values of Discord's
/// `STREAM_CREATE` and `STREAM_SERVER_UPDATE`.
#[derive(Clone)]
pub struct StreamCredentials {
    /// Which stream, for logs: `guild:<guild>:<channel>:<user>`.
    pub stream_key: String,
    /// What the connection identifies with. DAVE's group is one less.
    pub rtc_server_id: u64,
    /// Host and perhaps port, no scheme.
    pub endpoint: String,
    /// `token` of the `STREAM_SERVER_UPDATE`.
    pub token: SecretString,
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
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StreamCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamCredentials")
            .field("stream_key", &self.stream_key)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The ids of [`VoiceCredentials`]; no snowflake is zero.
pub(super) struct Ids {
    pub(super) guild: NonZeroU64,
    pub(super) channel: NonZeroU64,
    pub(super) user: NonZeroU64,
}

impl StreamCredentials {
    /// Refuses an id of zero, too.
    pub(super) fn id(&self) -> Result<NonZeroU64, Error> {
        let name = "rtc_server_id";
        NonZeroU64::new(self.rtc_server_id).ok_or(Error::ZeroId { name })
    }
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

    /// Whether the connection to the channel would be made with the same words.
    pub(super) fn is_of_the_same_channel(&self, other: &Self) -> bool {
        let ids = |of: &Self| (of.guild_id, of.channel_id, of.user_id);
        ids(self) == ids(other)
            && self.voice_session_id == other.voice_session_id
            && self.endpoint == other.endpoint
            && self.token.expose_secret() == other.token.expose_secret()
    }

    /// Whether the connection to the stream would be made with the same words. It identifies with the account's voice
    /// session, too.
    pub(super) fn is_of_the_same_stream(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (&self.stream, &other.stream) else {
            return false;
        };
        let ids = |of: &Self| (of.guild_id, of.channel_id, of.user_id);
        ids(self) == ids(other)
            && self.voice_session_id == other.voice_session_id
            && own.rtc_server_id == others.rtc_server_id
            && own.endpoint == others.endpoint
            && own.token.expose_secret() == others.token.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", example());
        for secret in ["s3ss10n", "t0k3n", "str3am"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn each_connection_has_its_own_part() {
        let old = example();
        assert!(old.is_of_the_same_channel(&example()) && old.is_of_the_same_stream(&example()));
        let mut moved = example();
        moved.endpoint = "localhost:2".into();
        assert!(!old.is_of_the_same_channel(&moved) && old.is_of_the_same_stream(&moved));
        let mut renewed = example();
        if let Some(stream) = &mut renewed.stream {
            stream.token = SecretString::from("other");
        }
        assert!(old.is_of_the_same_channel(&renewed) && !old.is_of_the_same_stream(&renewed));
        let mut joined_again = example();
        joined_again.voice_session_id = "other".into();
        assert!(!old.is_of_the_same_channel(&joined_again));
        assert!(!old.is_of_the_same_stream(&joined_again));
        let without = VoiceCredentials {
            stream: None,
            ..example()
        };
        assert!(!old.is_of_the_same_stream(&without) && !without.is_of_the_same_stream(&old));
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
        let mut stream = example().stream.expect("it has one");
        stream.rtc_server_id = 0;
        let error = stream.id().expect_err("zero");
        assert!(error.to_string().contains("rtc_server_id"), "{error}");
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
            stream: Some(StreamCredentials {
                stream_key: "guild:1:2:3".into(),
                rtc_server_id: 9,
                endpoint: "localhost:1".into(),
                token: SecretString::from("str3am"),
            }),
        }
    }
}
