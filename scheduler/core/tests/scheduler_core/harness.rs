//! A scheduler with one account and one worker, driven event by event.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::default_trait_access
)]

use orb_scheduler_core::{
    AccountId, AccountKind, Action, Anchor, Answer, Call, CallId, CommandId, Desired, DrainCause,
    Effect, EndReason, Epoch, Event, Failure, Fence, GoLive, HandoverReport, Incarnation, Millis,
    Now, Observed, PlaybackState, Position, Refusal, Request, Role, Scheduler, SchedulerTiming,
    SessionId, SessionView, Shard, Step, StoredSession, VoiceCredentials, VoiceLoss, WorkerId,
    WorkerRegistration, WorkerStatus, Write,
};

mod samples;

pub use samples::{create, credentials, item};

use crate::stored::Tables;
use samples::registration;

pub const ACCOUNT: AccountId = AccountId::new(1111);
pub const GUILD: u64 = 123;

pub struct Harness {
    pub scheduler: Scheduler,
    pub now: u64,
    pub effects: Vec<Effect>,
    pub writes: Vec<Write>,
    pub tables: Tables,
    calls: u64,
}

impl Default for Harness {
    fn default() -> Self {
        Self::new()
    }
}

impl Harness {
    /// Nothing there yet.
    pub fn empty() -> Self {
        let timing = SchedulerTiming::default();
        Self {
            scheduler: Scheduler::load(Epoch::new(1), timing, [], Now::default()),
            now: 0,
            effects: Vec::new(),
            writes: Vec::new(),
            tables: Tables::default(),
            calls: 0,
        }
    }

    /// One account, one worker.
    pub fn new() -> Self {
        let mut harness = Self::empty();
        harness.event(Event::AccountReady {
            account: ACCOUNT,
            kind: AccountKind::Bot,
            shard: Shard::WHOLE,
            resumed: false,
        });
        harness.attach("w1", "life-1", Vec::new());
        harness
    }

    /// An installation that allows pictures.
    pub fn allowing(self, go_live: GoLive) -> Self {
        let scheduler = self.scheduler.with_go_live(go_live);
        Self { scheduler, ..self }
    }

    /// The next leader, with what is durable of this one.
    pub fn restart(self) -> Self {
        self.restart_at(0)
    }

    /// The same, at that unix time.
    pub fn restart_at(self, wall_ms: u64) -> Self {
        let now = Now {
            monotonic: Millis(self.now),
            wall_ms: wall_ms as i64,
        };
        let timing = SchedulerTiming::default();
        let scheduler = Scheduler::load(Epoch::new(2), timing, self.tables.all(), now);
        Self {
            scheduler,
            now: self.now,
            effects: Vec::new(),
            writes: Vec::new(),
            tables: self.tables,
            calls: self.calls,
        }
    }

    pub fn event(&mut self, event: Event) -> Step {
        let now = Now {
            monotonic: Millis(self.now),
            wall_ms: self.now as i64,
        };
        let step = self.scheduler.handle(event, now);
        self.effects.extend(step.effects.iter().cloned());
        self.tables.commit(&step.writes);
        self.writes.extend(step.writes.iter().cloned());
        step
    }

    pub fn wait(&mut self, milliseconds: u64) {
        let until = self.now + milliseconds;
        while let Some(at) = self.scheduler.next_deadline().filter(|at| at.0 <= until) {
            self.now = self.now.max(at.0);
            self.event(Event::Tick);
        }
        self.now = until;
    }

    pub fn attach(&mut self, worker: &str, incarnation: &str, sessions: Vec<Observed>) -> Step {
        self.attach_with(worker, incarnation, 2000, sessions)
    }

    /// A worker that says when it attaches that it drains.
    pub fn attach_draining(
        &mut self,
        worker: &str,
        incarnation: &str,
        sessions: Vec<Observed>,
    ) -> Step {
        let registration = registration(worker, incarnation, 2_000, sessions);
        self.event(Event::Attached(Box::new(WorkerRegistration {
            draining: true,
            ..registration
        })))
    }

    /// A worker that sends pictures.
    pub fn attach_live(&mut self, worker: &str, incarnation: &str) -> Step {
        let registration = registration(worker, incarnation, 2_000, Vec::new());
        self.event(Event::Attached(Box::new(WorkerRegistration {
            go_live: true,
            ..registration
        })))
    }

    /// Like [`Self::report`], by another worker than w1.
    pub fn report_by(
        &mut self,
        worker: &str,
        incarnation: &str,
        session: &str,
        playback: PlaybackState,
        media_ms: u64,
    ) -> Step {
        let observed = self.observed(session, playback, media_ms);
        self.beat_of(worker, incarnation, vec![observed])
    }

    /// A worker of that size, with nothing on it.
    pub fn attach_with(
        &mut self,
        worker: &str,
        incarnation: &str,
        total_millicores: u32,
        sessions: Vec<Observed>,
    ) -> Step {
        let registration = registration(worker, incarnation, total_millicores, sessions);
        self.event(Event::Attached(Box::new(registration)))
    }

    pub fn beat(&mut self, observed: Vec<Observed>) -> Step {
        self.beat_of("w1", "life-1", observed)
    }

    pub fn beat_of(&mut self, worker: &str, incarnation: &str, observed: Vec<Observed>) -> Step {
        self.beat_with(worker, incarnation, 2000, observed)
    }

    pub fn beat_with(
        &mut self,
        worker: &str,
        incarnation: &str,
        free_millicores: u32,
        observed: Vec<Observed>,
    ) -> Step {
        self.event(Event::Beat {
            worker: WorkerId::new(worker),
            incarnation: Incarnation::new(incarnation),
            free_millicores,
            observed,
        })
    }

    pub fn call(&mut self, session: &str, request: Request) -> CallId {
        let command = format!("command-{}", self.calls + 1);
        self.call_as(session, request, &command)
    }

    pub fn call_as(&mut self, session: &str, request: Request, command: &str) -> CallId {
        self.calls += 1;
        let id = CallId(self.calls);
        let mut request_hash = [0; 32];
        for (index, byte) in format!("{request:?}")
            .replace("worker-session", "")
            .bytes()
            .enumerate()
        {
            request_hash[index % 32] ^= byte.rotate_left(index as u32 / 32);
        }
        self.event(Event::Call(Box::new(Call {
            id,
            command: CommandId(command.to_owned()),
            request_hash,
            known: None,
            stored: self.stored(session),
            session: SessionId::new(session),
            request,
            actor: "tester".to_owned(),
            trace: None,
        })));
        id
    }

    /// What the store knows of a session that is not in memory.
    fn stored(&self, session: &str) -> Option<Box<StoredSession>> {
        let id = SessionId::new(session);
        let forgotten = !self.scheduler.knows(&id);
        let stored = forgotten.then(|| self.tables.session(&id)).flatten();
        stored.map(Box::new)
    }

    /// The answer to a call, if it was given.
    pub fn answer(&self, call: CallId) -> Option<Result<Box<Answer>, Refusal>> {
        let mut answers = self.effects.iter().filter_map(|effect| match effect {
            Effect::Answer { call: of, result } if *of == call => Some(result.clone()),
            _ => None,
        });
        let first = answers.next();
        assert!(answers.next().is_none(), "call {call:?} was answered twice");
        first
    }

    /// All sessions, by id.
    pub fn sessions(&self) -> Vec<String> {
        let views = self.scheduler.views(Now::default());
        views.into_iter().map(|view| view.id.to_string()).collect()
    }

    /// Who holds the lease.
    pub fn newest_holder(&self, session: &str) -> String {
        self.view(session)
            .worker
            .map(|worker| worker.to_string())
            .unwrap_or_default()
    }

    pub fn refusal(&self, call: CallId) -> Refusal {
        self.answer(call).unwrap().unwrap_err()
    }

    pub fn create(&mut self, session: &str) -> CallId {
        self.call(session, create(GUILD))
    }

    pub fn play(&mut self, session: &str, entry: i64) -> CallId {
        self.call(session, Request::Play(Box::new(item(entry))))
    }

    pub fn control(&mut self, session: &str, action: Action) -> CallId {
        self.call(session, Request::Control(action))
    }

    pub fn view(&self, session: &str) -> SessionView {
        let now = Now {
            monotonic: Millis(self.now),
            wall_ms: 0,
        };
        self.scheduler.view(&SessionId::new(session), now).unwrap()
    }

    /// The newest lease that was sent for the session.
    pub fn lease(&self, session: &str) -> (Fence, Desired, Option<VoiceCredentials>) {
        self.effects
            .iter()
            .rev()
            .find_map(|effect| match effect {
                Effect::SendLease {
                    session: of,
                    fence,
                    desired,
                    voice,
                    role: Role::Holds | Role::HoldsUntil { .. },
                    ..
                } if of.as_str() == session => {
                    Some((*fence, (**desired).clone(), voice.as_deref().cloned()))
                }
                _ => None,
            })
            .unwrap()
    }

    /// The newest word about the session to that worker, if it was no revoke: fence, anchor, role.
    pub fn word_to(&self, worker: &str, session: &str) -> Option<(Fence, Anchor, Role)> {
        self.effects.iter().rev().find_map(|effect| match effect {
            Effect::SendLease {
                session: of,
                worker: to,
                fence,
                desired,
                voice,
                role,
                ..
            } if of.as_str() == session && to.as_str() == worker => {
                assert!(
                    *role != Role::WarmsUp || voice.is_none(),
                    "voice for who only warms up"
                );
                Some(Some((*fence, desired.anchor, *role)))
            }
            Effect::SendRevoke {
                session: of,
                worker: to,
                ..
            } if of.as_str() == session && to.as_str() == worker => Some(None),
            _ => None,
        })?
    }

    /// The next holder reports that it is warm.
    pub fn warm(&mut self, worker: &str, incarnation: &str, session: &str) -> Step {
        let (fence, _, role) = self.word_to(worker, session).unwrap();
        assert_eq!(role, Role::WarmsUp);
        let mut observed = self.observed(session, PlaybackState::Loading, 0);
        observed.fence = fence;
        observed.worker_status = WorkerStatus::Disconnected;
        observed.handover = Some(HandoverReport::Warm);
        self.beat_of(worker, incarnation, vec![observed])
    }

    /// The holder reports that it stopped where it was told to.
    pub fn stopped(&mut self, worker: &str, incarnation: &str, session: &str) -> Step {
        let (fence, _, role) = self.word_to(worker, session).unwrap();
        let Role::HoldsUntil { position_ms } = role else {
            panic!("was not told to stop");
        };
        let mut observed = self.observed(session, PlaybackState::Playing, position_ms);
        observed.fence = fence;
        observed.position.rate_permille = 0;
        observed.handover = Some(HandoverReport::Stopped { position_ms });
        self.beat_of(worker, incarnation, vec![observed])
    }

    pub fn drain(&mut self, worker: &str, incarnation: &str) -> Step {
        self.event(Event::Drain {
            worker: WorkerId::new(worker),
            cause: DrainCause::Worker(Incarnation::new(incarnation)),
        })
    }

    pub fn detach(&mut self, worker: &str, incarnation: &str) -> Step {
        self.event(Event::Detached {
            worker: WorkerId::new(worker),
            incarnation: Incarnation::new(incarnation),
        })
    }

    /// Whether the newest word about the session was a lease to w1.
    pub fn is_leased(&self, session: &str) -> bool {
        self.effects
            .iter()
            .rev()
            .find_map(|effect| match effect {
                Effect::SendLease {
                    session: of,
                    worker,
                    ..
                } if of.as_str() == session => Some(worker.as_str() == "w1"),
                Effect::SendRevoke { session: of, .. } if of.as_str() == session => Some(false),
                _ => None,
            })
            .unwrap_or(false)
    }

    /// The worker reports that it has carried out its newest lease.
    pub fn report(&mut self, session: &str, playback: PlaybackState, media_ms: u64) -> Step {
        let observed = self.observed(session, playback, media_ms);
        self.beat(vec![observed])
    }

    pub fn observed(&self, session: &str, playback: PlaybackState, media_ms: u64) -> Observed {
        let (fence, desired, _) = self.lease(session);
        Observed {
            session: SessionId::new(session),
            fence,
            worker_status: WorkerStatus::Connected,
            playback,
            end_reason: None,
            position: Position {
                media_ms,
                at: Millis(self.now),
                rate_permille: if playback == PlaybackState::Playing {
                    1000
                } else {
                    0
                },
            },
            duration_ms: desired.current.as_ref().and_then(|item| item.duration_ms),
            failure: None,
            plan: "copy".to_owned(),
            opened_at: fence.generation,
            known_plan: None,
            handover: None,
            health: Default::default(),
            entry: desired.current.as_ref().map(|item| item.entry),
            external_id: desired.current.and_then(|item| item.external_id),
            advanced_from: None,
            prepared: None,
            voice_loss: None,
            watch_latency_ms: None,
            picture: None,
        }
    }

    pub fn report_end(
        &mut self,
        session: &str,
        reason: EndReason,
        failure: Option<Failure>,
    ) -> Step {
        let mut observed = self.observed(session, PlaybackState::Ended, 60_000);
        observed.end_reason = Some(reason);
        observed.failure = failure;
        self.beat(vec![observed])
    }

    pub fn report_loss(&mut self, session: &str, close_code: u16) -> Step {
        let revision = self.lease(session).2.unwrap().revision.get();
        let mut observed = self.observed(session, PlaybackState::Playing, 1_000);
        observed.worker_status = WorkerStatus::Reconnecting;
        observed.voice_loss = Some(VoiceLoss {
            revision,
            close_code: Some(close_code),
            stream: false,
        });
        self.beat(vec![observed])
    }

    pub fn credentials(&mut self, token: &str) -> Step {
        self.event(Event::Credentials {
            account: ACCOUNT,
            credentials: credentials(token),
        })
    }

    /// Session `s` in the channel, playing entry 1 since media time 0.
    pub fn playing() -> Self {
        let mut harness = Self::new();
        harness.create("s");
        harness.credentials("voice-1");
        harness.play("s", 1);
        harness.report("s", PlaybackState::Playing, 0);
        harness
    }
}
