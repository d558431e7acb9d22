//! Errors that keep a worker from starting.

/// Why the worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// ffmpeg is missing, or the loopback proxy could not run.
    #[error(transparent)]
    Media(#[from] orb_worker_media::Error),
    /// The address for gateways is taken or not this machine's.
    #[error("cannot listen on {addr} for the watch output: {source}; set ORB_WORKER__MEDIA_ADDR")]
    Listen {
        /// What was tried.
        addr: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// Stable, of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Media(error) => error.code(),
            Self::Listen { .. } => "worker_listen",
        }
    }

    /// Whether starting it again, with nothing changed, may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Listen { .. })
    }
}
