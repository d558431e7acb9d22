//! The HTTP face of Orb Stream: a stateless, thin view of `orb.v1`'s services.
//!
//! ```text
//!  bot ─────── bearer ──▶ contract/  ─┐
//!  CLI, page ─ or cookie ▶ party_api/ ─┼────────▶ scheduler_client ──gRPC──▶ scheduler
//!  viewer ── signed path ▶ watch/     ─┴▶ feeds ─┘
//!                          watch/proxy ─HTTP(S)▶ the worker that holds the session's lease
//!  CLI, page ─ or cookie ▶ library/ ────HTTP(S)▶ Jellyfin, whose items the queues hold
//! ```
//!
//! * `contract` and `party_api` translate JSON to one gRPC call and its answer to JSON; whether a call is right is
//!   judged by the scheduler. What the gateway judges itself is the shape of the JSON. Both show the same sessions:
//!   the first as the bot speaks of them, the second with queue and events, and with items from a [`Catalogue`].
//! * A refusal, wherever it was made, is one [`Problem`]: `application/problem+json` with a stable code.
//! * Nothing is kept between requests (`feeds` lasts as long as somebody listens), so any number of gateways may stand
//!   side by side. A retry after a lost answer is harmless, because every change bears a command id.
//! * Secrets come in (tokens, signed links) and go to a hash or a MAC at once. Neither query strings nor headers
//!   nor the raw path are logged, for a viewer's link *is* the path.

mod app;
mod auth;
mod body;
mod catalogue;
mod command_id;
mod config;
mod contract;
mod error;
mod feeds;
mod json_fields;
mod library;
mod login;
mod metrics;
mod openapi;
mod page;
mod party_api;
mod problem;
mod query;
mod readiness;
mod refusal;
mod scheduler_client;
mod serve;
mod session_id;
mod signing;
mod sse;
mod trace;
mod unread;
mod watch;

pub use app::router;
pub use catalogue::{Catalogue, ItemId};
pub use config::{GatewayConfig, SigningKey};
pub use error::Error;
pub use library::JellyfinCatalogue;
pub use openapi::document as openapi_document;
pub use problem::Problem;
pub use readiness::Readiness;
pub use serve::{listen, serve};
