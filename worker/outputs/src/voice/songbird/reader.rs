//! A talk as a byte stream, the only form in which songbird takes Opus.

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
    time::Instant,
};

use orb_voice::OPUS_SILENCE;
use symphonia::core::io::MediaSource;

use super::{
    framing,
    tap::{Pull, Tap},
};

/// Yields the header in the first read, then exactly one packet a read.
///
/// symphonia's buffer asks for 1 kB first and twice as much each time, but only when it is empty, and takes what it
/// gets (`MediaSourceStream::fetch`). One packet a read therefore means that nothing is ever read ahead of its tick.
/// (At the end of its ring buffer it has less room than a packet needs and fetches the rest within the same tick.)
pub(super) struct TalkReader {
    tap: Arc<Tap>,
    talk: u64,
    staged: Vec<u8>,
    taken: usize,
}

impl TalkReader {
    pub(super) fn new(tap: Arc<Tap>, talk: u64) -> Self {
        let mut staged = Vec::with_capacity(2048);
        framing::put_header(&mut staged);
        Self {
            tap,
            talk,
            staged,
            taken: 0,
        }
    }
}

impl Read for TalkReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.staged.len() {
            self.staged.clear();
            self.taken = 0;
            match self.tap.pull(self.talk, Instant::now()) {
                Pull::Frame(packet) => framing::put_packet(&mut self.staged, &packet),
                Pull::Silence => framing::put_packet(&mut self.staged, &OPUS_SILENCE),
                Pull::End => return Ok(0),
            }
        }
        let n = buf.len().min(self.staged.len() - self.taken);
        buf[..n].copy_from_slice(&self.staged[self.taken..self.taken + n]);
        self.taken += n;
        Ok(n)
    }
}

impl Seek for TalkReader {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl MediaSource for TalkReader {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests;
