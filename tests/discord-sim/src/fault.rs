//! What can go wrong on purpose.

use serde::{Deserialize, Serialize};

use crate::config::Displacement;
use crate::dave::DaveFault;
use crate::link::{LinkDirection, LinkShape};
use crate::media_faults::StreamFault;
use crate::stalls::StallAt;
use crate::{ChannelId, GuildId, StreamDeleteReason, UserId};

/// A fault to apply. Over HTTP: `{"kind": "close_voice", "guild": "1", "code": 4006}`.
///
/// Where `user` is left out, all bots are hit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Closes voice connections with any code.
    ///
    /// After 4015 and codes below 4000 they can be resumed; else they are over, and after 4006,
    /// 4009 and 4014 their credentials are void as well until a new op 4.
    CloseVoice {
        /// The guild whose connections are closed.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
        /// The close code.
        code: u16,
    },
    /// Resets the TCP connection of voice sockets; they can be resumed.
    ResetVoice {
        /// The guild whose connections are reset.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// Ends TLS and TCP of voice sockets in good order, but without a WebSocket close frame; they
    /// can be resumed.
    DropVoice {
        /// The guild whose connections are dropped.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// Voice sockets stay open, but nothing is sent on them any more and heartbeats are not
    /// acknowledged. What is meant for a gateway v8 connection waits for its RESUME; its RTP is
    /// heard as before.
    SilenceVoice {
        /// The guild whose connections fall silent.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// Voice listeners stall for a while.
    StallVoice {
        /// 0 or 1; none: both.
        #[serde(default)]
        listener: Option<usize>,
        /// How far connections get.
        at: StallAt,
        /// For how long, in milliseconds; 0 ends a stall.
        ms: u64,
    },
    /// A moderator disconnects the bot: its voice state leaves, its connection closes with 4014.
    Kick {
        /// The guild.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// A moderator drags the bot to another channel: new voice state and credentials, the old
    /// connection closes with 4014.
    Move {
        /// The guild.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
        /// Where to.
        channel: ChannelId,
    },
    /// The call moves to another voice server: a new `VOICE_SERVER_UPDATE`.
    MoveServer {
        /// The guild.
        guild: GuildId,
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
        /// 0 or 1: which of the two voice endpoints.
        listener: usize,
        /// Close code that the old connection gets; none: it is left to itself.
        #[serde(default)]
        close: Option<u16>,
    },
    /// The listeners leave the guild's voice channels: bots see nobody there any more. What is sent is recorded all
    /// the same.
    ListenersLeave {
        /// The guild.
        guild: GuildId,
    },
    /// The listeners come back.
    ListenersReturn {
        /// The guild.
        guild: GuildId,
    },
    /// Drops main gateway sockets without a close frame. Their sessions can be resumed.
    DropGateway {
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// Op 9 on main gateway sockets. Sessions that cannot be resumed end at once.
    InvalidSession {
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
        /// Whether a RESUME will work.
        #[serde(default)]
        resumable: bool,
    },
    /// Op 7, "reconnect", on main gateway sockets.
    Reconnect {
        /// One bot only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// The next IDENTIFYs on the main gateway are refused.
    RefuseIdentify {
        /// How many.
        times: u32,
        /// With this close code; none: with op 9.
        #[serde(default)]
        close: Option<u16>,
    },
    /// The next IDENTIFYs on the voice gateway are refused with a close code.
    RefuseVoiceIdentify {
        /// How many.
        times: u32,
        /// The close code.
        code: u16,
        /// So many pass before.
        #[serde(default)]
        after: u32,
    },
    /// The next RESUMEs on the voice gateway are refused with a close code.
    RefuseVoiceResume {
        /// How many.
        times: u32,
        /// The close code.
        code: u16,
    },
    /// The answers to the next IP discoveries are lost.
    LoseDiscovery {
        /// How many.
        times: u32,
    },
    /// How older voice connections give way from now on. Neither `how` nor `seed`: as configured
    /// again.
    Displacement {
        /// Always like this.
        #[serde(default)]
        how: Option<Displacement>,
        /// Each time another of [`Displacement::ALL`]: the same seed picks the same row of them.
        #[serde(default)]
        seed: Option<u64>,
    },
    /// The DAVE groups of a guild's calls are made anew (voice op 24 with epoch 1).
    RecreateGroup {
        /// The guild.
        guild: GuildId,
    },
    /// Something happens to the DAVE groups of a guild's calls.
    Dave {
        /// The guild.
        guild: GuildId,
        /// What.
        #[serde(flatten)]
        what: DaveFault,
    },
    /// Go Live streams end, for this reason; they may be made anew.
    EndStream {
        /// The guild.
        guild: GuildId,
        /// One streamer only.
        #[serde(default)]
        user: Option<UserId>,
        /// What the streamer is told.
        reason: StreamDeleteReason,
    },
    /// The next op 18s are answered with `STREAM_DELETE`.
    RefuseStream {
        /// How many.
        times: u32,
        /// Why.
        reason: StreamDeleteReason,
    },
    /// The next `STREAM_SERVER_UPDATE`s are never sent.
    LoseStreamServerUpdate {
        /// How many.
        times: u32,
    },
    /// The server of a guild's streams is gone and there is no other yet: a `STREAM_SERVER_UPDATE` without endpoint,
    /// and credentials that are void.
    LoseStreamServer {
        /// The guild.
        guild: GuildId,
        /// One streamer only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// A guild's streams move to another server: new `STREAM_SERVER_UPDATE`s.
    MoveStreamServer {
        /// The guild.
        guild: GuildId,
        /// One streamer only.
        #[serde(default)]
        user: Option<UserId>,
        /// 0 or 1: which of the two voice endpoints.
        listener: usize,
        /// Close code that the old connections get; none: they are left to themselves.
        #[serde(default)]
        close: Option<u16>,
    },
    /// Something happens to the connections of a guild's Go Live streams. The faults of voice connections
    /// ([`Self::CloseVoice`], [`Self::DropVoice`] and so on) pass those by.
    Stream {
        /// The guild.
        guild: GuildId,
        /// One client only.
        #[serde(default)]
        user: Option<UserId>,
        /// What.
        #[serde(flatten)]
        what: StreamFault,
    },
    /// The way between WebRTC clients and the voice server is like this from now on, also for connections that come
    /// later. A perfect shape ends it.
    Link {
        /// The guild.
        guild: GuildId,
        /// One client only.
        #[serde(default)]
        user: Option<UserId>,
        /// Which way.
        direction: LinkDirection,
        /// How bad it is.
        #[serde(default)]
        shape: LinkShape,
        /// Which datagrams are hit: the same seed hits the same ones.
        #[serde(default)]
        seed: u64,
    },
    /// Whoever shows pictures is asked for a key frame (RTCP PLI).
    KeyFrame {
        /// The guild.
        guild: GuildId,
        /// One client only.
        #[serde(default)]
        user: Option<UserId>,
    },
    /// Viewers want less, or more: op 15 to the connections of streams.
    Wants {
        /// The guild.
        guild: GuildId,
        /// One client only.
        #[serde(default)]
        user: Option<UserId>,
        /// 0 to 100; 0: nobody looks on.
        quality: u8,
        /// How many pixels the largest viewer shows.
        #[serde(default)]
        pixel_count: Option<u64>,
    },
    /// From now on this share of RTP packets is lost before the members hear them.
    PacketLoss {
        /// 0 to 100; 0 ends it.
        percent: f64,
        /// In one guild only.
        #[serde(default)]
        guild: Option<GuildId>,
        /// Which packets: the same seed loses the same ones.
        #[serde(default)]
        seed: u64,
    },
}
