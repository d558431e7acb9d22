//! Who may call: a bearer token, an API key, or the page's cookie.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};

use crate::{app::Gateway, login, problem::Problem, signing::TokenSet};

/// Header that the page sends with every change. A form or an image of another site cannot send it, so a
/// cookie alone, which the browser adds by itself, changes nothing.
pub(crate) const PAGE_HEADER: &str = "x-orb-page";

/// Lets a request pass only with valid credentials.
pub(crate) async fn require(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let headers = request.headers();
    if !has_valid_token(headers, &gateway.tokens) {
        if !login::has_valid_cookie(headers, &gateway) {
            return Err(Problem::unauthenticated());
        }
        let from_page = headers.get(PAGE_HEADER).is_some_and(|value| value == "1");
        if !request.method().is_safe() && !from_page {
            let detail = "a call that is authorised by cookie must bear the header X-Orb-Page: 1";
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "page_header_missing",
                detail,
            ));
        }
    }
    Ok(next.run(request).await)
}

fn has_valid_token(headers: &HeaderMap, tokens: &TokenSet) -> bool {
    let bearer = headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter_map(|value| bearer(value.as_bytes()));
    let api_key = headers
        .get_all("x-api-key")
        .iter()
        .map(HeaderValue::as_bytes);
    bearer
        .chain(api_key)
        .any(|offered| tokens.find(offered).is_some())
}

/// The token of `Bearer <token>`; the scheme in any case, as RFC 9110 has it.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bearer_headers() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        for wrong in [&b"Basic abc"[..], b"Bearer", b"", b"abc"] {
            assert_eq!(bearer(wrong), None);
        }
    }
}
