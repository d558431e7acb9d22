//! How everybody else reaches the leader: a queue in front of it, and what it has committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use orb_scheduler_core::{
    Answer, Call, CallId, Epoch, Event, NoPicture, Refusal, StoredSession, VoiceCredentials,
    WorkerView,
};
use orb_scheduler_store::AccountSession;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::Clock;
use crate::event_feed::Feeds;
use crate::links::Links;
use crate::rows::Rows;
use crate::views::Views;

/// Inputs that may wait; a caller waits for a place, so nothing is shed.
pub(crate) const QUEUE: usize = 1_024;

/// Why a call came to nothing.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The state machine refused.
    Refused(Refusal),
    /// The leader could not commit or is gone; nothing was changed.
    Unavailable,
}

pub(crate) type Reply = oneshot::Sender<Result<Box<Answer>, CallError>>;

pub(crate) enum Input {
    Event(Event),
    Call(Box<Call>, Reply),
    /// Where an account's gateway session is. It comes after all events that it covers, and is
    /// stored after their effects.
    Progress(AccountSession),
    /// How the workers stand. Nothing is decided by it, so it waits for no commit.
    Workers(oneshot::Sender<Vec<WorkerView>>),
    /// The same of what stands in the way of a picture.
    NoPicture(oneshot::Sender<Option<NoPicture>>),
}

/// What an account held when the last leader wrote about it.
#[derive(Debug)]
pub(crate) struct HeldAccount {
    /// Its user id.
    pub(crate) account_id: u64,
    /// Of its shards, as they were handed in with [`LeaderHandle::progress`].
    pub(crate) sessions: Vec<AccountSession>,
    /// Of the channels that it is meant to be in.
    pub(crate) voice: Vec<VoiceCredentials>,
}

impl HeldAccount {
    /// Accounts whose sessions were stored, with the credentials that go with them.
    pub(crate) fn all(stored: &[StoredSession], sessions: Vec<AccountSession>) -> Vec<Self> {
        let mut accounts: BTreeMap<u64, Self> = BTreeMap::new();
        for session in sessions {
            let account_id = session.account_id;
            let account = accounts.entry(account_id).or_insert_with(|| Self {
                account_id,
                sessions: Vec::new(),
                voice: Vec::new(),
            });
            account.sessions.push(session);
        }
        let records = stored.iter().map(|stored| &stored.record);
        for record in records.filter(|record| record.desired.in_channel) {
            let account = record.account.map(orb_scheduler_core::AccountId::get);
            let held = account.and_then(|account| accounts.get_mut(&account));
            if let Some((held, voice)) = held.zip(record.voice.clone()) {
                held.voice.push(voice);
            }
        }
        accounts.into_values().collect()
    }
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
pub(crate) struct LeaderHandle {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) next_call: Arc<AtomicU64>,
    pub(crate) views: Views,
    pub(crate) rows: Rows,
    pub(crate) feeds: Feeds,
    pub(crate) links: Links,
    pub(crate) clock: Clock,
    pub(crate) epoch: Epoch,
    /// Cancelled when this leader leads no more.
    pub(crate) gone: CancellationToken,
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

    /// How the workers stand, by id; none when the leader is gone.
    pub(crate) async fn workers(&self) -> Option<Vec<WorkerView>> {
        let (reply, answer) = oneshot::channel();
        self.inputs.send(Input::Workers(reply)).await.ok()?;
        answer.await.ok()
    }

    /// What stands in the way of a picture in any new party, if anything; an error when the leader is gone.
    pub(crate) async fn no_picture(&self) -> Result<Option<NoPicture>, CallError> {
        let (reply, answer) = oneshot::channel();
        let asked = self.inputs.send(Input::NoPicture(reply)).await;
        asked.map_err(|_| CallError::Unavailable)?;
        answer.await.map_err(|_| CallError::Unavailable)
    }

    pub(crate) async fn progress(&self, session: AccountSession) -> bool {
        self.inputs.send(Input::Progress(session)).await.is_ok()
    }
}
