//! The crate's errors.

use std::io;
use std::path::{Path, PathBuf};

/// Why the simulator did not start, or a film was not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is taken, or the address is not this machine's.
    #[error("cannot listen on {addr}: {source}; choose another port, or 0 for a free one")]
    Bind {
        /// The address asked for.
        addr: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Two items with one id.
    #[error("there are two items with the id {id}; give each its own")]
    DuplicateFilm {
        /// The id, compared without case.
        id: String,
    },
    /// Two users with one name.
    #[error("there are two users with the name {name}; give each their own")]
    DuplicateUser {
        /// The name, compared without case.
        name: String,
    },
    /// A collection of something that is not there.
    #[error("a collection has the member {id}, which is no film and no show; name one that is")]
    UnknownMember {
        /// The id asked for.
        id: String,
    },
    /// A film's file, or the folder for a new one, cannot be used.
    #[error("cannot use {}: {source}; check the path and its permissions", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// ffmpeg or ffprobe is not there.
    #[error("cannot run {program}: {source}; install the package ffmpeg")]
    ProgramMissing {
        /// `ffmpeg` or `ffprobe`.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// ffmpeg refused to make the film.
    #[error("ffmpeg failed: {stderr}; check that it has libx264 and drawtext")]
    Ffmpeg {
        /// The end of what it said.
        stderr: String,
    },
    /// No font for the readable time code.
    #[error("no font for the time code; install the package fonts-dejavu-core")]
    FontMissing,
    /// A film that cannot be made.
    #[error("film specification: {problem}")]
    Spec {
        /// What is wrong and what would be right.
        problem: &'static str,
    },
    /// A fault that cannot be injected.
    #[error("fault: {problem}")]
    Fault {
        /// What is wrong and what would be right.
        problem: &'static str,
    },
}

impl Error {
    /// The stable code that callers may match on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "bind_failed",
            Self::DuplicateFilm { .. } => "duplicate_film",
            Self::DuplicateUser { .. } => "duplicate_user",
            Self::UnknownMember { .. } => "unknown_member",
            Self::File { .. } => "file_unusable",
            Self::ProgramMissing { .. } => "program_missing",
            Self::Ffmpeg { .. } => "ffmpeg_failed",
            Self::FontMissing => "font_missing",
            Self::Spec { .. } => "film_spec_invalid",
            Self::Fault { .. } => "fault_invalid",
        }
    }

    /// Whether trying again with nothing changed may help: only a taken port becomes free.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Bind { .. })
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
