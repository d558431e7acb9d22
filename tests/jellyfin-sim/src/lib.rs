//! A Jellyfin server as far as the project uses one, for development, tests and the demo.
//!
//! It serves real files with the real API's manners (paths and query names without case, `PascalCase`
//! JSON, the places for tokens of 10.11 or 12, Range requests) and misbehaves on demand:
//!
//! ```text
//! request ─▶ record ─▶ fault? ─▶ route ─▶ auth ─▶ for whom? ─▶ catalogue ─▶ JSON
//!                        │                                      ├─▶ file bytes
//!                        │                                      └─▶ who has seen what
//!                        └─ status, stall, truncate, slow, reset, redirect, not media, a proxy's page
//! ```
//!
//! - [`JellyfinSim`] is a simulator in process; the binary `jellyfin-sim` wraps it.
//! - [`Film`], [`Show`], [`Collection`] and [`GeneratedLibrary`] are what its library holds; what users have
//!   seen comes from the reports that clients send ([`PlaybackReport`]).
//! - [`Fault`] is what goes wrong, [`RequestRecord`] what was asked and sent.
//! - [`film::generate`] makes a film whose time can be read from its picture ([`read_time_code`]) and
//!   heard in its sound.
//!
//! It was written from Jellyfin's documentation, SDK and source; where it is simpler, the README says so.

mod accounts;
mod auth;
mod body;
mod browse;
mod catalog;
mod click_track;
mod connection;
mod dto;
mod error;
mod fault;
mod fault_layer;
pub mod film;
mod film_command;
mod ids;
mod images;
mod item_query;
mod media;
mod media_file;
mod playback;
mod poster;
mod probe;
mod query;
mod range;
mod request_log;
mod server;
mod shows;
mod sim;
mod state;
mod system;
mod time_code;
mod titles;
mod user_data;
mod viewer;
mod watched;

pub use accounts::SimUser;
pub use auth::AuthMode;
pub use error::Error;
pub use fault::{Fault, FaultKind, Scope};
pub use playback::{PlaybackEvent, PlaybackReport};
pub use request_log::RequestRecord;
pub use sim::{JellyfinSim, JellyfinSimConfig};
pub use time_code::read_time_code;
pub use titles::{Chapter, Collection, Film, GeneratedLibrary, Show};
