//! The bounded queue between ffmpeg (ahead of time) and the mixer (on time).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::steering::{self, Steered, Steering, wake};

/// The length of every frame.
pub const FRAME_MS: u64 = 20;

/// One 20 ms Opus packet, 48 kHz stereo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusFrame {
    /// Media time of its first sample, in ms from the start of the film.
    pub pts_ms: u64,
    /// The packet as it goes on the wire, a TOC byte first.
    pub data: Bytes,
}

/// Frames that are made room for at once, if the queue is large enough: half a second, little beside what is read ahead.
const BATCH: usize = 25;

/// What [`FrameQueue::pop`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pop {
    /// The next frame.
    Frame(OpusFrame),
    /// Nothing now; more may come. A mixer sends silence and counts the frame as nulled.
    Empty,
    /// Nothing, and nothing will come: finished and played out, or closed.
    Drained,
}

/// The queue was closed: its consumer is gone, so the producer stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// Opus frames in order, bounded by time. One producer at a time (a demux thread, which blocks
/// while the queue is full, and with it ffmpeg on its pipe), one consumer (a mixer, which never
/// blocks).
///
/// Media time only rises: a frame that is not after the last one is dropped. So a run of ffmpeg
/// that starts again a little early joins where the last one ended.
///
/// A queue that was full takes nothing before there is room for [`BATCH`] frames: the producer and ffmpeg behind it are
/// woken twice a second and not for each frame, and the consumer's thread, which is on time, seldom has to wake anybody.
pub struct FrameQueue {
    capacity: usize,
    /// A queue that was full takes frames again when it holds no more.
    low: usize,
    state: Mutex<State>,
    room: Condvar,
}

#[derive(Default)]
struct State {
    frames: VecDeque<OpusFrame>,
    /// It was full, and there is no room for a batch yet.
    full: bool,
    /// Media time of the newest frame that ever came in.
    last_pts_ms: Option<u64>,
    /// The producer that owns the queue; see [`FrameQueue::push_from`].
    lane: u64,
    steering: Steering,
    /// Media time of the end of the newest frame given out.
    given_ms: Option<u64>,
}

impl Steered for State {
    fn steering(&mut self) -> &mut Steering {
        &mut self.steering
    }

    fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

impl State {
    /// Media time of the next frame to give out, as well as it is known.
    fn next_ms(&self) -> Option<u64> {
        let waiting = self.frames.front().map(|frame| frame.pts_ms);
        waiting.or(self.given_ms)
    }

    fn is_at_limit(&self) -> bool {
        let next = self.next_ms().unwrap_or_default();
        self.steering.ends_before(next + FRAME_MS / 2)
    }

    fn is_skipped(&self, frame: &OpusFrame) -> bool {
        frame.pts_ms + FRAME_MS / 2 <= self.steering.from_ms
    }

    /// Half a frame of tolerance: two runs of ffmpeg may round to different milliseconds.
    fn is_new(&self, frame: &OpusFrame) -> bool {
        self.last_pts_ms
            .is_none_or(|last| frame.pts_ms >= last + FRAME_MS / 2)
    }
}

impl FrameQueue {
    /// A queue that holds at most `run_ahead` of sound (at least one frame).
    pub fn new(run_ahead: Duration) -> Arc<Self> {
        let capacity = usize::try_from(run_ahead.as_millis() / u128::from(FRAME_MS))
            .unwrap_or(usize::MAX)
            .max(1);
        let batch = BATCH.min(capacity / 2).max(1);
        Arc::new(Self {
            capacity,
            low: capacity - batch,
            state: Mutex::default(),
            room: Condvar::new(),
        })
    }

    /// Appends a frame; blocks its thread while the queue is full. Never call it from async code.
    pub fn push(&self, frame: OpusFrame) -> Result<(), Closed> {
        let lane = self.lock().lane;
        self.push_from(lane, frame)
    }

    /// [`push`](Self::push) for producers that follow one another: the first frame from a higher
    /// lane ends all lower ones, also those that are blocked here, in one step, so that no frame of
    /// a replaced run can slip in after those of its successor.
    pub(crate) fn push_from(&self, lane: u64, frame: OpusFrame) -> Result<(), Closed> {
        let mut state = self.lock();
        if lane > state.lane {
            state.lane = lane;
            self.room.notify_all();
        }
        let blocked =
            |s: &mut State| !s.steering.is_closed() && s.lane == lane && s.full && s.is_new(&frame);
        state = self
            .room
            .wait_while(state, blocked)
            .unwrap_or_else(PoisonError::into_inner);
        if state.steering.is_closed() || state.lane != lane {
            return Err(Closed);
        }
        if state.is_new(&frame) {
            state.last_pts_ms = Some(frame.pts_ms);
            if !state.is_skipped(&frame) {
                state.frames.push_back(frame);
                state.full |= state.frames.len() >= self.capacity;
                wake(state);
            }
        }
        Ok(())
    }

    /// The producer that owns the queue.
    pub(crate) fn lane(&self) -> u64 {
        self.lock().lane
    }

    /// Media time of the newest frame that ever came in, popped or not.
    pub fn last_pts_ms(&self) -> Option<u64> {
        self.lock().last_pts_ms
    }

    /// Says that no frame follows: the consumer plays out what is there and then sees
    /// [`Pop::Drained`].
    pub fn finish(&self) {
        let mut state = self.lock();
        state.steering.finish();
        wake(state);
    }

    /// [`finish`](Self::finish) of a film that no source plays to its end.
    pub fn break_off(&self) {
        let mut state = self.lock();
        state.steering.break_off();
        wake(state);
    }

    /// Whether all frames of the film were given out, and it has no more.
    pub fn is_played_to_end(&self) -> bool {
        let state = self.lock();
        state.steering.is_whole() && state.frames.is_empty()
    }

    /// Throws away what is there and wakes a blocked producer with [`Closed`].
    pub fn close(&self) {
        let mut state = self.lock();
        state.steering.close();
        state.frames.clear();
        wake(state);
        self.room.notify_all();
    }

    /// Calls `wake` once, as soon as [`pop`](Self::pop) would not say [`Pop::Empty`]: now, or on the thread that brings
    /// the frame or the end. It must not block. A later call replaces one that waits.
    ///
    /// So a consumer whose film has not begun need not poll.
    pub fn wake_when_ready(&self, wake: impl FnOnce() + Send + 'static) {
        steering::wake_when_ready(self.lock(), wake);
    }

    /// Throws away what is before a media time, now and when it comes: the first frame given out is the one there.
    pub fn skip_to(&self, media_ms: u64) {
        let mut state = self.lock();
        state.steering.from_ms = media_ms;
        while state.frames.front().is_some_and(|f| state.is_skipped(f)) {
            state.frames.pop_front();
        }
        self.make_room(state);
    }

    /// Gives out no frame from a media time on (none: no more at all) but says [`Pop::Drained`], until
    /// [`go_on`](Self::go_on). Nothing is thrown away.
    pub fn end_at(&self, media_ms: Option<u64>) {
        self.lock().steering.end_at(media_ms);
    }

    /// Whether [`end_at`](Self::end_at) is why nothing is given out.
    pub fn is_ended_at(&self) -> bool {
        self.lock().is_at_limit()
    }

    /// Takes [`end_at`](Self::end_at) back. True when a consumer was told of the end, and has to be told to go on.
    pub fn go_on(&self) -> bool {
        self.lock().steering.go_on()
    }

    /// Media time of the first frame that was not given out; none when none was.
    pub fn given_until_ms(&self) -> Option<u64> {
        self.lock().given_ms
    }

    /// Whether nothing will come after what is here.
    pub fn is_over(&self) -> bool {
        self.lock().steering.is_over()
    }

    /// The next frame, if there is one. Holds a mutex for the move of one frame, no longer.
    pub fn pop(&self) -> Pop {
        let mut state = self.lock();
        if state.is_at_limit() {
            state.steering.tell_of_end();
            return Pop::Drained;
        }
        let Some(frame) = state.frames.pop_front() else {
            return if state.steering.is_over() {
                Pop::Drained
            } else {
                Pop::Empty
            };
        };
        state.given_ms = Some(frame.pts_ms + FRAME_MS);
        self.make_room(state);
        Pop::Frame(frame)
    }

    /// After frames were taken out: wakes a producer if there is room for a batch.
    fn make_room(&self, mut state: MutexGuard<'_, State>) {
        if state.full && state.frames.len() <= self.low {
            state.full = false;
            drop(state);
            // All: a producer that was replaced may be waiting beside its successor.
            self.room.notify_all();
        }
    }

    /// How much sound is waiting.
    pub fn buffered(&self) -> Duration {
        Duration::from_millis(self.lock().frames.len() as u64 * FRAME_MS)
    }

    /// Whether a push would block.
    pub fn is_full(&self) -> bool {
        self.lock().full
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and the state is valid after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FrameQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameQueue")
            .field("buffered", &self.buffered())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
