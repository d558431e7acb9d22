//! A file that was looked at, and how Jellyfin describes it as a media source.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use crate::Error;
use crate::probe::{Probe, probe};

/// A file of the library.
#[derive(Debug)]
pub(crate) struct MediaFile {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    /// Strong validator of the file, quoted.
    pub(crate) etag: String,
    pub(crate) probe: Probe,
}

impl MediaFile {
    pub(crate) async fn open(path: &Path) -> Result<Self, Error> {
        let metadata = tokio::fs::metadata(path).await.map_err(Error::file(path))?;
        let modified = metadata.modified().map_err(Error::file(path))?;
        let nanos = modified
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        Ok(Self {
            path: path.to_owned(),
            size: metadata.len(),
            etag: format!("\"{:x}-{nanos:x}\"", metadata.len()),
            probe: probe(path).await?,
        })
    }

    /// Jellyfin's name of the container: the file's extension.
    pub(crate) fn container(&self) -> String {
        let extension = self.path.extension().unwrap_or_default();
        extension.to_string_lossy().to_ascii_lowercase()
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

    /// `MediaSourceInfo` of the item that plays this file.
    pub(crate) fn media_source(&self, id: &str, name: &str) -> Value {
        let mut source = bare_media_source(id, name);
        let default_audio = self
            .probe
            .streams
            .iter()
            .find(|stream| stream["Type"] == "Audio");
        let more = json!({
            "Path": self.path.to_string_lossy(),
            "Type": "Default",
            "Container": self.container(),
            "Size": self.size,
            "ETag": self.etag.trim_matches('"'),
            "RunTimeTicks": self.probe.run_time_ticks,
            "Bitrate": self.probe.bit_rate,
            "MediaStreams": self.probe.streams,
            "DefaultAudioStreamIndex": default_audio.map(|stream| &stream["Index"]),
        });
        if let (Value::Object(source), Value::Object(more)) = (&mut source, more) {
            source.extend(more);
            source.retain(|_, value| !value.is_null());
        }
        source
    }
}

/// `MediaSourceInfo` of an item without a file: a place holder without a path.
pub(crate) fn bare_media_source(id: &str, name: &str) -> Value {
    json!({
        "Id": id,
        "Name": name,
        "Protocol": "File",
        "Type": "Placeholder",
        "VideoType": "VideoFile",
        "MediaStreams": [],
        "MediaAttachments": [],
        "Formats": [],
        "RequiredHttpHeaders": {},
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
