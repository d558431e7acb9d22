//! The dashboard at `/` and the viewer's page at `/watch/{session}/{sig}`, from `web/dist`.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::{app::Gateway, login, problem::Problem};

/// `web/dist` as it was when this crate was built, or a placeholder (see `build.rs`).
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/page"]
struct Built;

/// The page runs its own script and style and nothing else; hls.js feeds the video through a `blob:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; media-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/", get(dashboard))
        .route("/watch/{session}/{sig}", get(viewer))
        .route("/assets/{file}", get(asset))
}

async fn dashboard(
    State(gateway): State<Arc<Gateway>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
) -> Response {
    let mut page = file("index.html", &headers);
    if let Some(cookie) = login::open_page_cookie(&gateway, &headers, peer) {
        page.headers_mut().insert(header::SET_COOKIE, cookie);
        page.headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    page
}

/// The page itself is the same for all; whether the link is good is found out by what it loads.
async fn viewer(headers: HeaderMap) -> Response {
    file("watch.html", &headers)
}

async fn asset(uri: Uri, headers: HeaderMap) -> Response {
    file(uri.path().trim_start_matches("/assets/"), &headers)
}

/// A file of the built page; asked again each time, and then not sent again if it is the same.
fn file(name: &str, headers: &HeaderMap) -> Response {
    match Built::get(name) {
        Some(file) => send(&file, headers),
        None => Problem::route_not_found().into_response(),
    }
}

fn send(file: &EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash = file.metadata.sha256_hash();
    let tag = HeaderValue::try_from(format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash)))
        .expect("base64 is valid in a header");
    let caching = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    if headers.get(header::IF_NONE_MATCH) == Some(&tag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, file.metadata.mimetype().to_owned())];
    (caching, content_type, file.data.clone().into_owned()).into_response()
}

/// Headers that every answer bears: no sniffing, no referrer (a watch link is a secret), no foreign script.
pub(crate) async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // A picture brings a stricter one.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(POLICY));
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
