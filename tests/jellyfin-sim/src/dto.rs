//! `BaseItemDto`: an entry in Jellyfin's words, with the fields that were asked for (`DtoService`).

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Map, Value, json};

use crate::accounts::UserIndex;
use crate::catalog::{Catalog, Entry, Index, Kind};
use crate::media_file::bare_media_source;
use crate::poster;
use crate::query::Query;
use crate::state::SimState;
use crate::user_data::user_data_dto;

/// The id of the server.
pub(crate) const SERVER_ID: &str = "6f7262736a656c6c7966696e73696d00";

/// Everything was added to the library at this moment.
const DATE_CREATED: &str = "2025-01-01T00:00:00.0000000Z";

/// Which of the fields that are not always there.
#[derive(Debug, Clone)]
pub(crate) struct DtoOptions {
    /// `None`: all of them, as for one item alone.
    fields: Option<Vec<String>>,
    images: bool,
    user_data: bool,
}

impl DtoOptions {
    /// Everything, as `Items/{id}` gives it.
    pub(crate) fn all() -> Self {
        Self {
            fields: None,
            images: true,
            user_data: true,
        }
    }

    /// `fields`, `enableImages` and `enableUserData` of a list.
    pub(crate) fn of(query: &Query) -> Self {
        let fields = query.list("fields");
        Self {
            fields: Some(fields.iter().map(|f| f.to_ascii_lowercase()).collect()),
            images: !matches!(query.parse::<bool>("enableimages"), Ok(Some(false))),
            user_data: !matches!(query.parse::<bool>("enableuserdata"), Ok(Some(false))),
        }
    }

    fn has(&self, field: &str) -> bool {
        let asked = |fields: &Vec<String>| fields.iter().any(|f| f.eq_ignore_ascii_case(field));
        self.fields.as_ref().is_none_or(asked)
    }
}

/// A list of items: `QueryResult<BaseItemDto>`. It is written item by item: of a list of the whole library there
/// is the text alone at once, a tenth of what it is as values.
pub(crate) fn page(
    state: &SimState,
    items: &[Index],
    total: usize,
    start: usize,
    options: &DtoOptions,
    user: Option<UserIndex>,
) -> Response {
    let items = items
        .iter()
        .map(|&index| item(state, index, options, user).to_string());
    let items = items.collect::<Vec<_>>().join(",");
    let text = format!(r#"{{"Items":[{items}],"TotalRecordCount":{total},"StartIndex":{start}}}"#);
    (
        [(header::CONTENT_TYPE, "application/json; charset=utf-8")],
        text,
    )
        .into_response()
}

/// One item. Without a user there is no `UserData`. What is null is left out, as the server does.
pub(crate) fn item(
    state: &SimState,
    index: Index,
    options: &DtoOptions,
    user: Option<UserIndex>,
) -> Value {
    let catalog = &state.catalog;
    let entry = catalog.get(index);
    let mut dto = basics(entry);
    if options.images {
        dto.extend(images(entry));
    }
    dto.extend(optional(catalog, entry, index, options));
    match entry.kind {
        Kind::Movie | Kind::Episode => dto.extend(video(entry, options)),
        Kind::Series => drop(dto.insert("Status".into(), "Ended".into())),
        _ => {}
    }
    if matches!(entry.kind, Kind::Season | Kind::Episode) {
        dto.extend(place_in_series(catalog, entry, index));
    }
    if let Some(user) = user.filter(|_| options.user_data) {
        let data = user_data_dto(catalog, &state.user_data, user, index);
        dto.insert("UserData".into(), data);
    }
    dto.retain(|_, value| !value.is_null());
    Value::Object(dto)
}

fn basics(entry: &Entry) -> Map<String, Value> {
    let location = if entry.is_missing() {
        "Virtual"
    } else {
        "FileSystem"
    };
    object(json!({
        "Name": entry.name,
        "ServerId": SERVER_ID,
        "Id": entry.id,
        "Type": entry.kind.name(),
        "MediaType": entry.kind.media_type(),
        "IsFolder": !entry.kind.is_video(),
        "LocationType": location,
        "CollectionType": entry.collection_type,
        "ImageBlurHashes": {},
        "BackdropImageTags": [],
        "ProductionYear": entry.year,
        "PremiereDate": entry.year.map(|year| format!("{year}-01-01T00:00:00.0000000Z")),
        "IndexNumber": entry.number,
        "ParentIndexNumber": entry.season,
        "RunTimeTicks": entry.run_time_ticks(),
        "Container": entry.file.as_ref().map(|file| file.container()),
    }))
}

fn images(entry: &Entry) -> Map<String, Value> {
    let tag = |kind| poster::tag(entry, kind);
    object(json!({
        "ImageTags": tag("primary").map_or(json!({}), |tag| json!({ "Primary": tag })),
        "BackdropImageTags": tag("backdrop").into_iter().collect::<Vec<_>>(),
    }))
}

/// What is there only when it was asked for.
fn optional(
    catalog: &Catalog,
    entry: &Entry,
    index: Index,
    options: &DtoOptions,
) -> Map<String, Value> {
    let mut dto = Map::new();
    let mut add = |field: &str, value: &dyn Fn() -> Value| {
        if options.has(field) {
            dto.insert(field.to_owned(), value());
        }
    };
    let parent = entry.parent.map(|parent| &catalog.get(parent).id);
    add("ParentId", &|| json!(parent));
    add("SortName", &|| json!(entry.sort_name));
    add("Overview", &|| json!(entry.overview));
    add("OriginalTitle", &|| json!(entry.name));
    add("DateCreated", &|| json!(DATE_CREATED));
    add("ProviderIds", &|| json!({}));
    add("Genres", &|| json!([]));
    add("Tags", &|| json!([]));
    add("CanDownload", &|| json!(entry.file.is_some()));
    add("CanDelete", &|| json!(false));
    add("Path", &|| {
        json!(entry.file.as_ref().map(|file| file.path.to_string_lossy()))
    });
    if !entry.kind.is_video() {
        add("ChildCount", &|| json!(entry.children.len()));
        add("RecursiveItemCount", &|| {
            json!(catalog.videos_in(index).len())
        });
    }
    dto
}

fn video(entry: &Entry, options: &DtoOptions) -> Map<String, Value> {
    let mut dto = object(json!({ "VideoType": "VideoFile" }));
    let file = entry.file.as_ref();
    let streams = file.map_or(&[][..], |file| &file.probe.streams);
    if streams.iter().any(|stream| stream["Type"] == "Subtitle") {
        dto.insert("HasSubtitles".into(), true.into());
    }
    if options.has("MediaSources") {
        dto.insert("MediaSources".into(), json!([media_source(entry)]));
    }
    if options.has("MediaStreams") {
        dto.insert("MediaStreams".into(), json!(streams));
    }
    if options.has("Chapters") {
        dto.insert("Chapters".into(), chapters(entry));
    }
    if let Some(stream) = streams.iter().find(|s| s["Type"] == "Video") {
        for field in ["Width", "Height"].into_iter().filter(|f| options.has(f)) {
            dto.insert(field.into(), stream[field].clone());
        }
    }
    dto
}

/// `MediaSourceInfo` of an item.
pub(crate) fn media_source(entry: &Entry) -> Value {
    match &entry.file {
        Some(file) => file.media_source(&entry.id, &entry.name),
        None => bare_media_source(&entry.id, &entry.name),
    }
}

fn chapters(entry: &Entry) -> Value {
    let chapter = |start: Duration, name: &str| {
        json!({
            "StartPositionTicks": (start.as_nanos() / 100) as u64,
            "Name": name,
            "ImageDateModified": "0001-01-01T00:00:00.0000000Z",
        })
    };
    let of_file = entry.file.as_ref().map(|file| &file.probe.chapters);
    let given = Some(&entry.chapters).filter(|chapters| !chapters.is_empty());
    let chapters = given.or(of_file).into_iter().flatten();
    chapters.map(|c| chapter(c.start, &c.name)).collect()
}

/// The series (and season) that something belongs to, and their pictures.
fn place_in_series(catalog: &Catalog, entry: &Entry, index: Index) -> Map<String, Value> {
    let Some(series) = catalog.series_of(index).map(|series| catalog.get(series)) else {
        return Map::new();
    };
    let mut dto = object(json!({
        "SeriesId": series.id,
        "SeriesName": series.name,
        "SeriesPrimaryImageTag": poster::tag(series, "primary"),
    }));
    let season = entry.parent.map(|season| catalog.get(season));
    if let Some(season) = season.filter(|_| entry.kind == Kind::Episode) {
        dto.extend(object(json!({
            "SeasonId": season.id,
            "SeasonName": season.name,
            "ParentPrimaryImageItemId": season.id,
            "ParentPrimaryImageTag": poster::tag(season, "primary"),
        })));
    }
    dto
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
