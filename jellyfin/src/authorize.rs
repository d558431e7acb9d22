//! The operator's API key: on requests to Jellyfin's own origin, and on no other.

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::{Origin, Url, form_urlencoded};

use crate::DeviceIdentity;

/// The name that every Jellyfin accepts in a query.
const KEY_PARAMETER: &str = "ApiKey";
/// The name that Jellyfin 12 refuses with 401 (`EnableLegacyAuthorization` is off since then).
const LEGACY_KEY_PARAMETER: &str = "api_key";

/// What to request for `url`, as a worker: [`authorize_as`] with the default [`DeviceIdentity`].
pub fn authorize(
    url: &Url,
    api_key: Option<&SecretString>,
    jellyfin_origin: Option<&Origin>,
) -> (Url, Option<HeaderValue>) {
    authorize_as(url, api_key, jellyfin_origin, &DeviceIdentity::default())
}

/// What to request for `url`: the URL to open and the value of its `Authorization` header.
///
/// For a URL of `jellyfin_origin`, a key in the query keeps its value under the name `ApiKey`; with
/// no key in the query, `api_key` is sent as
/// `MediaBrowser Token="…", Client="…", Device="…", DeviceId="…", Version="…"` (marked sensitive).
/// A URL of any other origin comes back as it was and gets no header: our key stays ours, also
/// after a redirect, when this is called again for the new URL.
pub fn authorize_as(
    url: &Url,
    api_key: Option<&SecretString>,
    jellyfin_origin: Option<&Origin>,
    device: &DeviceIdentity,
) -> (Url, Option<HeaderValue>) {
    let mut url = url.clone();
    if jellyfin_origin != Some(&url.origin()) {
        return (url, None);
    }
    let key_in_query = match url.query().map(modern_query) {
        Some((query, has_key)) => {
            url.set_query((!query.is_empty()).then_some(&query));
            has_key
        }
        None => false,
    };
    let header = api_key
        .filter(|_| !key_in_query)
        .map(|key| authorization(key, device));
    (url, header)
}

/// The query with its key under the modern name, and whether there is one. All other parts stay
/// byte for byte: Jellyfin's own URLs need not survive decoding and encoding.
fn modern_query(query: &str) -> (String, bool) {
    let is_modern = |pair: &&str| key_value(pair, KEY_PARAMETER).is_some();
    let mut has_key = query.split('&').any(|pair| is_modern(&pair));
    let mut parts = Vec::new();
    for pair in query.split('&') {
        match key_value(pair, LEGACY_KEY_PARAMETER) {
            None => parts.push(pair.to_owned()),
            // A second key would make `ApiKey=a,b` of it on Jellyfin's side.
            Some(_) if has_key => {}
            Some(value) => {
                has_key = true;
                parts.push(format!("{KEY_PARAMETER}={value}"));
            }
        }
    }
    (parts.join("&"), has_key)
}

/// The value, still encoded and not empty, when `pair` is `name=value`. Names are compared without
/// case, as ASP.NET does.
fn key_value<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = pair.split_once('=')?;
    let (decoded, _) = form_urlencoded::parse(pair.as_bytes()).next()?;
    (decoded.eq_ignore_ascii_case(name) && !value.is_empty()).then_some(value)
}

fn authorization(api_key: &SecretString, device: &DeviceIdentity) -> HeaderValue {
    let token = encoded(api_key.expose_secret(), "%20");
    // Blanks in names stay readable, for those who read a proxy's log.
    let name = |value| encoded(value, " ");
    let mut header = HeaderValue::try_from(format!(
        "MediaBrowser Token=\"{token}\", Client=\"{}\", Device=\"{}\", DeviceId=\"{}\", Version=\"{}\"",
        name(&device.client),
        name(&device.device),
        name(&device.device_id),
        name(&device.version),
    ))
    .expect("URL-encoded values and constants are visible ASCII");
    header.set_sensitive(true);
    header
}

/// `value` as it may stand between the quotes: Jellyfin URL-decodes it, so that a quote ends nothing.
fn encoded(value: &str, blank: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes())
        .collect::<String>()
        .replace('+', blank)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn origin() -> Origin {
        Url::parse("http://jellyfin:8096").unwrap().origin()
    }

    /// The URL and header for a configured key `OURS`.
    fn authorized(raw: &str) -> (String, Option<String>) {
        let key = SecretString::from("OURS");
        let (url, header) = authorize(&Url::parse(raw).unwrap(), Some(&key), Some(&origin()));
        (url.into(), header.map(|h| h.to_str().unwrap().to_owned()))
    }

    #[test]
    fn the_key_goes_into_a_header() {
        let raw = "http://jellyfin:8096/Videos/1/stream?static=true";
        let (url, header) = authorized(raw);
        assert_eq!(url, raw);
        assert_eq!(
            header.unwrap(),
            format!(
                "MediaBrowser Token=\"OURS\", Client=\"Orb Stream\", Device=\"Orb worker\", \
                 DeviceId=\"orb-stream\", Version=\"{}\"",
                env!("CARGO_PKG_VERSION")
            )
        );
    }

    #[test]
    fn legacy_keys_get_the_modern_name() {
        for (given, opened) in [
            (
                "static=true&api_key=K%2F1&a=%20b",
                "static=true&ApiKey=K%2F1&a=%20b",
            ),
            ("API_KEY=K", "ApiKey=K"),
            ("api%5Fkey=K", "ApiKey=K"),
            ("ApiKey=K", "ApiKey=K"),
            ("apikey=K&api_key=L", "apikey=K"),
            ("api_key=K&ApiKey=L", "ApiKey=L"),
            ("api_key=K&api_key=L", "ApiKey=K"),
        ] {
            let (url, header) = authorized(&format!("http://jellyfin:8096/a?{given}"));
            assert_eq!(url, format!("http://jellyfin:8096/a?{opened}"));
            assert_eq!(header, None, "the URL's own key counts: {given}");
        }
    }

    #[test]
    fn an_empty_key_is_none() {
        let (_, header) = authorized("http://jellyfin:8096/a?api_key=&x=1");
        assert!(header.is_some());
    }

    #[test]
    fn other_origins_never_get_our_key() {
        for raw in [
            "http://evil:8096/a?api_key=K",
            "https://jellyfin:8096/a",
            "http://jellyfin/a",
            "http://jellyfin.evil:8096/a",
            "http://jellyfin:8096@evil/a",
        ] {
            assert_eq!(authorized(raw), (raw.to_owned(), None));
        }
        let key = SecretString::from("OURS");
        let url = Url::parse("http://jellyfin:8096/a").unwrap();
        assert_eq!(authorize(&url, Some(&key), None).1, None);
        assert_eq!(authorize(&url, None, Some(&origin())).1, None);
    }

    #[test]
    fn the_header_is_sensitive_and_cannot_be_broken_out_of() {
        let key = SecretString::from("a\"b +\r\nX: y");
        let url = Url::parse("http://jellyfin:8096/a").unwrap();
        let header = authorize(&url, Some(&key), Some(&origin())).1.unwrap();
        assert!(header.is_sensitive());
        let value = header.to_str().unwrap();
        assert!(
            value.starts_with("MediaBrowser Token=\"a%22b%20%2B%0D%0AX%3A%20y\", "),
            "{value}"
        );
    }
}
