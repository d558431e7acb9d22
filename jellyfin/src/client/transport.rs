//! One request to Jellyfin: its key, its redirects, its tries, its bounds.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use reqwest::Response;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::{Origin, Url};

use super::limits::{
    CONCURRENT_REQUESTS, ID_BYTES, JSON_BYTES, REDIRECTS, RETRIES, RETRY_AFTER_MAX, RETRY_DELAYS,
};
use super::{JellyfinConfig, Timeouts};
use crate::{DeviceIdentity, Error, authorize_as};

/// The way to one server.
pub(super) struct Transport {
    http: reqwest::Client,
    /// Without a slash at the end.
    base_url: Url,
    origin: Origin,
    api_key: SecretString,
    device: DeviceIdentity,
    timeouts: Timeouts,
    /// A place for each request that may be under way.
    places: Semaphore,
}

/// What is asked.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<Value>,
    /// The item that a 404 (or a 400: no GUID) is about.
    pub(super) item: Option<&'a str>,
    /// The most bytes of the answer.
    pub(super) limit: usize,
    /// As whom, if not as usual.
    pub(super) device: Option<&'a DeviceIdentity>,
    /// Whether a second try does no more than the first.
    pub(super) idempotent: bool,
}

/// What is answered, with a status of 2xx.
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) content_type: String,
    pub(super) etag: Option<String>,
}

/// A try that came to nothing.
struct Refusal {
    error: Error,
    /// How long the server wants to be left alone.
    retry_after: Option<Duration>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            error,
            retry_after: None,
        }
    }
}

impl Transport {
    pub(super) fn new(config: JellyfinConfig) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            // Followed by hand: each hop is asked whether it may have the key.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(config.timeouts.connect)
            .no_proxy()
            .user_agent(concat!("orb-stream/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::ClientNotBuilt {
                problem: error.to_string(),
            })?;
        Ok(Self {
            http,
            origin: config.base_url.origin(),
            base_url: config.base_url,
            api_key: config.api_key,
            device: config.device,
            timeouts: config.timeouts,
            places: Semaphore::new(CONCURRENT_REQUESTS),
        })
    }

    pub(super) fn device(&self) -> &DeviceIdentity {
        &self.device
    }

    /// The URL of a path below the base URL. The segments are ours: ids pass through [`check_id`].
    pub(super) fn url(&self, segments: &[&str]) -> Result<Url, Error> {
        let mut url = self.base_url.clone();
        url.path_segments_mut()
            .map_err(|()| self.not_jellyfin("its url cannot have a path"))?
            .pop_if_empty()
            .extend(segments);
        Ok(url)
    }

    /// A GET of JSON, with the size of the answer. `item` is whom a 404 is about.
    pub(super) async fn get_json<T: DeserializeOwned>(
        &self,
        url: Url,
        item: Option<&str>,
    ) -> Result<(T, usize), Error> {
        let answer = self.ask(&Ask::get(url, item, JSON_BYTES)).await?;
        if !is_json(&answer.content_type) {
            return Err(self.not_jellyfin("it answers with something else than json"));
        }
        let value = serde_json::from_slice(&answer.body).map_err(|error| {
            if error.is_eof() {
                Error::AnswerTruncated
            } else if error.is_data() {
                self.not_jellyfin("its json is not what jellyfin answers here")
            } else {
                self.not_jellyfin("it calls json what is none")
            }
        })?;
        Ok((value, answer.body.len()))
    }

    /// Asks, again if that may help, for [`Timeouts::total`] at most.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, Error> {
        let (first, longest) = RETRY_DELAYS;
        let delays = ExponentialBuilder::default()
            .with_min_delay(first)
            .with_max_delay(longest)
            .with_max_times(RETRIES)
            .with_jitter();
        let tries = (|| self.attempt(ask))
            .retry(delays)
            .when(|refusal| ask.idempotent && refusal.error.is_retryable())
            .adjust(|refusal, delay| {
                let delay = delay?.max(refusal.retry_after.unwrap_or_default());
                (delay <= RETRY_AFTER_MAX).then_some(delay)
            })
            .notify(|refusal, delay| {
                tracing::debug!(
                    code = refusal.error.code(),
                    ?delay,
                    "jellyfin is asked again"
                );
            });
        match timeout(self.timeouts.total, tries).await {
            Ok(answer) => answer.map_err(|refusal| refusal.error),
            Err(_) => Err(self.unreachable("did not answer in time")),
        }
    }

    /// One try, redirects and body included.
    async fn attempt(&self, ask: &Ask<'_>) -> Result<Answer, Refusal> {
        let _place = self.places.acquire().await;
        timeout(self.timeouts.request, self.exchange(ask))
            .await
            .unwrap_or_else(|_| Err(self.unreachable("did not answer in time").into()))
    }

    async fn exchange(&self, ask: &Ask<'_>) -> Result<Answer, Refusal> {
        let mut url = ask.url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.send(ask, &url).await?;
            if !response.status().is_redirection() {
                return self.read(ask, response).await;
            }
            url = self.redirected(ask, &url, response.headers())?;
        }
        Err(Error::RedirectRefused {
            target: "itself, again and again".into(),
        }
        .into())
    }

    async fn send(&self, ask: &Ask<'_>, url: &Url) -> Result<Response, Error> {
        let device = ask.device.unwrap_or(&self.device);
        let (url, key) = authorize_as(url, Some(&self.api_key), Some(&self.origin), device);
        let mut request = self.http.request(ask.method.clone(), url);
        if let Some(key) = key {
            request = request.header(AUTHORIZATION, key);
        }
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        // The error's own text has the URL in it.
        request.send().await.map_err(|error| {
            self.unreachable(if error.is_timeout() {
                "did not answer in time"
            } else if error.is_connect() {
                "cannot be reached"
            } else {
                "broke the connection off"
            })
        })
    }

    /// Where a redirect leads, if to Jellyfin itself. Another origin would not get the key, and
    /// without it there is nothing to ask for; and pictures from anywhere are none of our business.
    fn redirected(&self, ask: &Ask<'_>, from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
        let refused = |target: String| Err(Error::RedirectRefused { target });
        let Some(to) = text(headers, &LOCATION).and_then(|to| from.join(&to).ok()) else {
            return refused("nowhere".into());
        };
        if to.origin() != self.origin {
            return refused(to.origin().ascii_serialization());
        }
        if ask.method != Method::GET {
            return refused("another path, which a report does not follow".into());
        }
        Ok(to)
    }

    /// Judges the status, then reads the body as far as it is wanted.
    async fn read(&self, ask: &Ask<'_>, mut response: Response) -> Result<Answer, Refusal> {
        let status = response.status();
        if !status.is_success() {
            return Err(Refusal {
                error: self.judge(ask, status),
                retry_after: text(response.headers(), &RETRY_AFTER)
                    .and_then(|seconds| seconds.trim().parse().ok())
                    .map(Duration::from_secs),
            });
        }
        let too_large = Error::AnswerTooLarge { limit: ask.limit };
        if response
            .content_length()
            .is_some_and(|n| n > ask.limit as u64)
        {
            return Err(too_large.into());
        }
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > ask.limit => {
                    return Err(too_large.into());
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(_) => return Err(Error::AnswerTruncated.into()),
            }
        }
        let headers = response.headers();
        Ok(Answer {
            body: body.freeze(),
            content_type: text(headers, &CONTENT_TYPE).unwrap_or_default(),
            etag: text(headers, &ETAG),
        })
    }

    fn judge(&self, ask: &Ask<'_>, status: StatusCode) -> Error {
        let status = status.as_u16();
        match (status, ask.item) {
            (401 | 403, _) => Error::KeyRefused { status },
            (400 | 404, Some(id)) => Error::ItemNotFound { id: id.to_owned() },
            (404, None) => self.not_jellyfin("it does not know jellyfin's paths"),
            (408 | 429 | 500..=599, _) => Error::ServerError { status },
            _ => Error::Refused { status },
        }
    }

    pub(super) fn not_jellyfin(&self, problem: &'static str) -> Error {
        Error::NotJellyfin {
            origin: self.origin.ascii_serialization(),
            problem,
        }
    }

    fn unreachable(&self, problem: &'static str) -> Error {
        Error::Unreachable {
            origin: self.origin.ascii_serialization(),
            problem,
        }
    }
}

impl<'a> Ask<'a> {
    /// A GET of at most `limit` bytes.
    pub(super) fn get(url: Url, item: Option<&'a str>, limit: usize) -> Self {
        Self {
            method: Method::GET,
            url,
            body: None,
            item,
            limit,
            device: None,
            idempotent: true,
        }
    }
}

/// An id may stand in a path: a GUID in any spelling, and nothing that leads elsewhere.
pub(super) fn check_id(id: &str) -> Result<&str, Error> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    if (1..=ID_BYTES).contains(&id.len()) && id.bytes().all(fits) {
        Ok(id)
    } else {
        // Shown in part: it may be anything.
        let id = id.chars().take(ID_BYTES).collect();
        Err(Error::ItemNotFound { id })
    }
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn transport(base_url: &str) -> Transport {
        let config = JellyfinConfig::new(base_url, SecretString::from("KEY")).unwrap();
        Transport::new(config).unwrap()
    }

    #[test]
    fn paths_stand_below_the_base_url() {
        for (base, url) in [
            ("http://h:8096", "http://h:8096/Items/a1"),
            ("http://h:8096/", "http://h:8096/Items/a1"),
            ("https://h/jf", "https://h/jf/Items/a1"),
            ("https://h/jf/", "https://h/jf/Items/a1"),
        ] {
            assert_eq!(transport(base).url(&["Items", "a1"]).unwrap().as_str(), url);
        }
    }

    #[test]
    fn ids_lead_nowhere_else() {
        for id in ["abc1", "0A0b-4c00"] {
            assert_eq!(check_id(id), Ok(id));
        }
        for id in ["", "..", "a/b", "a?b", "a%2e", "ä", "a b", &"a".repeat(65)] {
            assert_eq!(check_id(id).unwrap_err().code(), "jellyfin_item_not_found");
        }
    }

    #[test]
    fn statuses_are_told_apart() {
        let transport = transport("http://h");
        let url = transport.url(&["Items"]).unwrap();
        let judge = |status: u16, item| {
            let ask = Ask::get(url.clone(), item, 1);
            let error = transport.judge(&ask, StatusCode::from_u16(status).unwrap());
            (error.code(), error.is_retryable())
        };
        for (status, item, expected) in [
            (401, None, ("jellyfin_key_refused", false)),
            (403, Some("a"), ("jellyfin_key_refused", false)),
            (404, Some("a"), ("jellyfin_item_not_found", false)),
            (400, Some("a"), ("jellyfin_item_not_found", false)),
            (404, None, ("jellyfin_not_jellyfin", false)),
            (400, None, ("jellyfin_refused", false)),
            (429, Some("a"), ("jellyfin_server_error", true)),
            (500, None, ("jellyfin_server_error", true)),
            (503, None, ("jellyfin_server_error", true)),
        ] {
            assert_eq!(judge(status, item), expected, "{status}");
        }
    }

    #[test]
    fn json_has_many_spellings() {
        assert!(is_json("application/json"));
        assert!(is_json(
            "Application/JSON; profile=\"PascalCase\"; charset=utf-8"
        ));
        assert!(!is_json("text/html") && !is_json(""));
    }
}
