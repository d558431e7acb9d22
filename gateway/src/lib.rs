//! The HTTP face of Orb Stream: a stateless, thin view of `orb.v1.SessionService`.
//!
//! ```text
//!  bot, CLI ── bearer ──▶ contract/  ─┐
//!  dashboard ─ cookie ──▶ parties     ├─▶ scheduler_client ──gRPC──▶ scheduler
//!  viewer ── signed path ▶ watch/     ─┘
//!                          watch/proxy ─HTTP(S)▶ the worker that holds the session's lease
//! ```
//!
//! * `contract` translates JSON to one gRPC call and its answer to the status object; whether a call is
//!   right is judged by the scheduler. What the gateway judges itself is the shape of the JSON.
//! * A refusal, wherever it was made, is one [`Problem`]: `application/problem+json` with a stable code.
//! * Nothing is kept between requests, so any number of gateways may stand side by side. A retry after a lost
//!   answer is harmless, because every change bears a command id.
//! * Secrets come in (tokens, signed links) and go to a hash or a MAC at once. Neither query strings nor headers
//!   nor the raw path are logged, for a viewer's link *is* the path.

mod app;
mod auth;
mod body;
mod config;
mod contract;
mod error;
mod events;
mod login;
mod metrics;
mod openapi;
mod page;
mod parties;
mod problem;
mod readiness;
mod refusal;
mod scheduler_client;
mod serve;
mod session_id;
mod signing;
mod trace;
mod watch;

pub use app::router;
pub use config::{GatewayConfig, SigningKey};
pub use error::Error;
pub use openapi::document as openapi_document;
pub use problem::Problem;
pub use readiness::Readiness;
pub use serve::{listen, serve};
