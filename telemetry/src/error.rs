//! Why nothing can be exported.

/// What is wrong with the configuration of traces. Final: the operator has to change something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is none that gRPC knows, or one of the standard `OTEL_EXPORTER_OTLP_…` variables is wrong.
    #[error(
        "traces cannot be sent to {origin} ({reason}): give ORB_OTLP__ENDPOINT an address for OTLP over gRPC, such as \
         http://127.0.0.1:4317, and look at the OTEL_EXPORTER_OTLP_ variables"
    )]
    Endpoint {
        /// Without path and query.
        origin: String,
        /// The exporter's.
        reason: &'static str,
    },
}

impl Error {
    /// A stable name for this kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Endpoint { .. } => "otlp_endpoint",
        }
    }

    /// Whether trying again without a change can help: never.
    pub fn is_retryable(&self) -> bool {
        false
    }
}
