//! What an item's files hold, and where they are.

use super::Chapter;

/// The files of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaybackInfo {
    /// The item.
    pub item_id: String,
    /// Its versions, the preferred one first. Never empty.
    pub sources: Vec<PlaybackSource>,
    /// Its chapters.
    pub chapters: Vec<Chapter>,
    /// Jellyfin's name for playing it now; a report may bear it. All who ask within a minute get the
    /// same.
    pub play_session_id: Option<String>,
}

/// One version of an item (`MediaSource`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaybackSource {
    /// Its id, for [`stream_url`](super::JellyfinClient::stream_url).
    pub id: String,
    /// Its name, where there are several.
    pub name: Option<String>,
    /// The container, for example `mkv`; several names of one container are separated by commas.
    pub container: Option<String>,
    /// How long it runs.
    pub runtime_ms: Option<u64>,
    /// Bits a second, all streams together.
    pub bitrate: Option<u64>,
    /// The file's size.
    pub size_bytes: Option<u64>,
    /// What is in it, in the file's order.
    pub streams: Vec<MediaStream>,
    /// [`MediaStream::index`] of the sound that the user would hear.
    pub default_audio: Option<u32>,
    /// [`MediaStream::index`] of the subtitles that the user would see.
    pub default_subtitle: Option<u32>,
}

impl PlaybackSource {
    /// The first picture.
    pub fn video(&self) -> Option<&MediaStream> {
        self.of_kind(StreamKind::Video).next()
    }

    /// The sound tracks.
    pub fn audio(&self) -> impl Iterator<Item = &MediaStream> {
        self.of_kind(StreamKind::Audio)
    }

    /// The subtitles.
    pub fn subtitles(&self) -> impl Iterator<Item = &MediaStream> {
        self.of_kind(StreamKind::Subtitle)
    }

    fn of_kind(&self, kind: StreamKind) -> impl Iterator<Item = &MediaStream> {
        self.streams.iter().filter(move |s| s.kind == kind)
    }
}

/// What a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// Subtitles.
    Subtitle,
    /// Cover pictures, data, lyrics.
    Other,
}

/// One stream of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaStream {
    /// Its place in the file; subtitles in files of their own come behind.
    pub index: u32,
    /// What it is.
    pub kind: StreamKind,
    /// The codec, as ffmpeg names it.
    pub codec: Option<String>,
    /// ISO 639-2, as the file says it.
    pub language: Option<String>,
    /// The title that the file gives it.
    pub title: Option<String>,
    /// What Jellyfin would show for it.
    pub display_title: Option<String>,
    /// Sound: the number of channels.
    pub channels: Option<u32>,
    /// Picture: pixels across.
    pub width: Option<u32>,
    /// Picture: pixels down.
    pub height: Option<u32>,
    /// The file says: play it unless told otherwise.
    pub is_default: bool,
    /// Subtitles of what is foreign in the film only.
    pub is_forced: bool,
    /// It is in a file of its own.
    pub is_external: bool,
    /// Subtitles made of text, not of pictures.
    pub is_text: bool,
}
