//! The HTTP client of the party API.

mod call;
mod events;
mod patience;
mod sse;

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use secrecy::ExposeSecret;
use url::{Host, Url};

use crate::arguments::Connection;
use crate::token::{self, Token};
use crate::{Error, error};

pub(crate) use call::{Answer, Call};
pub(crate) use events::{EventStream, StreamEvent};
pub(crate) use patience::Patience;

/// A server in the same building answers at once, one far away within a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Between two pieces of an answer. A stream of events bears a comment every ten seconds at least.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Speaks to one server, as one caller.
pub(crate) struct Client {
    http: reqwest::Client,
    server: Url,
    /// Where the token came from, if there is one.
    token_source: Option<String>,
}

impl Client {
    pub(crate) fn new(connection: &Connection) -> Result<Self, Error> {
        let server = connection.server.clone();
        if !matches!(server.scheme(), "http" | "https") || !server.has_host() {
            return Err(Error::Server);
        }
        let variable = |name: &str| std::env::var(name).ok();
        let token = token::find(connection.token_file.as_deref(), variable)?;
        let mut headers = HeaderMap::new();
        if let Some(token) = &token {
            headers.insert(AUTHORIZATION, bearer(token)?);
        }
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .default_headers(headers)
            .user_agent(concat!("orb-cli/", env!("CARGO_PKG_VERSION")))
            // The API redirects nowhere; a redirect could carry the token off.
            .redirect(Policy::none());
        if is_loopback(&server) {
            // A proxy elsewhere cannot reach this machine's own address.
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build().map_err(|_| Error::Server)?,
            server,
            token_source: token.map(|token| token.source),
        })
    }

    pub(crate) fn get(&self, path: &[&str]) -> Call<'_> {
        Call::new(self, Method::GET, path)
    }

    pub(crate) fn post(&self, path: &[&str]) -> Call<'_> {
        Call::new(self, Method::POST, path)
    }

    pub(crate) fn put(&self, path: &[&str]) -> Call<'_> {
        Call::new(self, Method::PUT, path)
    }

    pub(crate) fn delete(&self, path: &[&str]) -> Call<'_> {
        Call::new(self, Method::DELETE, path)
    }

    /// Scheme, host and port: the rest of the URL may hold a password.
    pub(crate) fn origin(&self) -> String {
        self.server.origin().ascii_serialization()
    }

    /// `/api/v1` and the segments, each encoded.
    fn url(&self, path: &[&str]) -> Result<Url, Error> {
        let mut url = self.server.clone();
        url.path_segments_mut()
            .map_err(|()| Error::Server)?
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(path);
        Ok(url)
    }

    fn unauthorized(&self) -> Error {
        let server = self.origin();
        match self.token_source.clone() {
            None => Error::TokenMissing { server },
            Some(source_name) => Error::TokenRefused {
                server,
                source_name,
            },
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        Error::Unreachable {
            server: self.origin(),
            reason: reason(error),
        }
    }

    fn garbled(&self, reason: impl Into<String>) -> Error {
        Error::Garbled {
            server: self.origin(),
            reason: reason.into(),
        }
    }

    /// Of an answer that is no success.
    fn refusal(&self, status: u16, body: &[u8]) -> Error {
        if status == 401 {
            return self.unauthorized();
        }
        match serde_json::from_slice::<error::Problem>(body) {
            Ok(problem) => Error::Refused(error::Problem { status, ..problem }),
            Err(_) => self.garbled(format!("it answers {status} in words of its own")),
        }
    }
}

fn bearer(token: &Token) -> Result<HeaderValue, Error> {
    let text = format!("Bearer {}", token.secret.expose_secret());
    let mut value = HeaderValue::from_str(&text).map_err(|_| Error::TokenUnsendable {
        source_name: token.source.clone(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// The innermost cause: "error sending request for url" helps nobody.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
