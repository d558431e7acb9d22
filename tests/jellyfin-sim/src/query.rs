//! Query parameters as ASP.NET has them: names without case.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::Uri;
use http::request::Parts;
use url::form_urlencoded;

/// Decoded parameters of a request; an extractor.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self(
            pairs
                .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
                .collect(),
        )
    }

    /// The first value of a parameter; `name` in lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// The values of a list, given comma-separated, repeated, or both.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let values = self.0.iter().filter(|(n, _)| n == name);
        values
            .flat_map(|(_, value)| value.split(','))
            .filter(|v| !v.is_empty())
            .collect()
    }

    /// A parameter as a number or truth value: `None` when absent, an error when it is no such thing.
    pub(crate) fn parse<T: FromStr>(&self, name: &str) -> Result<Option<T>, T::Err> {
        self.get(name)
            .map(str::to_ascii_lowercase)
            .map(|v| v.parse())
            .transpose()
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.uri))
    }
}

/// The query as it may be recorded: whatever could be a key loses its value.
pub(crate) fn without_keys(query: &str) -> String {
    let shown = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_key(name) => format!("{name}=…"),
        _ => pair.to_owned(),
    });
    shown.collect::<Vec<_>>().join("&")
}

fn is_key(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("key") || name.contains("token") || name.contains('%')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_have_no_case() {
        let query = Query::of(&"/x?Limit=5&IDS=a,b&ids=c&recursive=True".parse().unwrap());
        assert_eq!(query.parse::<usize>("limit"), Ok(Some(5)));
        assert_eq!(query.parse::<bool>("recursive"), Ok(Some(true)));
        assert_eq!(query.list("ids"), ["a", "b", "c"]);
        assert!(query.parse::<usize>("recursive").is_err());
    }

    #[test]
    fn keys_are_not_recorded() {
        assert_eq!(
            without_keys("static=true&ApiKey=K&api_key=K&api%5Fkey=K&x"),
            "static=true&ApiKey=…&api_key=…&api%5Fkey=…&x"
        );
    }
}
