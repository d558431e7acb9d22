//! The `from=to` rule: the bot may know Jellyfin under a name that exists on its network only.

use url::Url;

use crate::Error;

const KEY: &str = "ORB_JELLYFIN__REWRITE";
const EXPECTED: &str = "from=to with two http or https base urls and no query, \
                        for example http://jellyfin:8096=https://media.example.org/jf";

/// Replaces one base URL (an origin and an optional path prefix) by another.
#[derive(Debug, Clone)]
pub(crate) struct Rewrite {
    from: Url,
    to: Url,
}

impl Rewrite {
    /// Parses `from=to`. The first `=` separates, so `from` has none in it.
    pub(crate) fn parse(rule: &str) -> Result<Self, Error> {
        let (from, to) = rule
            .split_once('=')
            .ok_or_else(|| config_error(KEY, "there is no = in it", EXPECTED))?;
        Ok(Self {
            from: parse_base_url(KEY, from, EXPECTED)?,
            to: parse_base_url(KEY, to, EXPECTED)?,
        })
    }

    /// The URL under the new base when it lies under the old one, else as it was. User name and
    /// password are not touched, for the check that follows to refuse them.
    pub(crate) fn apply(&self, url: Url) -> Url {
        if url.origin() != self.from.origin() {
            return url;
        }
        let Some(rest) = below(self.from.path(), url.path()) else {
            return url;
        };
        let mut out = self.to.clone();
        out.set_path(&format!("{}{rest}", self.to.path().trim_end_matches('/')));
        out.set_query(url.query());
        out.set_fragment(url.fragment());
        // Neither can fail: an http URL has a host.
        let _ = out.set_username(url.username());
        let _ = out.set_password(url.password());
        out
    }
}

/// What follows `prefix` in `path`: empty or beginning with `/`. `None` unless the prefix ends where
/// a segment does, so `/media` is no prefix of `/mediaserver`.
fn below<'a>(prefix: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// An http or https URL with nothing but an origin and a path.
pub(crate) fn parse_base_url(
    key: &'static str,
    raw: &str,
    expected: &'static str,
) -> Result<Url, Error> {
    let problem = match Url::parse(raw.trim()) {
        Err(_) => "not an absolute url",
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            "the scheme is neither http nor https"
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "it has a user name or password in it"
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            "it has a query or fragment"
        }
        Ok(url) => return Ok(url),
    };
    Err(config_error(key, problem, expected))
}

fn config_error(key: &'static str, problem: &'static str, expected: &'static str) -> Error {
    Error::ConfigInvalid {
        key,
        problem,
        expected,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(rule: &str, url: &str, expected: &str) {
        let url = Url::parse(url).unwrap();
        let out = Rewrite::parse(rule).unwrap().apply(url);
        assert_eq!(out.as_str(), Url::parse(expected).unwrap().as_str());
    }

    #[track_caller]
    fn untouched(rule: &str, url: &str) {
        check(rule, url, url);
    }

    #[test]
    fn replaces_the_origin_and_keeps_the_rest() {
        let rule = "http://jellyfin:8096=https://media.example.org";
        check(
            rule,
            "http://jellyfin:8096/Videos/1/stream?static=true&x=%2F#f",
            "https://media.example.org/Videos/1/stream?static=true&x=%2F#f",
        );
        check(rule, "http://jellyfin:8096", "https://media.example.org/");
        untouched(rule, "http://jellyfin/Videos/1");
        untouched(rule, "https://jellyfin:8096/Videos/1");
    }

    #[test]
    fn a_longer_host_is_another_host() {
        let rule = "http://jellyfin=http://10.0.0.1:8096";
        check(rule, "http://jellyfin/a", "http://10.0.0.1:8096/a");
        for other in [
            "http://jellyfin.evil/a",
            "http://jellyfin@evil/a",
            "http://jellyfin:80@evil/a",
            "http://evil/http://jellyfin/a",
            "http://evil#http://jellyfin",
            "http://evil\\@jellyfin/a",
            "http://jellyfin.:80/a",
        ] {
            untouched(rule, other);
        }
    }

    #[test]
    fn spellings_of_one_host_are_one() {
        let rule = "http://Jellyfin:80/=http://10.0.0.1";
        for same in [
            "HTTP://JELLYFIN/a",
            "http://jellyfin:80/a",
            "http://jelly%66in/a",
            "http:\\\\jellyfin\\a",
        ] {
            check(rule, same, "http://10.0.0.1/a");
        }
        let idn = "http://bücher.example=http://10.0.0.1";
        check(idn, "http://xn--bcher-kva.example/a", "http://10.0.0.1/a");
        check(idn, "http://BÜCHER.example/a", "http://10.0.0.1/a");
        let v6 = "http://[::1]:8096=http://[fd00::0:1]";
        check(v6, "http://[0:0:0:0:0:0:0:1]:8096/a", "http://[fd00::1]/a");
        untouched(v6, "http://[::2]:8096/a");
    }

    #[test]
    fn a_path_prefix_ends_at_a_segment() {
        for rule in [
            "http://h/media=http://10.0.0.1/jf",
            "http://h/media/=http://10.0.0.1/jf/",
        ] {
            check(rule, "http://h/media/Items", "http://10.0.0.1/jf/Items");
            check(rule, "http://h/media", "http://10.0.0.1/jf");
            check(rule, "http://h/x/../media/a", "http://10.0.0.1/jf/a");
            check(rule, "http://h/media//a", "http://10.0.0.1/jf//a");
            for other in [
                "http://h/mediaserver/Items",
                "http://h/media%2FItems",
                "http://h/media/../Items",
                "http://h/media/%2e%2e/Items",
                "http://h/Media/Items",
                "http://h/",
            ] {
                untouched(rule, other);
            }
        }
    }

    #[test]
    fn user_names_survive_to_be_refused() {
        check(
            "http://jellyfin=http://10.0.0.1",
            "http://bob:pw@jellyfin/a",
            "http://bob:pw@10.0.0.1/a",
        );
    }

    #[test]
    fn bad_rules_are_refused_by_name() {
        for rule in [
            "http://a",
            "a=b",
            "=http://b",
            "http://a=",
            "http://a=file:///x",
            "http://u:SECRET@a=http://b",
            "http://a=http://b?k=SECRET",
        ] {
            let error = Rewrite::parse(rule).unwrap_err();
            assert_eq!(error.code(), "jellyfin_config_invalid", "{rule}");
            assert!(error.to_string().contains(KEY), "{error}");
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }
}
