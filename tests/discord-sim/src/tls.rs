//! The certificate that the voice gateway shows, and the authority that signed it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;

use crate::Error;

/// A certificate authority made for this run, written where clients can be pointed at it.
pub(crate) struct Authority {
    pem: String,
    file: CaFile,
}

enum CaFile {
    Kept(PathBuf),
    Temporary(NamedTempFile),
}

impl Authority {
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn file(&self) -> &Path {
        match &self.file {
            CaFile::Kept(path) => path,
            CaFile::Temporary(file) => file.path(),
        }
    }
}

/// Makes the authority, writes it, and returns it with an acceptor whose leaf is good for
/// `localhost` and `127.0.0.1`.
pub(crate) fn make(ca_file: Option<&Path>) -> Result<(Authority, TlsAcceptor), Error> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name
        .push(DnType::CommonName, "discord-sim authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

    let mut leaf = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    leaf.distinguished_name
        .push(DnType::CommonName, "discord-sim voice gateway");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf_key = KeyPair::generate()?;
    let leaf = leaf.signed_by(&leaf_key, &issuer)?;

    // The provider is named, not taken from the process: the simulator is a guest in the tests'
    // process and must neither rely on its default provider nor install one.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;

    let pem = issuer.pem();
    let file = write(ca_file, &pem).map_err(Error::io("writing the authority's certificate"))?;
    Ok((Authority { pem, file }, TlsAcceptor::from(Arc::new(server))))
}

fn write(path: Option<&Path>, pem: &str) -> std::io::Result<CaFile> {
    if let Some(path) = path {
        std::fs::write(path, pem)?;
        return Ok(CaFile::Kept(path.to_owned()));
    }
    let mut file = tempfile::Builder::new()
        .prefix("discord-sim-ca-")
        .suffix(".pem")
        .tempfile()?;
    file.write_all(pem.as_bytes())?;
    Ok(CaFile::Temporary(file))
}
