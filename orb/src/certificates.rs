//! Mutual TLS between the roles, as configured.

use std::net::SocketAddr;

use orb_config::Config;
use orb_tls::{Error, MutualTls, Part, TlsFiles};

use crate::cli::Role;

/// This process's certificates; none where none are configured.
pub(crate) fn load(config: &Config, role: &Role) -> Result<Option<MutualTls>, Error> {
    let part = match role {
        Role::Gateway => Part::Dials,
        Role::Scheduler | Role::Up => Part::Serves,
        Role::Worker => Part::Both,
        // All of it is in one process, and listens on loopback.
        #[cfg(feature = "demo")]
        Role::Demo(_) => return Ok(None),
    };
    let tls = &config.tls;
    // That there are three or none was checked with the rest of the configuration.
    let (Some(ca), Some(certificate), Some(key)) = (&tls.ca, &tls.cert, &tls.key) else {
        return Ok(None);
    };
    let files = TlsFiles {
        ca: ca.clone(),
        certificate: certificate.clone(),
        key: key.clone(),
        server_name: tls.server_name().to_owned(),
    };
    MutualTls::load(files, part).map(Some)
}

/// Says, once for a listener, that whoever is on the way can read along.
pub(crate) fn warn_if_open(what: &str, addr: SocketAddr, tls: Option<&MutualTls>) {
    if tls.is_none() && !addr.ip().is_loopback() {
        tracing::warn!(
            %addr,
            "{what} is reached from other machines without TLS, and its tokens travel in the clear; set ORB_TLS__CA, \
             ORB_TLS__CERT and ORB_TLS__KEY for all parts, or keep strangers off this network (docs/transport.md)"
        );
    }
}
