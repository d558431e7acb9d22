//! Opus packets out of ffmpeg's pipe, with their media time.

use std::fs::File;
use std::io;

use bytes::Bytes;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, ReadOnlySource};
use symphonia::default::formats::MkvReader;

use crate::frames::{Closed, FRAME_MS, OpusFrame};

/// A container time further than this from the counted one is a gap or an overlap, not rounding.
const REANCHOR_MS: u64 = 40;

/// How a pipe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DemuxEnd {
    /// ffmpeg closed it (or died: its exit status tells).
    Eof,
    /// What came through was no Matroska.
    Malformed(String),
    /// The sink wants no more.
    Closed,
}

/// Reads until the end of the pipe. Blocks: give it a thread of its own.
pub(crate) fn demux(pipe: File, mut sink: impl FnMut(OpusFrame) -> Result<(), Closed>) -> DemuxEnd {
    let source = MediaSourceStream::new(
        Box::new(ReadOnlySource::new(pipe)),
        symphonia::core::io::MediaSourceStreamOptions::default(),
    );
    let mut reader = match MkvReader::try_new(source, &FormatOptions::default()) {
        Ok(reader) => reader,
        Err(error) => return end(&error),
    };
    let mut clock = PtsClock::default();
    loop {
        match reader.next_packet() {
            // The muxer counts in ms, so `ts` is ms.
            Ok(packet) => {
                let frame = OpusFrame {
                    pts_ms: clock.stamp(packet.ts),
                    data: Bytes::from(packet.data),
                };
                if sink(frame).is_err() {
                    return DemuxEnd::Closed;
                }
            }
            Err(error) => return end(&error),
        }
    }
}

fn end(error: &SymphoniaError) -> DemuxEnd {
    match error {
        // A pipe has no length, so its end is always "unexpected".
        SymphoniaError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => DemuxEnd::Eof,
        other => DemuxEnd::Malformed(other.to_string()),
    }
}

/// Media time by counting packets: the container rounds to ms, and a count does not drift. A real
/// gap or overlap in the source moves the count.
#[derive(Debug, Default)]
struct PtsClock {
    next: Option<u64>,
}

impl PtsClock {
    fn stamp(&mut self, container_ms: u64) -> u64 {
        let pts = match self.next {
            Some(counted) if counted.abs_diff(container_ms) <= REANCHOR_MS => counted,
            _ => container_ms,
        };
        self.next = Some(pts + FRAME_MS);
        pts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(container: &[u64]) -> Vec<u64> {
        let mut clock = PtsClock::default();
        container.iter().map(|ms| clock.stamp(*ms)).collect()
    }

    #[test]
    fn rounding_is_ignored() {
        assert_eq!(
            stamps(&[25_000, 25_021, 25_039, 25_061]),
            [25_000, 25_020, 25_040, 25_060]
        );
    }

    #[test]
    fn gaps_and_overlaps_move_the_anchor() {
        assert_eq!(stamps(&[0, 20, 81, 101]), [0, 20, 81, 101]);
        assert_eq!(stamps(&[100, 120, 60, 80]), [100, 120, 60, 80]);
        assert_eq!(stamps(&[0, 60]), [0, 20], "40 ms off is still rounding");
    }
}
