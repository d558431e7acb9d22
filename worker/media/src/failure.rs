//! Why something that played ended early.

/// Why a source, a run of ffmpeg or a whole item ended early. Goes to users as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable name: one of [`code`].
    pub code: &'static str,
    /// One sentence without a URL.
    pub message: String,
}

/// The codes of a [`Failure`].
pub mod code {
    // Final for a source: the second one is tried.
    /// The media server wants another key (401).
    pub const SOURCE_UNAUTHORIZED: &str = "source_unauthorized";
    /// The media server forbids the item (403).
    pub const SOURCE_FORBIDDEN: &str = "source_forbidden";
    /// The item is not there (404).
    pub const SOURCE_NOT_FOUND: &str = "source_not_found";
    /// The item is no longer there (410).
    pub const SOURCE_GONE: &str = "source_gone";
    /// Another 4xx, or an origin that is not allowed.
    pub const SOURCE_REFUSED: &str = "source_refused";
    /// A redirect to an origin that is not allowed, to nowhere, or in a circle.
    pub const SOURCE_REDIRECT_REFUSED: &str = "source_redirect_refused";
    /// No connection, no answer or no byte, for as long as patience lasts.
    pub const SOURCE_UNREACHABLE: &str = "source_unreachable";
    /// 5xx and the like, for as long as patience lasts.
    pub const SOURCE_SERVER_ERROR: &str = "source_server_error";
    /// Not a film, or not one that ffmpeg knows.
    pub const SOURCE_UNDECODABLE: &str = "source_undecodable";
    /// The file is cut off.
    pub const SOURCE_INCOMPLETE: &str = "source_incomplete";

    // Passing: ffmpeg is started again at the media position, a few times.
    /// The file was replaced while it played; it is opened anew.
    pub const SOURCE_CHANGED: &str = "source_changed";
    /// No process, no thread or no memory for it.
    pub const FFMPEG_NOT_STARTED: &str = "ffmpeg_not_started";
    /// Killed by a signal.
    pub const FFMPEG_CRASHED: &str = "ffmpeg_crashed";
    /// An exit code that its words do not explain.
    pub const FFMPEG_FAILED: &str = "ffmpeg_failed";
    /// Nothing came although nothing hindered it.
    pub const FFMPEG_STALLED: &str = "ffmpeg_stalled";
    /// Its output is no Matroska.
    pub const FFMPEG_GARBLED: &str = "ffmpeg_garbled";
    /// A good exit code long before the end of the film.
    pub const FFMPEG_ENDED_EARLY: &str = "ffmpeg_ended_early";
    /// It could not write what was asked for.
    pub const FFMPEG_OUTPUT_FAILED: &str = "ffmpeg_output_failed";
    /// The memory limit was reached.
    pub const FFMPEG_OUT_OF_MEMORY: &str = "ffmpeg_out_of_memory";
    /// A copied picture that gives viewers nothing; it is transcoded from then on.
    pub const PICTURE_MISSING: &str = "picture_missing";
    /// A picture that cannot be sent into a voice channel as it is; it is transcoded from then on. The others of these are
    /// [`orb_video::Refusal`]'s own.
    pub const H264_DAMAGED: &str = "h264_damaged";
    /// A picture of this encoding cannot be had of this film.
    pub const RUNG_UNAVAILABLE: &str = "rung_unavailable";
    /// No space left for the watch files.
    pub const SPOOL_FULL: &str = "spool_full";
    /// The folder of the watch files cannot be made.
    pub const SPOOL_UNUSABLE: &str = "spool_unusable";
    /// Whether it says that a picture cannot be sent into a voice channel as it is.
    pub(crate) fn is_picture_refused(code: &str) -> bool {
        code.starts_with("h264_")
    }

    /// The pipeline was dropped; nobody sees it.
    pub(crate) const CLOSED: &str = "closed";
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// Whether trying the same source again is pointless: it refused, is not there, cannot be
    /// decoded, or was tried for as long as patience lasts.
    pub fn is_final_for_source(&self) -> bool {
        matches!(
            self.code,
            code::SOURCE_UNAUTHORIZED
                | code::SOURCE_FORBIDDEN
                | code::SOURCE_NOT_FOUND
                | code::SOURCE_GONE
                | code::SOURCE_REFUSED
                | code::SOURCE_REDIRECT_REFUSED
                | code::SOURCE_UNREACHABLE
                | code::SOURCE_SERVER_ERROR
                | code::SOURCE_UNDECODABLE
                | code::SOURCE_INCOMPLETE
        )
    }
}
