//! The id of a session, as it stands in a path.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};

use utoipa::IntoParams;

use crate::problem::Problem;

const MAX_LENGTH: usize = 128;

/// Documents the `{id}` of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "documents the path; SessionId reads it")]
pub(crate) struct SessionPath {
    /// The session's id, as its creator gave it.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,128}$", example = "456")]
    id: String,
}

/// An id that a session can have. Anything else in a path can name no session, and is a 404.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(String);

impl SessionId {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        if text.is_empty() || text.len() > MAX_LENGTH || !text.chars().all(allowed) {
            return Err(Problem::session_not_found());
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// The first parameter of the route, whatever it is called.
impl<S: Send + Sync> FromRequestParts<S> for SessionId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Rejected when the path is no UTF-8 once decoded.
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::session_not_found())?;
        let (_, value) = params
            .iter()
            .next()
            .ok_or_else(Problem::session_not_found)?;
        Self::parse(value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn takes_what_the_protocol_allows_and_nothing_else() {
        for good in ["456", "a", "guild:1.party_2-x", &"x".repeat(128)] {
            assert_eq!(SessionId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a/b", "é", "a\n", &"x".repeat(129)] {
            assert_eq!(
                SessionId::parse(bad).unwrap_err().code(),
                "session_not_found",
                "{bad:?}"
            );
        }
    }
}
