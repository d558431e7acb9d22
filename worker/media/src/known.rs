//! What a worker found out about a film, as text for the next one that plays it.

use serde::{Deserialize, Serialize};

use crate::probe::Probe;

/// Raised when the fields change: another version is not read, and the film is probed.
const VERSION: u32 = 2;

/// Which of an item's two sources something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    Stream,
    Download,
}

/// A probe that another worker made. It bears no URL: the item that it is about comes with its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Known {
    version: u32,
    source: Source,
    probe: Probe,
}

impl Known {
    pub(crate) fn text(source: Source, probe: &Probe) -> String {
        let known = Self {
            version: VERSION,
            source,
            probe: probe.clone(),
        };
        // Numbers, strings and booleans: nothing of it can fail. Without it the next one would probe.
        serde_json::to_string(&known).unwrap_or_default()
    }

    /// None when it is about the other source, or not of this version.
    pub(crate) fn probe_of(source: Source, text: &str) -> Option<Probe> {
        let known: Self = serde_json::from_str(text).ok()?;
        (known.version == VERSION && known.source == source).then_some(known.probe)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::probe::{AudioStream, VideoStream};

    #[test]
    fn the_next_worker_reads_what_was_written_for_that_source() {
        let probe = Probe {
            container: "matroska,webm".into(),
            duration_ms: Some(60_000),
            video: Some(VideoStream {
                index: 0,
                codec: "h264".into(),
                width: 1280,
                height: 720,
                pix_fmt: "yuv420p".into(),
                fps: 23.976,
                bits_per_second: None,
                hdr: false,
                interlaced: false,
                reshaped: false,
                reorders: false,
                copy_refused: None,
            }),
            audio: Some(AudioStream {
                index: 1,
                codec: "aac".into(),
                channels: 6,
                end_ms: None,
            }),
        };
        let text = Known::text(Source::Stream, &probe);
        assert_eq!(Known::probe_of(Source::Stream, &text), Some(probe));
        assert_eq!(Known::probe_of(Source::Download, &text), None);
        for other in [
            "",
            "picture copied",
            &text.replace("\"version\":2", "\"version\":1"),
        ] {
            assert_eq!(Known::probe_of(Source::Stream, other), None, "{other}");
        }
    }
}
