//! The leader loop: one task that owns the state machine; commit, then act.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use orb_coordinator::Tenure;
use orb_proto::v1;
use orb_scheduler_core::{
    CallId, Effect, Epoch, Event, Scheduler, SchedulerTiming, SessionRecord, Step,
};
use orb_scheduler_store::{AccountSession, Store};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Span;

use crate::handle::{CallError, Input, QUEUE, Reply};
use crate::links::Links;
use crate::over::Over;
use crate::spans::Decisions;
use crate::views::Views;
use crate::{AccountCommand, Clock, Error, HeldAccount, LeaderHandle, Readiness, convert, spans};

/// Inputs that share one commit. Enough that a burst costs few syncs, small enough that the first of
/// them does not wait long for the last.
const BATCH: usize = 128;

/// Old command ids are deleted so often; their retention is a day, so nobody waits for it.
const FORGET_EVERY: std::time::Duration = std::time::Duration::from_mins(10);

/// A database that restarts is back within this time; for longer, another process may reach it better.
const RELOAD_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

/// Between two tries to load the state anew.
const RELOAD_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

/// The loop, before it runs.
pub(crate) struct Leader<S> {
    /// Ends all streams with this leader. The first field to be dropped: a caller that loses its answer finds out why.
    _gone: DropGuard,
    store: Arc<S>,
    /// Asked before every act, for it may end at any await.
    tenure: Tenure,
    timing: SchedulerTiming,
    command_retention_ms: i64,
    inputs: mpsc::Receiver<Input>,
    accounts: mpsc::Sender<AccountCommand>,
    readiness: watch::Sender<Readiness>,
    epoch: Epoch,
    scheduler: Scheduler,
    views: Views,
    links: Links,
    clock: Clock,
    waiting: HashMap<CallId, Waiting>,
}

/// A caller that waits for its answer.
struct Waiting {
    reply: Reply,
    /// Of its command.
    span: Span,
}

impl<S: Store> Leader<S> {
    /// Fences all earlier leaders off in the store, then loads: the leader, the handle to it, and what the
    /// accounts held. Words to accounts go through `accounts`; `readiness` hears how ready it is.
    pub(crate) async fn take(
        store: Arc<S>,
        (tenure, at_least): (Tenure, u64),
        timing: SchedulerTiming,
        command_retention: std::time::Duration,
        accounts: mpsc::Sender<AccountCommand>,
        readiness: watch::Sender<Readiness>,
    ) -> Result<(Self, LeaderHandle, Vec<HeldAccount>), Error> {
        let loading = async {
            let epoch = store.lead(Epoch::new(at_least)).await?;
            let records = store.load().await?;
            Ok::<_, Error>((epoch, records, store.account_sessions().await?))
        };
        let (epoch, records, account_sessions) = while_sure(&tenure, loading).await?;
        let held = held_accounts(&records, account_sessions);
        let clock = Clock::start();
        tracing::info!(%epoch, sessions = records.len(), "leading");
        let scheduler = Scheduler::load(epoch, timing, records, clock.now());
        let (sender, inputs) = mpsc::channel(QUEUE);
        let (views, links) = (Views::default(), Links::default());
        let gone = CancellationToken::new();
        let handle = LeaderHandle {
            inputs: sender,
            next_call: Arc::default(),
            views: views.clone(),
            over: Over::of(Arc::clone(&store)),
            links: links.clone(),
            clock,
            epoch,
            gone: gone.clone(),
        };
        let leader = Self {
            _gone: gone.drop_guard(),
            store,
            tenure,
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
            scheduler,
        };
        leader.publish();
        Ok((leader, handle, held))
    }

    /// Leads until cancelled, or until the leadership is not sure any more, or the store says that another leads.
    pub(crate) async fn run(mut self, cancel: CancellationToken) -> Result<(), Error> {
        let tenure = self.tenure.clone();
        // Whatever it waits for, it stops waiting when the leadership ends; what was not committed by then never is,
        // for the next leader raises the epoch before it loads.
        while_sure(&tenure, self.lead(cancel)).await
    }

    async fn lead(&mut self, cancel: CancellationToken) -> Result<(), Error> {
        let mut forget = tokio::time::interval(FORGET_EVERY);
        loop {
            let tick = self
                .scheduler
                .next_deadline()
                .map(|at| self.clock.instant(at));
            let first = tokio::select! {
                biased;
                () = cancel.cancelled() => return self.finish().await,
                input = self.inputs.recv() => match input {
                    Some(input) => input,
                    None => return Ok(()),
                },
                () = sleep_until(tick) => Input::Event(Event::Tick),
                _ = forget.tick() => {
                    self.forget_commands().await?;
                    continue;
                }
            };
            match self.turn(first).await {
                Err(Error::Store(error)) if error.is_retryable() => {
                    tracing::error!(%error, code = error.code(), "commit failed; loading the state anew");
                    self.waiting.clear();
                    self.links.close_all();
                    self.load_again().await?;
                }
                other => other?,
            }
        }
    }

    async fn forget_commands(&self) -> Result<(), Error> {
        let before = self.clock.now().wall_ms - self.command_retention_ms;
        match self.store.forget_commands(self.epoch, before).await {
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, code = error.code(), "old commands are forgotten later");
                Ok(())
            }
            done => Ok(done?),
        }
    }

    /// What waits already is still carried out: the accounts' last words are among it.
    async fn finish(&mut self) -> Result<(), Error> {
        while let Ok(input) = self.inputs.try_recv() {
            self.turn(input).await?;
        }
        Ok(())
    }

    async fn load_again(&mut self) -> Result<(), Error> {
        let give_up = tokio::time::Instant::now() + RELOAD_WITHIN;
        let records = loop {
            match self.store.load().await {
                Err(error) if error.is_retryable() && tokio::time::Instant::now() < give_up => {
                    tokio::time::sleep(RELOAD_AGAIN).await;
                }
                loaded => break loaded?,
            }
        };
        self.scheduler = Scheduler::load(self.epoch, self.timing, records, self.clock.now());
        self.publish();
        Ok(())
    }

    /// An error once the leadership is not sure any more.
    fn check_sure(&self) -> Result<(), Error> {
        if self.tenure.holds() {
            Ok(())
        } else {
            Err(Error::LeadershipEnded)
        }
    }

    fn publish(&self) {
        for view in self.scheduler.views(self.clock.now()) {
            self.views.publish(view);
        }
        self.publish_readiness();
    }

    /// One batch: everything that waits, one commit, then the effects in order, each only while the leadership is
    /// sure. Effects that are left undone so are not lost: the next leader loads what was committed.
    async fn turn(&mut self, first: Input) -> Result<(), Error> {
        let mut all = Step::default();
        let mut decisions = Decisions::default();
        let mut progress = BTreeMap::new();
        // Whatever waits in the queue, a deadline that has passed comes first: load starves no timer.
        if self
            .scheduler
            .next_deadline()
            .is_some_and(|at| at <= self.clock.now().monotonic)
        {
            all = self.scheduler.handle(Event::Tick, self.clock.now());
            decisions.note(&all.effects);
        }
        let mut input = Some(first);
        let mut taken = 0;
        while let Some(next) = input.take() {
            if let Some(event) = self.event_of(next, &mut progress).await? {
                let step = self.scheduler.handle(event, self.clock.now());
                decisions.note(&step.effects);
                all.writes.extend(step.writes);
                all.effects.extend(step.effects);
            }
            taken += 1;
            if taken < BATCH {
                input = self.inputs.try_recv().ok();
            }
        }
        self.check_sure()?;
        let wall_ms = self.clock.now().wall_ms;
        if !all.writes.is_empty() {
            let committed = self.store.commit(self.epoch, all.writes, wall_ms).await;
            committed.inspect_err(|error| decisions.failed(error.code()))?;
        }
        if !progress.is_empty() {
            let sessions = progress.into_values().collect();
            self.store
                .save_account_sessions(self.epoch, sessions, wall_ms)
                .await?;
        }
        self.check_sure()?;
        // Views first: whoever is answered, or told anything, then reads what was committed.
        let now = self.clock.now();
        for effect in &all.effects {
            if let Effect::Changed(session) = effect
                && let Some(view) = self.scheduler.view(session, now)
            {
                self.views.publish(view);
            }
        }
        for effect in all.effects {
            self.check_sure()?;
            self.act(effect, &decisions).await;
        }
        self.publish_readiness();
        Ok(())
    }

    /// What the state machine is to hear of an input.
    async fn event_of(
        &mut self,
        input: Input,
        progress: &mut BTreeMap<u64, AccountSession>,
    ) -> Result<Option<Event>, orb_scheduler_store::Error> {
        match input {
            Input::Event(event) => Ok(Some(event)),
            Input::Call(mut call, reply) => {
                if !self.scheduler.remembers(&call.command) {
                    call.known = self.store.command(&call.command).await?;
                }
                if !self.scheduler.knows(&call.session) {
                    call.stored = self.store.session(&call.session).await?.map(Box::new);
                }
                let span = spans::command(&mut call);
                self.waiting.insert(call.id, Waiting { reply, span });
                Ok(Some(Event::Call(call)))
            }
            Input::Progress(session) => {
                progress.insert(session.account_id, session);
                Ok(None)
            }
        }
    }

    async fn act(&mut self, effect: Effect, decisions: &Decisions) {
        use v1::attach_response::Message;
        match effect {
            Effect::Answer { call, result } => {
                if let Some(Waiting { reply, span }) = self.waiting.remove(&call) {
                    if let Err(refusal) = &result {
                        orb_telemetry::failed(&span, &refusal.code);
                    }
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
                role,
            } => {
                let voice = voice.map(|voice| *voice);
                let behind = decisions.behind(&session, fence.token, desired.trace.as_ref());
                let lease = convert::lease(&session, fence, *desired, voice, role, behind);
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
            Effect::ConfirmLeases {
                worker,
                incarnation,
                request,
                verdicts,
            } => {
                let confirmed = convert::leases_confirmed(request, verdicts);
                let word = v1::AttachResponse {
                    message: Some(Message::LeasesConfirmed(confirmed)),
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
            // Their spans began when they were decided.
            Effect::Placed {
                session,
                explanation,
                ..
            } => {
                tracing::info!(%session, placement = %serde_json::json!(explanation), "placement decided");
            }
            Effect::StartDrain {
                worker,
                incarnation,
            } => {
                let word = v1::AttachResponse {
                    message: Some(Message::StartDrain(v1::StartDrain {})),
                };
                self.links.send(&worker, &incarnation, word);
            }
            Effect::Drained {
                worker,
                incarnation,
            } => {
                tracing::info!(%worker, %incarnation, "nothing is left on the worker");
                let word = v1::AttachResponse {
                    message: Some(Message::Drained(v1::Drained {})),
                };
                self.links.send(&worker, &incarnation, word);
            }
            Effect::Changed(_) | Effect::Granted { .. } => {}
            Effect::Forgotten(session) => self.views.remove(&session),
        }
    }

    async fn tell_accounts(&self, command: AccountCommand) {
        // Only the end of this term closes the queue; the next leader's load asks for all joins again.
        let _ = self.accounts.send(command).await;
    }

    fn publish_readiness(&self) {
        let now = self.clock.now();
        let readiness = Readiness {
            leading: true,
            worker: self.scheduler.has_worker(now),
            account: self.scheduler.has_account(),
        };
        self.readiness
            .send_if_modified(|known| std::mem::replace(known, readiness) != readiness);
    }
}

/// The outcome, unless the leadership ends first.
async fn while_sure<T>(
    tenure: &Tenure,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        _ = tenure.ended() => Err(Error::LeadershipEnded),
        done = work => {
            // The work may have been done before this task heard of the end.
            if tenure.holds() { done } else { Err(Error::LeadershipEnded) }
        }
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Sessions of accounts, with the credentials that go with them.
fn held_accounts(records: &[SessionRecord], sessions: Vec<AccountSession>) -> Vec<HeldAccount> {
    let voice_of = |account_id: u64| {
        records
            .iter()
            .filter(|record| record.desired.in_channel)
            .filter(|record| {
                record
                    .account
                    .is_some_and(|account| account.get() == account_id)
            })
            .filter_map(|record| record.voice.clone())
            .collect()
    };
    sessions
        .into_iter()
        .map(
            |AccountSession {
                 account_id,
                 session,
             }| HeldAccount {
                account_id,
                session,
                voice: voice_of(account_id),
            },
        )
        .collect()
}
