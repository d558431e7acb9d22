//! Which Jellyfin, and as whom.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::limits;
use crate::rewrite::parse_base_url;
use crate::{DeviceIdentity, Error};

/// What a [`JellyfinClient`](super::JellyfinClient) needs to know.
#[derive(Debug, Clone)]
pub struct JellyfinConfig {
    /// The server, with the path that it is mounted under, if any. Its origin alone gets the key.
    pub base_url: Url,
    /// An API key, from the dashboard.
    pub api_key: SecretString,
    /// Name (in any case) or id of the user whose library is shown and whose progress is kept. An
    /// API key is nobody; without a user it is the first administrator.
    pub user: Option<String>,
    /// How we introduce ourselves.
    pub device: DeviceIdentity,
    /// How long is waited.
    pub timeouts: Timeouts,
}

impl JellyfinConfig {
    /// For the server at `base_url`, for example `http://jellyfin:8096` or
    /// `https://media.example.org/jellyfin`; the rest has its defaults.
    pub fn new(base_url: &str, api_key: SecretString) -> Result<Self, Error> {
        let expected = "a base url such as http://jellyfin:8096";
        Ok(Self {
            base_url: parse_base_url("ORB_JELLYFIN_URL", base_url, expected)?,
            api_key,
            user: None,
            device: DeviceIdentity {
                device: "Orb control plane".into(),
                ..DeviceIdentity::default()
            },
            timeouts: Timeouts::default(),
        })
    }
}

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection. 3 s: what has not answered by then is off.
    pub connect: Duration,
    /// For one try, body included. 10 s: a cold search on slow disks takes some seconds.
    pub request: Duration,
    /// For a call with all its tries. 20 s: nobody looks at a loading page for longer.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: limits::CONNECT_TIMEOUT,
            request: limits::REQUEST_TIMEOUT,
            total: limits::TOTAL_TIMEOUT,
        }
    }
}
