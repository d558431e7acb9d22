//! Packets out of ffmpeg's pipe, with their media time: Opus, and H.264 made ready for the wire.

use std::fs::File;
use std::io;

use bytes::Bytes;
use orb_video::Error as VideoError;
use orb_video::h264::{Picture, Stream};
use symphonia::core::codecs::CODEC_TYPE_OPUS;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatOptions, FormatReader, Packet};
use symphonia::core::io::{MediaSourceStream, ReadOnlySource};
use symphonia::default::formats::MkvReader;

use crate::extradata::{Beginning, Tap};
use crate::frames::{Closed, FRAME_MS, OpusFrame};
use crate::packing::Packing;
use crate::{Failure, code};

/// A container time further than this from the counted one is a gap or an overlap, not rounding.
const REANCHOR_MS: u64 = 40;

/// Damaged packets in a row after which a film cannot be copied: ten seconds of it.
const MOST_DAMAGED: u32 = 250;

/// How a pipe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DemuxEnd {
    /// ffmpeg closed it (or died: its exit status tells).
    Eof,
    /// What came through was no Matroska.
    Malformed(String),
    /// The sink wants no more.
    Closed,
    /// The picture cannot be sent as it is.
    Refused(Failure),
}

/// Where packets go. Both block as long as there is no room.
pub(crate) trait Sink {
    fn sound(&mut self, frame: OpusFrame) -> Result<(), Closed>;
    fn picture(&mut self, pts_ms: u64, picture: Picture) -> Result<(), Closed>;
}

/// What a pipe bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bears {
    Sound,
    /// Sound and the film's own packets.
    Copy,
    /// Sound and what we encoded.
    Encoded,
}

/// Reads until the end of the pipe, whose sound was asked for from `start_ms` on. Blocks: give it a thread of its own.
pub(crate) fn demux(pipe: File, bears: Bears, start_ms: u64, sink: &mut impl Sink) -> DemuxEnd {
    let (tap, beginning) = Tap::new(pipe);
    let source = MediaSourceStream::new(
        Box::new(ReadOnlySource::new(tap)),
        symphonia::core::io::MediaSourceStreamOptions::default(),
    );
    let mut reader = match MkvReader::try_new(source, &FormatOptions::default()) {
        Ok(reader) => reader,
        Err(error) => return end(&error),
    };
    let mut clock = PtsClock::new(start_ms);
    let sound = reader
        .tracks()
        .iter()
        .find(|track| track.codec_params.codec == CODEC_TYPE_OPUS)
        .map(|track| track.id);
    let mut pictures = Pictures::new(bears, beginning);
    let mut packing = Packing::default();
    loop {
        let packet = match reader.next_packet() {
            Ok(packet) => packet,
            Err(error) => return end(&error),
        };
        // The muxer counts in ms, so `ts` is ms.
        let taken = if Some(packet.track_id()) == sound {
            let frame = OpusFrame {
                pts_ms: clock.stamp(packet.ts),
                data: packing.pack(&packet.data),
            };
            sink.sound(frame)
        } else {
            match pictures.next(packet) {
                Ok(Some((pts_ms, picture))) => sink.picture(pts_ms, picture),
                Ok(None) => Ok(()),
                Err(refused) => return DemuxEnd::Refused(refused),
            }
        };
        if taken.is_err() {
            return DemuxEnd::Closed;
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

/// The picture's packets, made ready.
struct Pictures {
    bears: Bears,
    beginning: Beginning,
    stream: Option<Stream>,
    damaged: u32,
    given_up: bool,
}

impl Pictures {
    fn new(bears: Bears, beginning: Beginning) -> Self {
        Self {
            given_up: bears == Bears::Sound,
            bears,
            beginning,
            stream: None,
            damaged: 0,
        }
    }

    /// The picture in a packet, if there is one; an error is final for a copy.
    fn next(&mut self, packet: Packet) -> Result<Option<(u64, Picture)>, Failure> {
        if self.given_up {
            return Ok(None);
        }
        let (pts_ms, track) = (packet.ts, packet.track_id());
        match self.prepare(track, &Bytes::from(packet.data)) {
            Ok(picture) => {
                self.damaged = 0;
                Ok(picture.map(|picture| (pts_ms, picture)))
            }
            Err(error @ VideoError::Damaged(_)) if self.damaged < MOST_DAMAGED => {
                self.damaged += 1;
                tracing::debug!(pts_ms, %error, "picture left out");
                Ok(None)
            }
            Err(error) if self.bears == Bears::Copy => Err(refused(&error)),
            Err(error) => {
                // Our own encoder's: there is nothing better to be had, and the sound is sound.
                tracing::warn!(code = error.code(), %error, "the picture ends");
                self.given_up = true;
                Ok(None)
            }
        }
    }

    fn prepare(&mut self, track: u32, data: &Bytes) -> Result<Option<Picture>, VideoError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let private = self.beginning.codec_private(u64::from(track));
                none.insert(Stream::new(&private)?)
            }
        };
        stream.access_unit(data)
    }
}

fn refused(error: &VideoError) -> Failure {
    match error {
        VideoError::Refused(refusal) => Failure::new(refusal.code(), refusal.to_string()),
        _ => Failure::new(code::H264_DAMAGED, "its packets are damaged"),
    }
}

/// Media time by counting packets: the container rounds to ms, and a count does not drift. A real
/// gap or overlap in the source moves the count.
#[derive(Debug)]
struct PtsClock {
    next: u64,
}

impl PtsClock {
    /// Sound begins at exactly the place where ffmpeg was told to begin, so that runs that were started in step stay so.
    fn new(start_ms: u64) -> Self {
        Self { next: start_ms }
    }

    fn stamp(&mut self, container_ms: u64) -> u64 {
        let pts = if self.next.abs_diff(container_ms) <= REANCHOR_MS {
            self.next
        } else {
            container_ms
        };
        self.next = pts + FRAME_MS;
        pts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(start_ms: u64, container: &[u64]) -> Vec<u64> {
        let mut clock = PtsClock::new(start_ms);
        container.iter().map(|ms| clock.stamp(*ms)).collect()
    }

    #[test]
    fn rounding_is_ignored() {
        for begin in [24_999, 25_000, 25_001] {
            assert_eq!(
                stamps(25_000, &[begin, 25_021, 25_039, 25_061]),
                [25_000, 25_020, 25_040, 25_060]
            );
        }
    }

    #[test]
    fn gaps_and_overlaps_move_the_anchor() {
        assert_eq!(stamps(0, &[0, 20, 81, 101]), [0, 20, 81, 101]);
        assert_eq!(stamps(100, &[100, 120, 60, 80]), [100, 120, 60, 80]);
        assert_eq!(stamps(0, &[0, 60]), [0, 20], "40 ms off is still rounding");
        assert_eq!(stamps(0, &[500, 520]), [500, 520], "it begins elsewhere");
    }
}
