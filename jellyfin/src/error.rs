//! The crate's errors. No variant holds a URL: at most an origin, which bears no secret.

/// Why a source, or the configuration of sources, was refused. All are final: the same input is
/// refused again until somebody changes it or the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not an absolute http or https URL that can be opened.
    #[error("{field}: {problem}; give an absolute http or https url without user name or password")]
    SourceInvalid {
        /// The caller's name of the field, for example `playback.streamUrl`.
        field: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A well-formed URL whose origin is not listed.
    #[error(
        "{field}: the origin {origin} is not an allowed source; \
         set ORB_JELLYFIN_URL to it or add it to ORB_JELLYFIN__ALLOWED_ORIGINS"
    )]
    SourceNotAllowed {
        /// The caller's name of the field.
        field: String,
        /// Scheme, host and port as they stand after the rewrite.
        origin: String,
    },
    /// Nothing is configured, so nothing can be allowed.
    #[error(
        "{field}: no source origin is configured; \
         set ORB_JELLYFIN_URL to the base url of the Jellyfin server"
    )]
    NoSourceOrigin {
        /// The caller's name of the field.
        field: String,
    },
    /// A configured URL or rewrite rule cannot be used; found at start.
    #[error("{key}: {problem}; give {expected}")]
    ConfigInvalid {
        /// The variable that holds it, for example `ORB_JELLYFIN_URL`.
        key: &'static str,
        /// What is wrong with it.
        problem: &'static str,
        /// The form that is wanted.
        expected: &'static str,
    },
}

impl Error {
    /// The stable code that callers may match on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SourceInvalid { .. } => "source_invalid",
            Self::SourceNotAllowed { .. } => "source_not_allowed",
            Self::NoSourceOrigin { .. } => "no_source_origin",
            Self::ConfigInvalid { .. } => "jellyfin_config_invalid",
        }
    }

    /// Whether the same call may succeed later with nothing changed: never.
    pub fn is_retryable(&self) -> bool {
        false
    }

    /// The field of the request that was refused; `None` for an error of the configuration.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::SourceInvalid { field, .. }
            | Self::SourceNotAllowed { field, .. }
            | Self::NoSourceOrigin { field } => Some(field),
            Self::ConfigInvalid { .. } => None,
        }
    }
}
