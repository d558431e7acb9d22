//! What every process of `orb` says about itself: log lines, and spans for a collector.
//!
//! # Mental model
//!
//! Everywhere else code uses `tracing` alone. Here its spans and events are given to two readers:
//!
//! ```text
//!  tracing ─┬─▶ log layer ─▶ stderr                        (`[log]`)
//!           └─▶ orb's own spans ─▶ bounded queue ─▶ OTLP   (`[otlp]`, off unless there is an endpoint)
//! ```
//!
//! A trace crosses processes as a W3C `traceparent`: in an HTTP header, in gRPC metadata, in the desired record of a
//! session and in the lease that a worker gets. [`traceparent`] says it of a span, [`continue_trace`] makes a span the
//! child of one. Where nothing is exported, the first says nothing and the second does nothing.
//!
//! A collector that is away costs its spans and a line of log a minute; nothing waits for it, but at the end of the
//! process for a moment ([`Telemetry::flush`]).
//!
//! What a span bears goes to another machine: no URL of a source, no token. `docs/tracing.md` lists the spans.

mod error;
mod export;
mod log;
mod outage;
mod propagation;
#[cfg(test)]
mod tests;

use opentelemetry_sdk::trace::SdkTracerProvider;
use orb_config::{Log, Otlp};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use error::Error;
pub use propagation::{TRACEPARENT, attribute, continue_trace, failed, traceparent};

/// Under this target a span is for log lines alone. It is a module's, for whoever asks for that module's lines.
pub const UNTRACED: &str = "orb_gateway::untraced";

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// `up`, `gateway`, `scheduler`, `worker`: its service name is `orb-<role>`.
    pub role: &'static str,
    /// This one life of it among all.
    pub instance: String,
}

/// What this process says about itself, while it runs.
#[derive(Debug)]
#[must_use = "what was not sent yet is lost without a flush"]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Log lines to stderr, and spans to the collector, if one is configured. Once, before anything logs, and on a tokio
    /// runtime that outlives it.
    pub fn start(log: &Log, otlp: &Otlp, process: &Process) -> Result<Self, Error> {
        let lines = tracing_subscriber::registry().with(log::layer(log));
        let Some(endpoint) = &otlp.endpoint else {
            lines.init();
            return Ok(Self(None));
        };
        let exporter = export::to_collector(endpoint)?;
        let provider = export::provider(exporter, otlp.sample_ratio, process);
        lines.with(export::layer(&provider)).init();
        tracing::info!(%endpoint, ratio = otlp.sample_ratio, "traces are exported");
        Ok(Self(Some(provider)))
    }

    /// Sends what waits, and no more after it. Blocks, but not for long: see [`FLUSH_WITHIN`](export::FLUSH_WITHIN).
    pub fn flush(self) {
        if let Some(provider) = self.0
            && let Err(error) = provider.shutdown_with_timeout(export::FLUSH_WITHIN)
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}
