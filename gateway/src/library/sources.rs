//! What an item's files hold.

use std::sync::Arc;

use axum::{Json, extract::State};
use orb_jellyfin::client;
use serde::Serialize;
use utoipa::ToSchema;

use super::{item_path::ItemPath, refusal::problem};
use crate::{app::Gateway, catalogue::ItemId, problem::Problem};

/// The files of an item.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(examples(json!({
    "itemId": "abc123",
    "sources": [{
        "id": "abc123", "name": "1080p", "container": "mkv", "durationSeconds": 5420, "bitrate": 8_000_000,
        "sizeBytes": 5_420_000_000_u64,
        "video": {"index": 0, "codec": "h264", "language": null, "title": null, "displayTitle": "1080p H264",
            "channels": null, "width": 1920, "height": 1080, "isDefault": true, "isForced": false,
            "isExternal": false, "isText": false},
        "audio": [{"index": 1, "codec": "aac", "language": "eng", "title": null, "displayTitle": "English - AAC - Stereo",
            "channels": 2, "width": null, "height": null, "isDefault": true, "isForced": false,
            "isExternal": false, "isText": false}],
        "subtitles": [], "defaultAudio": 1, "defaultSubtitle": null,
    }],
    "chapters": [{"startSeconds": 0.0, "name": "Chapter 1"}],
})))]
pub(super) struct MediaSources {
    item_id: String,
    /// Its versions, the preferred one first.
    sources: Vec<MediaSource>,
    chapters: Vec<Chapter>,
}

/// One version.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MediaSource {
    id: String,
    /// Where there are several.
    #[schema(required)]
    name: Option<String>,
    /// Such as `mkv`; several names of one container are separated by commas.
    #[schema(required)]
    container: Option<String>,
    #[schema(required, minimum = 0)]
    duration_seconds: Option<u64>,
    /// Bits a second, all streams together.
    #[schema(required, minimum = 0)]
    bitrate: Option<u64>,
    #[schema(required, minimum = 0)]
    size_bytes: Option<u64>,
    /// The picture.
    #[schema(required)]
    video: Option<MediaStream>,
    /// Its sound tracks.
    audio: Vec<MediaStream>,
    subtitles: Vec<MediaStream>,
    /// `index` of the sound that the library's user would hear.
    #[schema(required, minimum = 0)]
    default_audio: Option<u32>,
    /// `index` of the subtitles that the library's user would see.
    #[schema(required, minimum = 0)]
    default_subtitle: Option<u32>,
}

/// One stream of a version.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MediaStream {
    /// Its place in the file; subtitles in files of their own come behind.
    #[schema(minimum = 0)]
    index: u32,
    #[schema(required)]
    codec: Option<String>,
    /// ISO 639-2, as the file says it.
    #[schema(required)]
    language: Option<String>,
    #[schema(required)]
    title: Option<String>,
    /// For people.
    #[schema(required)]
    display_title: Option<String>,
    #[schema(required, minimum = 0)]
    channels: Option<u32>,
    #[schema(required, minimum = 0)]
    width: Option<u32>,
    #[schema(required, minimum = 0)]
    height: Option<u32>,
    is_default: bool,
    /// Subtitles of what is foreign in the film only.
    is_forced: bool,
    /// In a file of its own.
    is_external: bool,
    /// Subtitles made of text, not of pictures.
    is_text: bool,
}

/// A chapter.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MediaChapter)]
struct Chapter {
    #[schema(minimum = 0)]
    start_seconds: f64,
    #[schema(required)]
    name: Option<String>,
}

impl From<&client::PlaybackInfo> for MediaSources {
    fn from(info: &client::PlaybackInfo) -> Self {
        let chapter = |chapter: &client::Chapter| Chapter {
            start_seconds: chapter.start_ms as f64 / 1000.0,
            name: chapter.name.clone(),
        };
        Self {
            item_id: info.item_id.clone(),
            sources: info.sources.iter().map(MediaSource::from).collect(),
            chapters: info.chapters.iter().map(chapter).collect(),
        }
    }
}

impl From<&client::PlaybackSource> for MediaSource {
    fn from(source: &client::PlaybackSource) -> Self {
        Self {
            id: source.id.clone(),
            name: source.name.clone(),
            container: source.container.clone(),
            duration_seconds: source.runtime_ms.map(|ms| ms / 1000),
            bitrate: source.bitrate,
            size_bytes: source.size_bytes,
            video: source.video().map(MediaStream::from),
            audio: source.audio().map(MediaStream::from).collect(),
            subtitles: source.subtitles().map(MediaStream::from).collect(),
            default_audio: source.default_audio,
            default_subtitle: source.default_subtitle,
        }
    }
}

impl From<&client::MediaStream> for MediaStream {
    fn from(stream: &client::MediaStream) -> Self {
        Self {
            index: stream.index,
            codec: stream.codec.clone(),
            language: stream.language.clone(),
            title: stream.title.clone(),
            display_title: stream.display_title.clone(),
            channels: stream.channels,
            width: stream.width,
            height: stream.height,
            is_default: stream.is_default,
            is_forced: stream.is_forced,
            is_external: stream.is_external,
            is_text: stream.is_text,
        }
    }
}

/// The versions of a video, with their sound tracks, subtitles and chapters.
#[utoipa::path(get, path = "/api/v1/library/items/{id}/sources", tag = "library", params(ItemPath),
    responses((status = 200, description = "What its files hold.", body = MediaSources)))]
pub(super) async fn sources(
    State(gateway): State<Arc<Gateway>>,
    id: ItemId,
) -> Result<Json<MediaSources>, Problem> {
    let info = gateway.library()?.playback_info(id.as_str()).await;
    let info = info.map_err(|error| problem(&error))?;
    Ok(Json(MediaSources::from(&*info)))
}
