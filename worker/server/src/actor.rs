//! One session on this worker: carries out what the state machine says.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use orb_jellyfin::{SourcePolicy, SourceUrl};
use orb_proto::v1;
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
use uuid::Uuid;

use crate::changed::{Changed, Declined};
use crate::gate::{GateDesk, LeaseGate};
use crate::report;

/// A few ticks without a frame are a hiccup that the counters show; longer, and people notice.
const STARVED_AFTER: Duration = Duration::from_millis(500);

/// Events of the voice output that may wait.
const VOICE_EVENTS: usize = 64;

/// The scheduler's newest word about a session; a newer one replaces one that was not read yet.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub(crate) fence: Fence,
    pub(crate) desired: Box<Desired>,
    pub(crate) role: Role,
}

/// What all actors share.
pub(crate) struct Shared {
    pub(crate) media: Arc<Media>,
    pub(crate) voice: VoiceDriver,
    pub(crate) sources: SourcePolicy,
    pub(crate) registry: Arc<WatchRegistry>,
    pub(crate) changed: Changed,
    pub(crate) gates: Arc<GateDesk>,
}

/// The parts that the actor changes and reports read.
struct State {
    session: Session,
    voice: Voice,
    has_watch: bool,
}

/// A handle to a running actor; dropping it ends the session here.
pub(crate) struct SessionHandle {
    id: String,
    words: watch::Sender<Option<Word>>,
    state: Arc<Mutex<State>>,
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
            shared,
            state: Arc::clone(&state),
            gate,
            pipeline: None,
            run: 0,
            runs,
            starved_at: None,
            _registered: registered,
        };
        let given_back = CancellationToken::new();
        tokio::spawn(actor.run(newest, voice, given_back.clone(), cancel.clone()));
        Self {
            given_back,
            id: id.to_owned(),
            words,
            state,
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

impl Drop for SessionHandle {
    fn drop(&mut self) {
        self.cancel.cancel();
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
    pipeline: Option<Pipeline>,
    /// Of `pipeline`.
    run: u64,
    runs: Arc<WatchRuns>,
    /// When the present lack of frames counts as starvation.
    starved_at: Option<tokio::time::Instant>,
    /// A folder of this life of the session.
    spool: PathBuf,
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
        let actions = lock(&self.state).session.handle(input);
        for action in actions {
            self.act(action);
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
        let token = lock(&self.state).session.fence().token;
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
        });
        // The new queue first, then the old one's end: else that would pass for the item's end.
        if let Some(paused) = paused {
            lock(&self.state)
                .voice
                .play(Arc::clone(&pipeline.frames), paused);
        }
        self.pipeline = Some(pipeline);
    }

    /// What was opened warm is heard from here on.
    fn feed(&mut self, from_ms: u64, paused: bool) {
        let Some(pipeline) = &self.pipeline else {
            return;
        };
        tracing::info!(session = %self.id, from_ms, "goes on from what is warm");
        pipeline.frames.skip_to(from_ms);
        lock(&self.state)
            .voice
            .play(Arc::clone(&pipeline.frames), paused);
    }

    fn end_at(&mut self, position_ms: Option<u64>) {
        let is_there = self.pipeline.as_ref().is_none_or(|pipeline| {
            pipeline.frames.end_at(position_ms);
            pipeline.frames.is_ended_at()
        });
        // Else the voice output says when it comes to the end.
        if is_there {
            let stopped = self.stopped();
            self.handle(stopped);
        }
    }

    /// Nothing more is given out: where that is, and no step towards a connection is taken after this.
    fn stopped(&mut self) -> Input {
        let given = |pipeline: &Pipeline| pipeline.frames.given_until_ms();
        let position_ms = self.pipeline.as_ref().and_then(given);
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

    fn go_on(&mut self, paused: bool) {
        let Some(pipeline) = &self.pipeline else {
            return;
        };
        if pipeline.frames.go_on() {
            lock(&self.state)
                .voice
                .play(Arc::clone(&pipeline.frames), paused);
        }
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

    /// Whether there are frames, or will be, after the last one that the voice output was given.
    fn is_cut_short(&self) -> bool {
        self.pipeline
            .as_ref()
            .is_some_and(|pipeline| pipeline.frames.is_ended_at() || !pipeline.frames.is_over())
    }

    fn pipeline_input(&mut self, event: Option<PipelineEvent>) -> Option<Input> {
        let news = match event {
            Some(PipelineEvent::Planned {
                plan,
                duration_ms,
                cost_millicores,
            }) => PipelineNews::Planned {
                plan: plan.explain(),
                duration_ms,
                cost_millicores,
            },
            Some(PipelineEvent::FirstFrame { .. }) => PipelineNews::Ready,
            Some(PipelineEvent::WatchRun { dir, name }) => {
                match self.runs.begin_run(&name, dir, self.run) {
                    Ok(()) => lock(&self.state).has_watch = true,
                    Err(error) => tracing::error!(session = %self.id, %error, "watch run refused"),
                }
                self.shared.changed.add(&self.id);
                return None;
            }
            Some(PipelineEvent::Restarted { cause }) => {
                tracing::warn!(session = %self.id, code = cause.code, cause = %cause.message, "ffmpeg restarted");
                PipelineNews::Restarted
            }
            Some(PipelineEvent::SwitchedSource { cause }) => {
                tracing::warn!(session = %self.id, code = cause.code, cause = %cause.message, "fallback source");
                PipelineNews::SwitchedSource
            }
            Some(PipelineEvent::Failed(failure)) => {
                tracing::warn!(session = %self.id, code = failure.code, cause = %failure.message, "no source plays");
                PipelineNews::Failed(Failure {
                    code: failure.code.to_owned(),
                    message: failure.message,
                })
            }
            // The queue is played out; the voice output says when.
            Some(PipelineEvent::Finished) | None => return None,
        };
        Some(Input::Pipeline {
            run: self.run,
            news,
        })
    }

    fn voice_input(&mut self, event: VoiceEvent) -> Option<Input> {
        let news = match event {
            VoiceEvent::Connected { revision } => VoiceNews::Connected { revision },
            VoiceEvent::Reconnecting { revision } => VoiceNews::Reconnecting { revision },
            VoiceEvent::Lost {
                revision,
                close_code,
                reason,
            } => {
                tracing::warn!(session = %self.id, revision, close_code, %reason, "voice lost");
                VoiceNews::Lost {
                    revision,
                    close_code,
                }
            }
            VoiceEvent::FirstFrame { .. } => {
                // It may be the word of a source that was replaced meanwhile: the clock knows.
                lock(&self.state).voice.snapshot().position_ms?;
                VoiceNews::Started
            }
            VoiceEvent::Starved => {
                self.starved_at = Some(tokio::time::Instant::now() + STARVED_AFTER);
                return None;
            }
            VoiceEvent::Refilled => {
                self.starved_at = None;
                VoiceNews::Refilled
            }
            VoiceEvent::Drained if self.is_cut_short() => {
                let frames = self.pipeline.as_ref().map(|pipeline| &pipeline.frames);
                // Else the end was taken back before this word of it was read.
                return frames
                    .is_some_and(|frames| frames.is_ended_at())
                    .then(|| self.stopped());
            }
            VoiceEvent::Drained => {
                // Only what was started can be drained: else it is an older source's last word.
                let state = lock(&self.state);
                if !state.session.has_started() {
                    return None;
                }
                VoiceNews::Drained
            }
        };
        Some(Input::Voice(news))
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
