//! Between the deck and songbird's mixer: which packet, if any, goes into the next tick.
//!
//! The mixer works one tick ahead of the network: right after it has sent one packet it asks for the next, and sends
//! that 20 ms later. So a frame that was taken is known to be sent when the mixer comes again; only then is the deck
//! told. And a pause, a resume or a new source is heard 20 ms after the tick that finds it.
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

use super::pace::Pace;
use crate::voice::{VoiceEvent, clock::Next, deck::Deck, line::LineStatus};

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

/// Shared by the line, the mixer's thread and the driver's event handler. Its lock is taken before the clock's.
pub(super) struct Tap {
    state: Mutex<State>,
    deck: Arc<Deck>,
}

#[derive(Default)]
struct State {
    link: Link,
    /// Counts talks; only the newest one may take frames.
    talk: u64,
    talking: bool,
    pace: Pace,
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

impl Tap {
    pub(super) fn new(deck: Arc<Deck>) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Self { state, deck })
    }

    // ---- the line's side ----

    pub(super) fn status(&self) -> LineStatus {
        let state = self.lock();
        LineStatus {
            connected: state.link.connected && !state.link.reconnecting,
            sends: state.link.connected,
            // It does not say.
            encryption: None,
            ..LineStatus::default()
        }
    }

    /// Begins a talk if there is something to play and none is under way; the caller then gives songbird a track that
    /// pulls under the returned number.
    pub(super) fn begin_talk(&self, now: Instant) -> Option<u64> {
        let mut state = self.lock();
        if state.talking || !self.deck.clock().has_something_to_play() {
            return None;
        }
        state.talk += 1;
        state.talking = true;
        state.pace.restart();
        state.link.last_pull = Some(now);
        Some(state.talk)
    }

    /// Whether no other connection was begun since.
    pub(super) fn is_present(&self, link: u64) -> bool {
        self.lock().link.id == link
    }

    // ---- the connection's side ----

    /// A new connection is being opened (or, without a revision, none): all that belongs to an older one is void.
    pub(super) fn new_link(&self, revision: u64) -> u64 {
        let mut state = self.lock();
        state.talk += 1;
        state.talking = false;
        self.deck.clock().lose_taken();
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
            self.deck.clock().lose_taken();
            state.pace.restart();
            state.link.silent_until = Some(now + DAVE_SETTLE);
            state.link.last_pull = Some(now);
        }
        state.link.ssrc = Some(ssrc);
        state.link.connected = true;
        state.link.reconnecting = false;
        self.deck.outbox.push(VoiceEvent::Connected {
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
        self.deck.clock().lose_taken();
        self.deck.outbox.push(VoiceEvent::Lost {
            stream: false,
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
        self.deck.outbox.push(if stalled {
            VoiceEvent::Reconnecting { revision }
        } else {
            VoiceEvent::Connected { revision }
        });
    }

    // ---- the mixer's side ----

    /// Called once a tick from the mixer's thread.
    pub(super) fn pull(&self, talk: u64, now: Instant) -> Pull {
        let mut state = self.lock();
        if talk != state.talk {
            return Pull::End;
        }
        state.link.pulled(now);
        // The frame of the tick before went out just now.
        let late = state.pace.tick(now);
        self.deck.sent(now, late);
        if !state.link.may_speak(now) {
            return Pull::Silence;
        }
        match self.deck.next() {
            Next::Frame(packet) => Pull::Frame(packet),
            Next::Missing | Next::NotYet => Pull::Silence,
            Next::Nothing => {
                state.talking = false;
                Pull::End
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock; if it did, the mixer's thread and its other sessions must go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
