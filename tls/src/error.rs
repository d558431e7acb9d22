//! What keeps a process from using its certificates, or two processes from speaking to each other.

use std::io;
use std::path::PathBuf;

use crate::Finding;

/// Why there is no encrypted connection. No text bears anything of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not there, or not for this process to read.
    #[error("{variable}: cannot read {} ({source}); name a file that this process may read", path.display())]
    Unreadable {
        /// The setting that names it.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{variable}: {} holds no {wanted} in PEM; name the file that does", path.display())]
    NotPem {
        /// The setting that names it.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// Two files that do not belong together.
    #[error(
        "ORB_TLS__KEY: the key in {} is not that of the certificate in {} (ORB_TLS__CERT); name the two that were \
         issued together",
        key.display(), certificate.display()
    )]
    KeyOfAnother {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// The certificate would be refused by everybody else.
    #[error("ORB_TLS__CERT: the certificate in {} cannot be used {use_as}: {reason}", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// As what.
        use_as: &'static str,
        /// Why, and what to do.
        reason: Finding,
    },
    /// `ORB_TLS__SERVER_NAME` is no name.
    #[error(
        "ORB_TLS__SERVER_NAME: {0:?} is no DNS name; give the one that the certificates bear, such as orb-stream"
    )]
    ServerName(String),
    /// The files hold something that TLS has no use for.
    #[error("ORB_TLS__{part}: {reason}; give certificates in PEM with ECDSA, Ed25519 or RSA keys")]
    Unsupported {
        /// `CA`, `CERT` or `KEY`.
        part: &'static str,
        /// What was said of it.
        reason: String,
    },
    /// Nobody answers there.
    #[error("cannot connect to {address}: {source}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The two ends do not come to terms.
    #[error("no connection with {peer}: {finding}")]
    Handshake {
        /// The other end.
        peer: String,
        /// Why, and what to do.
        finding: Finding,
    },
}

impl Error {
    /// Stable, of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "tls_file_unreadable",
            Self::NotPem { .. } | Self::Unsupported { .. } => "tls_file_invalid",
            Self::KeyOfAnother { .. } => "tls_key_mismatch",
            Self::Unusable { .. } => "tls_certificate_unusable",
            Self::ServerName(_) => "tls_server_name",
            Self::Unreachable { .. } => "peer_unreachable",
            Self::Handshake { .. } => "tls_handshake",
        }
    }

    /// Whether the same may work later without a change of the settings.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Handshake { .. })
    }
}
