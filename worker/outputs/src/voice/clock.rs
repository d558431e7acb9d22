//! The media clock: which frame goes out next, and where the film is.
//!
//! Pure, and the same whatever carries the frames. Whoever sends asks [`MediaClock::next`] once a tick, while it can
//! send, and says [`MediaClock::sent`] when the frame is on the wire; only then does the position move. While nobody
//! asks, the clock stands, so a cut, a pause and a seek lose nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use orb_worker_media::Pop;

use super::{Counts, Track, VoiceEvent, lateness::Lateness, opus};

/// Length of a frame and of a tick.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// What goes into a tick.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// An Opus packet of the film.
    Frame(Bytes),
    /// A frame was due and there is none that can be sent: silence in its place.
    Missing,
    /// The film has not begun: its first frame is under way.
    NotYet,
    /// Paused, over, or there is no film.
    Nothing,
}

/// What the clock shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Of the track that frames come from now.
    pub(super) run: u64,
    pub(super) position: Option<Position>,
    /// Where the track before it ended, if this one followed it by itself.
    pub(super) followed_ms: Option<u64>,
    /// Of the whole session.
    pub(super) total: Counts,
    /// Of the entry.
    pub(super) entry: Counts,
    pub(super) lateness_p50_ms: u32,
    pub(super) lateness_p99_ms: u32,
    /// Frames flow whenever somebody asks: begun, not paused, not starved, not over.
    pub(super) flows: bool,
}

/// Where the film is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Media time at the end of the last frame that was sent.
    pub(super) media_ms: u64,
    /// When it was.
    pub(super) sent_at: Instant,
    /// When it was to be.
    pub(super) due: Instant,
}

impl Position {
    /// Media time at the start of that frame.
    pub(super) fn frame_ms(&self) -> u64 {
        self.media_ms - TICK.as_millis() as u64
    }
}

/// What is played now, as far as its pictures go by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Film<'a> {
    pub(super) track: &'a Track,
    /// Of the last frame that was sent of it.
    pub(super) heard: Option<Position>,
    /// Media time of the first one that was.
    pub(super) first_ms: u64,
    /// Not paused and not over. It may be starved, or there may be no connection.
    pub(super) goes_on: bool,
}

#[derive(Default)]
pub(super) struct MediaClock {
    source: Option<Source>,
    /// Counts sources, so that a frame of an older one moves no clock.
    source_id: u64,
    paused: bool,
    /// Given out, and not known to be sent.
    taken: Option<Taken>,
    position: Option<Position>,
    /// What follows the source by itself.
    next: Option<Track>,
    /// Where the track before ended, which the source followed by itself.
    followed_ms: Option<u64>,
    total: Counts,
    /// `total` when the entry began.
    before_entry: Counts,
    /// Of the entry.
    lateness: Lateness,
}

struct Source {
    track: Track,
    /// A frame of it was taken: from now on an empty queue is a fault, not a start.
    started: bool,
    announced: bool,
    starved: bool,
    drained: bool,
    /// Media time of the first frame that was sent.
    first_ms: u64,
}

struct Taken {
    source_id: u64,
    pts_ms: u64,
}

impl MediaClock {
    /// Frames come from here, instead of from what was there.
    pub(super) fn play(&mut self, track: Track, paused: bool) {
        self.paused = paused;
        self.followed_ms = None;
        self.begin(track);
    }

    fn begin(&mut self, track: Track) {
        let entry = self.source.as_ref().map(|source| source.track.entry);
        if entry != Some(track.entry) {
            self.before_entry = self.total;
            self.lateness = Lateness::default();
        }
        self.source_id += 1;
        self.source = Some(Source {
            track,
            started: false,
            announced: false,
            starved: false,
            drained: false,
            first_ms: 0,
        });
        self.next = None;
        self.position = None;
    }

    /// When the source was played to its end, frames come from here, with no tick between. It has to have its first
    /// frame. A source that is over already is followed by nothing.
    pub(super) fn follow_with(&mut self, next: Track) {
        let goes_on = self.source.as_ref().is_some_and(|source| !source.drained);
        self.next = Some(next).filter(|_| goes_on);
    }

    /// Takes [`MediaClock::follow_with`] back, if it has not come to it.
    pub(super) fn forget_next(&mut self) {
        self.next = None;
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn resume(&mut self) {
        self.paused = false;
    }

    pub(super) fn stop(&mut self) {
        self.source = None;
        self.next = None;
        self.followed_ms = None;
        self.position = None;
    }

    /// Whether [`MediaClock::next`] would say anything but [`Next::Nothing`].
    pub(super) fn has_something_to_play(&self) -> bool {
        !self.paused && self.source.as_ref().is_some_and(|source| !source.drained)
    }

    /// Once a tick, while a frame could be sent. With it comes what the owner is to be told.
    pub(super) fn next(&mut self) -> (Next, Option<VoiceEvent>) {
        if self.taken.take().is_some() {
            // The one before was neither sent nor given up by name: whoever took it could not send it.
            self.total.nulled += 1;
        }
        if !self.has_something_to_play() {
            return (Next::Nothing, None);
        }
        let Some(source) = &mut self.source else {
            return (Next::Nothing, None);
        };
        match source.track.frames.pop() {
            Pop::Frame(frame) => {
                source.started = true;
                let refilled = std::mem::take(&mut source.starved).then_some(VoiceEvent::Refilled);
                if !opus::is_one_frame(&frame.data) {
                    // In its place, so that the clock stays right.
                    self.total.nulled += 1;
                    return (Next::Missing, refilled);
                }
                self.taken = Some(Taken {
                    source_id: self.source_id,
                    pts_ms: frame.pts_ms,
                });
                (Next::Frame(frame.data), refilled)
            }
            Pop::Empty if !source.started => (Next::NotYet, None),
            Pop::Empty => {
                self.total.nulled += 1;
                let starved = !std::mem::replace(&mut source.starved, true);
                (Next::Missing, starved.then_some(VoiceEvent::Starved))
            }
            Pop::Drained => {
                let frames = &source.track.frames;
                if frames.is_played_to_end()
                    && let Some(next) = self.next.take()
                {
                    self.followed_ms = frames.given_until_ms();
                    self.begin(next);
                    return self.next();
                }
                source.drained = true;
                (Next::Nothing, Some(VoiceEvent::Drained))
            }
        }
    }

    /// The frame that was taken last is on the wire, so much behind its schedule. None taken: nothing was sent.
    pub(super) fn sent(&mut self, at: Instant, late: Duration) -> Option<VoiceEvent> {
        let taken = self.taken.take()?;
        self.total.sent += 1;
        self.total.late += u64::from(self.lateness.record(late));
        if taken.source_id != self.source_id {
            return None;
        }
        let source = self.source.as_mut()?;
        self.position = Some(Position {
            media_ms: taken.pts_ms + TICK.as_millis() as u64,
            sent_at: at,
            due: at.checked_sub(late).unwrap_or(at),
        });
        if std::mem::replace(&mut source.announced, true) {
            return None;
        }
        source.first_ms = taken.pts_ms;
        let (run, pts_ms) = (source.track.run, taken.pts_ms);
        Some(match self.followed_ms {
            Some(_) => VoiceEvent::Joined { run },
            None => VoiceEvent::FirstFrame { pts_ms },
        })
    }

    /// The frame that was taken last went with its connection.
    pub(super) fn lose_taken(&mut self) {
        self.taken = None;
    }

    /// What is played now.
    pub(super) fn film(&self) -> Option<Film<'_>> {
        self.source.as_ref().map(|source| Film {
            track: &source.track,
            heard: self.position,
            first_ms: source.first_ms,
            goes_on: self.has_something_to_play(),
        })
    }

    pub(super) fn read(&self) -> Reading {
        let under_way = self
            .source
            .as_ref()
            .is_some_and(|s| s.started && !s.starved);
        Reading {
            run: self.source.as_ref().map_or(0, |source| source.track.run),
            position: self.position,
            followed_ms: self.followed_ms,
            total: self.total,
            entry: self.total.since(self.before_entry),
            lateness_p50_ms: self.lateness.percentile_ms(50),
            lateness_p99_ms: self.lateness.percentile_ms(99),
            flows: under_way && self.has_something_to_play(),
        }
    }
}

#[cfg(test)]
mod tests;
