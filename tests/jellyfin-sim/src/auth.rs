//! Who may ask: API keys and user tokens, in every place that a Jellyfin of some version reads.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use url::form_urlencoded;

use crate::accounts::UserIndex;
use crate::query::Query;
use crate::state::SimState;

/// Which Jellyfin to be: they differ in the places where they look for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum AuthMode {
    /// 10.11: also `?api_key=`, `X-Emby-Token`, `X-MediaBrowser-Token`, `X-Emby-Authorization` and the
    /// scheme `Emby`.
    #[value(name = "10.11")]
    V10_11,
    /// 12: `Authorization: MediaBrowser Token="…"` and `?ApiKey=` alone; the rest counts as no token.
    /// (`EnableLegacyAuthorization` is off there.)
    #[default]
    #[value(name = "12")]
    V12,
}

impl AuthMode {
    /// The version that `/System/Info` reports.
    pub fn server_version(self) -> &'static str {
        match self {
            Self::V10_11 => "10.11.11",
            Self::V12 => "12.1.0",
        }
    }
}

/// A token and the place where it was found, the first being the one that counts
/// (`AuthorizationContext.GetAuthorizationInfoFromDictionary`). An empty one is none.
pub(crate) fn find_token(
    mode: AuthMode,
    headers: &HeaderMap,
    query: &Query,
) -> Option<(String, &'static str)> {
    let legacy = mode == AuthMode::V10_11;
    let text = |name: &str| headers.get(name)?.to_str().ok().map(ToOwned::to_owned);
    let in_header = |name| text(name).filter(|_| legacy);
    let in_query = |name| query.get(name).map(ToOwned::to_owned);
    let modern = client_header(mode, headers).and_then(|h| parameter(h, "Token"));
    let places = [
        (modern, "Authorization"),
        (in_header("X-Emby-Token"), "X-Emby-Token"),
        (in_header("X-MediaBrowser-Token"), "X-MediaBrowser-Token"),
        (in_query("apikey"), "ApiKey"),
        (in_query("api_key").filter(|_| legacy), "api_key"),
    ];
    let given = |(token, place): (Option<String>, _)| token.map(|token| (token, place));
    let found = places.into_iter().filter_map(given);
    found.into_iter().find(|(token, _)| !token.is_empty())
}

/// The parameters of `MediaBrowser Token="…", Client="…"`, wherever the version lets them stand. Another
/// scheme in `Authorization` hides `X-Emby-Authorization`.
pub(crate) fn client_header(mode: AuthMode, headers: &HeaderMap) -> Option<&str> {
    let legacy = mode == AuthMode::V10_11;
    let value = headers
        .get(header::AUTHORIZATION)
        .filter(|value| !value.is_empty())
        .or_else(|| headers.get("X-Emby-Authorization").filter(|_| legacy))?
        .to_str()
        .ok()?;
    let (scheme, parameters) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("MediaBrowser") || (legacy && scheme.eq_ignore_ascii_case("Emby")))
        .then_some(parameters)
}

/// One value of `Name="value", …`. Names have case, values are URL-encoded, commas inside quotes do not
/// separate (`AuthorizationContext.GetParts`).
pub(crate) fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut quoted = false;
    let value = header
        .split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        })
        .filter_map(|part| part.trim().split_once('='))
        .find(|(name, _)| *name == wanted)?
        .1
        .trim_matches('"');
    // Decoded like the one value of a form, in which `&` would begin the next one.
    let form = format!("v={}", value.replace('&', "%26"));
    let (_, decoded) = form_urlencoded::parse(form.as_bytes()).next()?;
    Some(decoded.into_owned())
}

/// A caller with a valid token; as an extractor it answers 401 without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// An API key: may do everything, is nobody.
    ApiKey,
    /// A user, after `AuthenticateByName`.
    User(UserIndex),
}

impl Caller {
    pub(crate) fn of(state: &SimState, parts: &Parts) -> Option<Self> {
        let query = Query::of(&parts.uri);
        let (token, _) = find_token(state.version, &parts.headers, &query)?;
        if token == state.api_key {
            return Some(Self::ApiKey);
        }
        state.accounts.by_token(&token).map(Self::User)
    }

    /// The user, if it is one.
    pub(crate) fn user(self) -> Option<UserIndex> {
        match self {
            Self::ApiKey => None,
            Self::User(user) => Some(user),
        }
    }
}

impl FromRequestParts<Arc<SimState>> for Caller {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<SimState>,
    ) -> Result<Self, Response> {
        Self::of(state, parts).ok_or_else(|| StatusCode::UNAUTHORIZED.into_response())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(mode: AuthMode, headers: &[(&'static str, &str)], query: &str) -> Option<String> {
        let headers = headers
            .iter()
            .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()));
        let uri = format!("/x?{query}").parse().unwrap();
        find_token(mode, &headers.collect(), &Query::of(&uri))
            .map(|(token, place)| format!("{token} {place}"))
    }

    #[test]
    fn modern_places_count_everywhere() {
        for mode in [AuthMode::V10_11, AuthMode::V12] {
            let header = "MediaBrowser Client=\"a, b\", Token=\"k%22%2B1\", Version=\"1\"";
            let with_header = found(mode, &[("authorization", header)], "");
            assert_eq!(with_header.as_deref(), Some("k\"+1 Authorization"));
            assert_eq!(
                found(mode, &[], "a=b&ApiKey=K").as_deref(),
                Some("K ApiKey")
            );
            assert_eq!(found(mode, &[], "apikey=K").as_deref(), Some("K ApiKey"));
            assert_eq!(found(mode, &[], "ApiKey="), None);
            assert_eq!(found(mode, &[("authorization", "Bearer K")], ""), None);
        }
    }

    #[test]
    fn legacy_places_count_in_10_11_only() {
        for (headers, query) in [
            (&[("x-emby-token", "K")][..], ""),
            (&[("x-mediabrowser-token", "K")], ""),
            (&[("x-emby-authorization", "MediaBrowser Token=\"K\"")], ""),
            (&[("authorization", "Emby Token=\"K\"")], ""),
            (&[], "api_key=K"),
        ] {
            let old = found(AuthMode::V10_11, headers, query);
            assert!(
                old.is_some_and(|t| t.starts_with("K ")),
                "{headers:?} {query}"
            );
            assert_eq!(
                found(AuthMode::V12, headers, query),
                None,
                "{headers:?} {query}"
            );
        }
    }
}
