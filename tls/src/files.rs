//! The three files, and what is in them.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::Error;

pub(crate) const CA: &str = "ORB_TLS__CA";
pub(crate) const CERT: &str = "ORB_TLS__CERT";
pub(crate) const KEY: &str = "ORB_TLS__KEY";

/// Where the certificates are, all in PEM: what a cert-manager Secret holds as `ca.crt`, `tls.crt` and `tls.key`.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The authorities whose certificates are accepted; several while one replaces another (`ORB_TLS__CA`).
    pub ca: PathBuf,
    /// This process's certificate, its intermediates after it (`ORB_TLS__CERT`).
    pub certificate: PathBuf,
    /// The certificate's key (`ORB_TLS__KEY`).
    pub key: PathBuf,
    /// The name that every server's certificate bears (`ORB_TLS__SERVER_NAME`).
    pub server_name: String,
}

/// The files as they are on the disk now.
pub(crate) struct Contents {
    ca: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Tells contents apart without keeping them.
pub(crate) type Fingerprint = [u8; 32];

/// The files, parsed.
pub(crate) struct Pem {
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl TlsFiles {
    /// Blocks while it reads.
    pub(crate) fn read(&self) -> Result<Contents, Error> {
        let read = |variable, path: &Path| {
            std::fs::read(path).map_err(|source| Error::Unreadable {
                variable,
                path: path.to_owned(),
                source,
            })
        };
        Ok(Contents {
            ca: read(CA, &self.ca)?,
            certificate: read(CERT, &self.certificate)?,
            key: read(KEY, &self.key)?,
        })
    }

    pub(crate) fn parse(&self, contents: &Contents) -> Result<Pem, Error> {
        let not_pem = |variable, path: &Path, wanted| Error::NotPem {
            variable,
            path: path.to_owned(),
            wanted,
        };
        let certificates = |pem: &[u8]| -> Option<Vec<CertificateDer<'static>>> {
            let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            all.ok().filter(|all| !all.is_empty())
        };
        Ok(Pem {
            authorities: certificates(&contents.ca)
                .ok_or_else(|| not_pem(CA, &self.ca, "certificate"))?,
            chain: certificates(&contents.certificate)
                .ok_or_else(|| not_pem(CERT, &self.certificate, "certificate"))?,
            // The parser's own words are left out: they could quote the file.
            key: PrivateKeyDer::from_pem_slice(&contents.key)
                .map_err(|_| not_pem(KEY, &self.key, "unencrypted private key"))?,
        })
    }
}

impl Contents {
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        for part in [&self.ca, &self.certificate, &self.key] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}
