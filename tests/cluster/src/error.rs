//! Errors of the servers for tests.

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not installed.
    #[error("{program} is not installed; run: apt-get install {package}")]
    Missing {
        /// What was looked for.
        program: &'static str,
        /// The Debian package that holds it.
        package: &'static str,
    },
    /// The operating system refused.
    #[error(
        "{doing} did not work: {source}; look at the machine's limits and its temporary directory"
    )]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why it did not work.
        source: std::io::Error,
    },
    /// The server ended, or did not do what it should in time.
    #[error("{program} {problem}; the end of its log:\n{log}")]
    Server {
        /// Which.
        program: &'static str,
        /// What it did or did not do.
        problem: &'static str,
        /// The end of its log.
        log: String,
    },
}

impl Error {
    /// Stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "program_missing",
            Self::Io { .. } => "io",
            Self::Server { .. } => "server_failed",
        }
    }

    /// Whether the same may succeed later: a port may have been taken by somebody else meanwhile.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Server { .. })
    }

    /// For `map_err`.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
