//! What one reading of the files makes: the settings of a handshake.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, InconsistentKeys, RootCertStore, ServerConfig};

use crate::files::Pem;
use crate::verifier::FixedName;
use crate::{Error, Finding, TlsFiles};

/// What a process does with its certificate; it is checked for that when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It only dials: a gateway.
    Dials,
    /// It is only dialled: a scheduler.
    Serves,
    /// Both: a worker.
    Both,
}

/// What is spoken inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2. Who shows no certificate is refused in the handshake.
    Grpc,
    /// HTTP/1.1. Who shows no certificate is let in, for probes; [`demand_certificate`](crate::demand_certificate)
    /// refuses everything else.
    Http,
}

impl Protocol {
    fn alpn(self) -> Vec<Vec<u8>> {
        vec![match self {
            Self::Grpc => b"h2".to_vec(),
            Self::Http => b"http/1.1".to_vec(),
        }]
    }
}

/// Certificates that fit together. A handshake uses one of these, never two.
#[derive(Debug)]
pub(crate) struct Material {
    grpc: (Arc<ServerConfig>, Arc<ClientConfig>),
    http: (Arc<ServerConfig>, Arc<ClientConfig>),
}

impl Material {
    pub(crate) fn server(&self, protocol: Protocol) -> Arc<ServerConfig> {
        Arc::clone(&self.of(protocol).0)
    }

    pub(crate) fn client(&self, protocol: Protocol) -> Arc<ClientConfig> {
        Arc::clone(&self.of(protocol).1)
    }

    fn of(&self, protocol: Protocol) -> &(Arc<ServerConfig>, Arc<ClientConfig>) {
        match protocol {
            Protocol::Grpc => &self.grpc,
            Protocol::Http => &self.http,
        }
    }

    /// What `part` needs, checked as its peers will check it.
    pub(crate) fn new(files: &TlsFiles, pem: &Pem, part: Part) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let judges = Judges::new(files, pem, &provider)?;
        judges.check_own(files, &pem.chain, part)?;
        let pair = |protocol| -> Result<_, Error> {
            let server = server_config(files, pem, &provider, &judges, protocol)?;
            let client = client_config(files, pem, &provider, &judges, protocol)?;
            Ok((Arc::new(server), Arc::new(client)))
        };
        Ok(Self {
            grpc: pair(Protocol::Grpc)?,
            http: pair(Protocol::Http)?,
        })
    }
}

/// Who judges the certificates of others, and first of all our own.
struct Judges {
    servers: Arc<FixedName>,
    clients: Arc<dyn ClientCertVerifier>,
    clients_if_any: Arc<dyn ClientCertVerifier>,
}

impl Judges {
    fn new(files: &TlsFiles, pem: &Pem, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let unsupported = |reason: String| Error::Unsupported { part: "CA", reason };
        let mut roots = RootCertStore::empty();
        for authority in &pem.authorities {
            roots
                .add(authority.clone())
                .map_err(|error| unsupported(error.to_string()))?;
        }
        let roots = Arc::new(roots);
        let name = ServerName::try_from(files.server_name.clone())
            .map_err(|_| Error::ServerName(files.server_name.clone()))?;
        let of_servers = || {
            let (roots, provider) = (Arc::clone(&roots), Arc::clone(provider));
            WebPkiServerVerifier::builder_with_provider(roots, provider)
        };
        let of_clients = || {
            let (roots, provider) = (Arc::clone(&roots), Arc::clone(provider));
            WebPkiClientVerifier::builder_with_provider(roots, provider)
        };
        Ok(Self {
            servers: Arc::new(FixedName {
                verifier: of_servers()
                    .build()
                    .map_err(|error| unsupported(error.to_string()))?,
                name,
            }),
            clients: of_clients()
                .build()
                .map_err(|error| unsupported(error.to_string()))?,
            clients_if_any: of_clients()
                .allow_unauthenticated()
                .build()
                .map_err(|error| unsupported(error.to_string()))?,
        })
    }

    /// Better said at start, by the process whose certificate it is, than by each of its peers.
    fn check_own(
        &self,
        files: &TlsFiles,
        chain: &[CertificateDer<'_>],
        part: Part,
    ) -> Result<(), Error> {
        let Some((own, intermediates)) = chain.split_first() else {
            return Ok(());
        };
        let unusable = |use_as, error: &rustls::Error| Error::Unusable {
            path: files.certificate.clone(),
            use_as,
            reason: Finding::of(error),
        };
        let now = UnixTime::now();
        if part != Part::Serves {
            self.clients
                .verify_client_cert(own, intermediates, now)
                .map_err(|error| unusable("towards servers", &error))?;
        }
        if part != Part::Dials {
            let name = &self.servers.name;
            self.servers
                .verify_server_cert(own, intermediates, name, &[], now)
                .map_err(|error| unusable("as a server's", &error))?;
        }
        Ok(())
    }
}

// TLS 1.3 alone: all ends are of this project, but for kubelet, which knows it as well. Sessions are never resumed:
// that would let a certificate in that has expired, or that is of an authority no longer trusted.

fn server_config(
    files: &TlsFiles,
    pem: &Pem,
    provider: &Arc<CryptoProvider>,
    judges: &Judges,
    protocol: Protocol,
) -> Result<ServerConfig, Error> {
    let judge = match protocol {
        Protocol::Grpc => &judges.clients,
        Protocol::Http => &judges.clients_if_any,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| own_error(files, &error))?
        .with_client_cert_verifier(Arc::clone(judge))
        .with_single_cert(pem.chain.clone(), pem.key.clone_key())
        .map_err(|error| own_error(files, &error))?;
    config.alpn_protocols = protocol.alpn();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client_config(
    files: &TlsFiles,
    pem: &Pem,
    provider: &Arc<CryptoProvider>,
    judges: &Judges,
    protocol: Protocol,
) -> Result<ClientConfig, Error> {
    let judge: Arc<dyn ServerCertVerifier> = judges.servers.clone();
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| own_error(files, &error))?
        .dangerous()
        // Dangerous only in that it could be any verifier: this one asks rustls's own.
        .with_custom_certificate_verifier(judge)
        .with_client_auth_cert(pem.chain.clone(), pem.key.clone_key())
        .map_err(|error| own_error(files, &error))?;
    config.alpn_protocols = protocol.alpn();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn own_error(files: &TlsFiles, error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Error::KeyOfAnother {
            key: files.key.clone(),
            certificate: files.certificate.clone(),
        },
        other => Error::Unsupported {
            part: "KEY",
            reason: other.to_string(),
        },
    }
}
