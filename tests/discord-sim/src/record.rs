//! Who tried what, and when: every connection, IDENTIFY, RESUME, op 4 and close.
//!
//! This is what lets a test say *which process* did something: each entry bears the source
//! address. Tokens are named by a digest, never by themselves.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

use crate::clock::SimClock;
use crate::config::Displacement;
use crate::seen::Media;
use crate::{ChannelId, GuildId, Shard, StreamDeleteReason, UserId};

/// Entries kept; the oldest go first. Enough for hours of a busy cluster test.
const CAPACITY: usize = 100_000;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
pub struct RecordEntry {
    /// When, on the monotonic clock of this process.
    #[serde(skip)]
    pub at: Instant,
    /// When, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// Where it came from; `None` for what the simulator did by itself.
    pub source: Option<SocketAddr>,
    /// The bot, where it is known.
    pub user: Option<UserId>,
    /// What happened.
    #[serde(flatten)]
    pub event: RecordEvent,
}

/// The kinds of things that are recorded. A voice `token` is a digest of the voice token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(missing_docs)] // the fields are Discord's own, or say what they are
pub enum RecordEvent {
    /// A REST call without a valid token, or to a path that is not simulated.
    RestRefused {
        status: u16,
        method: String,
        path: String,
    },
    /// `POST /channels/{id}/messages`.
    Message { channel: ChannelId, content: String },
    /// Main gateway op 2. `refused`: why it was not accepted.
    GatewayIdentify {
        token: String,
        shard: Option<Shard>,
        session: Option<String>,
        refused: Option<String>,
    },
    /// Main gateway op 6. `replayed`: how many missed events were sent again.
    GatewayResume {
        token: String,
        session: String,
        seq: u64,
        replayed: usize,
        refused: Option<String>,
    },
    /// Main gateway op 4, as the bot sent it. `refused`: why it led to nothing.
    VoiceStateRequest {
        session: String,
        guild: GuildId,
        channel: Option<ChannelId>,
        refused: Option<String>,
    },
    /// Main gateway ops 18 to 22 (Go Live), as the client sent them. `paused`: of op 22. `refused`: why it led to
    /// nothing; what bots send leads to nothing ever.
    StreamRequest {
        session: String,
        op: u64,
        stream_key: String,
        paused: Option<bool>,
        refused: Option<String>,
    },
    /// A stream is there.
    StreamBegun {
        guild: GuildId,
        channel: ChannelId,
        rtc_server_id: u64,
    },
    /// A stream is over; `reason`: as its owner was told.
    StreamEnded {
        guild: GuildId,
        channel: ChannelId,
        rtc_server_id: u64,
        reason: StreamDeleteReason,
    },
    /// A main gateway socket is gone. `code`: of the close frame, if there was one.
    GatewayClosed {
        session: Option<String>,
        code: Option<u16>,
        by: ClosedBy,
    },
    /// A main gateway session is over; its voice states have left.
    GatewaySessionEnded { session: String, reason: String },
    /// A TCP connection to one of the voice listeners, before TLS: every dial there is.
    VoiceDialled { listener: usize },
    /// A connection to the voice gateway failed before its WebSocket was open.
    VoiceHandshakeFailed { reason: String },
    /// Voice op 0. `stream`: the `rtc_server_id`, when it is of a Go Live stream.
    VoiceIdentify {
        guild: GuildId,
        channel: Option<ChannelId>,
        stream: Option<u64>,
        session: String,
        token: String,
        version: u8,
        connection: Option<u64>,
        refused: Option<u16>,
    },
    /// Voice op 7. `seq_ack`: as the client sent it; `replayed`: how many missed messages were
    /// sent again (both since version 8).
    VoiceResume {
        guild: GuildId,
        stream: Option<u64>,
        session: String,
        token: String,
        version: u8,
        seq_ack: Option<i64>,
        connection: Option<u64>,
        replayed: usize,
        refused: Option<u16>,
    },
    /// Voice op 0 or 7 with data that cannot be read; closed with 4002.
    VoiceMalformed { op: u8 },
    /// A request for IP discovery. `answered`: unless a fault lost the answer.
    IpDiscovery { connection: u64, answered: bool },
    /// Voice op 1 with the protocol "webrtc". `refused`: what is wrong with it; closed with 4020.
    ProtocolSelected {
        connection: u64,
        protocol: String,
        refused: Option<String>,
    },
    /// ICE and DTLS of a WebRTC connection are done.
    MediaConnected { connection: u64 },
    /// Voice op 12 of a client. `refused`: what is wrong with it; closed with 4020.
    VoiceVideo {
        connection: u64,
        active: bool,
        width: u32,
        height: u32,
        frame_rate: u32,
        bits_per_second: u64,
        refused: Option<String>,
    },
    /// Voice op 15 of a client, as JSON.
    VoiceWants { connection: u64, wants: String },
    /// A WebRTC connection sent sound before op 5, or pictures without an op 12 that says so. Once for each.
    MediaUnannounced { connection: u64, media: Media },
    /// Voice op 5: the bits of its `speaking` field.
    VoiceSpeaking { connection: u64, speaking: u64 },
    /// A voice connection (`connection`) gave way to a newer one (`by`, whose source this entry
    /// bears) of the same user in the same guild.
    VoiceDisplaced {
        guild: GuildId,
        connection: u64,
        by: u64,
        how: Displacement,
    },
    /// A voice socket is gone. `code`: of the close frame, if there was one.
    VoiceClosed {
        guild: Option<GuildId>,
        connection: Option<u64>,
        code: Option<u16>,
        by: ClosedBy,
    },
    /// The first of the packets from this source that were refused for this reason.
    PacketRefused { ssrc: Option<u32>, reason: String },
    /// DAVE: what happened in a call's group, and the group's epoch after it. Among the steps:
    /// `key package of U`, `founded by the bot` (or `member`), `committed: N added, M removed`
    /// (or `committed by a client: ...`), `commit came too late`, `commit refused: ...`,
    /// `U is ready for transition T`, `U was not ready for transition T`,
    /// `executed transition T`, `invalid commit or welcome at U`, `member U came` (or `left`),
    /// `downgrade announced: transition T`, `downgraded`, `upgrade announced`, `upgraded`,
    /// `recreated`, `reset: only the member is left`, and what faults did: `spoiled op O for U`,
    /// `stranger U proposed`, `stranger revoked`, `proposed and revoked: U`, `stray ...`.
    /// A message that made no sense is a step of its error's text.
    Dave {
        channel: ChannelId,
        step: String,
        epoch: u64,
    },
    /// A fault was applied.
    Fault { fault: String, hits: usize },
}

/// Which side ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedBy {
    /// The bot.
    Client,
    /// The simulator.
    Sim,
}

pub(crate) struct Record {
    clock: SimClock,
    entries: Mutex<VecDeque<RecordEntry>>,
}

impl Record {
    pub(crate) fn new(clock: SimClock) -> Self {
        Self {
            clock,
            entries: Mutex::default(),
        }
    }

    pub(crate) fn add(&self, source: Option<SocketAddr>, user: Option<UserId>, event: RecordEvent) {
        let at = Instant::now();
        tracing::debug!(?source, ?user, ?event, "recorded");
        let mut entries = self.lock();
        if entries.len() == CAPACITY {
            entries.pop_front();
        }
        entries.push_back(RecordEntry {
            at,
            unix_ms: self.clock.unix_ms(at),
            source,
            user,
            event,
        });
    }

    pub(crate) fn all(&self) -> Vec<RecordEntry> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<RecordEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
