//! What is said: the packets of a file, or frames that say which they are.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use orb_voice::{FrameSource, NextFrame};
use tokio::sync::Notify;

/// First byte of an Opus packet: 20 ms of CELT over the full band, mono, one frame (RFC 6716, section 3.1).
const CELT_20_MS: u8 = 0xf8;

/// A source of frames that can be paused.
pub(crate) struct Frames {
    supply: Mutex<Supply>,
    paused: AtomicBool,
    idle: AtomicBool,
    fell_idle: Notify,
    sent: AtomicU32,
}

enum Supply {
    File(std::vec::IntoIter<Bytes>),
    /// The number of the next one.
    Counted(u32),
}

/// The frame of that number: the first byte, the number in four bytes (highest first), and 3 to 130 bytes that follow
/// from it, so that a frame of which any byte was changed is known by it.
fn counted(number: u32) -> Bytes {
    let mut frame = vec![CELT_20_MS];
    frame.extend(number.to_be_bytes());
    let filling = 3 + number % 128;
    frame.extend((1..=filling).map(|at| number.wrapping_mul(31).wrapping_add(at * 7) as u8));
    Bytes::from(frame)
}

impl Frames {
    /// These, once.
    pub(crate) fn of(packets: Vec<Bytes>) -> Self {
        Self::new(Supply::File(packets.into_iter()))
    }

    /// Frame 0, 1, 2 and so on.
    pub(crate) fn counted() -> Self {
        Self::new(Supply::Counted(0))
    }

    fn new(supply: Supply) -> Self {
        Self {
            supply: Mutex::new(supply),
            paused: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            fell_idle: Notify::new(),
            sent: AtomicU32::new(0),
        }
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.paused.store(paused, SeqCst);
    }

    /// Waits until there is nothing to say any more: a pause, or the end. Answers how many frames are on the wire.
    pub(crate) async fn idle(&self) -> u32 {
        self.fell_idle.notified().await;
        self.sent.load(SeqCst)
    }
}

impl FrameSource for Frames {
    fn next(&self) -> NextFrame {
        // Nobody holds the lock for longer than it takes to pick a frame: a pacing thread may wait for it.
        let mut supply = self.supply.lock().unwrap_or_else(PoisonError::into_inner);
        let frame = match &mut *supply {
            _ if self.paused.load(SeqCst) => None,
            Supply::File(packets) => packets.next(),
            Supply::Counted(number) => {
                let frame = counted(*number);
                *number += 1;
                Some(frame)
            }
        };
        let was_idle = self.idle.swap(frame.is_none(), SeqCst);
        if frame.is_none() && !was_idle {
            self.fell_idle.notify_one();
        }
        frame.map_or(NextFrame::Idle, NextFrame::Opus)
    }

    fn sent(&self, _: Instant, _: Duration) {
        self.sent.fetch_add(1, SeqCst);
    }
}
