//! A clock, what is done to it, and what is seen on it.

use std::collections::VecDeque;
use std::sync::Arc;

use orb_worker_media::{FrameQueue, OpusFrame};

use super::super::*;
use Step::{
    At, Breaks, Closes, Ends, Flows, Follow, Forget, Lose, Missing, NotYet, Nothing, Nulled, Pause,
    Play, PlayPaused, Push, PushLong, Resume, Says, Sends, Sent, Stop, Takes,
};

/// What is done to a clock, or seen on it. Frames are told apart by their media time in ms.
#[derive(Debug)]
pub(super) enum Step {
    // The owner.
    /// A new source, with nothing in it.
    Play,
    PlayPaused,
    Pause,
    Resume,
    Stop,
    /// A new source, with one frame, is to follow the present one by itself; what comes after this is about it.
    Follow(u64),
    Forget,
    // The newest source.
    Push(u64),
    /// A packet that is longer than a tick.
    PushLong(u64),
    Ends,
    /// No source plays on.
    Breaks,
    Closes,
    // A tick of whoever sends, and what it comes to.
    /// The frame goes out.
    Sends(u64),
    /// The frame is given out, and no more is said.
    Takes(u64),
    /// What was given out goes out now.
    Sent,
    /// What was given out is lost.
    Lose,
    Missing,
    NotYet,
    Nothing,
    // What can be seen.
    At(Option<u64>),
    Flows(bool),
    Nulled(u64),
    /// The next event. None may be left over.
    Says(VoiceEvent),
}

/// A clock, its newest source and the time.
pub(super) struct Bench {
    pub(super) clock: MediaClock,
    pub(super) frames: Option<Arc<FrameQueue>>,
    pub(super) now: Instant,
    pub(super) events: VecDeque<VoiceEvent>,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            clock: MediaClock::default(),
            frames: None,
            now: Instant::now(),
            events: VecDeque::new(),
        }
    }
}

impl Bench {
    pub(super) fn walk(&mut self, step: &Step, context: &str) {
        match step {
            Play => self.play(false),
            PlayPaused => self.play(true),
            Pause => self.clock.pause(),
            Resume => self.clock.resume(),
            Stop => self.clock.stop(),
            Follow(pts_ms) => {
                self.frames = Some(FrameQueue::new(Duration::from_secs(10)));
                self.push(*pts_ms, packet(*pts_ms));
                self.clock.follow_with(self.track(2));
            }
            Forget => self.clock.forget_next(),
            Push(pts_ms) => self.push(*pts_ms, packet(*pts_ms)),
            PushLong(pts_ms) => self.push(*pts_ms, Bytes::from_static(&[0xf9, 1, 2])),
            Ends => self.frames.as_ref().unwrap().finish(),
            Breaks => self.frames.as_ref().unwrap().break_off(),
            Closes => self.frames.as_ref().unwrap().close(),
            Sends(pts_ms) => {
                self.walk(&Takes(*pts_ms), context);
                self.walk(&Sent, context);
                self.now += TICK;
            }
            Takes(pts_ms) => assert_eq!(self.next(), Next::Frame(packet(*pts_ms)), "{context}"),
            Sent => {
                let event = self.clock.sent(self.now, Duration::ZERO);
                self.events.extend(event);
            }
            Lose => self.clock.lose_taken(),
            Missing => assert_eq!(self.next(), Next::Missing, "{context}"),
            NotYet => assert_eq!(self.next(), Next::NotYet, "{context}"),
            Nothing => {
                assert_eq!(self.next(), Next::Nothing, "{context}");
                assert!(!self.clock.has_something_to_play(), "{context}");
            }
            At(media_ms) => {
                let position = self.clock.read().position.map(|at| at.media_ms);
                assert_eq!(position, *media_ms, "{context}");
            }
            Flows(flows) => assert_eq!(self.clock.read().flows, *flows, "{context}"),
            Nulled(frames) => assert_eq!(self.clock.read().total.nulled, *frames, "{context}"),
            Says(event) => assert_eq!(self.events.pop_front().as_ref(), Some(event), "{context}"),
        }
    }

    fn play(&mut self, paused: bool) {
        self.frames = Some(FrameQueue::new(Duration::from_secs(10)));
        self.clock.play(self.track(1), paused);
    }

    /// The newest source; the entry has the number of its run.
    pub(super) fn track(&self, run: u64) -> Track {
        Track {
            frames: Arc::clone(self.frames.as_ref().unwrap()),
            pictures: None,
            entry: run,
            run,
        }
    }

    fn push(&self, pts_ms: u64, data: Bytes) {
        let frames = self.frames.as_ref().unwrap();
        frames.push(OpusFrame { pts_ms, data }).unwrap();
    }

    fn next(&mut self) -> Next {
        let (next, event) = self.clock.next();
        self.events.extend(event);
        next
    }
}

pub(super) fn packet(pts_ms: u64) -> Bytes {
    let mut packet = vec![0xf8];
    packet.extend_from_slice(&pts_ms.to_le_bytes());
    packet.into()
}
