//! A request's JSON as ASP.NET reads it: names without case, numbers also as text.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Map, Value};

/// More than any body that the API takes.
const MAX_BYTES: usize = 1024 * 1024;

/// A JSON object; as an extractor it answers 400 for anything else.
#[derive(Debug, Clone)]
pub(crate) struct Body(pub(crate) Map<String, Value>);

impl Body {
    /// A field by its name in any case; null is none.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let named = |(field, _): &(&String, &Value)| field.eq_ignore_ascii_case(name);
        let (_, value) = self.0.iter().find(named)?;
        Some(value).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    pub(crate) fn truth(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    /// A whole number, `Err` for what is none.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, StatusCode> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = match value {
            Value::String(text) => text.parse().ok(),
            value => value.as_i64(),
        };
        number.map(Some).ok_or(StatusCode::BAD_REQUEST)
    }
}

impl<S: Sync> FromRequest<S> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let refused = StatusCode::BAD_REQUEST;
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BYTES)
            .await
            .or(Err(refused.into_response()))?;
        let object = serde_json::from_slice(&bytes).map(Self);
        object.or(Err(refused.into_response()))
    }
}
