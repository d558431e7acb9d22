//! Sends sound into Discord voice channels: voice gateway version 8, end-to-end encryption (DAVE), and a gate that is
//! asked before every dial.
//!
//! # Mental model
//!
//! A [`Driver`] is the process's: threads that pace, and the TLS set-up. A [`Call`] is one account in one guild. It has
//! at most one connection, which [`Call::connect`] replaces whole, and one [`FrameSource`], which outlives connections.
//!
//! ```text
//!      pure, time comes in                                      adapters
//!   ┌─────────────────────────┐  Ask, Dial, Send, Discover   ┌──────────────────────┐
//!   │ signalling (the talk     │ ───────────────────────────▶ │ shell: one task a    │ ⇄ WebSocket
//!   │  with the voice server)  │ ◀─────────────────────────── │  connection          │ ⇄ Gate
//!   └─────────────────────────┘   received, ended, timeout    └──────────────────────┘
//!   ┌─────────────────────────┐                               ┌──────────────────────┐
//!   │ media: source ▶ dave ▶   │ ◀──── tick every 20 ms ────── │ pacer: few threads,  │
//!   │  packet layer            │ ───── packets ──▶ UDP         │  many calls          │
//!   └─────────────────────────┘                               └──────────────────────┘
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
//! The `udp` packet layer is the one that Discord documents for bots: sound. [`packet::PacketLayer`] leaves room for
//! another.

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
pub use media::{FRAME, Media, MediaCounts, Ticked};
pub use orb_video::ladder::Wants;
pub use packet::LineReport;
pub use picture::{NextPicture, PictureFormat, PictureSource};
pub use shell::{
    Call, CallEvent, Driver, DriverConfig, DriverStats, Encryption, Heard, StatsSnapshot,
};
pub use signalling::{End, MediaPath, News, Output, Roster, Signalling, Transport};
pub use source::{FrameSource, NextFrame};
pub use timing::VoiceTiming;
