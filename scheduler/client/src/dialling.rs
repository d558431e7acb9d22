//! How an address becomes a channel.

use std::sync::Arc;

use hyper_util::rt::TokioIo;
use orb_tls::{KeepAlive, MutualTls};
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// Makes a channel, connected when it is first used, to a scheduler's address.
#[derive(Clone)]
pub struct Dialling(Arc<dyn Fn(Endpoint) -> Channel + Send + Sync>);

impl Dialling {
    /// In a way of the caller's own.
    pub fn new(dial: impl Fn(Endpoint) -> Channel + Send + Sync + 'static) -> Self {
        Self(Arc::new(dial))
    }

    /// Over the network. With `tls` nothing else is spoken, whatever scheme the address has: what etcd or a refusal
    /// names as the leader is no reason to send a token in the clear.
    pub fn network(keep_alive: KeepAlive, tls: Option<MutualTls>) -> Self {
        Self::new(move |endpoint| {
            let uri = endpoint.uri();
            let host = uri.host().unwrap_or_default().to_owned();
            let is_https = uri.scheme_str() == Some("https");
            let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
            let tls = tls.clone();
            let connector = tower::service_fn(move |_: Uri| {
                let (host, tls) = (host.clone(), tls.clone());
                async move {
                    let stream = orb_tls::dial(&host, port, tls.as_ref()).await?;
                    Ok::<_, orb_tls::Error>(TokioIo::new(stream))
                }
            });
            keep_alive
                .of_client(without_tls_of_its_own(&endpoint))
                .connect_with_connector_lazy(connector)
        })
    }

    /// `None` for what is no URL.
    pub(crate) fn dial(&self, address: &str) -> Option<Channel> {
        let endpoint = Endpoint::from_shared(address.to_owned()).ok()?;
        Some((self.0)(endpoint))
    }
}

/// To an https address tonic would speak TLS by itself, inside ours.
fn without_tls_of_its_own(endpoint: &Endpoint) -> Endpoint {
    let uri = endpoint.uri().clone();
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(tonic::codegen::http::uri::Scheme::HTTP);
    Endpoint::from(Uri::from_parts(parts).unwrap_or(uri))
}

impl std::fmt::Debug for Dialling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialling").finish_non_exhaustive()
    }
}
