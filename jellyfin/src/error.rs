//! The crate's errors. No variant holds a URL: at most an origin, which bears no secret.

use crate::client::Version;

/// Why a source was refused, or why Jellyfin did not give what it was asked for.
///
/// Final, unless [`Error::is_retryable`] says otherwise: the same call fails again until somebody
/// changes it, the configuration or the server. `Clone`, because one request to Jellyfin may answer
/// many callers.
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
    /// Jellyfin answers 401 or 403.
    #[error(
        "jellyfin refuses the api key ({status}); make one in its dashboard under API Keys \
         and set ORB_JELLYFIN_API_KEY to it"
    )]
    KeyRefused {
        /// 401 or 403.
        status: u16,
    },
    /// There is no such item, or the user that we act for may not see it.
    #[error("jellyfin has no item {id} for this user; search again, it may have been removed")]
    ItemNotFound {
        /// The item as it was asked for.
        id: String,
    },
    /// An API key is nobody, and there is nobody to act for.
    #[error(
        "jellyfin has no enabled user {name}; set ORB_JELLYFIN__USER to the name or id of one, \
         or unset it"
    )]
    UserNotFound {
        /// The configured name or id, `at all` when none is configured.
        name: String,
    },
    /// No connection, or no answer in time.
    #[error(
        "jellyfin at {origin} {problem}; check that it runs and that ORB_JELLYFIN_URL is right"
    )]
    Unreachable {
        /// Scheme, host and port.
        origin: String,
        /// What happened.
        problem: &'static str,
    },
    /// 408, 429 or 5xx, and the same after all tries. Jellyfin answers 503 while it starts.
    #[error("jellyfin answers {status}; try again in a moment, its log says more")]
    ServerError {
        /// The status of the last try.
        status: u16,
    },
    /// Too old for the calls that we make.
    #[error("jellyfin {version} is too old; update the server to {minimum} or newer")]
    VersionTooOld {
        /// What the server says that it is.
        version: Version,
        /// The oldest that will do.
        minimum: Version,
    },
    /// Somebody answers, and it is no Jellyfin.
    #[error(
        "what answers at {origin} is not jellyfin: {problem}; set ORB_JELLYFIN_URL to the server's \
         base url, with its path if it has one"
    )]
    NotJellyfin {
        /// Scheme, host and port.
        origin: String,
        /// What gave it away.
        problem: &'static str,
    },
    /// The answer ended before it was complete.
    #[error("jellyfin's answer was cut off; try again, and look at the proxies between us")]
    AnswerTruncated,
    /// The answer is larger than we keep in memory.
    #[error("jellyfin's answer is larger than {limit} bytes; ask for less at once")]
    AnswerTooLarge {
        /// The bound that was met.
        limit: usize,
    },
    /// It redirects to another origin, where our key must not go, or in a circle.
    #[error("jellyfin redirects to {target}; set ORB_JELLYFIN_URL to the url it ends at")]
    RedirectRefused {
        /// The other origin, or what is wrong with the target.
        target: String,
    },
    /// Another 4xx: Jellyfin does not take a request of ours.
    #[error("jellyfin refuses the request ({status}); its log says why")]
    Refused {
        /// The status.
        status: u16,
    },
    /// The item exists and cannot be played.
    #[error("item {id} cannot be played: {problem}; choose another one")]
    NotPlayable {
        /// The item as it was asked for.
        id: String,
        /// Why not.
        problem: &'static str,
    },
    /// A query that we do not send.
    #[error("{problem}; {fix}")]
    QueryInvalid {
        /// What is wrong with it.
        problem: &'static str,
        /// What to send instead.
        fix: &'static str,
    },
    /// No HTTP client could be made; found at start.
    #[error("no http client: {problem}; install the ca-certificates package")]
    ClientNotBuilt {
        /// What the library says.
        problem: String,
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
            Self::KeyRefused { .. } => "jellyfin_key_refused",
            Self::ItemNotFound { .. } => "jellyfin_item_not_found",
            Self::UserNotFound { .. } => "jellyfin_user_not_found",
            Self::Unreachable { .. } => "jellyfin_unreachable",
            Self::ServerError { .. } => "jellyfin_server_error",
            Self::VersionTooOld { .. } => "jellyfin_version_too_old",
            Self::NotJellyfin { .. } => "jellyfin_not_jellyfin",
            Self::AnswerTruncated => "jellyfin_answer_truncated",
            Self::AnswerTooLarge { .. } => "jellyfin_answer_too_large",
            Self::RedirectRefused { .. } => "jellyfin_redirect_refused",
            Self::Refused { .. } => "jellyfin_refused",
            Self::NotPlayable { .. } => "jellyfin_not_playable",
            Self::QueryInvalid { .. } => "jellyfin_query_invalid",
            Self::ClientNotBuilt { .. } => "jellyfin_client_not_built",
        }
    }

    /// Whether the same call may succeed later with nothing changed by us: the server was away, in
    /// trouble, or its answer cut off.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::ServerError { .. } | Self::AnswerTruncated
        )
    }

    /// The field of the request that was refused; `None` unless a source was.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::SourceInvalid { field, .. }
            | Self::SourceNotAllowed { field, .. }
            | Self::NoSourceOrigin { field } => Some(field),
            _ => None,
        }
    }
}
