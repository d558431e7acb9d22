//! `CodecPrivate` of a Matroska track, read out of the bytes in front of the first cluster.
//!
//! symphonia keeps it for sound alone.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Headers are a few hundred bytes.
const MOST: usize = 64 << 10;

const SEGMENT: u64 = 0x1853_8067;
const TRACKS: u64 = 0x1654_AE6B;
const TRACK_ENTRY: u64 = 0xAE;
const TRACK_NUMBER: u64 = 0xD7;
const CODEC_PRIVATE: u64 = 0x63A2;
const CLUSTER: u64 = 0x1F43_B675;

/// A pipe whose beginning is remembered.
pub(crate) struct Tap {
    pipe: File,
    begin: Arc<Mutex<Vec<u8>>>,
}

/// What passed a [`Tap`] first.
#[derive(Clone)]
pub(crate) struct Beginning(Arc<Mutex<Vec<u8>>>);

impl Tap {
    pub(crate) fn new(pipe: File) -> (Self, Beginning) {
        let begin = Arc::default();
        let beginning = Beginning(Arc::clone(&begin));
        (Self { pipe, begin }, beginning)
    }
}

impl Read for Tap {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.pipe.read(buffer)?;
        let mut begin = self.begin.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST - begin.len();
        begin.extend_from_slice(&buffer[..read.min(room)]);
        Ok(read)
    }
}

impl Beginning {
    /// `CodecPrivate` of a track; empty if it has none.
    pub(crate) fn codec_private(&self, track: u64) -> Bytes {
        let begin = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        find(&begin, track).unwrap_or_default()
    }
}

fn find(header: &[u8], track: u64) -> Option<Bytes> {
    let mut segment = Elements(header).find_map(|(id, data)| (id == SEGMENT).then_some(data));
    let tracks = Elements(segment.take()?)
        .take_while(|(id, _)| *id != CLUSTER)
        .find_map(|(id, data)| (id == TRACKS).then_some(data))?;
    let mut entries = Elements(tracks).filter(|(id, _)| *id == TRACK_ENTRY);
    let entry = entries.find_map(|(_, entry)| {
        let number = child(entry, TRACK_NUMBER)?;
        let number = number.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        (number == track).then_some(entry)
    })?;
    child(entry, CODEC_PRIVATE).map(Bytes::copy_from_slice)
}

fn child(data: &[u8], wanted: u64) -> Option<&[u8]> {
    Elements(data).find_map(|(id, data)| (id == wanted).then_some(data))
}

/// EBML elements side by side (RFC 8794, 4 to 6); the last one may be cut off.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, _, rest) = number(self.0, true)?;
        let (size, unknown, rest) = number(rest, false)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let size = if unknown {
            rest.len()
        } else {
            size.min(rest.len())
        };
        let (data, rest) = rest.split_at(size);
        self.0 = rest;
        Some((id, data))
    }
}

/// A variable-length number, whether it is the one for "unknown", and what follows it.
fn number(data: &[u8], with_marker: bool) -> Option<(u64, bool, &[u8])> {
    let first = *data.first()?;
    let length = first.leading_zeros() as usize + 1;
    if length > 8 || data.len() < length {
        return None;
    }
    let (bytes, rest) = data.split_at(length);
    let all = bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    let marker = 1_u64 << (7 * length);
    let value = all & (marker - 1);
    let number = if with_marker { all } else { value };
    Some((number, value == marker - 1, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn element(id: &[u8], data: &[u8]) -> Vec<u8> {
        let size = [0x40 | (data.len() >> 8) as u8, data.len() as u8];
        [id, &size, data].concat()
    }

    fn header() -> Vec<u8> {
        let entry = |number: u8, private: &[u8]| {
            let number = element(&[0xD7], &[number]);
            let private = element(&[0x63, 0xA2], private);
            element(&[0xAE], &[number, private].concat())
        };
        let tracks = [entry(1, b"picture"), entry(2, b"sound")].concat();
        let tracks = element(&[0x16, 0x54, 0xAE, 0x6B], &tracks);
        let info = element(&[0x15, 0x49, 0xA9, 0x66], b"anything");
        let unknown = [
            0x18, 0x53, 0x80, 0x67, 0x01, 255, 255, 255, 255, 255, 255, 255,
        ];
        let ebml = element(&[0x1A, 0x45, 0xDF, 0xA3], b"x");
        [&ebml[..], &unknown, &info, &tracks, &[0x1F, 0x43]].concat()
    }

    #[test]
    fn each_track_has_its_own() {
        assert_eq!(find(&header(), 1).unwrap(), "picture");
        assert_eq!(find(&header(), 2).unwrap(), "sound");
        assert_eq!(find(&header(), 3), None);
    }

    #[test]
    fn what_is_cut_off_or_nonsense_is_none() {
        let whole = header();
        for end in 0..whole.len() {
            let _ = find(&whole[..end], 2);
        }
        assert_eq!(find(&[0; 40], 1), None);
        assert_eq!(find(&[0xFF; 40], 1), None);
    }
}
