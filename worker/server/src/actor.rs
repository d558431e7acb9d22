//! One session on this worker: carries out what the state machine says.

mod handle;
mod handover;
mod news;
mod next;
mod opened;
mod picture;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orb_jellyfin::{SourcePolicy, SourceUrl};
use orb_worker_core::{
    Action, Desired, Failure, Fence, Input, Item, PipelineNews, Role, Session, VoiceNews,
};
use orb_worker_media::{Media, OpenSpec, Sources, WatchSpool};
use orb_worker_outputs::voice::{Voice, VoiceDriver, VoiceEvent};
use orb_worker_outputs::watch::{Registered, WatchRegistry, WatchRuns};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::changed::{Changed, Declined};
use crate::convert;
use crate::gate::{GateDesk, LeaseGate};
use crate::metrics::Counters;
use crate::room::{Room, Seat};
use crate::spans::Spans;

use self::opened::{Opened, next_event};
use self::picture::Starting;

pub(crate) use handle::SessionHandle;

/// The scheduler's newest word about a session; a newer one replaces one that was not read yet.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub(crate) fence: Fence,
    pub(crate) desired: Box<Desired>,
    pub(crate) role: Role,
    /// Of the trace that it belongs to; empty: of none.
    pub(crate) traceparent: String,
}

/// What all actors share.
pub(crate) struct Shared {
    pub(crate) media: Arc<Media>,
    pub(crate) voice: VoiceDriver,
    pub(crate) sources: SourcePolicy,
    pub(crate) registry: Arc<WatchRegistry>,
    pub(crate) changed: Changed,
    pub(crate) gates: Arc<GateDesk>,
    pub(crate) counters: Counters,
    pub(crate) room: Arc<Room>,
    pub(crate) most_picture_bits_per_second: u64,
}

/// The parts that the actor changes and reports read.
struct State {
    session: Session,
    voice: Voice,
    has_watch: bool,
    seat: Seat,
    /// Another encoder of the picture: room is kept for it.
    starting: Option<Starting>,
}

impl State {
    /// What the session costs now. Of an item whose probe is not done, that is a guess where it is the next one, and
    /// nothing where the scheduler keeps room for it.
    fn take_seat(&self) {
        self.seat.costs(self.cost_millicores());
    }

    fn cost_millicores(&self) -> u32 {
        let session = &self.session;
        let cost = match session.prepared_run() {
            Some(_) => session.cost_with_next(next::cost_of_next(session)),
            None => session.cost_millicores(),
        };
        cost + self.dearer_soon()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Actor {
    id: String,
    shared: Arc<Shared>,
    state: Arc<Mutex<State>>,
    gate: LeaseGate,
    /// Of the current item.
    current: Option<Opened>,
    /// Of the next one, opened ahead.
    next: Option<Opened>,
    /// Was the current one, and is closed when the voice output has another.
    leaving: Option<Opened>,
    runs: Arc<WatchRuns>,
    /// When the present lack of frames counts as starvation.
    starved_at: Option<tokio::time::Instant>,
    /// When there was no room for the next item.
    had_no_room: Option<tokio::time::Instant>,
    /// A folder of this life of the session.
    spool: PathBuf,
    spans: Spans,
    _registered: Registered,
}

impl Actor {
    async fn run(
        mut self,
        mut words: watch::Receiver<Option<Word>>,
        mut voice: mpsc::Receiver<VoiceEvent>,
        given_back: CancellationToken,
        cancel: CancellationToken,
    ) {
        let mut declined = false;
        loop {
            let starved_at = self.starved_at;
            let looks_ahead_at = self.looks_ahead_at();
            let input = tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                () = given_back.cancelled(), if !declined => {
                    declined = true;
                    self.decline();
                    None
                }
                changed = words.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let Some(word) = words.borrow_and_update().clone() else { continue };
                    self.take_back_join();
                    self.look_at_position();
                    self.spans.word(word.fence, word.role, &word.traceparent);
                    Some(Input::Lease { fence: word.fence, desired: word.desired, role: word.role })
                }
                event = voice.recv() => match event {
                    Some(event) => self.voice_input(event),
                    None => break,
                },
                (run, event) = next_event(&mut self.current) => self.pipeline_input(run, event),
                (run, event) = next_event(&mut self.next) => self.pipeline_input(run, event),
                () = sleep_until(starved_at.unwrap_or_else(tokio::time::Instant::now)), if starved_at.is_some() => {
                    self.starved_at = None;
                    Some(Input::Voice(VoiceNews::Starved))
                }
                () = sleep_until(looks_ahead_at.unwrap_or_else(tokio::time::Instant::now)), if looks_ahead_at.is_some() => {
                    self.look_ahead()
                }
            };
            if let Some(input) = input {
                self.handle(input);
            }
        }
        // Off the wire first: whoever takes over may be joining already.
        lock(&self.state).voice.disconnect();
        tracing::info!(session = %self.id, "session ended here");
    }

    fn handle(&mut self, input: Input) {
        self.spans.heard(&input);
        let (actions, is_followed, carried_out) = {
            let mut state = lock(&self.state);
            let actions = state.session.handle(input);
            state.take_seat();
            let session = &state.session;
            let carried_out = session.done() == session.fence();
            (actions, session.has_next(), carried_out)
        };
        // Not under the lock: whoever renders a playlist asks for the position.
        self.runs.is_followed(is_followed);
        for action in actions {
            self.spans.begins(&action);
            self.act(action);
        }
        self.leaving = None;
        if carried_out {
            self.spans.carried_out();
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Open {
                run,
                item,
                start_ms,
                paused,
                warm,
                picture,
            } => self.open((run, start_ms, picture), &item, (!warm).then_some(paused)),
            Action::Feed { from_ms, paused } => self.feed(from_ms, paused),
            Action::EndAt { position_ms } => self.end_at(position_ms),
            Action::GoOn { paused } => self.go_on(paused),
            Action::MayDial => self.gate.open(),
            Action::Decline => self.decline(),
            Action::Close => {
                lock(&self.state).voice.stop();
                self.starved_at = None;
                self.current = None;
            }
            Action::Pause => lock(&self.state).voice.pause(),
            Action::Resume => lock(&self.state).voice.resume(),
            Action::Connect(credentials) => {
                let stream = credentials.stream.is_some();
                tracing::info!(session = %self.id, revision = credentials.revision, stream, "connecting to voice");
                let credentials = convert::credentials(credentials);
                lock(&self.state)
                    .voice
                    .connect(credentials, Arc::new(self.gate.clone()));
            }
            Action::Disconnect => lock(&self.state).voice.disconnect(),
            Action::Prepare { run, item, picture } => self.prepare(run, &item, picture),
            Action::Join { run } => self.join(run),
            Action::DropNext => self.drop_next(),
            Action::Advance => self.advance(),
            Action::Report => self.shared.changed.add(&self.id),
        }
    }

    /// Opens as `run` at a media time, with a picture or without. With `paused` none, the voice output is not fed yet.
    fn open(
        &mut self,
        (run, start_ms, picture): (u64, u64, bool),
        item: &Item,
        paused: Option<bool>,
    ) {
        self.starved_at = None;
        let known = {
            let state = lock(&self.state);
            state.session.told_plan().map(|plan| plan.details.clone())
        };
        let opened = match self.pipeline((run, start_ms, picture), item, known) {
            Ok(opened) => opened,
            Err(failure) => {
                lock(&self.state).voice.stop();
                self.current = None;
                self.handle(Input::Pipeline {
                    run,
                    news: PipelineNews::Failed(failure),
                });
                return;
            }
        };
        // The new queue first, then the old one's end: else that would pass for the item's end.
        if let Some(paused) = paused {
            lock(&self.state).voice.play(opened.track(), paused);
        }
        self.current = Some(opened);
    }

    fn pipeline(
        &self,
        (run, start_ms, picture): (u64, u64, bool),
        item: &Item,
        known: Option<String>,
    ) -> Result<Opened, Failure> {
        let sources = self.sources(item)?;
        let token = lock(&self.state).session.fence().token;
        tracing::info!(
            session = %self.id, entry = item.entry_id, queue_entry = item.queue_entry_id, run, start_ms, picture, "opening"
        );
        let pipeline = self.shared.media.open(OpenSpec {
            session: self.id.clone(),
            sources,
            start_ms,
            duration_ms: item.duration_ms,
            watch: Some(WatchSpool {
                dir: self.spool.clone(),
                prefix: format!("t{token}-{run}"),
            }),
            picture: picture.then(|| self.picture_spec(item)),
            known,
        });
        Ok(Opened::new(run, item.entry_id, pipeline))
    }

    /// Gives the lease back: only when nothing of the session is here any more, and nobody can dial for it.
    fn decline(&mut self) {
        self.gate.shut();
        self.current = None;
        self.next = None;
        let state = lock(&self.state);
        state.voice.disconnect();
        let declined = Declined {
            session: self.id.clone(),
            token: state.session.fence().token,
            plan: state.session.known_plan(),
        };
        drop(state);
        tracing::warn!(session = %self.id, plan = ?declined.plan, "lease given back");
        self.shared.changed.decline(declined);
    }

    /// The scheduler has checked and rewritten the sources; a worker of another configuration may still
    /// not be allowed to open them.
    fn sources(&self, item: &Item) -> Result<Sources, Failure> {
        let source = |url: &str| {
            let parsed = url
                .parse::<SourceUrl>()
                .ok()
                .filter(|url| self.shared.sources.allows(url.expose()));
            parsed.ok_or_else(|| Failure {
                code: "source_not_allowed".to_owned(),
                message: "this worker may not open the source; give it the scheduler's ORB_JELLYFIN_URL and allowed origins".to_owned(),
            })
        };
        Ok(Sources {
            stream: source(&item.stream_url)?,
            download: item.download_url.as_deref().map(source).transpose()?,
        })
    }
}
