//! A Jellyfin server as far as the project uses one, for development, tests and the demo.
//!
//! It serves real files with the real API's manners (paths and query names without case, `PascalCase`
//! JSON, the places for tokens of 10.11 or 12, Range requests) and misbehaves on demand:
//!
//! ```text
//! request ─▶ record ─▶ fault? ─▶ route ─▶ auth ─▶ library (ffprobe) · file bytes
//!                        │
//!                        └─ status, stall, truncate, slow, reset, redirect, not media
//! ```
//!
//! - [`JellyfinSim`] is a simulator in process; the binary `jellyfin-sim` wraps it.
//! - [`Fault`] is what goes wrong, [`RequestRecord`] what was asked and sent.
//! - [`film::generate`] makes a film whose time can be read from its picture ([`read_time_code`]) and
//!   heard in its sound.
//!
//! It was written from Jellyfin's documentation, SDK and source; where it is simpler, the README says so.

mod auth;
mod click_track;
mod connection;
mod error;
mod fault;
mod fault_layer;
pub mod film;
mod film_command;
mod items;
mod library;
mod media;
mod probe;
mod query;
mod range;
mod request_log;
mod server;
mod sim;
mod state;
mod system;
mod time_code;

pub use auth::AuthMode;
pub use error::Error;
pub use fault::{Fault, FaultKind, Scope};
pub use library::Film;
pub use request_log::RequestRecord;
pub use sim::{JellyfinSim, JellyfinSimConfig};
pub use state::{PlaybackEvent, PlaybackReport};
pub use time_code::read_time_code;
