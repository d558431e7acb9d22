use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::GuildId;
use crate::kept::HeardDetail;
use crate::transport_crypto::TransportMode;

/// How the simulator behaves. [`Default`] is what most tests and the demo want.
#[derive(Clone, Debug)]
pub struct DiscordSimConfig {
    /// Port of the REST and control API on 127.0.0.1; 0 takes a free one.
    pub rest_port: u16,
    /// Tokens that are bot accounts. Empty: any non-empty token is one.
    pub tokens: Vec<String>,
    /// Guilds that every bot is in from the start. Others come to be when a bot joins a channel
    /// in them.
    pub guilds: Vec<GuildId>,
    /// How many shards `GET /gateway/bot` recommends. A bot may take another number.
    pub shards: u32,
    /// How many shards may IDENTIFY at once, as `GET /gateway/bot` says.
    pub max_concurrency: u32,
    /// Where the certificate authority is written (PEM). `None`: a temporary file that goes away
    /// with the simulator.
    pub ca_file: Option<PathBuf>,
    /// Whether calls are end-to-end encrypted. When they are, a client that cannot do DAVE is
    /// closed with 4017, as Discord does since 1 March 2026.
    pub dave: bool,
    /// Who makes the first commit of a call's MLS group.
    pub first_commit: FirstCommit,
    /// Who makes the later ones: the listening member at once, or the first client that answers.
    pub later_commits: FirstCommit,
    /// Transport encryptions that the voice gateway offers, in this order.
    pub modes: Vec<TransportMode>,
    /// What the older of two voice connections of one user in one guild gets to feel.
    pub displacement: Displacement,
    /// Whether op 4 to the channel that the bot is in already sends a `VOICE_SERVER_UPDATE`.
    pub same_channel_server_update: bool,
    /// How long a main gateway session outlives its socket.
    pub resume_window: Duration,
    /// How long a voice session outlives its socket.
    pub voice_resume_window: Duration,
    /// Where clients are told to send media, if not straight to the simulator: a relay between them.
    pub media_relay: Option<SocketAddr>,
    /// Where clients are told that the main gateway is, if not straight at the simulator: a relay to
    /// [`DiscordSim::gateway_endpoint`](crate::DiscordSim::gateway_endpoint).
    pub gateway_relay: Option<SocketAddr>,
    /// The same for the two voice servers: relays to
    /// [`DiscordSim::voice_endpoints`](crate::DiscordSim::voice_endpoints).
    pub voice_relays: Option<[SocketAddr; 2]>,
    /// Number of the first numbered message of a voice session (gateway v8). Discord documents
    /// neither it nor the moment when numbers wrap around, only that they do.
    pub voice_first_seq: u16,
    /// Messages of a voice session that are kept to be sent again after a RESUME (gateway v8). At
    /// most 1024: all of them must fit into a socket's queue.
    pub voice_replay_buffer: usize,
    /// Whether RESUMED comes before or after what is sent again.
    pub resumed: ResumedOrder,
    /// `heartbeat_interval` of the main gateway. A client silent for twice as long is closed.
    pub heartbeat_interval: Duration,
    /// `heartbeat_interval` of the voice gateway. A client silent for twice as long is closed.
    pub voice_heartbeat_interval: Duration,
    /// For how long what members heard is kept.
    pub heard_window: Duration,
    /// What is kept of it.
    pub heard_detail: HeardDetail,
    /// For how long it is kept when each picture was seen, and what it was like.
    pub seen_window: Duration,
    /// For how long the pictures themselves are kept: at 2.5 Mbit/s a third of a megabyte a second.
    pub seen_bytes_window: Duration,
    /// How long the listener waits for a packet of a picture that is missing. Then it goes on without it.
    pub loss_patience: Duration,
    /// Whether the listener, when pictures come that nothing can be made of, asks for a key frame, as a viewer's client
    /// would: once a second at most.
    pub asks_for_key_frames: bool,
}

impl Default for DiscordSimConfig {
    fn default() -> Self {
        Self {
            rest_port: 0,
            tokens: Vec::new(),
            guilds: vec![GuildId(900_000_000_000_000_001)],
            shards: 1,
            max_concurrency: 1,
            ca_file: None,
            dave: true,
            first_commit: FirstCommit::Bot,
            later_commits: FirstCommit::Member,
            modes: vec![
                TransportMode::Aes256GcmRtpSize,
                TransportMode::XChaCha20Poly1305RtpSize,
            ],
            displacement: Displacement::Close(4006),
            same_channel_server_update: true,
            // Discord's own windows are not documented; these are of the order that clients see.
            resume_window: Duration::from_mins(1),
            voice_resume_window: Duration::from_secs(15),
            media_relay: None,
            gateway_relay: None,
            voice_relays: None,
            voice_first_seq: 1,
            voice_replay_buffer: 256,
            resumed: ResumedOrder::AfterReplay,
            heartbeat_interval: Duration::from_millis(41_250),
            voice_heartbeat_interval: Duration::from_millis(13_750),
            heard_window: Duration::from_mins(10),
            heard_detail: HeardDetail::Sound,
            seen_window: Duration::from_mins(10),
            seen_bytes_window: Duration::from_secs(30),
            loss_patience: Duration::from_millis(500),
            asks_for_key_frames: true,
        }
    }
}

/// Who commits the proposals that start a group. Both are legal: every member may commit, and the
/// first commit to arrive wins (dave-protocol, "Commit Ordering").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstCommit {
    /// The bot, as long as it does so soon; the member joins by its welcome.
    Bot,
    /// The listening member; the bot joins by welcome.
    Member,
}

/// When voice op 9 is sent. Discord says that the gateway "will respond with Resumed and will
/// re-send" what was missed; a client should hold under both orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResumedOrder {
    /// Before what is sent again.
    BeforeReplay,
    /// After it.
    AfterReplay,
}

/// What happens to a voice connection when the same user identifies once more in the same guild.
///
/// Discord does not document it, so a test should hold under every one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Displacement {
    /// Closed with this code.
    Close(u16),
    /// The TCP connection is reset.
    Reset,
    /// Nothing more is sent to it, and what it sends is refused.
    Silence,
    /// Nothing: both are heard.
    Ignore,
}

impl Displacement {
    /// Every way worth testing.
    pub const ALL: [Self; 7] = [
        Self::Close(4006),
        Self::Close(4009),
        Self::Close(4014),
        Self::Close(1000),
        Self::Reset,
        Self::Silence,
        Self::Ignore,
    ];

    /// One of [`Self::ALL`], picked by a test's seed.
    pub fn from_seed(seed: u64) -> Self {
        Self::ALL[(seed % Self::ALL.len() as u64) as usize]
    }
}
