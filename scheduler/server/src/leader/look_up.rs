//! What the store knows of calls that memory knows nothing of: all that wait are looked up together.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use orb_scheduler_core::{Call, CommandId, CommandRecord, Scheduler, SessionId, StoredSession};
use orb_scheduler_store::{Error, Store};
use tokio_util::task::AbortOnDropHandle;

/// Calls on their way into the state machine.
#[derive(Default)]
pub(super) struct LookUps {
    waiting: Vec<Call>,
    pub(super) under_way: Option<LookUp>,
}

/// One question to the store, for some calls.
pub(super) struct LookUp {
    calls: Vec<Call>,
    /// Of calls whose session is not in memory.
    sessions: BTreeSet<SessionId>,
    pub(super) done: AbortOnDropHandle<Result<Found, Error>>,
}

/// What is stored.
pub(super) struct Found {
    commands: Vec<CommandRecord>,
    sessions: Vec<StoredSession>,
}

impl LookUps {
    pub(super) fn len(&self) -> usize {
        let asked = self.under_way.as_ref().map_or(0, |asked| asked.calls.len());
        self.waiting.len() + asked
    }

    pub(super) fn push(&mut self, call: Call) {
        self.waiting.push(call);
    }

    /// Asks for all that wait, unless a question is under way.
    pub(super) fn go_on<S: Store>(&mut self, store: &Arc<S>, scheduler: &Scheduler) {
        if self.under_way.is_some() || self.waiting.is_empty() {
            return;
        }
        let calls = std::mem::take(&mut self.waiting);
        let commands: Vec<CommandId> = calls.iter().map(|call| call.command.clone()).collect();
        let sessions: BTreeSet<SessionId> = calls
            .iter()
            .filter(|call| !scheduler.knows(&call.session))
            .map(|call| call.session.clone())
            .collect();
        let store = Arc::clone(store);
        let unknown: Vec<SessionId> = sessions.iter().cloned().collect();
        let asked = async move {
            let commands = store.commands(&commands).await?;
            let sessions = if unknown.is_empty() {
                Vec::new()
            } else {
                store.sessions(&unknown).await?
            };
            Ok(Found { commands, sessions })
        };
        self.under_way = Some(LookUp {
            calls,
            sessions,
            done: AbortOnDropHandle::new(tokio::spawn(asked)),
        });
    }
}

impl LookUp {
    /// The calls, with what was found. Those whose session has left memory since are for the next question.
    pub(super) fn into_calls(self, found: Found, scheduler: &Scheduler) -> (Vec<Call>, Vec<Call>) {
        let commands: HashMap<_, _> = found
            .commands
            .into_iter()
            .map(|command| (command.id.clone(), command))
            .collect();
        let sessions: HashMap<_, _> = found
            .sessions
            .into_iter()
            .map(|session| (session.record.id.clone(), session))
            .collect();
        let asked = &self.sessions;
        let (mut calls, again): (Vec<_>, Vec<_>) = self
            .calls
            .into_iter()
            .partition(|call| scheduler.knows(&call.session) || asked.contains(&call.session));
        for call in &mut calls {
            call.known = commands.get(&call.command).cloned();
            call.stored = sessions.get(&call.session).cloned().map(Box::new);
        }
        (calls, again)
    }
}
