//! Everything that a connection to a voice server needs.

use secrecy::SecretString;

/// Where to connect and as whom: what the main gateway's `VOICE_STATE_UPDATE` and
/// `VOICE_SERVER_UPDATE` say together.
///
/// Session id and token together are enough to speak as the bot, so neither is shown.
#[derive(Clone, Debug)]
pub struct VoiceServer {
    /// `host:port`.
    pub endpoint: String,
    /// The guild.
    pub guild_id: u64,
    /// The channel.
    pub channel_id: u64,
    /// The account.
    pub user_id: u64,
    /// Of the voice state.
    pub session_id: SecretString,
    /// Of the voice server update; of a stream, that of the stream server update.
    pub token: SecretString,
    /// A Go Live stream of the account. None: the voice channel itself.
    pub stream: Option<StreamServer>,
}

/// What makes a connection one to a Go Live stream: a second connection of the same account, which bears sound and
/// picture, while its connection to the voice channel stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamServer {
    /// Of the main gateway's `STREAM_CREATE`.
    pub rtc_server_id: u64,
}

impl VoiceServer {
    /// What voice messages name `server_id`: the guild, or the stream.
    pub fn server_id(&self) -> u64 {
        self.stream
            .map_or(self.guild_id, |stream| stream.rtc_server_id)
    }

    /// The id of the DAVE group: the channel's; of a stream, one less than its server's (userdoccers, "Go Live"; two
    /// clients agree).
    pub fn dave_group(&self) -> u64 {
        self.stream.map_or(self.channel_id, |stream| {
            stream.rtc_server_id.wrapping_sub(1)
        })
    }
}
