//! How an address becomes a channel.

use std::sync::Arc;

use tonic::transport::{Channel, Endpoint};

/// Makes a channel, connected when it is first used, to a scheduler's address.
#[derive(Clone)]
pub struct Dialling(Arc<dyn Fn(Endpoint) -> Channel + Send + Sync>);

impl Dialling {
    /// With what the installation wants of each connection: keep-alive, certificates, a connector.
    pub fn new(dial: impl Fn(Endpoint) -> Channel + Send + Sync + 'static) -> Self {
        Self(Arc::new(dial))
    }

    /// `None` for what is no URL.
    pub(crate) fn dial(&self, address: &str) -> Option<Channel> {
        let endpoint = Endpoint::from_shared(address.to_owned()).ok()?;
        Some((self.0)(endpoint))
    }
}

impl std::fmt::Debug for Dialling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialling").finish_non_exhaustive()
    }
}
