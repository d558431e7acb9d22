//! URLs of servers that the project talks to, and the rule that renames one.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error as _};
use url::{Host, Origin, Url};

/// An `http` or `https` URL with a host. Shown as its origin alone: the rest may hold a key.
#[derive(Clone, Eq, PartialEq)]
pub struct HttpUrl(Url);

impl HttpUrl {
    /// The URL as given. Its text may hold secrets: not for a log.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The URL as text. May hold secrets.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The URL as text without a trailing `/`, to append paths to. May hold secrets.
    pub fn base(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> Origin {
        self.0.origin()
    }

    /// Whether the host is this machine by its very name or address.
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }
}

impl AsRef<str> for HttpUrl {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for HttpUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url =
            Url::parse(text.trim()).map_err(|_| "expected a URL such as http://127.0.0.1:8096")?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("expected a URL that begins with http:// or https://");
        }
        Ok(Self(url))
    }
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin().ascii_serialization())
    }
}

/// `from=to`, two base URLs: sources below `from` are fetched below `to` instead.
///
/// The bot names Jellyfin as its own network knows it (`http://jellyfin:8096`), which may mean
/// nothing where the worker runs. The rule is applied by the Jellyfin client's source policy; here
/// it is only known to be well-formed.
#[derive(Clone, Eq, PartialEq)]
pub struct Rewrite(String);

impl Rewrite {
    /// The rule as written. May hold secrets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Rewrite {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let well_formed = text.split_once('=').is_some_and(|(from, to)| {
            from.parse::<HttpUrl>().is_ok() && to.parse::<HttpUrl>().is_ok()
        });
        if !well_formed {
            return Err(
                "expected from=to, two URLs such as http://jellyfin:8096=http://192.168.1.5:8096",
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Rewrite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rewrite(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_http_with_a_host() {
        assert!("http://jellyfin:8096/base".parse::<HttpUrl>().is_ok());
        for bad in [
            "jellyfin:8096",
            "file:///etc/passwd",
            "ftp://host/",
            "http://",
            "",
        ] {
            assert!(bad.parse::<HttpUrl>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn shown_without_keys() {
        let url: HttpUrl = "https://me:secret@host/p?api_key=secret".parse().unwrap();
        assert_eq!(format!("{url} {url:?}"), "https://host https://host");
    }

    #[test]
    fn refuses_half_a_rule() {
        for bad in ["http://a", "a=b", "=", "http://a=", ""] {
            assert!(bad.parse::<Rewrite>().is_err(), "{bad:?}");
        }
    }
}
