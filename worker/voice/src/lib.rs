//! Sends sound into Discord voice channels, and sound and picture into Go Live streams: voice gateway version 8,
//! end-to-end encryption (DAVE), and a gate that is asked before every dial.
//!
//! # Mental model
//!
//! A [`Driver`] is the process's: threads that pace, and the TLS set-up. A [`Call`] is one account in one guild. It has
//! at most one connection, which [`Call::connect`] replaces whole, and one [`FrameSource`], which outlives connections.
//! A stream is a second connection of the same account, so it has a call of its own ([`Driver::stream_call`]), with a
//! [`PictureSource`] besides; the call to the voice channel stays and is silent.
//!
//! ```text
//!      pure, time comes in                                      adapters
//!   ┌─────────────────────────┐  Ask, Dial, Send, Discover   ┌──────────────────────┐
//!   │ signalling (the talk     │ ───────────────────────────▶ │ shell: one task a    │ ⇄ WebSocket
//!   │  with the voice server)  │ ◀─────────────────────────── │  connection          │ ⇄ Gate
//!   └─────────────────────────┘   received, ended, timeout    └──────────────────────┘
//!   ┌─────────────────────────┐                               ┌──────────────────────┐
//!   │ media: source ▶ dave ▶   │ ◀──── tick every 20 ms ────── │ pacer: few threads,  │
//!   │  packet layer            │ ◀──── turn when it is due ─── │  many calls          │
//!   └─────────────────────────┘ ───── packets ──▶ UDP         └──────────────────────┘
//! ```
//!
//! Three promises, each with its tests:
//!
//! * **No dial, RESUME or IDENTIFY that the [`Gate`] did not let pass**, whatever the server or the network does.
//!   Sending on an open connection needs no leave.
//! * **Once DAVE is negotiated, no frame goes out in the clear.** While there is no key, no frame is even taken from
//!   its source, so nothing is lost.
//! * **A frame that was taken is on the wire when [`FrameSource::sent`] says so**: whoever counts frames has a media
//!   clock.
//!
//! The `udp` packet layer is the one that Discord documents for bots: sound, in ticks of 20 ms. Streams go by `webrtc`:
//! pictures have times of their own, and so has what the layer does by itself, so they have *turns* beside the ticks. A
//! key frame of many packets is spread by the layer, and sound waits for no more than one turn.

mod close;
mod credentials;
mod dave;
mod error;
mod gate;
mod media;
pub mod pacer;
pub mod packet;
mod picture;
mod shell;
mod signalling;
mod source;
mod timing;
pub mod wire;

pub use close::{Verdict, describe as describe_close_code, judge as judge_close_code};
pub use credentials::{StreamServer, VoiceServer};
pub use dave::{Dave, OPUS_SILENCE, OnDowngrade, Sealed};
pub use error::Error;
pub use gate::{Gate, OpenGate, Passing, Permit, Refused, Step};
pub use media::{FRAME, Group, Media, MediaCounts, Ticked};
pub use orb_video::ladder::Wants;
pub use packet::LineReport;
pub use picture::{NextPicture, PictureFormat, PictureSource};
pub use shell::{
    Call, CallEvent, Driver, DriverConfig, DriverStats, Encryption, Heard, StatsSnapshot,
};
pub use signalling::{End, MediaPath, News, Output, Roster, Signalling, Transport};
pub use source::{FrameSource, NextFrame};
pub use timing::VoiceTiming;
