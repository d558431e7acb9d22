//! Reads fields of a query string, and names the one that is wrong.

use std::{convert::Infallible, ops::RangeInclusive};

use axum::{extract::FromRequestParts, http::request::Parts};
use url::form_urlencoded;

use crate::problem::Problem;

/// The request's query. Of a name that is there twice the first counts; an empty value counts as missing.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    fn parse(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.into_owned().collect())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// A whole number of this range.
    pub(crate) fn integer(
        &self,
        name: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (least, most) = range.into_inner();
                let rule = format!("{name} must be an integer from {least} to {most}");
                Err(Problem::invalid_field(name, rule))
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_wrong() {
        let query = Query::parse("after=5&after=6&limit=0&empty=&text=a%20b");
        assert_eq!(query.integer("after", 0..=9), Ok(Some(5)));
        assert_eq!(query.integer("empty", 0..=9), Ok(None));
        assert_eq!(query.text("text"), Some("a b"));
        for wrong in ["limit", "text"] {
            assert!(query.integer(wrong, 1..=9).is_err(), "{wrong}");
        }
    }
}
