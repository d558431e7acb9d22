//! What can go wrong before there is a connection. What goes wrong later is a [`CallEvent`](crate::CallEvent).

use std::{io, path::PathBuf};

use rustls::pki_types::pem;

/// Why a driver could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The times do not fit each other.
    #[error("voice timing: {0}; change it")]
    Timing(&'static str),
    /// No thread for the pacer.
    #[error("no thread for pacing voice: {0}; raise the limit of threads")]
    Thread(#[source] io::Error),
    /// The file with certificates cannot be read.
    #[error("{} holds no readable certificates ({source}); name a PEM file", path.display())]
    CaFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The TLS library cannot do what is needed.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl Error {
    /// Stable, of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Timing(_) => "config_invalid",
            Self::Thread(_) => "voice_thread",
            Self::CaFile { .. } | Self::Tls(_) => "voice_tls",
        }
    }

    /// Whether the same may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Thread(_))
    }
}
