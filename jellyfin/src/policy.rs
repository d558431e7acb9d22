//! Which URLs may be opened.

use url::{Origin, Url};

use crate::rewrite::{Rewrite, parse_base_url};
use crate::{Error, SourceUrl};

const BASE_URL: &str = "a base url such as http://jellyfin:8096";

/// Longer than any media URL, short enough to store and log without thought.
const MAX_URL_BYTES: usize = 8192;

/// The allowed origins and the rewrite rule. A listed origin may be loopback or private: Jellyfin
/// usually is. Anything not listed is refused, whatever it resolves to.
#[derive(Debug, Clone, Default)]
pub struct SourcePolicy {
    /// The first is Jellyfin's own when there is one.
    origins: Vec<Origin>,
    jellyfin: Option<Origin>,
    rewrite: Option<Rewrite>,
}

impl SourcePolicy {
    /// Builds it from the configuration as written: `ORB_JELLYFIN_URL`, the entries of
    /// `ORB_JELLYFIN__ALLOWED_ORIGINS`, and `ORB_JELLYFIN__REWRITE` as `from=to`. Empty strings
    /// count as not set; paths of origins are ignored.
    pub fn from_config<S: AsRef<str>>(
        jellyfin_url: Option<&str>,
        allowed_origins: &[S],
        rewrite: Option<&str>,
    ) -> Result<Self, Error> {
        let set = |value: &&str| !value.trim().is_empty();
        let jellyfin = jellyfin_url
            .filter(set)
            .map(|raw| parse_base_url("ORB_JELLYFIN_URL", raw, BASE_URL))
            .transpose()?
            .map(|url| url.origin());
        let mut origins: Vec<Origin> = jellyfin.iter().cloned().collect();
        for raw in allowed_origins.iter().map(AsRef::as_ref).filter(set) {
            let url = parse_base_url("ORB_JELLYFIN__ALLOWED_ORIGINS", raw, BASE_URL)?;
            origins.push(url.origin());
        }
        Ok(Self {
            origins,
            jellyfin,
            rewrite: rewrite.filter(set).map(Rewrite::parse).transpose()?,
        })
    }

    /// The origin of `ORB_JELLYFIN_URL`: the one that gets the API key (see
    /// [`authorize`](crate::authorize)).
    pub fn jellyfin_origin(&self) -> Option<&Origin> {
        self.jellyfin.as_ref()
    }

    /// Rewrites and checks what a caller sent in `field`. The result is what is to be opened. Errors
    /// name the field and, at most, the origin.
    pub fn check(&self, field: &str, raw: &str) -> Result<SourceUrl, Error> {
        let invalid = |problem| Error::SourceInvalid {
            field: field.to_owned(),
            problem,
        };
        if raw.len() > MAX_URL_BYTES {
            return Err(invalid("longer than 8192 bytes"));
        }
        // The parser would drop tabs and line ends silently; who sends them means something else.
        if raw.chars().any(char::is_control) {
            return Err(invalid("it has control characters in it"));
        }
        let mut url = Url::parse(raw).map_err(|_| invalid("not an absolute url"))?;
        if let Some(rewrite) = &self.rewrite {
            url = rewrite.apply(url);
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("the scheme is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it has a user name or password in it"));
        }
        if self.origins.is_empty() {
            return Err(Error::NoSourceOrigin {
                field: field.to_owned(),
            });
        }
        if !self.allows(&url) {
            return Err(Error::SourceNotAllowed {
                field: field.to_owned(),
                origin: url.origin().ascii_serialization(),
            });
        }
        url.set_fragment(None); // never sent to a server
        url.try_into()
    }

    /// Whether a URL that a server answered with (a redirect) may be followed: http or https, no
    /// user name, and a listed origin. No rewrite: the server's names are not the bot's.
    pub fn allows(&self, url: &Url) -> bool {
        // An opaque origin (`file:`, `data:`) equals nothing, so it needs no test of its own.
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && self.origins.contains(&url.origin())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn policy() -> SourcePolicy {
        SourcePolicy::from_config(
            Some("http://127.0.0.1:8096/jf"),
            &["https://Media.Example.org", "http://[::1]:80/", ""],
            Some("http://jellyfin=http://127.0.0.1:8096"),
        )
        .unwrap()
    }

    #[track_caller]
    fn refused(raw: &str, code: &str) {
        let error = policy().check("playback.streamUrl", raw).unwrap_err();
        assert_eq!(error.code(), code, "{raw}: {error}");
        assert_eq!(error.field(), Some("playback.streamUrl"));
        let text = format!("{error} {error:?}");
        assert!(text.contains("playback.streamUrl"), "{text}");
        assert!(!text.contains("SECRET"), "{text}");
    }

    #[test]
    fn listed_origins_are_allowed() {
        for (raw, opened) in [
            (
                "http://127.0.0.1:8096/Videos/1/stream?ApiKey=K",
                "http://127.0.0.1:8096/Videos/1/stream?ApiKey=K",
            ),
            (
                "https://media.example.org:443/a",
                "https://media.example.org/a",
            ),
            (
                "HTTPS://MEDIA.EXAMPLE.ORG/a#x",
                "https://media.example.org/a",
            ),
            ("http://[0:0::1]/a", "http://[::1]/a"),
            ("http://2130706433:8096/a", "http://127.0.0.1:8096/a"),
            ("http://jellyfin/a?b=c", "http://127.0.0.1:8096/a?b=c"),
        ] {
            let url = policy().check("f", raw).unwrap();
            assert_eq!(url.expose().as_str(), opened);
        }
    }

    #[test]
    fn other_origins_are_refused() {
        for raw in [
            "http://169.254.169.254/latest?k=SECRET",
            "http://127.0.0.1/a?k=SECRET",
            "http://127.0.0.1:8097/a",
            "https://127.0.0.1:8096/a",
            "http://localhost:8096/a",
            "http://media.example.org/a",
            "https://media.example.org.evil/a",
            "https://media.example.org:444/a",
            "https://evil/https://media.example.org/a",
            "http://jellyfin.evil/a",
            "http://jellyfin:8096/a",
            "http://[::ffff:127.0.0.1]:8096/a",
        ] {
            refused(raw, "source_not_allowed");
        }
    }

    #[test]
    fn what_is_no_plain_http_url_is_invalid() {
        let long = format!("http://127.0.0.1:8096/{}", "a".repeat(MAX_URL_BYTES));
        for raw in [
            "",
            "Videos/1/stream",
            "//127.0.0.1:8096/a",
            "file:///etc/passwd?SECRET",
            "concat:http://127.0.0.1:8096/a|SECRET",
            "data:text/plain,SECRET",
            "http://",
            "http://bob:SECRET@127.0.0.1:8096/a",
            "http://jellyfin:SECRET@evil/a",
            "http://bob:SECRET@jellyfin/a",
            "http://127.0.0.1:80960/?SECRET",
            "http://127.0.0.1:8096/a\r\nX: SECRET",
            "http://127.0.0\t.1:8096/a",
            &long,
        ] {
            refused(raw, "source_invalid");
        }
    }

    #[test]
    fn nothing_configured_names_the_variable() {
        let policy = SourcePolicy::from_config::<&str>(Some(" "), &[], None).unwrap();
        let error = policy
            .check("playback.streamUrl", "http://h/a")
            .unwrap_err();
        assert_eq!(error.code(), "no_source_origin");
        assert!(error.to_string().contains("ORB_JELLYFIN_URL"));
        assert!(policy.jellyfin_origin().is_none());
    }

    #[test]
    fn redirects_are_held_to_the_same_list() {
        let policy = policy();
        let allows = |raw: &str| policy.allows(&Url::parse(raw).unwrap());
        assert!(allows("https://media.example.org/b?x=y"));
        assert!(!allows("http://169.254.169.254/"));
        assert!(!allows("http://jellyfin/a"), "no rewrite for redirects");
        assert!(!allows("http://u@127.0.0.1:8096/"));
        assert!(!allows("file:///etc/passwd"));
    }

    #[test]
    fn bad_configuration_names_its_key() {
        let none: [&str; 0] = [];
        let bad_url = SourcePolicy::from_config(Some("jellyfin:8096"), &none, None).unwrap_err();
        assert!(
            bad_url.to_string().starts_with("ORB_JELLYFIN_URL: "),
            "{bad_url}"
        );
        let bad_origin = SourcePolicy::from_config(None, &["*"], None).unwrap_err();
        assert!(
            bad_origin.to_string().contains("ALLOWED_ORIGINS"),
            "{bad_origin}"
        );
    }
}
