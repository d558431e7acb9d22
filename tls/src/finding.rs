//! Why a handshake failed, in the words of whoever has to mend it.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// What was found wrong, and on which end to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The other end speaks plain TCP.
    NoTls,
    /// The other end speaks TLS, this one does not.
    WantsTls,
    /// The other end shows no certificate.
    NoCertificate,
    /// The other end's certificate is of another authority.
    UnknownAuthority,
    /// The other end's certificate is too old, or too new.
    Expired,
    /// The server's certificate bears another name than `ORB_TLS__SERVER_NAME`.
    WrongName,
    /// The certificate is not good for this end of a connection.
    WrongUse,
    /// The other end has no certificate to ask for and says so of this one.
    AsksForCertificate,
    /// The other end does not know the authority of this end's certificate.
    OursUnknown,
    /// The other end says that this end's certificate is too old, or too new.
    OursExpired,
    /// Not answered in time.
    TooSlow,
    /// The other end went away.
    Closed,
    /// Anything else, as it was said.
    Other(String),
}

impl Finding {
    /// Of a certificate that this end judged.
    pub(crate) fn of(error: &TlsError) -> Self {
        use CertificateError as Bad;
        match error {
            TlsError::InvalidMessage(_) => Self::NoTls,
            TlsError::NoCertificatesPresented => Self::NoCertificate,
            TlsError::InvalidCertificate(bad) => match bad {
                Bad::UnknownIssuer | Bad::BadSignature => Self::UnknownAuthority,
                Bad::Expired
                | Bad::ExpiredContext { .. }
                | Bad::NotValidYet
                | Bad::NotValidYetContext { .. } => Self::Expired,
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => Self::WrongName,
                Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => Self::WrongUse,
                other => Self::Other(other.to_string()),
            },
            TlsError::AlertReceived(alert) => match alert {
                AlertDescription::CertificateRequired => Self::AsksForCertificate,
                // A signature that does not verify: an authority of the same name, with another key.
                AlertDescription::UnknownCA | AlertDescription::DecryptError => Self::OursUnknown,
                AlertDescription::CertificateExpired => Self::OursExpired,
                other => Self::Other(format!("it answers with the alert {other:?}")),
            },
            other => Self::Other(other.to_string()),
        }
    }

    /// What of TLS is behind an error of a library above, if anything is.
    pub fn behind(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<TlsError>() {
                return Some(Self::of(error));
            }
            // An I/O error hides what it was made from.
            let inner = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<TlsError>()) {
                return Some(Self::of(error));
            }
            next = error.source();
        }
        None
    }

    /// Of what a TLS stream gave as an error.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        let inner = error.get_ref();
        match inner.and_then(|inner| inner.downcast_ref::<TlsError>()) {
            Some(error) => Self::of(error),
            None => match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe => Self::Closed,
                _ => Self::Other(error.to_string()),
            },
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTls => {
                "it does not speak TLS; set ORB_TLS__CA, ORB_TLS__CERT and ORB_TLS__KEY there, too"
            }
            Self::WantsTls => {
                "it takes TLS only; set ORB_TLS__CA, ORB_TLS__CERT and ORB_TLS__KEY here, too"
            }
            Self::NoCertificate => {
                "it shows no certificate; set ORB_TLS__CERT and ORB_TLS__KEY there"
            }
            Self::UnknownAuthority => {
                "the certificate is not signed by an authority in the ORB_TLS__CA of this process; one authority \
                 signs for all parts of an installation"
            }
            Self::Expired => {
                "the certificate has expired or is not valid yet; renew it, and look at the clocks"
            }
            Self::WrongName => {
                "the certificate does not bear the name ORB_TLS__SERVER_NAME; issue it for that DNS name, or set \
                 the name that it bears"
            }
            Self::WrongUse => {
                "the certificate is not for this use; issue it for both server and client authentication"
            }
            Self::AsksForCertificate => {
                "it wants to see a certificate; set ORB_TLS__CERT and ORB_TLS__KEY here"
            }
            Self::OursUnknown => {
                "it does not know the authority that signed the ORB_TLS__CERT of this process; let one authority \
                 sign for all parts, and set its certificate as ORB_TLS__CA there"
            }
            Self::OursExpired => {
                "it says that the ORB_TLS__CERT of this process has expired; renew it, and look at the clocks"
            }
            Self::TooSlow => "the handshake took too long",
            Self::Closed => "it closed the connection in the middle of the handshake",
            Self::Other(said) => said,
        })
    }
}
