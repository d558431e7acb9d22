//! The worker contract, as a client without knowledge of the code speaks it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::Value;

use crate::waiting::LOOK_EVERY;

/// A call waits 5 s for the worker; beyond that something hangs.
const ANSWERS_WITHIN: Duration = Duration::from_secs(15);

/// Longer than any test listens.
const STREAMS_FOR: Duration = Duration::from_mins(5);

/// The values of `workerStatus`.
const WORKER_STATUSES: [&str; 5] = [
    "connecting",
    "connected",
    "reconnecting",
    "disconnected",
    "error",
];

/// The values of `playbackState`.
const PLAYBACK_STATES: [&str; 6] = ["idle", "loading", "playing", "paused", "ended", "stopped"];

/// An HTTP client with a token.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: String,
    token: Option<String>,
}

/// An answer, and when it was asked for and came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub code: u16,
    /// The body, null when it was no JSON.
    pub body: Value,
    /// The body as it came.
    pub text: String,
    /// `Content-Type`.
    pub content_type: String,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    /// Before the request was sent.
    pub asked: Instant,
    /// After the answer was read.
    pub answered: Instant,
}

impl Api {
    /// To a server, with a bearer token.
    pub fn new(address: SocketAddr, token: &str) -> Self {
        let client = Client::builder()
            .timeout(ANSWERS_WITHIN)
            .no_proxy()
            .build()
            .expect("a client without options that can fail");
        Self {
            client,
            base: format!("http://{address}"),
            token: Some(token.to_owned()),
        }
    }

    /// The same with another token, or without one.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            token: token.map(str::to_owned),
            ..self.clone()
        }
    }

    /// The server's address, as a URL without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        let request = self.request(Method::GET, path, &[]);
        self.send(request).await.expect("the server answers")
    }

    /// GET of something that is not JSON; `None` unless the answer was 200.
    pub async fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let response = self.request(Method::GET, path, &[]).send().await.ok()?;
        if response.status() != 200 {
            return None;
        }
        Some(response.bytes().await.ok()?.to_vec())
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, body.to_string(), &[]).await
    }

    /// POST of JSON with an `Idempotency-Key`.
    pub async fn post_once(&self, path: &str, body: &Value, key: &str) -> Answer {
        self.post_with(path, body.to_string(), &[("Idempotency-Key", key)])
            .await
    }

    /// POST of anything, with further headers.
    pub async fn post_with(&self, path: &str, body: String, headers: &[(&str, &str)]) -> Answer {
        self.try_post(path, body, headers)
            .await
            .expect("the server answers")
    }

    /// The same where the server may be away.
    pub async fn try_post(
        &self,
        path: &str,
        body: String,
        headers: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let request = self
            .request(Method::POST, path, headers)
            .header("Content-Type", "application/json")
            .body(body);
        self.send(request).await
    }

    /// Any method, with a body of JSON or without one, and further headers.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.request(method, path, headers);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request).await.expect("the server answers")
    }

    /// Begins to read `text/event-stream`: the answer's head has come.
    pub(crate) async fn open_stream(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> reqwest::Response {
        // A stream has no end that could be waited for.
        let request = self
            .request(Method::GET, path, headers)
            .header("Accept", "text/event-stream")
            .timeout(STREAMS_FOR);
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status(), 200, "a stream at {path}");
        response
    }

    /// Asks until an answer with 200 fits, and gives the first.
    ///
    /// # Panics
    ///
    /// With `what` and the last answer when none fitted `within` the time.
    pub async fn get_until(
        &self,
        path: &str,
        what: &str,
        within: Duration,
        fits: impl Fn(&Answer) -> bool,
    ) -> Answer {
        let deadline = Instant::now() + within;
        loop {
            let answer = self.get(path).await.expect_code(200);
            if fits(&answer) {
                return answer;
            }
            assert!(
                Instant::now() < deadline,
                "waited {within:?} for {what}; the answer is {}",
                answer.text
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> reqwest::RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let asked = Instant::now();
        let response = request.send().await?;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        let code = response.status().as_u16();
        let content_type = header("content-type").unwrap_or_default();
        let retry_after = header("retry-after");
        let (etag, location) = (header("etag"), header("location"));
        let text = response.text().await?;
        Ok(Answer {
            code,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
            content_type,
            retry_after,
            etag,
            location,
            asked,
            answered: Instant::now(),
        })
    }
}

impl Answer {
    /// The answer, if it has this status.
    ///
    /// # Panics
    ///
    /// With the whole answer when it has not.
    #[track_caller]
    #[allow(
        clippy::return_self_not_must_use,
        reason = "often it is only the check that is wanted"
    )]
    pub fn expect_code(self, code: u16) -> Self {
        assert_eq!(self.code, code, "answer: {}", self.text);
        self
    }

    /// That it is a refusal with this status and stable code, as problem+json.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) {
        let said = (self.code, self.body["code"].as_str().unwrap_or_default());
        assert_eq!(said, (status, code), "answer: {}", self.text);
        assert_eq!(self.content_type, "application/problem+json");
        assert_eq!(self.body["status"], status, "answer: {}", self.text);
        let detail = self.body["detail"].as_str().unwrap_or_default();
        assert!(!detail.is_empty(), "answer: {}", self.text);
    }

    /// That it is the whole status object, each field of its type, and bears no URL.
    #[track_caller]
    pub fn expect_status(&self) {
        let Self { body, text, .. } = self;
        let one_of = |field: &str, values: &[&str]| {
            let value = body[field].as_str().unwrap_or_default();
            assert!(values.contains(&value), "{field} in {text}");
        };
        one_of("workerStatus", &WORKER_STATUSES);
        one_of("playbackState", &PLAYBACK_STATES);
        for field in ["currentTitle", "lastError"] {
            let value = body.get(field);
            assert!(
                value.is_some_and(|v| v.is_null() || v.is_string()),
                "{field} in {text}"
            );
        }
        let duration = body.get("durationSeconds");
        assert!(
            duration.is_some_and(|v| v.is_null() || v.is_u64()),
            "{text}"
        );
        let seconds = body["positionSeconds"].as_u64();
        let ms = body["positionMs"].as_u64();
        assert!(
            seconds.is_some() && seconds == ms.map(|ms| ms / 1000),
            "{text}"
        );
        assert!(!text.contains("://"), "{text}");
    }

    /// What of a status stands still while nothing is done: all but the time and what runs with it.
    pub fn settled(&self) -> Value {
        let mut body = self.body.clone();
        for moving in ["updatedAt", "positionMs", "positionSeconds", "health"] {
            body[moving] = Value::Null;
        }
        body
    }

    /// A field of the status.
    pub fn text_of(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// `positionMs`, in seconds.
    #[track_caller]
    pub fn position(&self) -> f64 {
        let ms = self.body["positionMs"].as_u64();
        ms.unwrap_or_else(|| panic!("no positionMs in {}", self.text)) as f64 / 1000.0
    }

    /// How long the answer took.
    pub fn took(&self) -> Duration {
        self.answered - self.asked
    }
}
