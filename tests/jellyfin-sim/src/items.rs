//! `/Items…` and `/UserViews`: browsing, posters, playback info.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::auth::Caller;
use crate::library::{Library, Title, VIEW_ID};
use crate::query::Query;
use crate::state::SimState;

pub(crate) async fn views(_: Caller) -> Json<Value> {
    Json(page(&[Library::view()], 1, 0))
}

/// `GET /Items`. Without a parent, a search or `recursive` it lists the top: the one library.
pub(crate) async fn list(
    State(state): State<Arc<SimState>>,
    _: Caller,
    query: Query,
) -> Result<Json<Value>, StatusCode> {
    let bad_request = |_| StatusCode::BAD_REQUEST;
    let start = query
        .parse::<usize>("startindex")
        .map_err(bad_request)?
        .unwrap_or(0);
    let limit = query
        .parse::<usize>("limit")
        .map_err(bad_request)?
        .unwrap_or(usize::MAX);
    let recursive = query
        .parse::<bool>("recursive")
        .or(Err(StatusCode::BAD_REQUEST))?;
    let (parent, search) = (query.get("parentid"), query.get("searchterm"));
    let (ids, types) = (query.list("ids"), query.list("includeitemtypes"));
    let is_top = recursive != Some(true) && parent.is_none() && search.is_none() && ids.is_empty();
    if is_top {
        return Ok(Json(page(&[Library::view()], 1, 0)));
    }
    let movies_wanted =
        types.is_empty() || types.iter().any(|kind| kind.eq_ignore_ascii_case("Movie"));
    let in_parent = parent.is_none_or(|parent| parent.eq_ignore_ascii_case(VIEW_ID));
    let search = search.map(str::to_lowercase);
    let mut found: Vec<&Title> = state
        .library
        .titles()
        .filter(|_| movies_wanted && in_parent)
        .filter(|title| {
            ids.is_empty() || ids.iter().any(|id| id.eq_ignore_ascii_case(&title.film.id))
        })
        .filter(|title| {
            search
                .as_ref()
                .is_none_or(|s| title.film.title.to_lowercase().contains(s))
        })
        .collect();
    if query.get("sortby").is_some() {
        found.sort_by_key(|title| title.film.title.to_lowercase());
        if query
            .get("sortorder")
            .is_some_and(|order| order.eq_ignore_ascii_case("Descending"))
        {
            found.reverse();
        }
    }
    let sources = query
        .list("fields")
        .iter()
        .any(|f| f.eq_ignore_ascii_case("MediaSources"));
    let total = found.len();
    let items: Vec<Value> = found
        .iter()
        .skip(start)
        .take(limit)
        .map(|title| title.item(sources))
        .collect();
    Ok(Json(page(&items, total, start)))
}

fn page(items: &[Value], total: usize, start: usize) -> Value {
    json!({ "Items": items, "TotalRecordCount": total, "StartIndex": start })
}

pub(crate) async fn get_one(
    State(state): State<Arc<SimState>>,
    _: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    if id.eq_ignore_ascii_case(VIEW_ID) {
        return Ok(Json(Library::view()));
    }
    let title = state.library.find(&id).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(title.item(true)))
}

/// `/Items/{id}/PlaybackInfo`, GET or POST. The device profile in the body must be JSON and is not
/// judged: the simulator does not transcode, so the answer is always direct play.
pub(crate) async fn playback_info(
    State(state): State<Arc<SimState>>,
    _: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, StatusCode> {
    if !body.is_empty() && serde_json::from_slice::<Value>(&body).is_err() {
        return Err(StatusCode::BAD_REQUEST);
    }
    let title = state.library.find(&id).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(json!({
        "MediaSources": [title.media_source()],
        "PlaySessionId": Uuid::new_v4().simple().to_string(),
    })))
}

/// `GET /Items/{id}/Images/Primary`: a poster drawn from the title; needs no auth, as the real one.
pub(crate) async fn poster(
    State(state): State<Arc<SimState>>,
    Path(id): Path<String>,
) -> Result<Response, StatusCode> {
    let title = state.library.find(&id).ok_or(StatusCode::NOT_FOUND)?;
    let svg = poster_svg(&title.film.title);
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response())
}

fn poster_svg(title: &str) -> String {
    let hue = title
        .bytes()
        .fold(0u32, |hue, byte| (hue * 31 + u32::from(byte)) % 360);
    let title = title
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="400" height="600" viewBox="0 0 400 600">
<defs><linearGradient id="g" x2="1" y2="1">
<stop stop-color="hsl({hue},60%,25%)"/><stop offset="1" stop-color="hsl({hue},60%,55%)"/>
</linearGradient></defs>
<rect width="400" height="600" fill="url(#g)"/>
<circle cx="200" cy="240" r="90" fill="#fff" fill-opacity=".85"/>
<path d="M175 190v100l80-50z" fill="hsl({hue},60%,30%)"/>
<text x="200" y="440" font-family="sans-serif" font-size="32" fill="#fff" text-anchor="middle" textLength="{length}" lengthAdjust="spacingAndGlyphs">{title}</text>
</svg>
"##,
        length = (title.chars().count() * 18).min(360),
    )
}
