//! Certificates of mutual TLS: there, fitting together, and good for a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use orb_tls::{Error, MutualTls, Part, TlsFiles};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, RootCertStore};

use super::Subject;
use crate::{Finding, Role};

const CHECK: &str = "tls";

/// Whoever renews by hand wants to know this long before; cert-manager renews at a third of the life, 30 days of 90.
const SOON: Duration = Duration::from_hours(14 * 24);

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let Some(files) = files(subject) else {
        return vec![Finding::skipped(
            CHECK,
            "ORB_TLS__CA, ORB_TLS__CERT and ORB_TLS__KEY are not set",
        )];
    };
    if let Err(error) = MutualTls::load(files.clone(), part(subject.role)) {
        return vec![Finding::of_error(CHECK, &error)];
    }
    let days = SOON.as_secs() / 86_400;
    vec![if expires_by(&files, subject.role, SOON) {
        let found = format!("{} expires within {days} days", files.certificate.display());
        Finding::warning(
            CHECK,
            found,
            "renew it; a role that runs takes the new files by itself",
        )
    } else {
        Finding::ok(
            CHECK,
            format!(
                "{} is good for more than {days} days, and the key is its own",
                files.certificate.display()
            ),
        )
    }]
}

/// The process's certificates, where there are any.
pub(super) fn load(subject: &Subject) -> Result<Option<MutualTls>, Error> {
    files(subject)
        .map(|files| MutualTls::load(files, part(subject.role)))
        .transpose()
}

/// Whether whoever listens there is a part of this installation.
pub(super) async fn shows_certificate(subject: &Subject, addr: SocketAddr) -> bool {
    let Ok(Some(tls)) = load(subject) else {
        return false;
    };
    orb_tls::dial(&addr.ip().to_string(), addr.port(), Some(&tls))
        .await
        .is_ok()
}

/// As the roles take them: all three, or none.
fn files(subject: &Subject) -> Option<TlsFiles> {
    let tls = &subject.config.tls;
    Some(TlsFiles {
        ca: tls.ca.clone()?,
        certificate: tls.cert.clone()?,
        key: tls.key.clone()?,
        server_name: tls.server_name().to_owned(),
    })
}

fn part(role: Role) -> Part {
    match role {
        Role::Gateway => Part::Dials,
        Role::Up | Role::Scheduler => Part::Serves,
        Role::Worker => Part::Both,
    }
}

/// Whether a certificate that is good now is not by then. Judged as a peer would: at that time.
fn expires_by(files: &TlsFiles, role: Role, later: Duration) -> bool {
    let Some((chain, roots)) = read(files) else {
        return false;
    };
    let Some((own, intermediates)) = chain.split_first() else {
        return false;
    };
    let then = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + later);
    let provider = Arc::new(ring::default_provider());
    let judged = if part(role) == Part::Dials {
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
        verifier
            .ok()
            .map(|verifier| verifier.verify_client_cert(own, intermediates, then).err())
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let name = ServerName::try_from(files.server_name.as_str()).ok();
        verifier.ok().zip(name).map(|(verifier, name)| {
            verifier
                .verify_server_cert(own, intermediates, &name, &[], then)
                .err()
        })
    };
    matches!(
        judged.flatten(),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. }
        ))
    )
}

fn read(files: &TlsFiles) -> Option<(Vec<CertificateDer<'static>>, Arc<RootCertStore>)> {
    let certificates = |path| {
        let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).ok()?.collect();
        found.ok()
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(&files.ca)?);
    Some((certificates(&files.certificate)?, Arc::new(roots)))
}
