//! What an operator asks of a process, without a token: whether it lives, whether it is ready, and what it counts.
//!
//! # Mental model
//!
//! ```text
//!  part ── register(...) ──▶ Metrics ──┐
//!  part ── Fn() -> Result ─────────────┴─▶ router: GET /healthz, /readyz, /metrics
//! ```
//!
//! One [`Metrics`] a process. Its parts register what they count as they start; what has a life of its own (sessions,
//! workers) is not kept there but looked at while a scrape is answered, by a
//! [`Collector`](prometheus_client::collector::Collector), so nothing has to be taken out when it ends.
//!
//! Whoever can reach the port can read all of it. So no label bears a URL, a title or a secret, and each label has few
//! values: states, codes, the routes of an API; never the id of a session.

mod metrics;
mod probes;

pub use metrics::{Metrics, gauge, gauges, scrape};
pub use probes::{router, serve};
