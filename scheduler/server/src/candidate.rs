//! One scheduler process: campaigns, leads for a term, campaigns again.

use std::sync::Arc;
use std::time::Duration;

use orb_accounts::{AccountConfig, AccountTiming};
use orb_coordinator::{Coordinator, Leadership};
use orb_scheduler_core::{GoLive, SchedulerTiming};
use orb_scheduler_store::Store;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::account_bridge::{AccountSetup, bridge_accounts};
use crate::progress::{Follower, ProgressReporter};
use crate::{Error, Leader, Readiness, Standing};

/// Words to the accounts that may wait.
const ACCOUNT_QUEUE: usize = 1_024;

/// After a term that failed while the leadership was still sure, another process gets its chance; and where there
/// is none, a database that is away is asked this often.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Between two tries to reach a database that is away: this long at first, then twice as long each time.
const REACH_AGAIN: Duration = Duration::from_millis(250);

/// Nobody should have to wait much longer than this when the database is back.
const REACH_AGAIN_AT_MOST: Duration = Duration::from_secs(5);

/// So long followers wait for the accounts of a new leader: some round trips to Discord. Where Discord is away, parties
/// go on and calls for them are taken all the same.
const ACCOUNTS_FIRST: Duration = Duration::from_secs(1);

/// Between two tries to tell followers that this leader serves. They look for themselves, too.
const ANNOUNCE_AGAIN: Duration = Duration::from_millis(200);

/// How this process leads, when it does.
#[derive(Debug, Clone)]
pub struct TermConfig {
    /// Of the state machine.
    pub timing: SchedulerTiming,
    /// How long the outcome of a command is known to a retry.
    pub command_retention: Duration,
    /// The bot accounts, all of them held by the leader.
    pub accounts: Vec<AccountConfig>,
    /// Their waits.
    pub account_timing: AccountTiming,
    /// Whether parties may have a picture in the voice channel.
    pub go_live: GoLive,
    /// Who is told what plays; none: nobody is.
    pub progress: Option<Arc<dyn ProgressReporter>>,
    /// No other process may lead: one that does all the same, on the same database, ends this one. (Otherwise the
    /// two would take the leadership from each other for ever.)
    pub alone: bool,
}

/// A scheduler process that leads when it is elected.
#[derive(Debug)]
pub struct Candidate<C, S> {
    coordinator: C,
    store: Arc<S>,
    standing: Standing,
    config: TermConfig,
}

impl<C: Coordinator, S: Store> Candidate<C, S> {
    /// A candidate reached by others at `address`.
    pub fn new(coordinator: C, store: S, address: &str, config: TermConfig) -> Self {
        Self {
            standing: Standing::new(coordinator.follow(), address),
            coordinator,
            store: Arc::new(store),
            config,
        }
    }

    /// What the gRPC server asks before every call.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Leads whenever it is elected, until cancelled: then hands over to whoever waits. Leadership that is lost,
    /// and a store that is away, make it a standby again; only what no waiting mends is an error.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), Error> {
        loop {
            // Whoever cannot reach the database had better not lead, nor keep others from it.
            let reaching = reach(self.store.as_ref());
            let Some(reached) = cancel.run_until_cancelled(reaching).await else {
                return Ok(());
            };
            reached?;
            let campaign = self.coordinator.campaign(self.standing.own_address());
            let Some(leadership) = cancel.run_until_cancelled(campaign).await else {
                return Ok(());
            };
            let leadership = leadership?;
            let ended = self.term(&leadership, &cancel).await;
            let tenure = leadership.tenure();
            let was_sure = tenure.holds();
            if was_sure {
                // Whatever acted for the leader has stopped.
                if let Err(error) = leadership.resign().await {
                    tracing::warn!(%error, code = error.code(), "could not resign; the lease runs out by itself");
                }
            } else {
                // Before campaigning again: so its own old lease is not waited for.
                drop(leadership);
            }
            match ended {
                Ok(()) => return Ok(()),
                Err(error) if self.makes_standby(&error) => {
                    let tenure = tenure.ended().await;
                    tracing::warn!(%error, code = error.code(), ?tenure, "leads no more");
                }
                Err(error) => return Err(error),
            }
            let pause = tokio::time::sleep(PAUSE_AFTER_FAILURE);
            if was_sure && cancel.run_until_cancelled(pause).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Whether the process lives on as a standby: another leads now, or may lead better.
    fn makes_standby(&self, error: &Error) -> bool {
        match error {
            Error::LeadershipEnded => true,
            Error::Store(orb_scheduler_store::Error::NotLeader { .. }) => !self.config.alone,
            Error::Store(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// One leadership, from its first fence to its last word. Ends well only when cancelled.
    ///
    /// Ordering of the end: calls are refused first; then the accounts close, and the loop commits what they said
    /// last; then the loop ends, and with it all streams; only then may the leadership be given up.
    async fn term(
        &self,
        leadership: &C::Leadership,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let tenure = leadership.tenure();
        let (commands, account_commands) = mpsc::channel(ACCOUNT_QUEUE);
        let taking = Leader::take(
            Arc::clone(&self.store),
            (tenure.clone(), leadership.at_least()),
            (self.config.timing, self.config.go_live),
            self.config.command_retention,
            commands,
            (
                self.standing.readiness_told(),
                self.standing.counters().clone(),
            ),
        );
        let Some(taken) = cancel.run_until_cancelled(taking).await else {
            return Ok(());
        };
        let (leader, handle, held) = taken?;
        let epoch = handle.epoch;
        let accounts_ended = CancellationToken::new();
        let mut leading = AbortOnDropHandle::new(tokio::spawn(leader.run(accounts_ended.clone())));
        let _told = self.config.progress.clone().map(|reporter| {
            let counters = self.standing.counters().clone();
            let follower = Follower::new(handle.clone(), tenure.clone(), reporter, counters);
            AbortOnDropHandle::new(tokio::spawn(follower.run()))
        });
        let taking_calls = self.standing.take_calls(handle.clone(), tenure.clone());
        let setup = AccountSetup {
            accounts: self.config.accounts.clone(),
            timing: self.config.account_timing,
            held,
        };
        let calls_end = cancel.clone();
        let accounts = async {
            let bridge = bridge_accounts(setup, account_commands, handle, tenure, cancel.clone());
            tokio::pin!(bridge);
            let bridged = tokio::select! {
                biased;
                () = calls_end.cancelled() => { drop(taking_calls); bridge.await }
                bridged = &mut bridge => bridged,
            };
            accounts_ended.cancel();
            bridged
        };
        tokio::select! {
            ended = &mut leading => return ended?,
            never = announce(leadership, epoch.get(), self.standing.readiness()) => match never {},
            bridged = accounts => bridged?,
        }
        leading.await?
    }
}

/// Waits for a database that is away. What no waiting mends is an error.
async fn reach(store: &impl Store) -> Result<(), Error> {
    let mut pause = REACH_AGAIN;
    loop {
        let error = match store.reach().await {
            Ok(()) if pause == REACH_AGAIN => return Ok(()),
            Ok(()) => {
                tracing::info!(database = store.place(), "the database is back");
                return Ok(());
            }
            Err(error) if error.is_retryable() => error,
            Err(error) => return Err(error.into()),
        };
        tracing::warn!(
            database = store.place(),
            %error,
            code = error.code(),
            again_in_ms = pause.as_millis() as u64,
            "the database is away, and this scheduler waits for it; start it, or mend ORB_DATABASE_URL"
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(REACH_AGAIN_AT_MOST);
    }
}

/// Tells followers that this leader serves. Only a hint, so nothing waits for it.
///
/// It comes when an account is back: a call for a new party that came a moment earlier would find none free, and be
/// refused for nothing.
async fn announce(
    leadership: &impl Leadership,
    epoch: u64,
    mut readiness: watch::Receiver<Readiness>,
) -> std::convert::Infallible {
    let account = readiness.wait_for(|ready| ready.account);
    let _ = tokio::time::timeout(ACCOUNTS_FIRST, account).await;
    loop {
        match leadership.announce(epoch).await {
            Ok(()) => break,
            Err(error) if error.is_retryable() => tokio::time::sleep(ANNOUNCE_AGAIN).await,
            Err(error) => {
                tracing::warn!(%error, code = error.code(), "followers were not told of this leader");
                break;
            }
        }
    }
    std::future::pending().await
}
