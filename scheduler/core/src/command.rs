//! Command ids: a call that arrives twice has one effect and one outcome.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::{EntryId, Generation, Refusal, SessionId};

/// The caller's id of one call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub String);

/// Tells the shell whom an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// What the first arrival came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandOutcome {
    /// Accepted: durable; answered when the generation has been observed.
    Accepted {
        /// Whether it made the session.
        created: bool,
        /// What has to be observed.
        generation: Generation,
        /// Entries that it added to the queue.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        added: Vec<EntryId>,
    },
    /// Refused, and nothing was changed.
    Refused(Refusal),
}

/// The stored fact: this id, for this request, came to this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The id.
    pub id: CommandId,
    /// Whose.
    pub session: SessionId,
    /// Of the request without its id: the same id with another request is refused.
    pub request_hash: [u8; 32],
    /// The first outcome.
    pub outcome: CommandOutcome,
}

/// The commands of this process's recent past, so that a retry which arrives before the first one's
/// commit is known, and one that arrives soon after costs no query.
#[derive(Debug, Default)]
pub(crate) struct RecentCommands {
    records: HashMap<CommandId, CommandRecord>,
    order: VecDeque<CommandId>,
}

/// More than a second's worth of calls at the rate that one leader is built for; older ones are in
/// the store.
const RECENT: usize = 4_096;

impl RecentCommands {
    pub(crate) fn get(&self, id: &CommandId) -> Option<&CommandRecord> {
        self.records.get(id)
    }

    pub(crate) fn insert(&mut self, record: CommandRecord) {
        if self.order.len() >= RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.records.remove(&oldest);
        }
        self.order.push_back(record.id.clone());
        self.records.insert(record.id.clone(), record);
    }
}
