//! The leader loop: one task that owns the state machine; commit, then act.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use orb_proto::v1;
use orb_scheduler_core::{
    Answer, Call, CallId, Effect, Epoch, Event, Refusal, Scheduler, SchedulerTiming, Step,
};
use orb_scheduler_store::Store;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::links::Links;
use crate::views::Views;
use crate::{AccountCommand, Clock, Error, convert};

/// Inputs that may wait; a caller waits for a place, so nothing is shed.
const QUEUE: usize = 1_024;

/// Inputs that share one commit. Enough that a burst costs few syncs, small enough that the first of
/// them does not wait long for the last.
const BATCH: usize = 128;

/// Old command ids are deleted so often; their retention is a day, so nobody waits for it.
const FORGET_EVERY: std::time::Duration = std::time::Duration::from_mins(10);

/// Why a call came to nothing.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The state machine refused.
    Refused(Refusal),
    /// The leader could not commit or is gone; nothing was changed.
    Unavailable,
}

type Reply = oneshot::Sender<Result<Box<Answer>, CallError>>;

pub(crate) enum Input {
    Event(Event),
    Call(Box<Call>, Reply),
}

/// What `/readyz` asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The store is loaded and this process leads.
    pub leading: bool,
    /// Some worker is attached.
    pub worker: bool,
    /// Some account is connected.
    pub account: bool,
}

/// How everybody else reaches the leader.
#[derive(Debug, Clone)]
pub struct LeaderHandle {
    inputs: mpsc::Sender<Input>,
    next_call: Arc<AtomicU64>,
    pub(crate) views: Views,
    pub(crate) links: Links,
    pub(crate) clock: Clock,
    readiness: watch::Receiver<Readiness>,
    epoch: watch::Receiver<Epoch>,
}

impl LeaderHandle {
    pub(crate) fn call_id(&self) -> CallId {
        CallId(self.next_call.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits for the answer: at most the state machine's bounded wait.
    pub(crate) async fn call(&self, call: Call) -> Result<Box<Answer>, CallError> {
        let (reply, answer) = oneshot::channel();
        let input = Input::Call(Box::new(call), reply);
        self.inputs
            .send(input)
            .await
            .map_err(|_| CallError::Unavailable)?;
        answer.await.unwrap_or(Err(CallError::Unavailable))
    }

    /// Hands in an event; false when the leader is gone.
    pub(crate) async fn event(&self, event: Event) -> bool {
        self.inputs.send(Input::Event(event)).await.is_ok()
    }

    /// Whether calls would be accepted.
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.clone()
    }

    pub(crate) fn epoch(&self) -> Epoch {
        *self.epoch.borrow()
    }
}

/// The loop, before it runs.
pub struct Leader<S> {
    store: Arc<S>,
    timing: SchedulerTiming,
    command_retention_ms: i64,
    inputs: mpsc::Receiver<Input>,
    accounts: mpsc::Sender<AccountCommand>,
    readiness: watch::Sender<Readiness>,
    epoch: watch::Sender<Epoch>,
    views: Views,
    links: Links,
    clock: Clock,
    waiting: HashMap<CallId, Reply>,
}

impl<S: Store> Leader<S> {
    /// A leader and the handle to it. Words to accounts go through `accounts`.
    pub fn new(
        store: Arc<S>,
        timing: SchedulerTiming,
        command_retention: std::time::Duration,
        accounts: mpsc::Sender<AccountCommand>,
    ) -> (Self, LeaderHandle) {
        let (sender, inputs) = mpsc::channel(QUEUE);
        let (readiness, readiness_seen) = watch::channel(Readiness::default());
        let (epoch, epoch_seen) = watch::channel(Epoch::default());
        let (views, links, clock) = (Views::default(), Links::default(), Clock::start());
        let handle = LeaderHandle {
            inputs: sender,
            next_call: Arc::default(),
            views: views.clone(),
            links: links.clone(),
            clock,
            readiness: readiness_seen,
            epoch: epoch_seen,
        };
        let leader = Self {
            store,
            timing,
            command_retention_ms: command_retention.as_millis() as i64,
            inputs,
            accounts,
            readiness,
            epoch,
            views,
            links,
            clock,
            waiting: HashMap::new(),
        };
        (leader, handle)
    }

    /// Leads until cancelled, or until the store says that another does.
    pub async fn run(mut self, cancel: CancellationToken) -> Result<(), Error> {
        let epoch = self.store.lead(Epoch::default()).await?;
        self.epoch.send_replace(epoch);
        let mut scheduler = self.load(epoch).await?;
        let mut forget = tokio::time::interval(FORGET_EVERY);
        loop {
            let tick = scheduler.next_deadline().map(|at| self.clock.instant(at));
            let first = tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                input = self.inputs.recv() => match input {
                    Some(input) => input,
                    None => return Ok(()),
                },
                () = sleep_until(tick) => Input::Event(Event::Tick),
                _ = forget.tick() => {
                    let before = self.clock.now().wall_ms - self.command_retention_ms;
                    self.store.forget_commands(epoch, before).await?;
                    continue;
                }
            };
            match self.turn(first, &mut scheduler, epoch).await {
                Ok(()) => {}
                Err(error) if error.is_retryable() => {
                    tracing::error!(%error, code = error.code(), "commit failed; loading the state anew");
                    self.waiting.clear();
                    self.links.close_all();
                    scheduler = self.load(epoch).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn load(&self, epoch: Epoch) -> Result<Scheduler, Error> {
        let now = self.clock.now();
        let records = self.store.load().await?;
        tracing::info!(%epoch, sessions = records.len(), "leading");
        let scheduler = Scheduler::load(epoch, self.timing, records, now);
        for view in scheduler.views(now) {
            self.views.publish(view);
        }
        self.publish_readiness(&scheduler);
        Ok(scheduler)
    }

    /// One batch: everything that waits, one commit, then the effects in order.
    async fn turn(
        &mut self,
        first: Input,
        scheduler: &mut Scheduler,
        epoch: Epoch,
    ) -> Result<(), orb_scheduler_store::Error> {
        let mut all = Step::default();
        let mut input = Some(first);
        let mut taken = 0;
        while let Some(next) = input.take() {
            let event = match next {
                Input::Event(event) => event,
                Input::Call(mut call, reply) => {
                    if !scheduler.remembers(&call.command) {
                        call.known = self.store.command(&call.command).await?;
                    }
                    self.waiting.insert(call.id, reply);
                    Event::Call(call)
                }
            };
            let step = scheduler.handle(event, self.clock.now());
            all.writes.extend(step.writes);
            all.effects.extend(step.effects);
            taken += 1;
            if taken < BATCH {
                input = self.inputs.try_recv().ok();
            }
        }
        if !all.writes.is_empty() {
            self.store
                .commit(epoch, all.writes, self.clock.now().wall_ms)
                .await?;
        }
        // Views first: whoever is answered, or told anything, then reads what was committed.
        let now = self.clock.now();
        for effect in &all.effects {
            if let Effect::Changed(session) = effect
                && let Some(view) = scheduler.view(session, now)
            {
                self.views.publish(view);
            }
        }
        for effect in all.effects {
            self.act(effect).await;
        }
        self.publish_readiness(scheduler);
        Ok(())
    }

    async fn act(&mut self, effect: Effect) {
        use v1::attach_response::Message;
        match effect {
            Effect::Answer { call, result } => {
                if let Some(reply) = self.waiting.remove(&call) {
                    // The caller may have gone; what it asked for is done all the same.
                    let _ = reply.send(result.map_err(CallError::Refused));
                }
            }
            Effect::SendLease {
                worker,
                incarnation,
                session,
                fence,
                desired,
                voice,
            } => {
                let lease = v1::Lease {
                    session_id: session.to_string(),
                    fence: Some(convert::fence(fence)),
                    desired: Some(convert::desired(*desired, voice.map(|voice| *voice))),
                };
                let word = v1::AttachResponse {
                    message: Some(Message::Lease(lease)),
                };
                self.links.send(&worker, &incarnation, word);
            }
            Effect::SendRevoke {
                worker,
                incarnation,
                session,
                fence,
            } => {
                let revoke = v1::Revoke {
                    session_id: session.to_string(),
                    fence: Some(convert::fence(fence)),
                };
                let word = v1::AttachResponse {
                    message: Some(Message::Revoke(revoke)),
                };
                self.links.send(&worker, &incarnation, word);
            }
            Effect::RefuseWorker {
                worker,
                incarnation,
            } => {
                tracing::warn!(%worker, %incarnation, "refused: another process with this worker id is alive");
                self.links.close(&worker, &incarnation);
            }
            Effect::JoinVoice {
                account,
                guild_id,
                channel_id,
            } => {
                self.tell_accounts(AccountCommand::Join {
                    account,
                    guild_id,
                    channel_id,
                })
                .await;
            }
            Effect::RefreshVoice { account, guild_id } => {
                self.tell_accounts(AccountCommand::Refresh { account, guild_id })
                    .await;
            }
            Effect::LeaveVoice { account, guild_id } => {
                self.tell_accounts(AccountCommand::Leave { account, guild_id })
                    .await;
            }
            Effect::Changed(_) => {}
        }
    }

    async fn tell_accounts(&self, command: AccountCommand) {
        // Only a shutdown closes this queue; the next leader's load asks for all joins again.
        let _ = self.accounts.send(command).await;
    }

    fn publish_readiness(&self, scheduler: &Scheduler) {
        let now = self.clock.now();
        let readiness = Readiness {
            leading: true,
            worker: scheduler.has_worker(now),
            account: scheduler.has_account(),
        };
        self.readiness
            .send_if_modified(|known| std::mem::replace(known, readiness) != readiness);
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
