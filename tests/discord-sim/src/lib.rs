//! A Discord of one's own, for development, tests and the demo.
//!
//! # Mental model
//!
//! ```text
//!   bot process                             discord-sim
//!  ┌────────────┐  http   /api/v10/…   ┌──────────────────────┐
//!  │ REST       │ ───────────────────▶ │ rest                 │
//!  │ gateway    │ ◀──── ws (JSON) ───▶ │ gateway  ── sessions │  op 4 ─▶ voice state, credentials
//!  │ voice      │ ◀──── wss + TLS ───▶ │ voice gateway v4, v8 │  DAVE: external sender
//!  │            │ ◀──── UDP (RTP) ───▶ │ udp ─▶ a call        │  sfu: to the other clients in it
//!  │            │ ◀── WebRTC (SRTP) ─▶ │ webrtc_*, link      │  NACKs, feedback, key frames
//!  └────────────┘                      │        └ listening member: decrypts, records ─▶ ears, eyes
//!                                      └──────────────────────┘
//! ```
//!
//! Nothing has to be set up: any token is a bot (or a person's account, when it begins with
//! `user.`), any guild and channel that a bot joins exists at once, with a *listening member* in it, the listener. It takes part in the call's DAVE group,
//! decrypts what the bots send and writes it down; [`Heard::listen`] decodes it and says which
//! second of the film was heard when. Further members come and go by [`DaveFault`]; of each packet
//! it is known how many of them could decrypt it.
//!
//! A Go Live stream is a call of its own beside its channel's, with connections, a group and a view of the listener of
//! its own; its client connects by WebRTC (or UDP). What the listener sees of it is [`Seen`]: packets in order, access
//! units, DAVE off, and whether a decoder could show each. The way there may be bad ([`Fault::Link`]).
//!
//! Everything that a process tries is in the [record](DiscordSim::record), with its source
//! address. What Discord leaves undocumented (how an older connection is displaced, who commits
//! first) is configurable, so that a test can demand that it does not matter.
//!
//! All shared state is in `world`, behind one mutex that no task holds across an await. Modules
//! with `gateway` in their name are sockets; `gateway_sessions`, `voice_states`,
//! `voice_connections` and `dave` are what they act upon, without I/O.

// A guild has more fields than `json!` can recurse through by default.
#![recursion_limit = "256"]

mod access_units;
mod accounts;
mod admission;
mod call;
mod clock;
mod config;
mod control;
mod dave;
mod early_media;
mod ears;
mod error;
mod external_sender;
mod eyes;
mod fault;
mod faults;
mod gateway;
mod gateway_events;
mod gateway_rate;
mod gateway_sessions;
mod guests;
mod heard;
mod in_flight;
mod joining;
mod joins;
mod kept;
mod link;
mod lip_sync;
mod media_faults;
mod member;
mod picture_chain;
mod picture_watch;
mod playback;
mod record;
mod rest;
mod rtp;
mod seen;
mod seen_control;
mod seen_store;
mod sfu;
mod shards;
mod sim;
mod snowflake;
mod sockets;
mod stalls;
mod stamped_socket;
mod stream_events;
mod stream_faults;
mod stream_guests;
mod streaming;
mod streams;
mod sweep;
mod tls;
mod tones;
mod transport_crypto;
mod udp;
mod udp_order;
mod voice_connections;
mod voice_faults;
mod voice_gateway;
mod voice_replay;
mod voice_session;
mod voice_states;
mod voice_video;
mod voice_wire;
mod webrtc_media;
mod webrtc_offer;
mod webrtc_peer;
mod webrtc_peers;
mod webrtc_session;
mod world;

pub use accounts::user_of;
pub use clock::SimClock;
pub use config::{DiscordSimConfig, Displacement, FirstCommit, ResumedOrder};
pub use dave::{DaveFault, Spoil};
pub use ears::{Click, CodedSecond, EarReport, Listening, Moment, Span};
pub use error::Error;
pub use eyes::{TimedPicture, media_times};
pub use fault::Fault;
pub use guests::VoiceCredentials;
pub use heard::{ConnectionInfo, Heard, HeardConnection, HeardCounters, HeardPacket};
pub use joins::Join;
pub use kept::HeardDetail;
pub use link::{LinkDirection, LinkShape};
pub use lip_sync::Skew;
pub use media_faults::StreamFault;
pub use record::{ClosedBy, RecordEntry, RecordEvent};
pub use seen::{
    Media, QueueWait, Seen, SeenConnection, SeenCounters, SeenPicture, SenderReport,
    VideoAnnouncement,
};
pub use shards::Shard;
pub use sim::DiscordSim;
pub use snowflake::{ChannelId, GuildId, UserId};
pub use stalls::StallAt;
pub use stream_events::StreamDeleteReason;
pub use stream_guests::StreamCredentials;
pub use streams::StreamInfo;
pub use tones::{CODE_MODULUS, SOUND_RATE, coded_sound};
pub use transport_crypto::TransportMode;
