//! The leader loop: one task that owns the state machine; commit, then act.
//!
//! ```text
//!  inputs ─┬─ events ────────────────────────▶ state machine ─▶ next batch ─▶ commit ─▶ views, effects
//!          └─ calls ─▶ look-up in the store ─▶      ▲                            │
//!                      (all that wait at once)      └─ goes on meanwhile ◀───────┘
//! ```
//!
//! The loop itself waits for no database: one look-up and one commit are under way at most, by tasks of their own, and
//! what comes meanwhile gathers in the next batch. So a thousand workers' beats are heard while the disk syncs, and the
//! busier the leader is, the more calls share a sync. What a batch changed is seen and said by nobody before that batch
//! is durable, in order. Only a report after which everything goes on as before is shown at once, when nothing of its
//! session is under way.

mod act;
mod batch;
mod look_up;

use std::collections::HashMap;
use std::sync::Arc;

use orb_coordinator::Tenure;
use orb_scheduler_core::{
    CallId, Effect, Epoch, Event, FORGET_AFTER_MS, GoLive, Now, Scheduler, SchedulerTiming,
    SessionId,
};
use orb_scheduler_store::Store;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;
use tracing::Span;

use self::batch::{Batch, Committing, Proof};
use self::look_up::LookUps;
use crate::event_feed::Feeds;
use crate::handle::{Input, QUEUE, Reply};
use crate::links::Links;
use crate::metrics::Counters;
use crate::rows::Rows;
use crate::views::Views;
use crate::{AccountCommand, Clock, Error, HeldAccount, LeaderHandle, Readiness, spans};

/// Inputs that are taken in before the loop looks for something else to do.
const AT_ONCE: usize = 128;

/// Inputs of which something is left to do, at most. Beyond that the queue in front of the loop fills up, and callers
/// wait: the database does not keep up.
const UNDONE: usize = 1_024;

/// Old command ids are deleted so often; their retention is a day, so nobody waits for it.
const FORGET_EVERY: std::time::Duration = std::time::Duration::from_mins(10);

/// How the pool stands is for people who look on: they ask every few seconds.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

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
    go_live: GoLive,
    command_retention_ms: i64,
    inputs: mpsc::Receiver<Input>,
    accounts: mpsc::Sender<AccountCommand>,
    readiness: watch::Sender<Readiness>,
    counters: Counters,
    epoch: Epoch,
    scheduler: Scheduler,
    views: Views,
    feeds: Feeds,
    links: Links,
    clock: Clock,
    waiting: HashMap<CallId, Waiting>,
    look_ups: LookUps,
    /// What came since the commit under way began.
    next: Batch,
    committing: Option<Committing>,
    /// Old commands, while they are deleted.
    forgetting: Option<AbortOnDropHandle<Result<(), orb_scheduler_store::Error>>>,
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
        (timing, go_live): (SchedulerTiming, GoLive),
        command_retention: std::time::Duration,
        accounts: mpsc::Sender<AccountCommand>,
        (readiness, counters): (watch::Sender<Readiness>, Counters),
    ) -> Result<(Self, LeaderHandle, Vec<HeldAccount>), Error> {
        let clock = Clock::start();
        let loading = async {
            let epoch = store.lead(Epoch::new(at_least)).await?;
            let records = store.load(loads_since(clock.now())).await?;
            Ok::<_, Error>((epoch, records, store.account_sessions().await?))
        };
        let (epoch, records, account_sessions) = while_sure(&tenure, loading).await?;
        let held = HeldAccount::all(&records, account_sessions);
        tracing::info!(%epoch, sessions = records.len(), "leading");
        let scheduler = Scheduler::load(epoch, timing, records, clock.now()).with_go_live(go_live);
        let (sender, inputs) = mpsc::channel(QUEUE);
        let (views, links) = (Views::default(), Links::default());
        let rows = Rows::of(Arc::clone(&store));
        let feeds = Feeds::of(rows.clone());
        let gone = CancellationToken::new();
        let handle = LeaderHandle {
            inputs: sender,
            next_call: Arc::default(),
            views: views.clone(),
            rows,
            feeds: feeds.clone(),
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
            go_live,
            command_retention_ms: command_retention.as_millis() as i64,
            inputs,
            accounts,
            readiness,
            counters,
            epoch,
            views,
            feeds,
            links,
            clock,
            waiting: HashMap::new(),
            look_ups: LookUps::default(),
            next: Batch::default(),
            committing: None,
            forgetting: None,
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
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let tick = self
                .scheduler
                .next_deadline()
                .map(|at| self.clock.instant(at));
            let takes_more = self.next.inputs() + self.look_ups.len() < UNDONE;
            let done = tokio::select! {
                biased;
                () = cancel.cancelled() => return self.finish().await,
                committed = done(self.committing.as_mut().map(|one| &mut one.done)) => {
                    self.committed(committed).await
                }
                found = done(self.look_ups.under_way.as_mut().map(|one| &mut one.done)) => {
                    self.found(found)
                }
                // What is rare comes before what there may be always more of.
                forgotten = done(self.forgetting.as_mut()) => {
                    self.forgetting = None;
                    forgotten_later(forgotten)
                }
                _ = look.tick() => {
                    self.counters.pool_is(self.scheduler.pool(self.clock.now()));
                    continue;
                }
                _ = forget.tick() => {
                    self.forget_commands();
                    continue;
                }
                input = self.inputs.recv(), if takes_more => match input {
                    Some(input) => {
                        self.take_all(input);
                        Ok(())
                    }
                    None => return Ok(()),
                },
                () = sleep_until(tick) => {
                    self.handle(Event::Tick);
                    Ok(())
                }
            };
            let done = match done {
                Ok(()) => self.go_on().await,
                failed => failed,
            };
            match done {
                Err(Error::Store(error)) if error.is_retryable() => {
                    tracing::error!(%error, code = error.code(), "commit failed; loading the state anew");
                    self.load_again().await?;
                }
                other => other?,
            }
        }
    }

    fn forget_commands(&mut self) {
        let before = self.clock.now().wall_ms - self.command_retention_ms;
        let (store, epoch) = (Arc::clone(&self.store), self.epoch);
        let forgetting = async move { store.forget_commands(epoch, before).await };
        self.forgetting = Some(AbortOnDropHandle::new(tokio::spawn(forgetting)));
    }

    /// Takes in what waits, but not so much of it that nothing else gets its turn.
    fn take_all(&mut self, first: Input) {
        // Whatever waits in the queue, a deadline that has passed comes first: load starves no timer.
        let due = |at| at <= self.clock.now().monotonic;
        if self.scheduler.next_deadline().is_some_and(due) {
            self.handle(Event::Tick);
        }
        self.take_in(first);
        for _ in 1..AT_ONCE {
            let Ok(input) = self.inputs.try_recv() else {
                break;
            };
            self.take_in(input);
        }
    }

    fn take_in(&mut self, input: Input) {
        match input {
            Input::Event(event) => self.handle(event),
            Input::Call(mut call, reply) => {
                let span = spans::command(&mut call);
                self.waiting.insert(call.id, Waiting { reply, span });
                if self.scheduler.remembers(&call.command) && self.scheduler.knows(&call.session) {
                    self.handle(Event::Call(call));
                } else {
                    self.look_ups.push(*call);
                }
            }
            Input::Progress(session) => self.next.progress(session),
            Input::Workers(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.scheduler.workers(self.clock.now()));
            }
            Input::NoPicture(reply) => {
                let _ = reply.send(self.scheduler.no_picture(self.clock.now()));
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let is_call = matches!(event, Event::Call(_));
        let mut step = self.scheduler.handle(event, self.clock.now());
        step.effects.retain(|effect| match effect {
            Effect::Advanced(session) => {
                self.advance(session);
                false
            }
            _ => true,
        });
        self.next.add(step, is_call);
    }

    /// A session goes on as before. Readers see it at once, unless something of it is on its way to them.
    fn advance(&mut self, session: &SessionId) {
        let committing = self.committing.as_ref();
        let is_under_way = committing.is_some_and(|one| one.batch.has_changed(session));
        if is_under_way || self.next.has_changed(session) {
            self.next.changes(session.clone());
        } else if let Some(vitals) = self.scheduler.vitals(session, self.clock.now()) {
            self.views.advance(session, vitals);
        }
    }

    /// What the store knows of some calls: they are carried out.
    fn found(
        &mut self,
        found: Result<Result<look_up::Found, orb_scheduler_store::Error>, tokio::task::JoinError>,
    ) -> Result<(), Error> {
        let found = found??;
        if let Some(look_up) = self.look_ups.under_way.take() {
            let (calls, again) = look_up.into_calls(found, &self.scheduler);
            for call in calls {
                self.handle(Event::Call(Box::new(call)));
            }
            for call in again {
                self.look_ups.push(call);
            }
        }
        Ok(())
    }

    /// Begins what can be begun: a look-up, a commit.
    async fn go_on(&mut self) -> Result<(), Error> {
        self.publish_readiness();
        self.look_ups.go_on(&self.store, &self.scheduler);
        if self.committing.is_some() || self.next.is_empty() {
            return Ok(());
        }
        self.check_sure()?;
        let mut batch = std::mem::take(&mut self.next);
        let now = self.clock.now();
        let scheduler = &self.scheduler;
        batch.seal(
            |session| scheduler.view(session, now),
            |session| scheduler.queue(session),
        );
        match batch.proof() {
            Proof::None => self.act_on(batch).await,
            Proof::Epoch | Proof::Commit => {
                let committing = Committing::begin(&self.store, self.epoch, batch, now.wall_ms);
                self.committing = Some(committing);
                Ok(())
            }
        }
    }

    /// A batch is durable, or not.
    async fn committed(
        &mut self,
        committed: Result<Result<(), orb_scheduler_store::Error>, tokio::task::JoinError>,
    ) -> Result<(), Error> {
        let Some(Committing { batch, .. }) = self.committing.take() else {
            return Ok(());
        };
        committed?.inspect_err(|error| batch.decisions.failed(error.code()))?;
        self.act_on(batch).await
    }

    /// What waits already is still carried out: the accounts' last words are among it.
    async fn finish(&mut self) -> Result<(), Error> {
        while let Ok(input) = self.inputs.try_recv() {
            self.take_in(input);
        }
        loop {
            self.go_on().await?;
            if let Some(committing) = &mut self.committing {
                let committed = (&mut committing.done).await;
                self.committed(committed).await?;
            } else if let Some(look_up) = &mut self.look_ups.under_way {
                let found = (&mut look_up.done).await;
                self.found(found)?;
            } else if self.next.is_empty() {
                return Ok(());
            }
        }
    }

    /// Nobody was told anything of what was not committed: it never was.
    async fn load_again(&mut self) -> Result<(), Error> {
        self.waiting.clear();
        self.look_ups = LookUps::default();
        self.next = Batch::default();
        self.committing = None;
        self.links.close_all();
        let give_up = tokio::time::Instant::now() + RELOAD_WITHIN;
        let records = loop {
            match self.store.load(loads_since(self.clock.now())).await {
                Err(error) if error.is_retryable() && tokio::time::Instant::now() < give_up => {
                    tokio::time::sleep(RELOAD_AGAIN).await;
                }
                loaded => break loaded?,
            }
        };
        self.scheduler = Scheduler::load(self.epoch, self.timing, records, self.clock.now())
            .with_go_live(self.go_live);
        self.publish();
        // The commit that failed may have been carried out all the same.
        self.feeds.wake_all();
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
            let id = view.id.clone();
            self.views.publish(view);
            if let Some(queue) = self.scheduler.queue(&id) {
                self.views.publish_queue(&id, queue);
            }
        }
        self.publish_readiness();
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

/// Sessions that have been over since before this need not be loaded.
fn loads_since(now: Now) -> i64 {
    now.wall_ms - FORGET_AFTER_MS as i64
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

/// The outcome of a task, if there is one.
async fn done<T>(task: Option<&mut AbortOnDropHandle<T>>) -> Result<T, tokio::task::JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

/// Nobody waits for old commands to be forgotten: next time is soon enough.
fn forgotten_later(
    forgotten: Result<Result<(), orb_scheduler_store::Error>, tokio::task::JoinError>,
) -> Result<(), Error> {
    match forgotten? {
        Err(error) if error.is_retryable() => {
            tracing::warn!(%error, code = error.code(), "old commands are forgotten later");
            Ok(())
        }
        done => Ok(done?),
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
