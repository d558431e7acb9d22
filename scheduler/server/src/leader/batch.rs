//! What one commit carries, and what may be done once it is durable.

use std::collections::BTreeSet;
use std::sync::Arc;

use orb_scheduler_core::{Effect, Epoch, QueueView, SessionId, SessionView, Step, Write};
use orb_scheduler_store::{AccountSession, Error, Store};
use tokio_util::task::AbortOnDropHandle;

use crate::spans::Decisions;

/// What came of some inputs, in their order.
#[derive(Default)]
pub(super) struct Batch {
    /// All but [`Effect::Changed`] and [`Effect::QueueChanged`], which `changed` and `queues_changed` stand for.
    step: Step,
    accounts: Vec<AccountSession>,
    pub(super) decisions: Decisions,
    /// Sessions that readers are to see anew.
    changed: BTreeSet<SessionId>,
    /// As they are with all of this, and nothing later.
    pub(super) views: Vec<SessionView>,
    /// Sessions whose queue readers are to see anew.
    queues_changed: BTreeSet<SessionId>,
    /// The same of these.
    pub(super) queues: Vec<(SessionId, QueueView)>,
    /// Sessions to which something happened that is told.
    pub(super) happened: BTreeSet<SessionId>,
    /// Somebody is told from memory alone what is so. See [`Batch::proof`].
    tells: bool,
    /// Inputs that left something to do.
    inputs: usize,
}

/// What has to be done before the effects.
pub(super) enum Proof {
    /// Nothing: they say nothing that the next leader could contradict.
    None,
    /// Being sure that no other leader had begun to load when the batch was made.
    Epoch,
    /// A commit, which is fenced.
    Commit,
}

impl Batch {
    /// What came of one input; `is_call`: of a caller's. Sessions that only advanced are for the caller to publish.
    pub(super) fn add(&mut self, step: Step, is_call: bool) {
        self.decisions.note(&step.effects);
        let told = step.effects.iter().any(|effect| match effect {
            // Whoever is answered later waited for what was committed before.
            Effect::Answer { .. } => is_call,
            Effect::ConfirmLeases { .. } => true,
            _ => false,
        });
        self.tells |= told;
        if !step.writes.is_empty() || !step.effects.is_empty() {
            self.inputs += 1;
        }
        for write in &step.writes {
            if let Write::Event(row) = write {
                self.happened.insert(row.session.clone());
            }
        }
        self.step.writes.extend(step.writes);
        for effect in step.effects {
            match effect {
                Effect::Changed(session) => {
                    self.changed.insert(session);
                }
                Effect::QueueChanged(session) => {
                    self.queues_changed.insert(session);
                }
                effect => self.step.effects.push(effect),
            }
        }
    }

    /// What may be done now, in order.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.step.effects)
    }

    /// Where an account's gateway session is, once all before it is durable.
    pub(super) fn progress(&mut self, session: AccountSession) {
        self.accounts.push(session);
        self.inputs += 1;
    }

    /// Readers are to see it anew.
    pub(super) fn changes(&mut self, session: SessionId) {
        self.changed.insert(session);
    }

    /// Whether the session as it is in memory is not durable yet, as far as this batch knows.
    pub(super) fn has_changed(&self, session: &SessionId) -> bool {
        self.changed.contains(session)
    }

    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inputs == 0 && self.changed.is_empty() && self.queues_changed.is_empty()
    }

    /// Nothing is added from here on: takes down how the sessions are that changed.
    pub(super) fn seal(
        &mut self,
        view: impl Fn(&SessionId) -> Option<SessionView>,
        queue: impl Fn(&SessionId) -> Option<QueueView>,
    ) {
        self.views = self.changed.iter().filter_map(view).collect();
        let changed = std::mem::take(&mut self.queues_changed).into_iter();
        self.queues = changed
            .filter_map(|id| queue(&id).map(|queue| (id, queue)))
            .collect();
    }

    /// A leader that was replaced, and does not know it yet, may have the outcome of a call in its memory, or a lease,
    /// and what it says of them may be wrong by now. A commit would fail; where there is nothing to commit, the epoch
    /// is looked at.
    pub(super) fn proof(&self) -> Proof {
        if !self.step.writes.is_empty() || !self.accounts.is_empty() {
            Proof::Commit
        } else if self.tells {
            Proof::Epoch
        } else {
            Proof::None
        }
    }
}

/// A batch on its way to the disk, by a task of its own: the loop goes on meanwhile.
pub(super) struct Committing {
    pub(super) batch: Batch,
    pub(super) done: AbortOnDropHandle<Result<(), Error>>,
}

impl Committing {
    pub(super) fn begin<S: Store>(
        store: &Arc<S>,
        epoch: Epoch,
        mut batch: Batch,
        wall_ms: i64,
    ) -> Self {
        let writes = std::mem::take(&mut batch.step.writes);
        let accounts = std::mem::take(&mut batch.accounts);
        let store = Arc::clone(store);
        let commit = async move {
            if writes.is_empty() && accounts.is_empty() {
                store.confirm(epoch).await
            } else {
                store.commit_all(epoch, writes, accounts, wall_ms).await
            }
        };
        Self {
            batch,
            done: AbortOnDropHandle::new(tokio::spawn(commit)),
        }
    }
}
