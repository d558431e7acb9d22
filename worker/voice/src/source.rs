//! Where frames come from.

use std::time::{Duration, Instant};

use bytes::Bytes;

/// What goes into a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextFrame {
    /// One Opus packet of 20 ms.
    Opus(Bytes),
    /// A frame is due and there is none: silence goes out in its place, and the next tick asks again.
    Missing,
    /// There is nothing to play. The next frame will be asked for after [`Call::wake`](crate::Call::wake).
    Idle,
}

/// A supply of frames that is read at the pace of the clock, by one thread at a time.
///
/// The calls come from a pacing thread that serves many sessions: they must not block.
pub trait FrameSource: Send + Sync + 'static {
    /// The frame that goes out now. Asked only when it can be sent: while there is no connection or no key, nobody
    /// asks, so nothing is lost.
    fn next(&self) -> NextFrame;

    /// The frame that was taken last is on the wire.
    ///
    /// `late` is how far behind its schedule it was.
    fn sent(&self, at: Instant, late: Duration);
}
