//! What can go wrong with the gateway as a whole; what goes wrong with one request is a [`Problem`](crate::Problem).

use thiserror::Error;

/// Why a gateway stopped serving.
#[derive(Debug, Error)]
pub enum Error {
    /// The listener failed.
    #[error("the HTTP listener failed, start the gateway again: {0}")]
    Serve(#[from] std::io::Error),
}

impl Error {
    /// Stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Serve(_) => "http_listener_failed",
        }
    }

    /// Whether trying the same again can help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Serve(_) => true,
        }
    }
}
