//! What the gateway is given at start.

use std::{sync::Arc, time::Duration};

use hmac::{Hmac, Mac as _};
use orb_jellyfin::client::JellyfinClient;
use orb_operation::Metrics;
use orb_tls::MutualTls;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use url::Url;

use crate::{catalogue::Catalogue, library::JellyfinCatalogue};

/// Longest a call to the scheduler may take, retries included. The scheduler itself waits at most 5 s for a
/// worker; the rest is room for a leader that restarts meanwhile.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest a film night lasts, with time to spare.
const WATCH_LINK_TTL: Duration = Duration::from_hours(12);

/// Settings of one gateway process.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Tokens that callers may bear; any of them is as good as another, so that they can be rotated.
    /// Empty: no caller can get in by token.
    pub api_tokens: Vec<SecretString>,
    /// Signs page cookies and watch links. All gateways of one installation need the same; a random one makes
    /// both end with the process.
    pub signing_key: SigningKey,
    /// The dashboard needs no token: `GET /` signs its reader in. For the demo only, and only while the gateway
    /// is bound to loopback; `Host` and peer address are checked all the same.
    pub open_page: bool,
    /// Body of a `POST /sessions/{id}/play` that the dashboard may send again ("Play again").
    pub demo_item: Option<serde_json::Value>,
    /// Longest a call to the scheduler may take, retries included.
    pub call_timeout: Duration,
    /// Shown to workers where media are fetched, and what they have to show. The scheduler's channel has its own.
    pub tls: Option<MutualTls>,
    /// Token that the gateway bears towards the scheduler, when that wants one.
    pub scheduler_token: Option<SecretString>,
    /// Where the outside world reaches this gateway. Set: watch links are absolute, and cookies are `Secure`
    /// when it is https. Unset: links are paths.
    pub public_url: Option<Url>,
    /// How long a watch link is good for, unless its maker asks for less.
    pub watch_link_ttl: Duration,
    /// Where items for a queue are looked up. `None`: there is no library, and calls that need one say so.
    pub catalogue: Option<Arc<dyn Catalogue>>,
    /// The library that is searched and browsed; see [`with_library`](Self::with_library).
    pub library: Option<JellyfinClient>,
    /// What this process counts; the gateway adds its own and shows all of it at `/metrics`.
    pub metrics: Metrics,
}

impl GatewayConfig {
    /// Default settings with these tokens and a random signing key.
    pub fn new(api_tokens: Vec<SecretString>) -> Self {
        Self {
            api_tokens,
            signing_key: SigningKey::random(),
            open_page: false,
            demo_item: None,
            call_timeout: CALL_TIMEOUT,
            tls: None,
            scheduler_token: None,
            public_url: None,
            watch_link_ttl: WATCH_LINK_TTL,
            catalogue: None,
            library: None,
            metrics: Metrics::default(),
        }
    }

    /// The same with this library, for queues and to look around in.
    #[must_use]
    pub fn with_library(mut self, client: JellyfinClient) -> Self {
        self.catalogue = Some(Arc::new(JellyfinCatalogue::new(client.clone())));
        self.library = Some(client);
        self
    }
}

/// 32 secret bytes; never shown by `Debug`.
#[derive(Clone)]
pub struct SigningKey(pub(crate) [u8; 32]);

impl SigningKey {
    /// A key that lives as long as the process.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// A key that all who know `secret` have, and that tells nothing of it: for gateways of one installation.
    pub fn derived_from(secret: &SecretString) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(b"orb gateway signing key v1");
        Self(mac.finalize().into_bytes().into())
    }
}

impl From<[u8; 32]> for SigningKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_with_one_secret_have_one_key() {
        let key = |secret: &str| SigningKey::derived_from(&SecretString::from(secret)).0;
        assert_eq!(key("a"), key("a"));
        assert_ne!(key("a"), key("b"));
    }
}
