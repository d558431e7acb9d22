//! How a queue between ffmpeg and an output is steered: where what is given out begins and ends, whether more comes, and
//! who waits for the first of it. [`FrameQueue`](crate::FrameQueue) and [`PictureQueue`](crate::PictureQueue) have one
//! each, under their lock.

use std::sync::MutexGuard;

/// What is called when there is something to pop.
type Wake = Box<dyn FnOnce() + Send>;

/// All of it that does not depend on what the queue holds.
#[derive(Default)]
pub(crate) struct Steering {
    /// Media time before which nothing is wanted.
    pub(crate) from_ms: u64,
    /// Media time from which on nothing is given out.
    until_ms: Option<u64>,
    /// A consumer was told of that end.
    told_of_end: bool,
    finished: bool,
    /// It is finished, and that is not the film's end.
    broken: bool,
    closed: bool,
    /// The consumer waits for something to pop, or the end.
    waiting: Option<Wake>,
}

/// What a queue keeps under its lock.
pub(crate) trait Steered {
    fn steering(&mut self) -> &mut Steering;
    fn is_empty(&self) -> bool;
}

impl Steering {
    /// Nothing is given out from a media time on; none: nothing at all.
    pub(crate) fn end_at(&mut self, media_ms: Option<u64>) {
        self.until_ms = Some(media_ms.unwrap_or_default());
    }

    /// Takes the end back. True when a consumer was told of it.
    pub(crate) fn go_on(&mut self) -> bool {
        self.until_ms = None;
        std::mem::take(&mut self.told_of_end)
    }

    /// Whether the end is before a media time.
    pub(crate) fn ends_before(&self, media_ms: u64) -> bool {
        self.until_ms.is_some_and(|until| until < media_ms)
    }

    /// The consumer hears of the end now.
    pub(crate) fn tell_of_end(&mut self) {
        self.told_of_end = true;
    }

    pub(crate) fn finish(&mut self) {
        self.finished = true;
    }

    pub(crate) fn break_off(&mut self) {
        self.broken = true;
        self.finish();
    }

    /// Another producer goes on after the last one's end.
    pub(crate) fn is_continued(&mut self) {
        self.finished = false;
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Nothing comes any more.
    pub(crate) fn is_over(&self) -> bool {
        self.finished || self.closed
    }

    /// All of the film has come.
    pub(crate) fn is_whole(&self) -> bool {
        self.finished && !self.broken && !self.closed
    }
}

/// Calls `wake` as soon as there is something to pop or nothing will come: now, or on the thread that brings it.
pub(crate) fn wake_when_ready<S: Steered>(
    mut state: MutexGuard<'_, S>,
    wake: impl FnOnce() + Send + 'static,
) {
    if state.is_empty() && !state.steering().is_over() {
        state.steering().waiting = Some(Box::new(wake));
        return;
    }
    drop(state);
    wake();
}

/// Outside of the lock: the consumer may pop at once.
pub(crate) fn wake<S: Steered>(mut state: MutexGuard<'_, S>) {
    let waiting = state.steering().waiting.take();
    drop(state);
    if let Some(wake) = waiting {
        wake();
    }
}
