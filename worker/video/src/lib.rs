//! The picture's side of a voice channel, as far as it needs neither I/O nor clock.
//!
//! # Mental model
//!
//! ```text
//!  demuxer ── packet ──▶ h264::Stream ── Picture ──▶ DAVE ──▶ packets ──▶ pace::Pacer ──▶ line
//!                            │                                              (when each leaves)
//!                            └─ Refusal: this film cannot be copied, transcode it
//!
//!  line's reports ─────▶ ladder::Controller ── Switch ──▶ a second encoder at another rung
//! ```
//!
//! * [`h264`] turns what ffmpeg's containers hold into what may go on the wire: one access unit, one slice, parameter
//!   sets in front of each IDR picture, nothing that a packetizer would drop or a receiver would hold back for. What
//!   cannot be made so without decoding is a typed [`Refusal`], and the plan becomes a transcode.
//! * [`ladder`] decides at which resolution and bit rate the film is sent, from what the line's receivers report. An
//!   encoder's rate cannot be changed while it runs, so each change costs the start of a second one: it is quick to go
//!   down and slow to go up.
//! * [`pace`] says when each packet of a frame leaves, so that a key frame of 40 packets is no burst.
//!
//! Time comes in as a [`Duration`](std::time::Duration) since any moment of the caller's choice, the same for all
//! calls. Nothing here allocates without a bound, and no input panics.
#![forbid(unsafe_code)]

mod error;
pub mod h264;
pub mod ladder;
pub mod pace;

pub use error::{Error, Refusal};
