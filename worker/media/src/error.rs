//! What can go wrong when a worker starts. While something plays it is a [`Failure`](crate::Failure).

use std::io;

/// Why the media side of a worker cannot start. Final: a person has to change something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `ffmpeg` or `ffprobe` is not there.
    #[error(
        "{tool} was not found; run `apt-get install ffmpeg` or set its path in the configuration"
    )]
    ToolMissing {
        /// `ffmpeg` or `ffprobe`.
        tool: &'static str,
    },
    /// It is there and does not run.
    #[error("{tool} does not run ({detail}); check that `{tool} -version` works for this user")]
    ToolBroken {
        /// `ffmpeg` or `ffprobe`.
        tool: &'static str,
        /// What it said, or how it ended.
        detail: String,
    },
    /// ffmpeg was built without something that every film needs.
    #[error("ffmpeg was built without {missing}; install the distribution's ffmpeg package")]
    ToolIncomplete {
        /// The missing encoder.
        missing: &'static str,
    },
    /// The loopback proxy found no port.
    #[error("cannot listen on 127.0.0.1 for ffmpeg; check the limits of open files and ports")]
    ProxyBind(#[source] io::Error),
    /// The HTTP client could not be built.
    #[error("cannot set up the http client; check the system's TLS certificates")]
    HttpClient(#[source] reqwest::Error),
    /// The spool folder cannot be made or written.
    #[error("cannot use the spool folder; check that it exists and is writable")]
    Spool(#[source] io::Error),
    /// A thread could not be started.
    #[error("cannot start a thread; check the process limits")]
    Thread(#[source] io::Error),
}

impl Error {
    /// A stable name for programs and docs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ToolMissing { .. } => "ffmpeg_missing",
            Self::ToolBroken { .. } => "ffmpeg_broken",
            Self::ToolIncomplete { .. } => "ffmpeg_incomplete",
            Self::ProxyBind(_) => "proxy_bind_failed",
            Self::HttpClient(_) => "http_client_failed",
            Self::Spool(_) => "spool_unusable",
            Self::Thread(_) => "thread_limit",
        }
    }
}
