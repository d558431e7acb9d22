//! The crate's one error type.

use std::io;

/// What can go wrong in an output. Messages bear no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A Discord id in the voice credentials is zero.
    #[error("{name} in the voice credentials is zero; ask the scheduler for new credentials")]
    ZeroId {
        /// The field's name.
        name: &'static str,
    },
    /// The operating system refused a thread for a voice connection.
    #[error("no thread for the voice connection; lower the number of sessions on this worker")]
    VoiceThread(#[source] io::Error),
    /// A run's name was used before or cannot stand in an address.
    #[error("an HLS run needs a new name of letters, digits, '-' and '_'")]
    RunName,
    /// A file of an HLS run could not be read.
    #[error("an HLS file could not be read; check the worker's temporary folder")]
    HlsRead(#[from] io::Error),
    /// ffmpeg's playlist or a segment is not what it should be.
    #[error("HLS output is malformed ({0}); restart the encoder")]
    HlsMalformed(&'static str),
}

impl Error {
    /// A stable code for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ZeroId { .. } => "voice_credentials_invalid",
            Self::VoiceThread(_) => "voice_thread_refused",
            Self::RunName => "hls_run_name",
            Self::HlsRead(_) => "hls_read_failed",
            Self::HlsMalformed(_) => "hls_malformed",
        }
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::VoiceThread(_) | Self::HlsRead(_))
    }
}
