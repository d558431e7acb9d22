//! Where pictures come from.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::LineReport;

/// What a [`PictureSource`] has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextPicture {
    /// One access unit, which goes out now.
    Picture {
        /// H.264 in Annex B form, one slice, as [`orb_video::h264::Stream`] makes it: anything else breaks in DAVE.
        data: Bytes,
        /// When it was to go out: its place on the clock that the sound's ticks are on, too.
        due: Instant,
        /// Whether a receiver can begin with it.
        idr: bool,
    },
    /// Ask again then, or after [`Call::wake`](crate::Call::wake), if that is sooner.
    At(Instant),
    /// Ask again after [`Call::wake`](crate::Call::wake).
    Idle,
}

/// What the pictures are, for the server (voice op 12).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureFormat {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Pictures a second.
    pub frame_rate: f64,
    /// The most that is sent.
    pub bits_per_second: u64,
}

/// A supply of pictures, each with a time of its own.
///
/// The calls come from a pacing thread that serves many sessions, and under the call's lock: they must not block, and
/// must not call into the [`Call`](crate::Call). [`PictureSource::format`] is asked by the connection's task, under no
/// lock.
pub trait PictureSource: Send + Sync + 'static {
    /// The picture that goes out now, or when there will be one. Asked only when it can be sent: while there is no
    /// connection or no key, nobody asks, so nothing is lost.
    ///
    /// One exception: a receiver can only begin with an IDR picture. After a picture that could not be sent, others are
    /// taken and dropped until one comes; on a new media path only where what came since the last one cannot be sent once
    /// more: it is more than two seconds or two MiB, or the line is too narrow for it.
    fn next(&self, now: Instant) -> NextPicture;

    /// The picture that was taken last is with the packet layer, which spreads its packets over some milliseconds.
    ///
    /// `late` is how far behind its due it was. Not called for a picture that was dropped.
    fn sent(&self, at: Instant, late: Duration);

    /// How the line does, about ten times a second while connected. Returns what rate the line should be probed for, in
    /// bits a second.
    fn line(&self, report: &LineReport) -> u64;

    /// What the pictures are; none when there are none. Asked when the connection has come up, and after each
    /// [`Call::wake`](crate::Call::wake).
    fn format(&self) -> Option<PictureFormat>;
}
