//! Frames for a driver that plays from memory: each says which it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use orb_voice::{FrameSource, NextFrame};

use crate::statistics::Samples;

/// Bytes of a frame: 20 ms of 128 kbit/s.
const FRAME_BYTES: usize = 320;

/// First byte of an Opus packet of one CELT frame of 20 ms, stereo (RFC 6716, section 3.1). Nobody decodes the rest.
const CELT_20_MS: u8 = 0xfc;

/// Frames without end.
#[derive(Default)]
pub(super) struct Frames {
    taken: AtomicU32,
    sendings: Arc<Sendings>,
}

impl Frames {
    /// Writes down in `sendings` how late each frame was handed to the kernel.
    pub(super) fn new(sendings: Arc<Sendings>) -> Self {
        Self {
            taken: AtomicU32::new(0),
            sendings,
        }
    }

    fn frame(number: u32) -> Bytes {
        let mut frame = vec![0x55; FRAME_BYTES];
        frame[0] = CELT_20_MS;
        frame[1..5].copy_from_slice(&number.to_be_bytes());
        Bytes::from(frame)
    }

    /// Which frame a decrypted packet is; none for silence.
    pub(super) fn number(opus: &[u8]) -> Option<u32> {
        let number = opus.get(1..5)?.first_chunk()?;
        (opus.len() == FRAME_BYTES).then(|| u32::from_be_bytes(*number))
    }
}

impl FrameSource for Frames {
    fn next(&self) -> NextFrame {
        NextFrame::Opus(Self::frame(self.taken.fetch_add(1, Relaxed)))
    }

    fn sent(&self, _: Instant, late: Duration) {
        self.sendings.add(late);
    }
}

/// How late frames were sent, over all sessions of a process, in steps of a tenth of a millisecond.
///
/// The pacing thread writes here: no lock, no allocation.
pub(super) struct Sendings {
    /// The last one stands for everything later.
    tenths: [AtomicU32; 1000],
}

impl Default for Sendings {
    fn default() -> Self {
        Self {
            tenths: [const { AtomicU32::new(0) }; 1000],
        }
    }
}

impl Sendings {
    fn add(&self, late: Duration) {
        let last = self.tenths.len() - 1;
        let tenth = (late.as_micros() / 100).min(last as u128) as usize;
        self.tenths[tenth].fetch_add(1, Relaxed);
    }

    /// What came since it was last asked, in ms.
    pub(super) fn take(&self) -> Samples {
        let mut samples = Samples::default();
        for (tenth, count) in self.tenths.iter().enumerate() {
            for _ in 0..count.swap(0, Relaxed) {
                samples.push(tenth as f64 / 10.0);
            }
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn frames_say_which_they_are() {
        let frames = Frames::default();
        let numbers = [(); 3].map(|()| match frames.next() {
            NextFrame::Opus(opus) => Frames::number(&opus).unwrap(),
            other => panic!("{other:?}"),
        });
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(Frames::number(&orb_voice::OPUS_SILENCE), None);
    }

    #[test]
    fn sendings_are_told_once() {
        let frames = Frames::default();
        frames.sent(Instant::now(), Duration::from_micros(250));
        frames.sent(Instant::now(), Duration::from_secs(7));
        let told = frames.sendings.take();
        assert_eq!(told.len(), 2);
        assert!((told.median() - 0.2).abs() < 1e-9 && (told.max() - 99.9).abs() < 1e-9);
        assert_eq!(frames.sendings.take().len(), 0);
    }
}
