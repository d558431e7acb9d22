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
    /// The guild, named `server_id` in voice messages.
    pub guild_id: u64,
    /// The channel; its id is that of the DAVE group.
    pub channel_id: u64,
    /// The account.
    pub user_id: u64,
    /// Of the voice state.
    pub session_id: SecretString,
    /// Of the voice server update.
    pub token: SecretString,
}
