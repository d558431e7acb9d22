//! Pictures of items, handed on: the caller needs no way to Jellyfin, and Jellyfin's address stays here.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use orb_jellyfin::{
    Error,
    client::{Image, ImageKind, ImageRequest},
};
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;

use super::{item_path::ItemPath, refusal::problem};
use crate::{app::Gateway, catalogue::ItemId, problem::Problem, query::Query};

/// Widest that a picture is asked for: 4K.
const MAX_WIDTH: i64 = 3840;

/// Browsers ask again after ten minutes, and then are told that it is the same. Private, for it stands behind a token.
const CACHING: &str = "private, max-age=600";

/// A picture may be an SVG: whoever opens it by itself runs none of its scripts and loads nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// Documents the query of a picture.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents the query; it is read field by field")]
pub(super) struct ImageQuery {
    /// `primary` (the poster, where missing), `backdrop`, `thumb` or `logo`.
    #[param(pattern = "^(primary|backdrop|thumb|logo)$", example = "primary")]
    kind: Option<String>,
    /// At most so many pixels across; missing: as it is.
    #[param(rename = "maxWidth", minimum = 1, maximum = 3840, example = 400)]
    max_width: Option<i64>,
}

/// A picture of an item.
#[utoipa::path(get, path = "/api/v1/library/items/{id}/image", tag = "library", params(ItemPath, ImageQuery),
    responses(
        (status = 200, description = "JPEG, PNG, WebP, GIF, AVIF or SVG.", content_type = "image/*", body = Vec<u8>,
            headers(("ETag" = String, description = "Of this picture in this size, for `If-None-Match`."))),
        (status = 304, description = "It is still the one of `If-None-Match`."),
    ))]
pub(super) async fn image(
    State(gateway): State<Arc<Gateway>>,
    id: ItemId,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let width = query.integer("maxWidth", 1..=MAX_WIDTH)?;
    let request = ImageRequest {
        kind: read_kind(query.text("kind"))?,
        tag: None,
        max_width: width.map(|width| u32::try_from(width).expect("the range is within u32")),
    };
    let image = gateway.library()?.image(id.as_str(), &request).await;
    let image = image.map_err(|error| match error {
        Error::ItemNotFound { .. } => no_such_image(&id),
        error => problem(&error),
    })?;
    Ok(send(&image, &headers))
}

fn read_kind(text: Option<&str>) -> Result<ImageKind, Problem> {
    match text {
        None | Some("primary") => Ok(ImageKind::Primary),
        Some("backdrop") => Ok(ImageKind::Backdrop),
        Some("thumb") => Ok(ImageKind::Thumb),
        Some("logo") => Ok(ImageKind::Logo),
        Some(_) => {
            let rule = "kind must be primary, backdrop, thumb or logo";
            Err(Problem::invalid_field("kind", rule))
        }
    }
}

/// Jellyfin says the same of an item that is not there.
fn no_such_image(id: &ItemId) -> Problem {
    let detail = format!("the library has no such picture of item {}", id.as_str());
    Problem::new(StatusCode::NOT_FOUND, "library_image_not_found", detail)
}

fn send(image: &Image, headers: &HeaderMap) -> Response {
    let hash = Sha256::digest(&image.bytes);
    let tag = HeaderValue::try_from(format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash)))
        .expect("base64 is valid in a header");
    let common: [(HeaderName, HeaderValue); 3] = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static(CACHING)),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ),
    ];
    if has(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, image.content_type.clone())];
    (common, content_type, image.bytes.clone()).into_response()
}

/// Whether `If-None-Match` names this picture.
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let named = headers.get_all(header::IF_NONE_MATCH).iter();
    named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == "*" || one.as_bytes() == tag.as_bytes())
}
