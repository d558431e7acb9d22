use std::io;

/// Everything that can go wrong while the simulator starts or is steered.
///
/// [`Error::code`] is stable: control API answers and tests match on it. Only
/// [`Error::Io`] may go away by trying again (a port that was still taken).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket could not be bound or a file not be written.
    #[error("{what} failed: {source}; free the port or the path and start again")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The certificate authority or its leaf could not be made.
    #[error("cannot make the TLS certificate: {0}; check that the ring provider is compiled in")]
    Certificate(#[from] rcgen::Error),
    /// rustls refused the certificate that was made for it.
    #[error("cannot set up TLS: {0}; check that the ring provider is compiled in")]
    Tls(#[from] rustls::Error),
    /// A fault was asked for that hits nothing or cannot be done.
    #[error("fault refused: {0}")]
    Fault(String),
    /// The MLS side of DAVE failed inside the simulator.
    #[error("dave group failed: {0}; this is a fault of the simulator or of the client's message")]
    Dave(String),
    /// There is no sound to listen to, for the simulator keeps arrivals alone.
    #[error("no sound was kept; start the simulator with `HeardDetail::Sound` to listen")]
    SoundNotKept,
    /// Pictures that were to be looked at are not what ffmpeg decodes without complaint.
    #[error(
        "{decoded} of {sent} pictures were decoded{}; hand over all since an IDR picture",
        if said.is_empty() { String::new() } else { format!(" ({})", said.trim()) }
    )]
    Pictures {
        /// How many were handed to ffmpeg.
        sent: usize,
        /// How many came back.
        decoded: usize,
        /// What it complained of.
        said: String,
    },
    /// An Opus packet could not be decoded.
    #[error("opus decoder failed: {0}; check what the bot sends in its RTP payload")]
    Opus(#[from] opus2::Error),
}

impl Error {
    /// A stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Certificate(_) => "certificate",
            Self::Tls(_) => "tls",
            Self::Fault(_) => "fault_refused",
            Self::Dave(_) => "dave",
            Self::SoundNotKept => "sound_not_kept",
            Self::Pictures { .. } => "pictures",
            Self::Opus(_) => "opus",
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Io { .. })
    }

    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
