//! Errors that end the scheduler.

/// Why the scheduler stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed while loading, or says that another leads.
    #[error(transparent)]
    Store(#[from] orb_scheduler_store::Error),
    /// The gRPC server could not run.
    #[error("the gRPC server stopped: {0}; check ORB_GRPC_ADDR")]
    Server(#[from] tonic::transport::Error),
    /// The reflection service could not be built.
    #[error("the reflection service could not be built: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

impl Error {
    /// Stable, of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Server(_) => "grpc_server",
            Self::Reflection(_) => "grpc_reflection",
        }
    }

    /// Whether starting the scheduler again may help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Server(_) => true,
            Self::Reflection(_) => false,
        }
    }
}
