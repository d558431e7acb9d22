//! The whole of Orb, as those meet it who use it: tests across processes.
//!
//! # Mental model
//!
//! ```text
//!  the test's process                                     child processes
//! ┌───────────────────────────────┐
//! │ Api ── HTTP ──────────────────┼──────────────────▶ orb up, or orb gateway,
//! │                               │                    orb scheduler, orb worker
//! │ DiscordSim ◀─ REST, ws, UDP ──┼──────────────────▶      │
//! │   └ a member listens ─ Ears   │                         └ ffmpeg
//! │ JellyfinSim ◀─ HTTP ──────────┼──────────────────▶
//! └───────────────────────────────┘
//! ```
//!
//! A test takes its [`Surroundings`] (simulators, films, a folder; its turn on the machine), starts
//! [`OrbProcess`]es in them, mostly as an [`Installation`], and drives a [`Party`] over HTTP. What it claims about sound
//! comes from [`Ears`]: which second of the film a member of the voice channel heard, and when.
//!
//! A harness has nobody to hand an error to: what goes wrong in here fails the test, so it panics and says what it was
//! waiting for. Processes print their logs when the test that owns them fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "whatever goes wrong in the harness fails the test"
)]

mod api;
mod api_party;
mod collector;
mod ears;
mod environment;
mod event_stream;
mod eyes;
mod films;
mod in_step;
mod installation;
mod orb_process;
mod party;
mod processes;
mod queue;
mod scrape;
mod surroundings;
mod turn;
mod waiting;

pub use api::{Answer, Api};
pub use api_party::{ApiParty, added, entries_of};
pub use collector::{CALLERS_SPAN, Collector, TracedSpan};
pub use ears::Ears;
pub use environment::Environment;
pub use event_stream::{EventStream, SentEvent};
pub use eyes::Eyes;
pub use films::{Title, in_ten_bits, made};
pub use installation::{Installation, Roles};
pub use orb_process::OrbProcess;
pub use party::{Party, entry};
pub use processes::{ProcessInfo, command_lines, descendants, ffmpegs, is_running, kill};
pub use queue::Queue;
pub use scrape::Scrape;
pub use surroundings::{
    API_TOKEN, BOT_TOKEN, JELLYFIN_KEY, SECOND_API_TOKEN, Setting, Surroundings, USER_TOKEN,
};
pub use waiting::until;
