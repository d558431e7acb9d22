//! What ffmpeg says on its error output, bounded and turned into a reason.

use std::collections::VecDeque;

use orb_jellyfin::redact;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::{Failure, code};

/// A damaged film makes ffmpeg write for hours; the reason it ends for is among the last lines.
const LINES: usize = 20;
/// Longer lines are cut.
const LINE_BYTES: usize = 300;

/// The last lines, redacted.
#[derive(Debug, Default)]
pub(crate) struct Tail(VecDeque<String>);

impl Tail {
    /// Reads to the end, however much there is: a child blocks on a full stderr.
    pub(crate) async fn read(stream: impl AsyncRead + Unpin, session: String) -> Self {
        let mut reader = BufReader::new(stream);
        let mut tail = Self::default();
        let mut line = Vec::new();
        // A read error is as good as the end: the child is gone.
        while let Ok(true) = next_line(&mut reader, &mut line).await {
            tail.push(&String::from_utf8_lossy(&line));
            tracing::debug!(session, line = tail.0.back(), "ffmpeg says");
        }
        tail
    }

    fn push(&mut self, line: &str) {
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        self.0.push_back(redact(line.trim_end()));
    }

    /// The typed reason, if the text has one.
    pub(crate) fn reason(&self) -> Option<Failure> {
        self.0.iter().rev().find_map(|line| classify(line))
    }
}

/// One line without its end, at most [`LINE_BYTES`] of it kept; false at the end of the stream.
async fn next_line<R: AsyncRead + Unpin>(
    reader: &mut BufReader<R>,
    line: &mut Vec<u8>,
) -> std::io::Result<bool> {
    line.clear();
    loop {
        let bytes = reader.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = bytes.iter().position(|b| *b == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let room = LINE_BYTES.saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(bytes.len(), |n| n + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

fn classify(line: &str) -> Option<Failure> {
    let has = |text: &str| line.contains(text);
    let (code, message) = if has("No space left on device") {
        (code::SPOOL_FULL, "the disk of the spool folder is full")
    } else if has("Cannot allocate memory") {
        (
            code::FFMPEG_OUT_OF_MEMORY,
            "ffmpeg reached its memory limit",
        )
    } else if has("Invalid data found when processing input")
        || has("moov atom not found")
        || has("EBML header parsing failed")
        || has("Could not find codec parameters")
        || has("not in the whitelist")
        || has("matches no streams")
        || (has("Decoder") && has("not found"))
    {
        (
            code::SOURCE_UNDECODABLE,
            "the source is not a film that ffmpeg can decode",
        )
    } else if has("Could not write header") || has("Error initializing output stream") {
        (
            code::FFMPEG_OUTPUT_FAILED,
            "ffmpeg could not write this film's streams",
        )
    } else {
        return None;
    };
    Some(Failure::new(code, message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn read(text: &str) -> Tail {
        Tail::read(text.as_bytes(), "s".into()).await
    }

    #[tokio::test]
    async fn known_lines_have_codes() {
        for (line, code) in [
            (
                "http://127.0.0.1:1/n: Invalid data found when processing input",
                "source_undecodable",
            ),
            ("[mov,mp4 @ 0x1] moov atom not found", "source_undecodable"),
            (
                "av_interleaved_write_frame(): No space left on device",
                "spool_full",
            ),
            ("Error: Cannot allocate memory", "ffmpeg_out_of_memory"),
            (
                "Could not write header for output file #0",
                "ffmpeg_output_failed",
            ),
        ] {
            let reason = read(&format!("noise\n{line}\nmore noise")).await.reason();
            assert_eq!(reason.unwrap().code, code, "{line}");
        }
        assert_eq!(read("noise\n").await.reason(), None);
    }

    #[tokio::test]
    async fn long_lines_and_many_lines_are_bounded() {
        let text = format!("{}\n{}", "x".repeat(1 << 20), "line\n".repeat(1000));
        let tail = read(&text).await;
        assert_eq!(tail.0.len(), LINES);
        let first = read(&"y".repeat(5000)).await;
        assert_eq!(first.0[0].len(), LINE_BYTES);
    }

    #[tokio::test]
    async fn urls_lose_their_keys() {
        let tail = read("opening http://h/a?api_key=SECRET failed\n").await;
        assert!(!format!("{tail:?}").contains("SECRET"));
    }
}
