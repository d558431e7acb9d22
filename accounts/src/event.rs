//! What an account tells the scheduler, and the values in it.

use std::fmt;

use secrecy::SecretString;

use crate::{Error, ShardId};

/// A bot account: its Discord user id.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountId(pub u64);

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What another process needs to RESUME a gateway connection.
#[derive(Clone, Eq, PartialEq)]
pub struct GatewaySession {
    /// Discord's id of the session; secret to others than the account's owner.
    pub id: String,
    /// The last event that was handled.
    pub sequence: u64,
    /// Where Discord wants the RESUME.
    pub resume_url: String,
}

impl fmt::Debug for GatewaySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewaySession")
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

/// All that a voice connection needs; the bot's token is not among it.
#[derive(Clone, Debug)]
pub struct VoiceCredentials {
    /// The guild.
    pub guild_id: u64,
    /// The voice channel that the account is in.
    pub channel_id: u64,
    /// The account.
    pub user_id: u64,
    /// Session id of the voice state (not that of the gateway).
    pub voice_session_id: String,
    /// `host:port` of the voice server, as Discord gives it.
    pub endpoint: String,
    /// Voice token, for this guild only.
    pub token: SecretString,
}

/// Why a join did not come about. The account is out of the guild's channels.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinFailure {
    /// Two commands were not answered: Discord is silent about what it refuses.
    #[error(
        "discord did not let the bot in; check that it is a member of the guild, \
         may view and connect to the channel, and that the channel is not full"
    )]
    Unanswered,
    /// The bot was seated, but no voice server was named, twice.
    #[error("discord named no voice server; try again, or choose another region for the channel")]
    NoVoiceServer,
    /// The bot was removed from the guild.
    #[error("the bot is no member of the guild any more; invite it again")]
    RemovedFromGuild,
}

impl JoinFailure {
    /// A stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unanswered => "join_unanswered",
            Self::NoVoiceServer => "no_voice_server",
            Self::RemovedFromGuild => "removed_from_guild",
        }
    }
}

/// What happened to an account, in order. Within one shard of an account, an event's effects are to be stored
/// before the [`AccountEvent::Progress`] that follows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AccountEvent {
    /// The gateway connection is usable (again).
    Ready {
        /// Which account.
        account: AccountId,
        /// Its user id.
        user_id: u64,
        /// Which of its connections: only guilds of this shard are meant.
        shard: ShardId,
        /// False: Discord began a new session and has forgotten all voice states; every guild that
        /// is meant to be joined is joined again, and new credentials follow.
        resumed: bool,
    },
    /// The account is in the channel, and these open its voice connection. Comes again whenever
    /// any of it changes; the newest set is the valid one.
    Credentials {
        /// Which account.
        account: AccountId,
        /// The whole set.
        credentials: VoiceCredentials,
    },
    /// The account is out of the guild's channels, and `(account, guild)` is free.
    Left {
        /// Which account.
        account: AccountId,
        /// Which guild.
        guild_id: u64,
        /// True: by our own `leave`. False: kicked, the channel was deleted, or the bot removed.
        asked: bool,
    },
    /// Somebody moved the account to another channel. It stays there until told otherwise;
    /// credentials for it follow.
    Moved {
        /// Which account.
        account: AccountId,
        /// Which guild.
        guild_id: u64,
        /// Where it is now.
        channel_id: u64,
    },
    /// A join came to nothing; `(account, guild)` is free.
    JoinFailed {
        /// Which account.
        account: AccountId,
        /// Which guild.
        guild_id: u64,
        /// Why.
        reason: JoinFailure,
    },
    /// How many people (no bots) are in the account's channel: whenever it changes, and again after each
    /// [`AccountEvent::Credentials`], for only with these it is known to be *that* channel's party.
    /// Unknown, and so not told, in a guild whose voice states were not sent since the session was taken
    /// over.
    Audience {
        /// Which account.
        account: AccountId,
        /// Which guild.
        guild_id: u64,
        /// The channel that the account is in.
        channel_id: u64,
        /// People in the channel.
        listeners: usize,
    },
    /// The gateway connection is gone. Without `fatal` it is made again by itself; a party's voice
    /// connection does not depend on it.
    Disconnected {
        /// Which account.
        account: AccountId,
        /// Which of its connections.
        shard: ShardId,
        /// Set: it stays closed, and the operator has to act.
        fatal: Option<Error>,
    },
    /// Everything up to this point of the session was told before; to be stored after it.
    Progress {
        /// Which account.
        account: AccountId,
        /// Which of its sessions: each connection has one of its own.
        shard: ShardId,
        /// From where another process can go on.
        session: GatewaySession,
    },
}
