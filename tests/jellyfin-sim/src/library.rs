//! The films, and how Jellyfin describes them.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use crate::Error;
use crate::probe::{Probe, probe};

/// The one library, "Movies".
pub(crate) const VIEW_ID: &str = "f137a2dd21bbc1b99aa5c0f6bf02a805";
/// The id of the server.
pub(crate) const SERVER_ID: &str = "6f7262736a656c6c7966696e73696d00";

/// A film to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Film {
    /// The item id, which is the media source's id too. Jellyfin's own are 32 hex digits; any text that
    /// can stand in a path will do. Compared without case.
    pub id: String,
    /// The title shown and searched.
    pub title: String,
    /// The file.
    pub path: PathBuf,
    /// The year of production.
    pub year: Option<u16>,
    /// A summary.
    pub overview: Option<String>,
}

impl Film {
    /// A film with nothing but what is needed.
    pub fn new(id: impl Into<String>, title: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            path: path.into(),
            year: None,
            overview: None,
        }
    }
}

/// A film whose file was looked at.
pub(crate) struct Title {
    pub(crate) film: Film,
    pub(crate) size: u64,
    /// Strong validator of the file, quoted.
    pub(crate) etag: String,
    probe: Probe,
}

impl Title {
    async fn open(film: Film) -> Result<Self, Error> {
        let metadata = tokio::fs::metadata(&film.path)
            .await
            .map_err(Error::file(&film.path))?;
        let modified = metadata.modified().map_err(Error::file(&film.path))?;
        let nanos = modified
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        Ok(Self {
            size: metadata.len(),
            etag: format!("\"{:x}-{nanos:x}\"", metadata.len()),
            probe: probe(&film.path).await?,
            film,
        })
    }

    /// Jellyfin's name of the container: the file's extension.
    pub(crate) fn container(&self) -> String {
        extension(&self.film.path)
    }

    pub(crate) fn content_type(&self) -> &'static str {
        match self.container().as_str() {
            "mkv" => "video/x-matroska",
            "mp4" | "m4v" | "mov" => "video/mp4",
            "webm" => "video/webm",
            "ts" => "video/mp2t",
            "avi" => "video/x-msvideo",
            _ => "application/octet-stream",
        }
    }

    /// `BaseItemDto`, with the media source when it was asked for.
    pub(crate) fn item(&self, with_media_sources: bool) -> Value {
        let Film {
            id,
            title,
            year,
            overview,
            ..
        } = &self.film;
        let mut item = json!({
            "Id": id,
            "Name": title,
            "SortName": title.to_lowercase(),
            "ServerId": SERVER_ID,
            "ParentId": VIEW_ID,
            "Type": "Movie",
            "MediaType": "Video",
            "VideoType": "VideoFile",
            "LocationType": "FileSystem",
            "IsFolder": false,
            "Container": self.container(),
            "RunTimeTicks": self.probe.run_time_ticks,
            "ProductionYear": year,
            "Overview": overview,
            "CanDownload": true,
            "HasSubtitles": false,
            "ImageTags": { "Primary": "sim" },
            "BackdropImageTags": [],
            "ProviderIds": {},
            "Chapters": [],
            "UserData": {
                "ItemId": id, "Key": id, "PlaybackPositionTicks": 0, "PlayCount": 0,
                "IsFavorite": false, "Played": false,
            },
        });
        if with_media_sources {
            item["MediaSources"] = json!([self.media_source()]);
            item["MediaStreams"] = json!(self.probe.streams);
        }
        item
    }

    /// `MediaSourceInfo`.
    pub(crate) fn media_source(&self) -> Value {
        let default_audio = self
            .probe
            .streams
            .iter()
            .find(|stream| stream["Type"] == "Audio");
        json!({
            "Id": self.film.id,
            "Name": self.film.title,
            "Path": self.film.path.to_string_lossy(),
            "Protocol": "File",
            "Type": "Default",
            "VideoType": "VideoFile",
            "Container": self.container(),
            "Size": self.size,
            "ETag": self.etag.trim_matches('"'),
            "RunTimeTicks": self.probe.run_time_ticks,
            "Bitrate": self.probe.bit_rate,
            "MediaStreams": self.probe.streams,
            "MediaAttachments": [],
            "Formats": [],
            "RequiredHttpHeaders": {},
            "DefaultAudioStreamIndex": default_audio.map(|stream| &stream["Index"]),
            "TranscodingSubProtocol": "http",
            "SupportsDirectPlay": true,
            "SupportsDirectStream": true,
            "SupportsTranscoding": false,
            "SupportsProbing": true,
            "IsRemote": false,
            "IsInfiniteStream": false,
            "ReadAtNativeFramerate": false,
            "IgnoreDts": false,
            "IgnoreIndex": false,
            "GenPtsInput": false,
            "RequiresOpening": false,
            "RequiresClosing": false,
            "RequiresLooping": false,
            "HasSegments": false,
        })
    }
}

fn extension(path: &Path) -> String {
    path.extension()
        .map(|e| e.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default()
}

/// All titles, in the order given.
pub(crate) struct Library(Vec<Title>);

impl Library {
    pub(crate) async fn open(films: Vec<Film>) -> Result<Self, Error> {
        let mut library = Self(Vec::new());
        for film in films {
            if library.find(&film.id).is_some() {
                return Err(Error::DuplicateFilm { id: film.id });
            }
            library.0.push(Title::open(film).await?);
        }
        Ok(library)
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Title> {
        self.0
            .iter()
            .find(|title| title.film.id.eq_ignore_ascii_case(id))
    }

    pub(crate) fn titles(&self) -> impl Iterator<Item = &Title> {
        self.0.iter()
    }

    /// `BaseItemDto` of the library itself.
    pub(crate) fn view() -> Value {
        json!({
            "Id": VIEW_ID,
            "Name": "Movies",
            "ServerId": SERVER_ID,
            "Type": "CollectionFolder",
            "CollectionType": "movies",
            "MediaType": "Unknown",
            "IsFolder": true,
            "ImageTags": {},
            "BackdropImageTags": [],
        })
    }
}
