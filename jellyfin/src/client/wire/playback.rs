//! Files and their streams.

use serde::Deserialize;

use super::{ms, or_default};
use crate::client::{MediaStream, PlaybackSource, StreamKind};

/// `PlaybackInfoResponse`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::client) struct PlaybackAnswer {
    #[serde(default, deserialize_with = "or_default")]
    media_sources: Vec<MediaSource>,
    pub(in crate::client) play_session_id: Option<String>,
    /// `NotAllowed`, `NoCompatibleStream`, `RateLimitExceeded`.
    pub(in crate::client) error_code: Option<String>,
}

impl PlaybackAnswer {
    pub(in crate::client) fn take_sources(&mut self) -> Vec<PlaybackSource> {
        std::mem::take(&mut self.media_sources)
            .into_iter()
            .filter_map(MediaSource::into_source)
            .collect()
    }
}

/// `MediaSourceInfo`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MediaSource {
    id: Option<String>,
    r#type: Option<String>,
    name: Option<String>,
    container: Option<String>,
    run_time_ticks: Option<i64>,
    bitrate: Option<u64>,
    size: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    media_streams: Vec<Stream>,
    default_audio_stream_index: Option<i64>,
    default_subtitle_stream_index: Option<i64>,
}

/// `MediaStream`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stream {
    index: u32,
    #[serde(default)]
    r#type: String,
    codec: Option<String>,
    language: Option<String>,
    title: Option<String>,
    display_title: Option<String>,
    channels: Option<u32>,
    width: Option<u32>,
    height: Option<u32>,
    #[serde(default, deserialize_with = "or_default")]
    is_default: bool,
    #[serde(default, deserialize_with = "or_default")]
    is_forced: bool,
    #[serde(default, deserialize_with = "or_default")]
    is_external: bool,
    #[serde(
        default,
        deserialize_with = "or_default",
        rename = "IsTextSubtitleStream"
    )]
    is_text: bool,
}

impl MediaSource {
    /// `None` without an id, or for an episode that has no file: neither can be asked for.
    fn into_source(self) -> Option<PlaybackSource> {
        if self.r#type.as_deref() == Some("Placeholder") {
            return None;
        }
        // -1 stands for "off".
        let index = |index: Option<i64>| index.and_then(|i| u32::try_from(i).ok());
        Some(PlaybackSource {
            id: self.id?,
            name: self.name,
            container: self.container,
            runtime_ms: ms(self.run_time_ticks).filter(|&ms| ms > 0),
            bitrate: self.bitrate,
            size_bytes: self.size,
            streams: self
                .media_streams
                .into_iter()
                .map(Stream::into_stream)
                .collect(),
            default_audio: index(self.default_audio_stream_index),
            default_subtitle: index(self.default_subtitle_stream_index),
        })
    }
}

impl Stream {
    fn into_stream(self) -> MediaStream {
        MediaStream {
            index: self.index,
            kind: match self.r#type.as_str() {
                "Video" => StreamKind::Video,
                "Audio" => StreamKind::Audio,
                "Subtitle" => StreamKind::Subtitle,
                _ => StreamKind::Other,
            },
            codec: self.codec,
            language: self.language,
            title: self.title,
            display_title: self.display_title,
            channels: self.channels,
            width: self.width,
            height: self.height,
            is_default: self.is_default,
            is_forced: self.is_forced,
            is_external: self.is_external,
            is_text: self.is_text,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn sources_are_read() {
        let mut answer: PlaybackAnswer = from_value(json!({
            "MediaSources": [
                {"Id": "v1", "Container": "mkv", "RunTimeTicks": 10_000, "Bitrate": 7_000_000,
                 "DefaultAudioStreamIndex": 1, "DefaultSubtitleStreamIndex": -1,
                 "MediaStreams": [
                    {"Index": 0, "Type": "Video", "Codec": "h264", "Width": 1920, "Height": 1080},
                    {"Index": 1, "Type": "Audio", "Language": "jpn", "Channels": 2, "IsDefault": true},
                    {"Index": 2, "Type": "Subtitle", "IsForced": true, "IsTextSubtitleStream": true},
                    {"Index": 3, "Type": "EmbeddedImage"},
                 ]},
                {"Name": "without an id"},
                {"Id": "missing", "Type": "Placeholder"},
            ],
            "PlaySessionId": "p1",
        }))
        .unwrap();
        let sources = answer.take_sources();
        assert_eq!(sources.len(), 1);
        let source = &sources[0];
        assert_eq!(source.video().unwrap().height, Some(1080));
        assert_eq!(
            source.audio().next().unwrap().language.as_deref(),
            Some("jpn")
        );
        assert!(source.subtitles().all(|s| s.is_forced && s.is_text));
        assert_eq!(
            (source.default_audio, source.default_subtitle),
            (Some(1), None)
        );
        assert_eq!(source.runtime_ms, Some(1));
    }
}
