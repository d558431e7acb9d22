//! The page's cookie.
//!
//! `POST /login` exchanges a token for an `HttpOnly` cookie `<expiry>.<mac>`. The MAC covers the hash of the token
//! that it was made from: a token that is taken out of the configuration takes its cookies with it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Extension,
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::Gateway,
    body::JsonBody,
    problem::{Problem, ProblemBody},
    signing::{Purpose, Signer, TokenHash},
};

const COOKIE: &str = "orb_page";

/// How long a browser stays signed in: longer than a film night, shorter than a lost laptop.
const COOKIE_TTL: Duration = Duration::from_hours(24);

/// Stands for a token in cookies of the open page. No token hashes to it.
const OPEN_PAGE: TokenHash = [0; 32];

pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(login))
}

/// Body of `POST /login`.
#[derive(ToSchema)]
#[schema(examples(json!({"token": "a valid token"})))]
#[allow(dead_code, reason = "documents the body")]
struct Login {
    /// Any valid token.
    #[schema(min_length = 1)]
    token: String,
}

/// Signs a browser in.
///
/// The cookie authorises as the token does; calls that change something must also bear `X-Orb-Page: 1`.
#[utoipa::path(post, operation_id = "logIn", path = "/login", tag = "page", request_body = Login, security(()), responses(
    (status = 204, description = "Signed in.", headers(("Set-Cookie" = String))),
    (status = 401, description = "Not a valid token.", body = ProblemBody, content_type = "application/problem+json"),
))]
async fn login(
    State(gateway): State<Arc<Gateway>>,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let token = body.get("token").and_then(|token| token.as_str());
    let token = token
        .ok_or_else(|| Problem::invalid_field("token", "token is required and must be a string"))?;
    let hash = gateway
        .tokens
        .find(token.as_bytes())
        .ok_or_else(Problem::unauthenticated)?;
    let cookie = set_cookie(&gateway, &hash, SystemTime::now());
    Ok((
        StatusCode::NO_CONTENT,
        AppendHeaders([(header::SET_COOKIE, cookie)]),
    ))
}

/// The cookie that `GET /` gives away by itself: in the demo, to a browser on this machine that asked for this
/// machine by name. The name is checked since a foreign page can point its own name here (DNS rebinding).
pub(crate) fn open_page_cookie(
    gateway: &Gateway,
    headers: &HeaderMap,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
) -> Option<HeaderValue> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let local =
        peer.is_some_and(|Extension(ConnectInfo(peer))| peer.ip().to_canonical().is_loopback());
    (gateway.open_page && local && is_loopback_host(host))
        .then(|| set_cookie(gateway, &OPEN_PAGE, SystemTime::now()))
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn set_cookie(gateway: &Gateway, token: &TokenHash, now: SystemTime) -> HeaderValue {
    let value = make_cookie(
        &gateway.signer,
        token,
        unix_seconds(now) + COOKIE_TTL.as_secs(),
    );
    let secure = if gateway.is_https() { "; Secure" } else { "" };
    let max_age = COOKIE_TTL.as_secs();
    let cookie =
        format!("{COOKIE}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(cookie).expect("base64, digits and fixed text are valid in a header")
}

fn make_cookie(signer: &Signer, token: &TokenHash, expiry: u64) -> String {
    let mac = signer.sign(Purpose::PageCookie, &[token, &expiry.to_be_bytes()]);
    format!("{expiry}.{}", URL_SAFE_NO_PAD.encode(mac))
}

/// Whether the request bears a cookie of this page.
pub(crate) fn has_valid_cookie(headers: &HeaderMap, gateway: &Gateway) -> bool {
    let open = gateway.open_page.then_some(&OPEN_PAGE);
    let tokens: Vec<_> = gateway.tokens.iter().chain(open).collect();
    cookies(headers).any(|cookie| is_valid(cookie, &gateway.signer, &tokens, SystemTime::now()))
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let pairs = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    pairs
        .flat_map(|pairs| pairs.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn is_valid(cookie: &str, signer: &Signer, tokens: &[&TokenHash], now: SystemTime) -> bool {
    let Some((expiry, mac)) = cookie.split_once('.') else {
        return false;
    };
    let (Ok(expiry), Ok(mac)) = (expiry.parse::<u64>(), URL_SAFE_NO_PAD.decode(mac)) else {
        return false;
    };
    let signed = tokens.iter().any(|token| {
        signer.verify(
            Purpose::PageCookie,
            &[token.as_slice(), &expiry.to_be_bytes()],
            &mac,
        )
    });
    signed && unix_seconds(now) < expiry
}

/// Seconds since 1970; a clock before that counts as 1970.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SigningKey;

    #[test]
    fn a_cookie_ends_with_its_time_and_with_its_token() {
        let signer = Signer::new(SigningKey::from([1; 32]));
        let (token, other) = ([2; 32], [3; 32]);
        let cookie = make_cookie(&signer, &token, 1000);
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(is_valid(&cookie, &signer, &[&other, &token], at(999)));
        assert!(!is_valid(&cookie, &signer, &[&token], at(1000)));
        assert!(!is_valid(&cookie, &signer, &[&other], at(999)));
        assert!(!is_valid(
            &cookie.replace("1000", "9000"),
            &signer,
            &[&token],
            at(999)
        ));
        assert!(!is_valid("nonsense", &signer, &[&token], at(999)));
    }

    #[test]
    fn knows_the_names_of_this_machine() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:8080",
        ] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1:80",
            "127.0.0.1.nip.io",
            "localhost:80:x",
        ] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
