//! The bounded queue of pictures between ffmpeg (ahead of time) and the voice channel (on time).
//!
//! It is [`FrameQueue`](crate::FrameQueue)'s twin with two differences. A picture needs those before it, so what is
//! thrown away or taken over goes from one IDR picture to another. And pictures differ in size by a hundred, so its
//! bound is in bytes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orb_video::h264::{Entry, Picture};
use orb_video::ladder::Rung;

use crate::frames::Closed;
use crate::steering::{self, Steered, Steering, wake};

/// One access unit, with when it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedPicture {
    /// Media time, in ms from the start of the film.
    pub pts_ms: u64,
    /// What goes on the wire.
    pub picture: Picture,
    /// The encoding that it is of; none: the film's own, copied.
    pub rung: Option<Rung>,
}

impl QueuedPicture {
    fn bytes(&self) -> usize {
        self.picture.data.len()
    }

    fn is_idr(&self) -> bool {
        self.picture.entry == Entry::Idr
    }
}

/// What [`PictureQueue::peek_pts`] sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeekPicture {
    /// Media time of the next picture, in ms.
    Pts(u64),
    /// Nothing now; more may come.
    Empty,
    /// Nothing, and nothing will come: over and given out, closed, or [ended](PictureQueue::end_at).
    Drained,
}

/// Pictures in the order in which they are shown, bounded by their bytes. One consumer, which never blocks; one producer
/// at a time owns it (a demux thread, which blocks while it is full).
///
/// Media time only rises, and what comes out can be decoded from its first picture on: another run of ffmpeg
/// [takes over](Self::take_over) at an IDR picture that is after all that was given out.
pub struct PictureQueue {
    capacity: usize,
    /// A queue that was full takes pictures again when it holds no more.
    low: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pictures: VecDeque<QueuedPicture>,
    bytes: usize,
    /// It was full, and there is not much room yet.
    full: bool,
    steering: Steering,
    /// Media time of the newest picture that was taken in.
    last_pts_ms: Option<u64>,
    /// Media time of the newest picture that was given out.
    given_ms: Option<u64>,
    /// The producer that owns the queue.
    lane: u64,
    /// Pictures were thrown away: those that come are of no use up to an IDR picture.
    needs_idr: bool,
}

impl Steered for State {
    fn steering(&mut self) -> &mut Steering {
        &mut self.steering
    }

    fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }
}

impl State {
    fn is_at_limit(&self) -> bool {
        let next = self.pictures.front().map(|picture| picture.pts_ms);
        let next = next.or(self.given_ms.map(|given| given + 1));
        self.steering.ends_before(next.unwrap_or_default() + 1)
    }

    fn append(&mut self, picture: QueuedPicture) {
        self.last_pts_ms = Some(picture.pts_ms);
        self.bytes += picture.bytes();
        self.pictures.push_back(picture);
    }

    fn drop_first(&mut self, count: usize) {
        for picture in self.pictures.drain(..count) {
            self.bytes -= picture.bytes();
        }
    }

    /// Throws away what no decoder needs to begin at `from_ms`.
    fn skip(&mut self) {
        let begins = |p: &QueuedPicture| p.is_idr() && p.pts_ms <= self.steering.from_ms;
        if let Some(first) = self.pictures.iter().rposition(begins) {
            self.drop_first(first);
        }
    }
}

impl PictureQueue {
    /// A queue that is full when it holds `capacity` bytes.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            // The producer and ffmpeg behind it are woken once a second or so, not for each picture.
            low: capacity - capacity / 16,
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Appends a picture; blocks its thread while the queue is full. Never call it from async code.
    pub fn push(&self, picture: QueuedPicture) -> Result<(), Closed> {
        let lane = self.lock().lane;
        let mut rest = Some(picture);
        while let Some(picture) = rest {
            rest = self.push_within(lane, picture, self.capacity, Duration::from_mins(1))?;
        }
        Ok(())
    }

    /// Appends a picture of the producer that owns the queue, or gives it back when there was no room for it within
    /// `patience`. Room is up to `most` bytes; a queue that was full has none before some of it was taken out.
    ///
    /// A queue whose consumer closed it takes everything and keeps nothing: the sound goes on.
    pub(crate) fn push_within(
        &self,
        lane: u64,
        picture: QueuedPicture,
        most: usize,
        patience: Duration,
    ) -> Result<Option<QueuedPicture>, Closed> {
        let state = self.lock();
        let blocked = |s: &mut State| {
            let room = if most > self.capacity {
                s.bytes < most
            } else {
                !s.full
            };
            s.lane == lane && !s.steering.is_closed() && !room
        };
        let (state, waited) = self
            .changed
            .wait_timeout_while(state, patience, blocked)
            .unwrap_or_else(PoisonError::into_inner);
        if state.lane != lane {
            return Err(Closed);
        }
        let is_new = state.last_pts_ms.is_none_or(|last| picture.pts_ms > last);
        let usable = !state.needs_idr || picture.is_idr();
        if state.steering.is_closed() || !is_new || !usable {
            return Ok(None);
        }
        if waited.timed_out() {
            return Ok(Some(picture));
        }
        self.add(state, picture);
        Ok(None)
    }

    fn add(&self, mut state: MutexGuard<'_, State>, picture: QueuedPicture) {
        let skips = picture.is_idr() && picture.pts_ms <= state.steering.from_ms;
        state.needs_idr = false;
        state.append(picture);
        if skips {
            state.skip();
        }
        state.full |= state.bytes >= self.capacity;
        // A successor may wait for this one's time.
        self.changed.notify_all();
        wake(state);
    }

    /// Another producer with an IDR picture: from there on the queue is its own. What the last one gave for that time
    /// is thrown away. False, and nothing happens, when the picture is not after all that was given out.
    ///
    /// With `patience` it waits for the last producer to come that far, so that nothing is missing in between, but not
    /// when the film was read to its end, nor when there is nothing to show and this picture is `due`. None: it is not there yet.
    pub(crate) fn take_over(
        &self,
        lane: u64,
        picture: &QueuedPicture,
        patience: Option<Duration>,
        due: bool,
    ) -> Result<Option<bool>, Closed> {
        let state = self.lock();
        let early = |s: &State| s.given_ms.is_some_and(|given| picture.pts_ms <= given);
        let waits = |s: &mut State| {
            let joins = s.last_pts_ms.is_none_or(|last| last >= picture.pts_ms);
            let free = joins || s.steering.is_over() || due && s.pictures.is_empty();
            s.lane < lane && !early(s) && !free
        };
        let (mut state, waited) = self
            .changed
            .wait_timeout_while(state, patience.unwrap_or_default(), waits)
            .unwrap_or_else(PoisonError::into_inner);
        if state.lane > lane {
            return Err(Closed);
        }
        if early(&state) || !picture.is_idr() {
            return Ok(Some(false));
        }
        if patience.is_some() && waited.timed_out() {
            return Ok(None);
        }
        let kept = state
            .pictures
            .partition_point(|queued| queued.pts_ms < picture.pts_ms);
        let freed: usize = state
            .pictures
            .drain(kept..)
            .map(|queued| queued.bytes())
            .sum();
        state.bytes -= freed;
        state.full = state.bytes >= self.capacity;
        state.lane = lane;
        state.steering.is_continued();
        if state.steering.is_closed() {
            self.changed.notify_all();
        } else {
            self.add(state, picture.clone());
        }
        Ok(Some(true))
    }

    /// A producer that goes on with the very packets of the last one: it appends what is new. The one before it is told
    /// that it is [`Closed`].
    pub(crate) fn go_on_as(&self, lane: u64) {
        let mut state = self.lock();
        state.lane = state.lane.max(lane);
        self.changed.notify_all();
    }

    /// Makes room when nobody takes pictures out any more, though the sound has gone on to `media_ms`: throws away what
    /// is before the last IDR picture until then, or else all up to the next one.
    pub(crate) fn drop_stale(&self, media_ms: u64) {
        let mut state = self.lock();
        let until = |p: &QueuedPicture| p.is_idr() && p.pts_ms <= media_ms;
        let behind = state.pictures.iter().rposition(until).filter(|at| *at > 0);
        let idr = |p: &QueuedPicture| p.is_idr();
        let first = behind.or_else(|| state.pictures.iter().skip(1).position(idr).map(|at| at + 1));
        let count = first.unwrap_or(state.pictures.len());
        state.needs_idr |= first.is_none();
        state.drop_first(count);
        self.make_room(state);
    }

    /// Media time of the oldest picture here.
    pub(crate) fn oldest_ms(&self) -> Option<u64> {
        self.lock().pictures.front().map(|picture| picture.pts_ms)
    }

    /// The next picture's media time, if there is one.
    pub fn peek_pts(&self) -> PeekPicture {
        let mut state = self.lock();
        if state.is_at_limit() {
            state.steering.tell_of_end();
            return PeekPicture::Drained;
        }
        match state.pictures.front() {
            Some(picture) => PeekPicture::Pts(picture.pts_ms),
            None if state.steering.is_over() => PeekPicture::Drained,
            None => PeekPicture::Empty,
        }
    }

    /// The next picture; none when [`peek_pts`](Self::peek_pts) sees none.
    pub fn pop(&self) -> Option<QueuedPicture> {
        let mut state = self.lock();
        if state.is_at_limit() {
            state.steering.tell_of_end();
            return None;
        }
        let picture = state.pictures.pop_front()?;
        state.bytes -= picture.bytes();
        state.given_ms = Some(picture.pts_ms);
        self.make_room(state);
        Some(picture)
    }

    /// After pictures were taken out: wakes a producer if there is some room, or a successor if there is nothing left.
    fn make_room(&self, mut state: MutexGuard<'_, State>) {
        let roomy = state.full && state.bytes <= self.low;
        state.full &= !roomy;
        let wakes = roomy || state.pictures.is_empty();
        drop(state);
        if wakes {
            self.changed.notify_all();
        }
    }

    /// Begins as near as possible to a media time, now and with what comes: what is before the last IDR picture until
    /// then is thrown away. The pictures from there to `media_ms` stay, because those after them need them.
    pub fn skip_to(&self, media_ms: u64) {
        let mut state = self.lock();
        state.steering.from_ms = media_ms;
        state.skip();
        self.make_room(state);
    }

    /// Gives out no picture from a media time on (none: no more at all), until [`go_on`](Self::go_on). Nothing is thrown
    /// away.
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

    /// Calls `wake` once, as soon as [`peek_pts`](Self::peek_pts) would not say [`PeekPicture::Empty`]: now, or on the
    /// thread that brings the picture or the end. It must not block. A later call replaces one that waits.
    pub fn wake_when_ready(&self, wake: impl FnOnce() + Send + 'static) {
        steering::wake_when_ready(self.lock(), wake);
    }

    /// Says that no picture follows, until another run takes over.
    pub fn finish(&self) {
        self.end(Steering::finish);
    }

    /// [`finish`](Self::finish) of a film that no source plays to its end.
    pub fn break_off(&self) {
        self.end(Steering::break_off);
    }

    fn end(&self, how: impl FnOnce(&mut Steering)) {
        let mut state = self.lock();
        how(&mut state.steering);
        self.changed.notify_all();
        wake(state);
    }

    /// Throws away what is there and what comes: nobody wants pictures any more. The sound goes on.
    pub fn close(&self) {
        let mut state = self.lock();
        state.steering.close();
        state.pictures.clear();
        state.bytes = 0;
        state.full = false;
        self.changed.notify_all();
        wake(state);
    }

    /// Media time of the newest picture that came in, popped or not.
    pub fn last_pts_ms(&self) -> Option<u64> {
        self.lock().last_pts_ms
    }

    /// Media time of the newest picture that was given out.
    pub fn given_ms(&self) -> Option<u64> {
        self.lock().given_ms
    }

    /// Bytes of what is waiting.
    pub fn buffered_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Whether a push would block.
    pub fn is_full(&self) -> bool {
        self.lock().full
    }

    /// Whether nothing will come after what is here.
    pub fn is_over(&self) -> bool {
        self.lock().steering.is_over()
    }

    /// Whether all pictures of the film were given out, and it has no more.
    pub fn is_played_to_end(&self) -> bool {
        let state = self.lock();
        state.steering.is_whole() && state.pictures.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and the state is valid after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PictureQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PictureQueue")
            .field("bytes", &self.buffered_bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
