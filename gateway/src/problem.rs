//! `application/problem+json` (RFC 9457), the one shape of every refusal.

use std::{borrow::Cow, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// Retry-After of a refusal that says nothing of its own about when to come again.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// A refusal. Its code is stable and meant for programs; its detail is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    field: Option<String>,
    retry_after: Option<Duration>,
}

/// A [`Problem`] as it is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem, examples(json!({
    "type": "urn:orb:problem:session_not_found",
    "title": "Session not found",
    "status": 404,
    "code": "session_not_found",
    "detail": "no session has this id; create it with POST /sessions",
})))]
pub(crate) struct ProblemBody<'a> {
    /// A URN that ends with the code.
    #[serde(rename = "type")]
    #[schema(format = "uri")]
    kind: String,
    /// The code in words.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Stable code, listed in `docs/errors.md`.
    #[schema(pattern = "^[a-z0-9_]+$")]
    code: &'a str,
    /// What is wrong here, and what to do.
    detail: &'a str,
    /// The field of the request that is wrong, named as the caller names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'a str>,
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body = ProblemBody {
            kind: format!("urn:orb:problem:{}", self.code),
            title: in_words(&self.code),
            status: self.status.as_u16(),
            code: &self.code,
            detail: &self.detail,
            field: self.field.as_deref(),
        };
        body.serialize(serializer)
    }
}

impl Problem {
    /// A refusal with this status and stable code.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            detail: detail.into(),
            field: None,
            retry_after: None,
        }
    }

    /// Names the field that is wrong.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same under another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Says when to come again.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// A field of the body that is missing, of a wrong type or out of its range.
    pub(crate) fn invalid_field(
        field: impl Into<String>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_argument", detail).with_field(field)
    }

    pub(crate) fn session_not_found() -> Self {
        let detail = "no session has this id; create it with POST /sessions";
        Self::new(StatusCode::NOT_FOUND, "session_not_found", detail)
    }

    pub(crate) fn route_not_found() -> Self {
        let detail = "nothing is served at this path; see /api/openapi.json";
        Self::new(StatusCode::NOT_FOUND, "route_not_found", detail)
    }

    pub(crate) fn unauthenticated() -> Self {
        let detail = "send a valid token as `Authorization: Bearer` or `X-API-Key`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    pub(crate) fn internal() -> Self {
        let detail = "the gateway or the scheduler failed; the log has more under this answer's X-Request-Id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
}

fn in_words(code: &str) -> String {
    let mut words = code.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let body = serde_json::to_vec(&self).expect("strings and a number always serialize");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"orb\""),
            );
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let delay = self.retry_after.unwrap_or(DEFAULT_RETRY_AFTER);
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(delay.as_secs_f64().ceil().max(1.0) as u64),
            );
        }
        response
    }
}

/// Answer to a path that nothing is served at.
pub(crate) async fn no_such_route() -> Problem {
    Problem::route_not_found()
}

/// Answer to a known path with a method that it has not; axum adds `Allow`.
pub(crate) async fn no_such_method() -> Problem {
    let detail = "this path has no such method; the Allow header names those it has";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
