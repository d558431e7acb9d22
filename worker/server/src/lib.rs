//! The worker as a process: it attaches to the scheduler, and runs one actor a session.
//!
//! # Mental model
//!
//! ```text
//!  scheduler ◀── Register, Heartbeat ──┐
//!            ── Lease, Revoke ──▶ Attachment ──▶ newest word ──▶ SessionActor ─▶ pipeline (ffmpeg)
//!                                      ▲                             │    └────▶ voice output
//!                                      └────── "I changed" ──────────┘          watch runs ─▶ gateways
//! ```
//!
//! A worker is stateless: all that it needs comes with a lease. When the stream to the scheduler is cut,
//! sessions play on; the worker attaches again and says what it holds. Only after `self_stop_after`
//! without any scheduler does it stop by itself.
//!
//! A worker that is to go says so ([`Drain`]), serves on while its sessions are handed over, and ends when it is told
//! that nothing is left.
//!
//! Before an item ends, the next one is opened beside it, where the worker has room, and is heard without a gap.
//!
//! Before a voice connection is opened, its [`gate`] asks the scheduler whether the lease still stands.
//!
//! The decisions of a session are made by the state machine in `orb-worker-core`; [`actor`] carries its
//! actions out. Gateways fetch the watch output from [`Worker::media_url`], with a token made here.

mod actor;
mod attachment;
mod changed;
mod convert;
mod deficit;
mod drain;
mod error;
mod gate;
mod metrics;
mod presence;
mod report;
mod room;
mod sessions;
mod spans;
mod worker;

pub use drain::Drain;
pub use error::Error;
pub use orb_scheduler_client::Reconnect;
pub use worker::{Worker, WorkerConfig};
