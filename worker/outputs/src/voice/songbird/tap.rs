//! The media clock: which frame, if any, goes into the next tick.
//!
//! songbird's mixer works one tick ahead of the network: right after it has sent one packet it asks for the next, and
//! sends that 20 ms later. So a frame that was taken is known to be sent when the mixer comes again; only then does the
//! position move. And a pause, a resume or a new source is heard 20 ms after the tick that finds it.
//!
//! Opposite to what one expects of a player there is no track for the whole session. A *talk* is one track: it begins
//! with [`Tap::begin_talk`] when there is something to play, and ends by itself, from inside the tick, when there is
//! not (paused, stopped, drained, connection replaced). Then songbird sends five frames of silence, clears the speaking
//! flag and parks the call. Waking it costs no more than the tick that a running call would need, too.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use orb_worker_media::{FrameQueue, Pop};

use super::{
    Snapshot, VoiceEvent,
    events::Outbox,
    framing,
    pace::{Lateness, Pace, TICK},
};

/// How long only silence is sent after a connection is up.
///
/// songbird says "connected" when the transport is, and sends what it gets in the clear until the DAVE group is
/// complete, of which it says nothing. Silence frames are never encrypted, so they reveal nothing. Measured: see the
/// crate's tests; members of a DAVE call would drop the frames in any case.
pub(super) const DAVE_SETTLE: Duration = Duration::from_millis(300);

/// A mixer that has not asked for a frame this long while it should has no connection.
const STALL: Duration = Duration::from_millis(250);

/// After a stall there may be a new transport, of which the event is still under way: for as long only silence goes out,
/// so that no frame is before [`DAVE_SETTLE`] begins.
const EVENT_UNDER_WAY: Duration = Duration::from_millis(40);

/// What goes into a tick.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pull {
    /// An Opus packet of the film.
    Frame(Bytes),
    /// Silence, and the talk goes on.
    Silence,
    /// The talk is over.
    End,
}

/// Shared by the owner's handle, the mixer's thread and the driver's event handler.
pub(super) struct Tap {
    state: Mutex<State>,
    pub(super) outbox: Outbox,
}

#[derive(Default)]
struct State {
    link: Link,
    source: Option<Source>,
    /// Counts sources, so that a frame of an older one moves no clock.
    source_id: u64,
    paused: bool,
    /// Counts talks; only the newest one may take frames.
    talk: u64,
    talking: bool,
    in_flight: Option<InFlight>,
    position: Option<(u64, Instant)>,
    pace: Pace,
    lateness: Lateness,
    frames_sent: u64,
    frames_nulled: u64,
}

#[derive(Default)]
struct Link {
    /// Counts connections, so that a late event of an older one changes nothing.
    id: u64,
    revision: u64,
    ssrc: Option<u32>,
    connected: bool,
    reconnecting: bool,
    silent_until: Option<Instant>,
    last_pull: Option<Instant>,
}

impl Link {
    fn pulled(&mut self, now: Instant) {
        let before = self.last_pull.replace(now);
        if before.is_some_and(|before| now.saturating_duration_since(before) > STALL) {
            self.silent_until = self.silent_until.max(Some(now + EVENT_UNDER_WAY));
        }
    }

    fn may_speak(&self, now: Instant) -> bool {
        self.connected && self.silent_until.is_none_or(|until| until <= now)
    }
}

struct Source {
    frames: Arc<FrameQueue>,
    /// A frame of it was taken: from now on an empty queue is a fault, not a start.
    started: bool,
    announced: bool,
    starved: bool,
    drained: bool,
}

struct InFlight {
    source_id: u64,
    pts_ms: u64,
}

impl Tap {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            outbox: Outbox::default(),
        })
    }

    // ---- the owner's side ----

    pub(super) fn play(&self, frames: Arc<FrameQueue>, paused: bool) {
        let mut state = self.lock();
        state.source_id += 1;
        state.source = Some(Source {
            frames,
            started: false,
            announced: false,
            starved: false,
            drained: false,
        });
        state.paused = paused;
        state.position = None;
        state.pace.restart();
    }

    pub(super) fn pause(&self) {
        self.lock().paused = true;
    }

    pub(super) fn resume(&self) {
        self.lock().paused = false;
    }

    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.source = None;
        state.position = None;
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        Snapshot {
            position_ms: state.position.map(|(position, _)| position),
            sent_at: state.position.map(|(_, at)| at),
            frames_sent: state.frames_sent,
            frames_nulled: state.frames_nulled,
            frames_late: state.lateness.late(),
            lateness_p50_ms: state.lateness.percentile_ms(50),
            lateness_p99_ms: state.lateness.percentile_ms(99),
            connected: state.link.connected && !state.link.reconnecting,
            playing: state.plays(),
        }
    }

    /// Begins a talk if there is something to play and none is under way; the caller then gives songbird a track that
    /// pulls under the returned number.
    pub(super) fn begin_talk(&self, now: Instant) -> Option<u64> {
        let mut state = self.lock();
        if state.talking || !state.has_something_to_play() {
            return None;
        }
        state.talk += 1;
        state.talking = true;
        state.pace.restart();
        state.link.last_pull = Some(now);
        Some(state.talk)
    }

    // ---- the connection's side ----

    /// A new connection is being opened (or, without a revision, none): all that belongs to an older one is void.
    pub(super) fn new_link(&self, revision: u64) -> u64 {
        let mut state = self.lock();
        state.talk += 1;
        state.talking = false;
        state.in_flight = None;
        state.link = Link {
            id: state.link.id + 1,
            revision,
            ..Link::default()
        };
        state.link.id
    }

    pub(super) fn on_connected(&self, link: u64, ssrc: u32, now: Instant) {
        let mut state = self.lock();
        if state.link.id != link {
            return;
        }
        let ticking = state
            .link
            .last_pull
            .is_some_and(|at| now.saturating_duration_since(at) < STALL);
        let resumed = state.link.connected && state.link.ssrc == Some(ssrc) && ticking;
        if !resumed {
            // A new transport: what was under way is lost, and DAVE begins anew.
            state.in_flight = None;
            state.pace.restart();
            state.link.silent_until = Some(now + DAVE_SETTLE);
            state.link.last_pull = Some(now);
        }
        state.link.ssrc = Some(ssrc);
        state.link.connected = true;
        state.link.reconnecting = false;
        self.outbox.push(VoiceEvent::Connected {
            revision: state.link.revision,
        });
    }

    pub(super) fn on_lost(&self, link: u64, close_code: Option<u16>, reason: String) {
        let mut state = self.lock();
        if state.link.id != link {
            return;
        }
        state.link.connected = false;
        state.link.reconnecting = false;
        state.in_flight = None;
        self.outbox.push(VoiceEvent::Lost {
            revision: state.link.revision,
            close_code,
            reason,
        });
    }

    /// songbird says nothing when it begins to reconnect; what shows is that nobody asks for frames any more.
    pub(super) fn watch_for_stall(&self, now: Instant) {
        let mut state = self.lock();
        if !(state.link.connected && state.talking) {
            return;
        }
        let stalled = state
            .link
            .last_pull
            .is_none_or(|at| now.saturating_duration_since(at) > STALL);
        if stalled == state.link.reconnecting {
            return;
        }
        state.link.reconnecting = stalled;
        let revision = state.link.revision;
        self.outbox.push(if stalled {
            VoiceEvent::Reconnecting { revision }
        } else {
            VoiceEvent::Connected { revision }
        });
    }

    // ---- the mixer's side ----

    /// Called once a tick from the mixer's thread; holds the lock for the move of one frame.
    pub(super) fn pull(&self, talk: u64, now: Instant) -> Pull {
        let mut state = self.lock();
        if talk != state.talk {
            return Pull::End;
        }
        state.link.pulled(now);
        self.settle(&mut state, now);
        if !state.link.may_speak(now) {
            return Pull::Silence;
        }
        if !state.has_something_to_play() {
            state.talking = false;
            return Pull::End;
        }
        self.next_frame(&mut state)
    }

    /// The frame of the tick before went out just now.
    fn settle(&self, state: &mut State, now: Instant) {
        let lateness = state.pace.tick(now);
        let Some(sent) = state.in_flight.take() else {
            return;
        };
        state.frames_sent += 1;
        state.lateness.record(lateness);
        if sent.source_id != state.source_id {
            return;
        }
        let Some(source) = &mut state.source else {
            return;
        };
        state.position = Some((sent.pts_ms + TICK.as_millis() as u64, now));
        if !source.announced {
            source.announced = true;
            self.outbox.push(VoiceEvent::FirstFrame {
                pts_ms: sent.pts_ms,
            });
        }
    }

    fn next_frame(&self, state: &mut State) -> Pull {
        let Some(source) = &mut state.source else {
            return Pull::End;
        };
        match source.frames.pop() {
            Pop::Frame(frame) if framing::is_playable(&frame.data) => {
                source.started = true;
                if std::mem::take(&mut source.starved) {
                    self.outbox.push(VoiceEvent::Refilled);
                }
                state.in_flight = Some(InFlight {
                    source_id: state.source_id,
                    pts_ms: frame.pts_ms,
                });
                Pull::Frame(frame.data)
            }
            // A packet that songbird would decode, or end the talk over: silence in its place keeps the clock right.
            Pop::Frame(_) => {
                state.frames_nulled += 1;
                Pull::Silence
            }
            Pop::Empty => {
                if source.started {
                    state.frames_nulled += 1;
                    if !std::mem::replace(&mut source.starved, true) {
                        self.outbox.push(VoiceEvent::Starved);
                    }
                }
                Pull::Silence
            }
            Pop::Drained => {
                source.drained = true;
                state.talking = false;
                self.outbox.push(VoiceEvent::Drained);
                Pull::End
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock; if it did, the mixer's thread and its other sessions must go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_something_to_play(&self) -> bool {
        !self.paused && self.source.as_ref().is_some_and(|source| !source.drained)
    }

    fn plays(&self) -> bool {
        self.link.connected
            && self.has_something_to_play()
            && self
                .source
                .as_ref()
                .is_some_and(|source| source.started && !source.starved)
    }
}

#[cfg(test)]
mod tests;
