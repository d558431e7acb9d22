//! The heart of a worker's session, as a pure state machine.
//!
//! # Mental model
//!
//! A worker is told what shall *be* (a [`Desired`] record under a [`Fence`]), never what to do. The
//! [`Session`] compares that with what is, and says what to do next:
//!
//! ```text
//!   leases ─┐                         ┌─▶ open, close a pipeline (ffmpeg)
//!   pipeline├─▶ [Input] ─▶ Session ──▶┼─▶ connect, disconnect, feed, hold the voice output
//!   voice  ─┘                         └─▶ report
//! ```
//!
//! A seek, a reconnect and a take-over are the same path: the record's anchor is newer than what was
//! carried out, so a pipeline is opened there. [`Session::done`] is the newest fence that was carried
//! out; callers wait for it.
//!
//! Ahead of the end of an item, the next one is opened beside it. What plays then is an item that no word has named as
//! the current one yet: the session has *advanced*, and says so until a word knows it.
//!
//! No I/O, no clock: positions come from the voice output, which counts frames really sent.

mod desired;
mod input;
mod session;

pub use desired::{
    Anchor, Desired, Fence, Handover, Item, KnownPlan, Role, StreamCredentials, VoiceCredentials,
};
pub use input::{Action, Input, PipelineNews, VoiceNews};
pub use session::{EndReason, Failure, Next, Playback, Session, VoiceStatus};
