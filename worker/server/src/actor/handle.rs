//! What the rest of the worker sees of an actor.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use orb_proto::v1;
use orb_worker_core::{Fence, Session};
use orb_worker_outputs::voice::{Counts, PictureCounts, Voice};
use orb_worker_outputs::watch::WatchRuns;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Actor, Shared, State, Word, lock};
use crate::deficit::Deficit;
use crate::gate::LeaseGate;
use crate::metrics::Reading;
use crate::report;
use crate::spans::Spans;

/// Events of the voice output that may wait.
const VOICE_EVENTS: usize = 64;

/// A handle to a running actor; dropping it ends the session here.
pub(crate) struct SessionHandle {
    id: String,
    words: watch::Sender<Option<Word>>,
    state: Arc<Mutex<State>>,
    shared: Arc<Shared>,
    meter: Mutex<Meter>,
    given_back: CancellationToken,
    cancel: CancellationToken,
}

impl SessionHandle {
    pub(crate) fn start(id: &str, token: u64, shared: Arc<Shared>) -> Self {
        let (words, newest) = watch::channel(None);
        let (voice_events, voice) = mpsc::channel(VOICE_EVENTS);
        let state = Arc::new(Mutex::new(State {
            session: Session::new(),
            voice: Voice::new(&shared.voice, voice_events),
            has_watch: false,
            seat: shared.room.seat(),
            starting: None,
        }));
        let clock = Arc::downgrade(&state);
        let runs = WatchRuns::new(token, move || {
            let state = clock.upgrade()?;
            let state = lock(&state);
            state.voice.snapshot().position_ms
        });
        let registered = shared.registry.register(id, Arc::clone(&runs));
        let gate = LeaseGate::new(Arc::clone(&shared.gates), id, token);
        let cancel = CancellationToken::new();
        let spool = shared
            .media
            .spool_dir()
            .join(Uuid::new_v4().simple().to_string());
        let actor = Actor {
            id: id.to_owned(),
            spool,
            spans: Spans::new(id),
            shared: Arc::clone(&shared),
            state: Arc::clone(&state),
            gate,
            current: None,
            next: None,
            leaving: None,
            runs,
            starved_at: None,
            had_no_room: None,
            _registered: registered,
        };
        let given_back = CancellationToken::new();
        tokio::spawn(actor.run(newest, voice, given_back.clone(), cancel.clone()));
        Self {
            given_back,
            id: id.to_owned(),
            words,
            state,
            shared,
            meter: Mutex::default(),
            cancel,
        }
    }

    /// Hands in the scheduler's newest word.
    pub(crate) fn tell(&self, newest: Word) {
        self.words.send_if_modified(|word| {
            let newer = word.as_ref().is_none_or(|known| known.fence < newest.fence);
            if newer {
                *word = Some(newest);
            }
            newer
        });
    }

    /// The newest word told.
    pub(crate) fn fence(&self) -> Fence {
        self.words
            .borrow()
            .as_ref()
            .map(|word| word.fence)
            .unwrap_or_default()
    }

    pub(crate) fn report(&self) -> v1::ObservedState {
        let state = lock(&self.state);
        let voice = state.voice.snapshot();
        report::observed(
            &self.id,
            &state.session,
            &voice,
            state.has_watch,
            Instant::now(),
        )
    }

    pub(crate) fn cost_millicores(&self) -> u32 {
        lock(&self.state).session.cost_millicores()
    }

    /// Whether it costs something, and nothing of it was sent here.
    pub(crate) fn is_unheard(&self) -> bool {
        let state = lock(&self.state);
        state.session.cost_millicores() > 0 && !state.session.has_started()
    }

    /// Looks at the counters, and adds what is new to the worker's.
    pub(crate) fn read(&self) -> Reading {
        let mut meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
        let state = lock(&self.state);
        let voice = state.voice.snapshot();
        self.shared.counters.frames(&mut meter.counted, voice.total);
        let pictures = &mut meter.pictures;
        self.shared.counters.pictures(pictures, voice.pictures);
        let generation = state.session.done().generation;
        meter.deficit.look(&voice, generation, Instant::now());
        Reading {
            playback: state.session.playback(),
            lateness_p50_ms: voice.lateness_p50_ms,
            lateness_p99_ms: voice.lateness_p99_ms,
            missing: meter.deficit.missing(),
        }
    }

    pub(crate) fn give_back(&self) {
        self.given_back.cancel();
    }

    pub(crate) fn is_given_back(&self) -> bool {
        self.given_back.is_cancelled()
    }

    pub(crate) fn is_playing(&self) -> bool {
        lock(&self.state).session.playback() == orb_worker_core::Playback::Playing
    }
}

/// What is known of the session's counters.
#[derive(Debug, Default)]
struct Meter {
    counted: Counts,
    pictures: PictureCounts,
    deficit: Deficit,
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        self.read();
        // Before the actor has ended: what is granted instead may come at once.
        lock(&self.state).seat.leave();
        self.cancel.cancel();
    }
}
