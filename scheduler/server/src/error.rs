//! Errors that end a leader's term, or the scheduler.

/// Why the scheduler stopped leading, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed, or says that another leads.
    #[error(transparent)]
    Store(#[from] orb_scheduler_store::Error),
    /// The leadership is not sure any more, so nothing more may be done with it.
    #[error("the leadership has ended; campaign again")]
    LeadershipEnded,
    /// The election cannot be held.
    #[error(transparent)]
    Coordinator(#[from] orb_coordinator::Error),
    /// An account that no waiting will connect.
    #[error(transparent)]
    Accounts(#[from] orb_accounts::Error),
    /// The leader's loop panicked.
    #[error("the leader's loop panicked: {0}; this is a bug")]
    Loop(#[from] tokio::task::JoinError),
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
            Self::LeadershipEnded => "leadership_ended",
            Self::Coordinator(error) => error.code(),
            Self::Accounts(error) => error.code(),
            Self::Loop(_) => "leader_panicked",
            Self::Server(_) => "grpc_server",
            Self::Reflection(_) => "grpc_reflection",
        }
    }

    /// Whether starting the scheduler again may help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Coordinator(error) => error.is_retryable(),
            Self::Accounts(error) => error.is_retryable(),
            Self::LeadershipEnded | Self::Server(_) => true,
            Self::Loop(_) | Self::Reflection(_) => false,
        }
    }
}
