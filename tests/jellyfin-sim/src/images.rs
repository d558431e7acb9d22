//! `/Items/{id}/Images/…`: posters, with the headers by which clients keep them (`ImageController`).

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use crate::poster::{self, MAX_SIDE};
use crate::query::Query;
use crate::state::SimState;

/// How long a client may keep what a tag names: a year.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// An image in the size asked for. It needs no token, as the real one.
pub(crate) async fn image(
    State(state): State<Arc<SimState>>,
    Path(path): Path<HashMap<String, String>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let part = |name: &str| path.get(name).map(String::as_str).unwrap_or_default();
    let not_found = || StatusCode::NOT_FOUND.into_response();
    let (_, entry) = state.catalog.entry(part("id")).ok_or_else(not_found)?;
    let kind = part("kind").to_ascii_lowercase();
    if !matches!(part("index"), "" | "0") {
        return Err(not_found());
    }
    let original = poster::size(entry, &kind).ok_or_else(|| {
        let missing = format!("{} does not have an image of type {kind}", entry.name);
        (StatusCode::NOT_FOUND, missing).into_response()
    })?;
    let tag = query.get("tag").filter(|tag| !tag.is_empty());
    let etag = tag.map(|tag| format!("\"{tag}\""));
    let mut answer = HeaderMap::new();
    let mut set = |name, value: &str| {
        // A tag that cannot stand in a header cannot have come in one: it is left out.
        if let Ok(value) = value.parse() {
            answer.insert(name, value);
        }
    };
    set(header::VARY, "Accept");
    set(header::CONTENT_DISPOSITION, "attachment");
    set(header::CACHE_CONTROL, tag.map_or("public", |_| FOR_EVER));
    if let Some(etag) = &etag {
        set(header::ETAG, etag);
        let known = headers
            .get(header::IF_NONE_MATCH)
            .and_then(|v| v.to_str().ok());
        if known.is_some_and(|known| known == etag || Some(known) == tag) {
            return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
        }
    }
    set(header::CONTENT_TYPE, "image/png");
    let (width, height) = fitted(original, &query);
    Ok((answer, poster::png(&entry.name, width, height)).into_response())
}

/// The original's shape, no larger than asked for: `maxWidth`, `fillWidth`, `width` and the same of height.
fn fitted((width, height): (u32, u32), query: &Query) -> (u32, u32) {
    let bound = |names: [&str; 3]| {
        let asked = names
            .iter()
            .filter_map(|name| query.parse::<u32>(name).ok()?);
        asked.min().unwrap_or(MAX_SIDE).clamp(1, MAX_SIDE)
    };
    let widest = bound(["maxwidth", "fillwidth", "width"]);
    let highest = bound(["maxheight", "fillheight", "height"]);
    let scale = (f64::from(widest) / f64::from(width)).min(f64::from(highest) / f64::from(height));
    let scaled = |side: u32| ((f64::from(side) * scale.min(1.0)).round() as u32).max(1);
    (scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn images_shrink_in_shape_and_never_grow() {
        for (query, expected) in [
            ("", (400, 600)),
            ("maxWidth=200", (200, 300)),
            ("maxHeight=60&maxWidth=200", (40, 60)),
            ("maxWidth=5000", (400, 600)),
            ("fillWidth=0", (1, 2)),
        ] {
            let query = Query::of(&format!("/x?{query}").parse().unwrap());
            assert_eq!(fitted((400, 600), &query), expected);
        }
    }
}
