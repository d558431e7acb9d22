//! A media URL that can be logged without giving its key away.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use crate::Error;

/// An absolute http or https URL. `Debug` and `Display` show the scheme, host, port, path and the
/// *names* of the query, and replace the rest; serde writes it whole, because it has to travel to
/// the worker. [`SourceUrl::expose`] is the one way to the URL itself.
///
/// Being a `SourceUrl` says nothing about being allowed: that is
/// [`SourcePolicy::check`](crate::SourcePolicy::check).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SourceUrl(Url);

impl SourceUrl {
    /// The URL with all its secrets, for opening it. Do not log it.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl TryFrom<Url> for SourceUrl {
    type Error = Error;

    fn try_from(url: Url) -> Result<Self, Error> {
        if matches!(url.scheme(), "http" | "https") {
            Ok(Self(url))
        } else {
            Err(invalid("the scheme is neither http nor https"))
        }
    }
}

impl FromStr for SourceUrl {
    type Err = Error;

    fn from_str(raw: &str) -> Result<Self, Error> {
        Url::parse(raw)
            .map_err(|_| invalid("not a url"))?
            .try_into()
    }
}

fn invalid(problem: &'static str) -> Error {
    Error::SourceInvalid {
        field: "url".into(),
        problem,
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.0;
        write!(f, "{}://", url.scheme())?;
        if !url.username().is_empty() || url.password().is_some() {
            f.write_str("…@")?;
        }
        f.write_str(url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(url.path())?;
        for (i, pair) in url
            .query()
            .into_iter()
            .flat_map(|q| q.split('&'))
            .enumerate()
        {
            f.write_str(if i == 0 { "?" } else { "&" })?;
            // A part without `=` may be a secret as a whole, so nothing of it is shown.
            if let Some((name, _)) = pair.split_once('=') {
                write!(f, "{name}=")?;
            }
            f.write_str("…")?;
        }
        if url.fragment().is_some() {
            f.write_str("#…")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceUrl({self})")
    }
}

impl Serialize for SourceUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for SourceUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        raw.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn shown(raw: &str) -> String {
        raw.parse::<SourceUrl>().unwrap().to_string()
    }

    #[test]
    fn display_keeps_names_and_hides_values() {
        assert_eq!(
            shown("https://host/Videos/x/stream?static=true&api_key=SECRET"),
            "https://host/Videos/x/stream?static=…&api_key=…"
        );
        assert_eq!(shown("http://host:8096/a"), "http://host:8096/a");
        assert_eq!(shown("http://bob:pw@host/a?SECRET"), "http://…@host/a?…");
        assert_eq!(shown("http://host/a#SECRET"), "http://host/a#…");
        assert_eq!(shown("http://[::1]:80/a"), "http://[::1]/a");
    }

    #[test]
    fn debug_is_the_display() {
        let url: SourceUrl = "http://h/a?k=SECRET".parse().unwrap();
        assert_eq!(format!("{url:?}"), "SourceUrl(http://h/a?k=…)");
    }

    #[test]
    fn only_http_and_https_parse() {
        for raw in [
            "file:///etc/passwd",
            "concat:http://h/a|http://h/b",
            "ftp://h/a",
            "//h/a",
            "h/a",
            "",
            "http://",
        ] {
            let error = raw.parse::<SourceUrl>().unwrap_err();
            assert_eq!(error.code(), "source_invalid", "{raw}");
        }
    }

    #[test]
    fn serde_is_the_plain_string() {
        let json = "\"https://h/a?ApiKey=K\"";
        let url: SourceUrl = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&url).unwrap(), json);
        let error = serde_json::from_str::<SourceUrl>("\"file:///x?k=SECRET\"").unwrap_err();
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }

    proptest! {
        #[test]
        fn no_secret_is_ever_shown(name in "[a-zA-Z_%=&;]{0,12}", secret in "[A-Z]{12,20}") {
            let url: SourceUrl =
                format!("http://u:{secret}@h/p?{name}={secret}&{secret}#{secret}").parse().unwrap();
            let shown = format!("{url} {url:?}");
            prop_assert!(!shown.contains(&secret), "{}", shown);
        }
    }
}
