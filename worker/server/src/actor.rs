//! One session on this worker: carries out what the state machine says.

mod handle;
mod handover;
mod news;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orb_jellyfin::{SourcePolicy, SourceUrl};
use orb_worker_core::{
    Action, Desired, Failure, Fence, Input, Item, PipelineNews, Role, Session, VoiceNews,
};
use orb_worker_media::{Media, OpenSpec, Pipeline, PipelineEvent, Sources, WatchSpool};
use orb_worker_outputs::voice::{Voice, VoiceCredentials, VoiceDriver, VoiceEvent};
use orb_worker_outputs::watch::{Registered, WatchRegistry, WatchRuns};
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::changed::{Changed, Declined};
use crate::gate::{GateDesk, LeaseGate};
use crate::metrics::Counters;
use crate::spans::Spans;

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
}

/// The parts that the actor changes and reports read.
struct State {
    session: Session,
    voice: Voice,
    has_watch: bool,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Actor {
    id: String,
    shared: Arc<Shared>,
    state: Arc<Mutex<State>>,
    gate: LeaseGate,
    pipeline: Option<Pipeline>,
    /// Of `pipeline`.
    run: u64,
    runs: Arc<WatchRuns>,
    /// When the present lack of frames counts as starvation.
    starved_at: Option<tokio::time::Instant>,
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
                    self.spans.word(word.fence, word.role, &word.traceparent);
                    Some(Input::Lease { fence: word.fence, desired: word.desired, role: word.role })
                }
                event = voice.recv() => match event {
                    Some(event) => self.voice_input(event),
                    None => break,
                },
                event = next_event(&mut self.pipeline) => self.pipeline_input(event),
                () = sleep_until(starved_at.unwrap_or_else(tokio::time::Instant::now)), if starved_at.is_some() => {
                    self.starved_at = None;
                    Some(Input::Voice(VoiceNews::Starved))
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
        let (actions, carried_out) = {
            let session = &mut lock(&self.state).session;
            let actions = session.handle(input);
            (actions, session.done() == session.fence())
        };
        for action in actions {
            self.spans.begins(&action);
            self.act(action);
        }
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
            } => self.open(run, &item, start_ms, (!warm).then_some(paused)),
            Action::Feed { from_ms, paused } => self.feed(from_ms, paused),
            Action::EndAt { position_ms } => self.end_at(position_ms),
            Action::GoOn { paused } => self.go_on(paused),
            Action::MayDial => self.gate.open(),
            Action::Decline => self.decline(),
            Action::Close => {
                lock(&self.state).voice.stop();
                self.starved_at = None;
                self.pipeline = None;
            }
            Action::Pause => lock(&self.state).voice.pause(),
            Action::Resume => lock(&self.state).voice.resume(),
            Action::Connect(credentials) => {
                let credentials = VoiceCredentials {
                    guild_id: credentials.guild_id,
                    channel_id: credentials.channel_id,
                    user_id: credentials.user_id,
                    voice_session_id: credentials.voice_session_id,
                    endpoint: credentials.endpoint,
                    token: SecretString::from(credentials.token),
                    revision: credentials.revision,
                };
                tracing::info!(session = %self.id, revision = credentials.revision, "connecting to voice");
                lock(&self.state)
                    .voice
                    .connect(credentials, Arc::new(self.gate.clone()));
            }
            Action::Disconnect => lock(&self.state).voice.disconnect(),
            Action::Prepare { .. } | Action::Join { .. } | Action::DropNext | Action::Advance => {}
            Action::Report => self.shared.changed.add(&self.id),
        }
    }

    /// With `paused` none, the voice output is not fed yet.
    fn open(&mut self, run: u64, item: &Item, start_ms: u64, paused: Option<bool>) {
        self.run = run;
        self.starved_at = None;
        let sources = match self.sources(item) {
            Ok(sources) => sources,
            Err(failure) => {
                lock(&self.state).voice.stop();
                self.pipeline = None;
                self.handle(Input::Pipeline {
                    run,
                    news: PipelineNews::Failed(failure),
                });
                return;
            }
        };
        let (token, known) = {
            let state = lock(&self.state);
            let told = state.session.told_plan();
            (
                state.session.fence().token,
                told.map(|plan| plan.details.clone()),
            )
        };
        tracing::info!(session = %self.id, entry = item.queue_entry_id, run, start_ms, "opening");
        let pipeline = self.shared.media.open(OpenSpec {
            session: self.id.clone(),
            sources,
            start_ms,
            duration_ms: item.duration_ms,
            watch: Some(WatchSpool {
                dir: self.spool.clone(),
                prefix: format!("t{token}-{run}"),
            }),
            known,
        });
        // The new queue first, then the old one's end: else that would pass for the item's end.
        if let Some(paused) = paused {
            lock(&self.state)
                .voice
                .play(Arc::clone(&pipeline.frames), paused);
        }
        self.pipeline = Some(pipeline);
    }

    /// Gives the lease back: only when nothing of the session is here any more, and nobody can dial for it.
    fn decline(&mut self) {
        self.gate.shut();
        self.pipeline = None;
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

/// The open pipeline's next event; forever pending without one, and after its last.
async fn next_event(pipeline: &mut Option<Pipeline>) -> Option<PipelineEvent> {
    match pipeline {
        Some(pipeline) => match pipeline.events.recv().await {
            Some(event) => Some(event),
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
