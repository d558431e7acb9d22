//! What the actor does to the frames and the gate when its session changes workers.

use orb_worker_core::{Input, VoiceNews};
use orb_worker_media::FrameQueue;

use super::opened::Opened;
use super::{Actor, lock};

impl Actor {
    /// What was opened warm is heard from here on.
    pub(super) fn feed(&mut self, from_ms: u64, paused: bool) {
        let Some(opened) = &self.current else {
            return;
        };
        tracing::info!(session = %self.id, from_ms, "goes on from what is warm");
        opened.skip_to(from_ms);
        lock(&self.state).voice.play(opened.track(), paused);
    }

    pub(super) fn end_at(&mut self, position_ms: Option<u64>) {
        let is_there = self.current.as_ref().is_none_or(|opened| {
            opened.frames().end_at(position_ms);
            opened.frames().is_ended_at()
        });
        // Else the voice output says when it comes to the end.
        if is_there {
            let stopped = self.stopped();
            self.handle(stopped);
        }
    }

    /// Nothing more is given out: where that is, and no step towards a connection is taken after this.
    fn stopped(&mut self) -> Input {
        let given = |opened: &Opened| opened.frames().given_until_ms();
        let position_ms = self.current.as_ref().and_then(given);
        let disconnected = self.gate.shut();
        if disconnected {
            lock(&self.state).voice.disconnect();
        }
        self.starved_at = None;
        tracing::info!(session = %self.id, position_ms, disconnected, "stopped for another worker");
        Input::Voice(VoiceNews::Stopped {
            position_ms,
            disconnected,
        })
    }

    pub(super) fn go_on(&mut self, paused: bool) {
        let Some(opened) = &self.current else {
            return;
        };
        if opened.frames().go_on() {
            lock(&self.state).voice.play(opened.track(), paused);
        }
    }

    /// Whether there are frames, or will be, after the last one that the voice output was given.
    pub(super) fn is_cut_short(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|opened| opened.frames().is_ended_at() || !opened.frames().is_over())
    }

    /// The voice output came to the end of what it is given, not of the film.
    pub(super) fn cut_short(&mut self) -> Option<Input> {
        let frames = self.current.as_ref().map(Opened::frames);
        // Else the end was taken back before this word of it was read.
        frames
            .is_some_and(FrameQueue::is_ended_at)
            .then(|| self.stopped())
    }
}
