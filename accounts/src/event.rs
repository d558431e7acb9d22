//! What an account tells the scheduler, and the values in it.

use std::fmt;

use secrecy::SecretString;

use crate::{Error, ShardId};

/// What an account is to Discord, which decides what it may do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AccountKind {
    /// An application's bot: sound. Discord shows no video of bots.
    #[default]
    Bot,
    /// A person's account: may go live. Discord's terms forbid to automate one.
    User,
}

/// Where a token stands in the configuration: what an error names in place of the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenPlace {
    /// Bots' and users' tokens are two lists.
    pub kind: AccountKind,
    /// In its own list, from 1.
    pub number: usize,
}

impl fmt::Display for TokenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = match self.kind {
            AccountKind::Bot => "ORB_DISCORD_TOKENS",
            AccountKind::User => "ORB_DISCORD__GOLIVE_TOKENS",
        };
        write!(f, "{variable}: token number {}", self.number)
    }
}

/// An account: its Discord user id.
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

/// All that a voice connection needs; the account's token is not among it.
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
    /// Set where the account goes live: a second connection, over which sound and picture go. That of the channel stays
    /// up beside it and sends nothing.
    pub stream: Option<StreamCredentials>,
}

/// What the connection of a Go Live stream needs beside the channel's: that one's user and voice session are its own.
#[derive(Clone, Debug)]
pub struct StreamCredentials {
    /// `guild:<guild>:<channel>:<user>`.
    pub stream_key: String,
    /// What the connection identifies with in the place of a guild. The id of its DAVE group is one less.
    pub rtc_server_id: u64,
    /// `host:port` of the stream's server.
    pub endpoint: String,
    /// For this stream only.
    pub token: SecretString,
}

/// Why an account does not go live (any more). Its seat in the channel stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LiveRefusal {
    /// `unauthorized`.
    #[error(
        "discord does not let the account stream there; give it the permission to stream in the channel"
    )]
    Unauthorized,
    /// `stream_full`.
    #[error("discord says that the stream is full; try again when fewer people watch")]
    StreamFull,
    /// `safety_guild_rate_limited`.
    #[error("discord does not let this server stream for now; try again later")]
    GuildRateLimited,
    /// `invalid_channel`.
    #[error("discord allows no stream in this channel; choose a voice channel")]
    InvalidChannel,
    /// `parse_failed`.
    #[error("discord could not read the stream's key; this is a fault of this program")]
    KeyRefused,
    /// Two commands were not answered: Discord is silent about what it refuses.
    #[error(
        "discord did not answer the request to go live; check that the account may stream in the channel,          and that it is a person's account"
    )]
    Unanswered,
    /// It ended as often as it is made anew within a minute.
    #[error(
        "the stream was ended again and again; find out who or what ends it, then go live again"
    )]
    KeepsEnding,
    /// Somebody ended it with another client of the same account (`user_requested`).
    #[error("somebody who uses this account ended the stream; play again when it may stream again")]
    EndedByHand,
}

impl LiveRefusal {
    /// A stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unauthorized => "live_unauthorized",
            Self::StreamFull => "live_stream_full",
            Self::GuildRateLimited => "live_guild_rate_limited",
            Self::InvalidChannel => "live_invalid_channel",
            Self::KeyRefused => "live_key_refused",
            Self::Unanswered => "live_unanswered",
            Self::KeepsEnding => "live_keeps_ending",
            Self::EndedByHand => "live_ended_by_hand",
        }
    }
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
        /// What it is.
        kind: AccountKind,
        /// Which of its connections: only guilds of this shard are meant.
        shard: ShardId,
        /// False: Discord began a new session and has forgotten all voice states; every guild that
        /// is meant to be joined is joined again, and new credentials follow.
        resumed: bool,
    },
    /// The account is in the channel, and these open its voice connection. Comes again whenever
    /// any of it changes; the newest set is the valid one. Where the account goes live, it comes when both parts are
    /// there; while a stream that ended has to wait to be made anew, without the stream.
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
    /// The account does not go live, for it may not or cannot, and it is not tried again until somebody joins anew with
    /// a stream. Its [`AccountEvent::Credentials`] without one follow, and sound goes on in the channel.
    LiveRefused {
        /// Which account.
        account: AccountId,
        /// Which guild.
        guild_id: u64,
        /// Why.
        reason: LiveRefusal,
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
