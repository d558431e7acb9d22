//! The bounded queue between ffmpeg (ahead of time) and the mixer (on time).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

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

/// What is called when there is something to pop.
type Wake = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    frames: VecDeque<OpusFrame>,
    /// It was full, and there is no room for a batch yet.
    full: bool,
    /// The consumer waits for the first frame, or the end.
    waiting: Option<Wake>,
    /// Media time of the newest frame that ever came in.
    last_pts_ms: Option<u64>,
    /// The producer that owns the queue; see [`FrameQueue::push_from`].
    lane: u64,
    finished: bool,
    closed: bool,
    /// Frames before it are not given out; see [`FrameQueue::skip_to`].
    from_ms: u64,
    /// Frames from there on are not given out; see [`FrameQueue::end_at`].
    until_ms: Option<u64>,
    /// A consumer was told of that end.
    ended_at_limit: bool,
    /// Media time of the end of the newest frame given out.
    given_ms: Option<u64>,
}

impl State {
    fn over(&self) -> bool {
        self.finished || self.closed
    }

    /// Media time of the next frame to give out, as well as it is known.
    fn next_ms(&self) -> Option<u64> {
        let waiting = self.frames.front().map(|frame| frame.pts_ms);
        waiting.or(self.given_ms)
    }

    fn is_at_limit(&self) -> bool {
        let next = self.next_ms().unwrap_or_default();
        self.until_ms
            .is_some_and(|until| next + FRAME_MS / 2 > until)
    }

    fn is_skipped(&self, frame: &OpusFrame) -> bool {
        frame.pts_ms + FRAME_MS / 2 <= self.from_ms
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
        let blocked = |s: &mut State| !s.closed && s.lane == lane && s.full && s.is_new(&frame);
        state = self
            .room
            .wait_while(state, blocked)
            .unwrap_or_else(PoisonError::into_inner);
        if state.closed || state.lane != lane {
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
        state.finished = true;
        wake(state);
    }

    /// Throws away what is there and wakes a blocked producer with [`Closed`].
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.frames.clear();
        wake(state);
        self.room.notify_all();
    }

    /// Calls `wake` once, as soon as [`pop`](Self::pop) would not say [`Pop::Empty`]: now, or on the thread that brings
    /// the frame or the end. It must not block. A later call replaces one that waits.
    ///
    /// So a consumer whose film has not begun need not poll.
    pub fn wake_when_ready(&self, wake: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        if state.frames.is_empty() && !state.over() {
            state.waiting = Some(Box::new(wake));
            return;
        }
        drop(state);
        wake();
    }

    /// Throws away what is before a media time, now and when it comes: the first frame given out is the one there.
    pub fn skip_to(&self, media_ms: u64) {
        let mut state = self.lock();
        state.from_ms = media_ms;
        while state.frames.front().is_some_and(|f| state.is_skipped(f)) {
            state.frames.pop_front();
        }
        self.make_room(state);
    }

    /// Gives out no frame from a media time on (none: no more at all) but says [`Pop::Drained`], until
    /// [`go_on`](Self::go_on). Nothing is thrown away.
    pub fn end_at(&self, media_ms: Option<u64>) {
        self.lock().until_ms = Some(media_ms.unwrap_or_default());
    }

    /// Whether [`end_at`](Self::end_at) is why nothing is given out.
    pub fn is_ended_at(&self) -> bool {
        self.lock().is_at_limit()
    }

    /// Takes [`end_at`](Self::end_at) back. True when a consumer was told of the end, and has to be told to go on.
    pub fn go_on(&self) -> bool {
        let mut state = self.lock();
        state.until_ms = None;
        std::mem::take(&mut state.ended_at_limit)
    }

    /// Media time of the first frame that was not given out; none when none was.
    pub fn given_until_ms(&self) -> Option<u64> {
        self.lock().given_ms
    }

    /// Whether nothing will come after what is here.
    pub fn is_over(&self) -> bool {
        self.lock().over()
    }

    /// The next frame, if there is one. Holds a mutex for the move of one frame, no longer.
    pub fn pop(&self) -> Pop {
        let mut state = self.lock();
        if state.is_at_limit() {
            state.ended_at_limit = true;
            return Pop::Drained;
        }
        let Some(frame) = state.frames.pop_front() else {
            return if state.over() {
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

/// Outside of the lock: the consumer may pop at once.
fn wake(mut state: MutexGuard<'_, State>) {
    let waiting = state.waiting.take();
    drop(state);
    if let Some(wake) = waiting {
        wake();
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    fn frame(pts_ms: u64) -> OpusFrame {
        OpusFrame {
            pts_ms,
            data: Bytes::from_static(&[0xfc]),
        }
    }

    #[test]
    fn frames_come_out_in_order_and_then_it_is_drained() {
        let queue = FrameQueue::new(Duration::from_secs(1));
        assert_eq!(queue.pop(), Pop::Empty);
        queue.push(frame(0)).unwrap();
        queue.push(frame(20)).unwrap();
        assert_eq!(queue.buffered(), Duration::from_millis(40));
        queue.finish();
        assert_eq!(queue.pop(), Pop::Frame(frame(0)));
        assert_eq!(queue.pop(), Pop::Frame(frame(20)));
        assert_eq!(queue.pop(), Pop::Drained);
    }

    #[test]
    fn a_full_queue_blocks_until_a_pop() {
        let queue = FrameQueue::new(Duration::from_millis(40));
        queue.push(frame(0)).unwrap();
        queue.push(frame(20)).unwrap();
        assert!(queue.is_full());
        let (done, pushed) = mpsc::channel();
        let producer = Arc::clone(&queue);
        thread::spawn(move || done.send(producer.push(frame(40))));
        assert!(pushed.recv_timeout(Duration::from_millis(50)).is_err());
        assert_eq!(queue.pop(), Pop::Frame(frame(0)));
        assert_eq!(pushed.recv_timeout(Duration::from_secs(5)).unwrap(), Ok(()));
        assert_eq!(queue.buffered(), Duration::from_millis(40));
    }

    #[test]
    fn a_full_queue_takes_nothing_before_there_is_room_for_a_batch() {
        let capacity = 4 * BATCH as u64;
        let queue = FrameQueue::new(Duration::from_millis(capacity * FRAME_MS));
        let (pushed, pushes) = mpsc::channel();
        let producer = Arc::clone(&queue);
        thread::spawn(move || {
            for index in 0.. {
                if producer.push(frame(index * FRAME_MS)).is_err() || pushed.send(()).is_err() {
                    return;
                }
            }
        });
        let pushed_now = |most: u64| {
            let patience = Duration::from_secs(5);
            (0..most).for_each(|_| pushes.recv_timeout(patience).unwrap());
            assert!(pushes.recv_timeout(Duration::from_millis(50)).is_err());
            assert!(queue.is_full());
        };
        pushed_now(capacity);
        for _ in 0..3 {
            (1..BATCH).for_each(|_| assert!(matches!(queue.pop(), Pop::Frame(_))));
            pushed_now(0);
            assert!(matches!(queue.pop(), Pop::Frame(_)));
            pushed_now(BATCH as u64);
        }
        // What is thrown away makes room, too.
        queue.skip_to((3 * BATCH as u64 + BATCH as u64) * FRAME_MS);
        pushed_now(BATCH as u64);
        queue.close();
        assert!(!matches!(queue.pop(), Pop::Frame(_)));
    }

    #[test]
    fn a_successor_joins_where_the_last_run_ended() {
        let queue = FrameQueue::new(Duration::from_millis(40));
        queue.push_from(1, frame(0)).unwrap();
        queue.push_from(1, frame(20)).unwrap();
        let old = Arc::clone(&queue);
        let blocked = thread::spawn(move || old.push_from(1, frame(40)));
        // The successor's frames that are known already neither block nor count.
        queue.push_from(2, frame(1)).unwrap();
        queue.push_from(2, frame(21)).unwrap();
        assert_eq!(blocked.join().unwrap(), Err(Closed));
        assert_eq!(queue.push_from(1, frame(60)), Err(Closed));
        assert_eq!(queue.pop(), Pop::Frame(frame(0)));
        queue.push_from(2, frame(41)).unwrap();
        assert_eq!(queue.pop(), Pop::Frame(frame(20)));
        assert_eq!(queue.pop(), Pop::Frame(frame(41)));
        assert_eq!(queue.last_pts_ms(), Some(41));
    }

    #[test]
    fn a_waiting_consumer_is_woken_once_by_the_first_frame_or_the_end() {
        type Happening = fn(&FrameQueue);
        let cases: [(&str, Happening); 3] = [
            ("a frame", |queue| queue.push(frame(0)).unwrap()),
            ("the end", FrameQueue::finish),
            ("a close", FrameQueue::close),
        ];
        for (what, happens) in cases {
            let queue = FrameQueue::new(Duration::from_secs(1));
            let (woken, wakes) = mpsc::channel();
            let popped = Arc::clone(&queue);
            let told = woken.clone();
            queue.wake_when_ready(move || told.send(popped.pop() != Pop::Empty).unwrap());
            assert!(wakes.try_recv().is_err(), "too early for {what}");
            happens(&queue);
            assert_eq!(wakes.try_recv(), Ok(true), "{what} can be popped");
            queue.finish();
            assert!(wakes.try_recv().is_err(), "once for {what}");
            queue.wake_when_ready(move || woken.send(true).unwrap());
            assert_eq!(wakes.try_recv(), Ok(true), "at once, it is over");
        }
    }

    #[test]
    fn frames_before_the_asked_one_are_thrown_away_now_and_later() {
        let queue = FrameQueue::new(Duration::from_millis(40));
        queue.push(frame(0)).unwrap();
        queue.push(frame(20)).unwrap();
        let producer = Arc::clone(&queue);
        let blocked = thread::spawn(move || producer.push(frame(40)));
        queue.skip_to(60);
        assert_eq!(blocked.join().unwrap(), Ok(()));
        let (woken, wakes) = mpsc::channel();
        queue.wake_when_ready(move || woken.send(()).unwrap());
        assert!(
            wakes.try_recv().is_err(),
            "what is skipped is nothing to play"
        );
        queue.push(frame(61)).unwrap();
        assert_eq!(wakes.try_recv(), Ok(()));
        assert_eq!(queue.pop(), Pop::Frame(frame(61)));
    }

    #[test]
    fn an_end_is_kept_to_and_taken_back_without_losing_a_frame() {
        let queue = FrameQueue::new(Duration::from_secs(1));
        for index in 0..4 {
            queue.push(frame(index * 20)).unwrap();
        }
        queue.end_at(Some(40));
        assert_eq!(queue.pop(), Pop::Frame(frame(0)));
        assert!(!queue.go_on(), "nobody was told of it");
        queue.end_at(Some(40));
        assert_eq!(queue.pop(), Pop::Frame(frame(20)));
        assert!(queue.is_ended_at());
        assert_eq!((queue.pop(), queue.pop()), (Pop::Drained, Pop::Drained));
        assert_eq!(queue.given_until_ms(), Some(40));
        assert!(queue.go_on());
        queue.end_at(None);
        assert_eq!(queue.pop(), Pop::Drained, "at once");
        assert!(queue.go_on());
        assert_eq!(queue.pop(), Pop::Frame(frame(40)));
        assert_eq!(queue.pop(), Pop::Frame(frame(60)));
    }

    #[test]
    fn an_end_is_reached_without_a_frame_behind_it_and_a_film_that_is_over_has_its_own() {
        let queue = FrameQueue::new(Duration::from_secs(1));
        queue.push(frame(0)).unwrap();
        queue.end_at(Some(20));
        assert_eq!(queue.pop(), Pop::Frame(frame(0)));
        assert_eq!(queue.pop(), Pop::Drained, "whatever comes is behind it");
        queue.go_on();
        queue.end_at(Some(1_000));
        assert_eq!(queue.pop(), Pop::Empty, "starved, not ended");
        queue.finish();
        assert_eq!(queue.pop(), Pop::Drained);
        assert!(queue.is_over() && !queue.is_ended_at());
        let empty = FrameQueue::new(Duration::from_secs(1));
        empty.end_at(Some(1_000));
        assert_eq!(empty.pop(), Pop::Empty);
        empty.end_at(None);
        assert_eq!((empty.pop(), empty.given_until_ms()), (Pop::Drained, None));
    }

    #[test]
    fn close_wakes_the_producer_and_drops_the_rest() {
        let queue = FrameQueue::new(Duration::from_millis(20));
        queue.push(frame(0)).unwrap();
        let producer = Arc::clone(&queue);
        let blocked = thread::spawn(move || producer.push(frame(20)));
        queue.close();
        assert_eq!(blocked.join().unwrap(), Err(Closed));
        assert_eq!(queue.pop(), Pop::Drained);
    }
}
