//! Requests to the source: one try, the judgement of its answer, and the tries after it.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use backon::{BackoffBuilder, ExponentialBuilder};
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, ETAG, IF_RANGE, LOCATION, RANGE,
};
use http::{HeaderValue, StatusCode};
use orb_jellyfin::{SourcePolicy, authorize};
use reqwest::Response;
use secrecy::SecretString;
use tokio::time::timeout;
use url::Url;

use super::body::Reader;
use super::range::{ByteRange, ContentRange};
use super::route::{Identity, Route, Trouble};
use crate::{Error, Failure, code, timing};

/// A reverse proxy's redirect and a canonical one; more is a loop.
const MAX_REDIRECTS: usize = 5;

/// What may be opened, and with which key.
#[derive(Clone, Default)]
pub(crate) struct Access {
    pub(crate) policy: SourcePolicy,
    pub(crate) api_key: Option<SecretString>,
}

/// The client side of the proxy. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upstream {
    client: reqwest::Client,
    access: Arc<Access>,
}

/// What ffmpeg is answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_range: Option<HeaderValue>,
    pub(super) length: Option<u64>,
    /// The source can be read from any offset.
    pub(super) ranges: bool,
    pub(super) body: Body,
}

/// A response to read from.
pub(super) struct Opened {
    pub(super) response: Response,
    /// Offset in the file of the body's first byte.
    pub(super) offset: u64,
    /// Offset after the body's last byte, if known.
    pub(super) end: Option<u64>,
}

/// What a try led to.
enum Refusal {
    /// Trying again cannot help.
    Final(Failure),
    /// It may.
    Retry(Failure),
}

impl Upstream {
    pub(crate) fn new(access: Access) -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(timing::CONNECT)
            .no_proxy()
            .user_agent(concat!("orb-stream/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Error::HttpClient)?;
        Ok(Self {
            client,
            access: Arc::new(access),
        })
    }

    /// Opens the source at `asked` and gives a body that survives the source's trouble. Fails only
    /// when the source is given up; the route then knows why.
    pub(super) async fn open(
        &self,
        route: Arc<Route>,
        asked: Option<ByteRange>,
    ) -> Result<Answer, Failure> {
        let wanted = asked.unwrap_or(ByteRange {
            first: 0,
            last: None,
        });
        let mut trouble = Trouble::none(Arc::clone(&route));
        let opened = self.persist(&route, wanted, &mut trouble).await?;
        let response = &opened.response;
        let header = |name| response.headers().get(name).cloned();
        let mut content_range = header(CONTENT_RANGE);
        let mut status = response.status();
        let ranges = status == StatusCode::PARTIAL_CONTENT;
        if asked.is_none() && ranges {
            // We always ask with a range, to learn whether the source has them.
            (status, content_range) = (StatusCode::OK, None);
        }
        let end = opened.end;
        let length = end.map(|end| end.saturating_sub(opened.offset));
        let body = Reader::new(self.clone(), route, trouble, opened).stream();
        Ok(Answer {
            status,
            content_range,
            length,
            ranges,
            body,
        })
    }

    /// Tries until it works, the answer is final, or the route's patience is over.
    pub(super) async fn persist(
        &self,
        route: &Route,
        wanted: ByteRange,
        trouble: &mut Trouble,
    ) -> Result<Opened, Failure> {
        let (first, longest) = timing::RETRY_DELAYS;
        let mut delays = ExponentialBuilder::default()
            .with_min_delay(first)
            .with_max_delay(longest)
            .without_max_times()
            .with_jitter()
            .build();
        loop {
            let now = Instant::now();
            let patience = trouble.begin(now).saturating_duration_since(now);
            let attempt = timeout(
                patience.min(timing::BYTE_STALL),
                self.attempt(route, wanted),
            );
            let refusal = tokio::select! {
                () = route.closed().cancelled() => return Err(closed()),
                attempt = attempt => match attempt {
                    Ok(Ok(opened)) => return Ok(opened),
                    Ok(Err(refusal)) => refusal,
                    Err(_) => Refusal::Retry(unreachable("did not answer in time")),
                },
            };
            let failure = match refusal {
                Refusal::Final(failure) => {
                    route.fail(failure.clone());
                    return Err(failure);
                }
                Refusal::Retry(failure) => failure,
            };
            let delay = delays.next().unwrap_or(longest);
            let now = Instant::now();
            if now + delay >= trouble.begin(now) {
                route.fail(failure.clone());
                return Err(failure);
            }
            tracing::debug!(code = failure.code, ?delay, "source is tried again");
            tokio::select! {
                () = route.closed().cancelled() => return Err(closed()),
                () = tokio::time::sleep(delay) => {}
            }
        }
    }

    /// One request, redirects included.
    async fn attempt(&self, route: &Route, wanted: ByteRange) -> Result<Opened, Refusal> {
        let policy = &self.access.policy;
        let mut url = route.source.expose().clone();
        for hop in 0..=MAX_REDIRECTS {
            if !policy.allows(&url) {
                return Err(Refusal::Final(not_allowed(hop)));
            }
            let response = self.request(&url, route, wanted).await?;
            if !response.status().is_redirection() {
                return judge(route, wanted, response);
            }
            let location = response.headers().get(LOCATION);
            url = location
                .and_then(|value| value.to_str().ok())
                .and_then(|text| url.join(text).ok())
                .ok_or_else(|| Refusal::Final(redirect_refused("redirects to nowhere")))?;
        }
        Err(Refusal::Final(redirect_refused("redirects in a circle")))
    }

    async fn request(
        &self,
        url: &Url,
        route: &Route,
        wanted: ByteRange,
    ) -> Result<Response, Refusal> {
        let access = &self.access;
        // Called for every hop: the key is for Jellyfin's own origin and for no other.
        let (url, authorization) = authorize(
            url,
            access.api_key.as_ref(),
            access.policy.jellyfin_origin(),
        );
        let mut request = self
            .client
            .get(url)
            .header(RANGE, wanted.header())
            .header(ACCEPT_ENCODING, "identity");
        if let Some(etag) = route.identity().and_then(|identity| identity.etag) {
            request = request.header(IF_RANGE, etag);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        // The error's own text has the URL in it.
        request.send().await.map_err(|error| {
            Refusal::Retry(unreachable(if error.is_timeout() {
                "did not answer in time"
            } else if error.is_connect() {
                "cannot be reached"
            } else {
                "broke the connection off"
            }))
        })
    }
}

/// Turns an answer into a body at the wanted offset, or into a reason.
fn judge(route: &Route, wanted: ByteRange, response: Response) -> Result<Opened, Refusal> {
    let status = response.status();
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        let total = route.identity().and_then(|identity| identity.total);
        if total.is_some_and(|total| wanted.first < total) {
            return Err(Refusal::Final(changed()));
        }
        // ffmpeg may look behind the end; an empty body at that place is the answer it can use.
        return Ok(Opened {
            response,
            offset: wanted.first,
            end: Some(wanted.first),
        });
    }
    if !status.is_success() {
        return Err(refused(status));
    }
    let header = |name| response.headers().get(name);
    let strong_etag = header(ETAG)
        .and_then(|value| value.to_str().ok())
        .filter(|etag| !etag.starts_with("W/"))
        .map(str::to_owned);
    let opened = if status == StatusCode::PARTIAL_CONTENT {
        let range = header(CONTENT_RANGE)
            .and_then(|value| ContentRange::parse(value.as_bytes()))
            .filter(|range| range.first == wanted.first)
            .ok_or_else(|| Refusal::Retry(server_error("sent another part than asked for")))?;
        let same = route.identify(Identity {
            total: range.total,
            etag: strong_etag,
        });
        if !same {
            return Err(Refusal::Final(changed()));
        }
        Opened {
            response,
            offset: range.first,
            end: Some(range.last + 1),
        }
    } else {
        let total = response.content_length();
        let same = route.identify(Identity {
            total,
            etag: strong_etag,
        });
        if !same {
            return Err(Refusal::Final(changed()));
        }
        Opened {
            response,
            offset: 0,
            end: total,
        }
    };
    Ok(opened)
}

fn refused(status: StatusCode) -> Refusal {
    let failure = |code, message: &str| Refusal::Final(Failure::new(code, message));
    match status.as_u16() {
        401 => failure(
            code::SOURCE_UNAUTHORIZED,
            "the media server did not accept the key (401)",
        ),
        403 => failure(
            code::SOURCE_FORBIDDEN,
            "the media server forbids this item (403)",
        ),
        404 => failure(
            code::SOURCE_NOT_FOUND,
            "the media server does not have this item (404)",
        ),
        410 => failure(
            code::SOURCE_GONE,
            "the media server no longer has this item (410)",
        ),
        408 | 429 | 500..=599 => {
            Refusal::Retry(server_error(&format!("answers {}", status.as_u16())))
        }
        other => failure(
            code::SOURCE_REFUSED,
            &format!("the media server answers {other}"),
        ),
    }
}

fn server_error(what: &str) -> Failure {
    Failure::new(
        code::SOURCE_SERVER_ERROR,
        format!("the media server {what}"),
    )
}

fn unreachable(what: &str) -> Failure {
    Failure::new(code::SOURCE_UNREACHABLE, format!("the media server {what}"))
}

fn redirect_refused(what: &str) -> Failure {
    Failure::new(
        code::SOURCE_REDIRECT_REFUSED,
        format!("the media server {what}"),
    )
}

fn not_allowed(hop: usize) -> Failure {
    if hop == 0 {
        Failure::new(
            code::SOURCE_REFUSED,
            "the source is not on an allowed origin",
        )
    } else {
        redirect_refused("redirects to an origin that is not allowed")
    }
}

fn changed() -> Failure {
    Failure::new(
        code::SOURCE_CHANGED,
        "the file was replaced while it played",
    )
}

/// Nobody sees it: the pipeline is gone.
pub(super) fn closed() -> Failure {
    Failure::new(code::CLOSED, "the pipeline was closed")
}
