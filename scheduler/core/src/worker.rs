//! A worker process as the scheduler knows it, and what is placed on it.

use std::collections::BTreeMap;

use crate::{Incarnation, Millis, Observed, SessionId, WorkerId};

/// What a worker says when its stream opens.
#[derive(Debug, Clone)]
pub struct WorkerRegistration {
    /// Who.
    pub worker: WorkerId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// In thousandths of a core; 0 when it does not say.
    pub total_millicores: u32,
    /// In thousandths of a core.
    pub free_millicores: u32,
    /// Whether it is about to go (it may have been told so by an earlier leader).
    pub draining: bool,
    /// What it holds already.
    pub sessions: Vec<Observed>,
}

/// A worker process as the scheduler knows it.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) incarnation: Incarnation,
    pub(crate) attached: bool,
    pub(crate) last_heard: Millis,
    /// Judged: not heard of for too long. Its sessions go elsewhere.
    pub(crate) suspect: bool,
    pub(crate) draining: bool,
    /// That nothing is left on it.
    pub(crate) told_drained: bool,
    pub(crate) total_millicores: u32,
    /// By its last word.
    pub(crate) free_millicores: u32,
    pub(crate) held: Held,
}

impl Worker {
    /// Room for more: by its last word, less what was placed there since and is not in that word.
    ///
    /// Without the second part, all of a thousand starts between two beats would go to whoever looked
    /// freest at the first of them. `except` is a session whose own room counts as free.
    pub(crate) fn room(&self, except: Option<&SessionId>) -> u32 {
        let total = self.total_millicores.max(self.free_millicores);
        let (needs, unseen, seen_cost) = self.held.sums_without(except);
        let said = u64::from(total.saturating_sub(self.free_millicores)).saturating_sub(seen_cost);
        let used = (said + unseen).max(needs);
        total.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
    }
}

/// One session on a worker, as lease holder or to be.
#[derive(Debug, Clone, Copy)]
struct Holding {
    guild: u64,
    need: u32,
    /// The worker's own word about its free capacity has this session in it.
    seen: bool,
}

/// What is placed on one worker process, with its sums kept at hand: placement looks at every worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    sessions: BTreeMap<SessionId, Holding>,
    guilds: BTreeMap<u64, usize>,
    needs: u64,
    unseen: u64,
}

impl Held {
    pub(crate) fn put(&mut self, session: SessionId, guild: u64, need: u32) {
        self.remove(&session);
        *self.guilds.entry(guild).or_default() += 1;
        self.needs += u64::from(need);
        self.unseen += u64::from(need);
        let seen = false;
        self.sessions.insert(session, Holding { guild, need, seen });
    }

    pub(crate) fn remove(&mut self, session: &SessionId) -> bool {
        let Some(holding) = self.sessions.remove(session) else {
            return false;
        };
        self.needs -= u64::from(holding.need);
        if !holding.seen {
            self.unseen -= u64::from(holding.need);
        }
        if let Some(count) = self.guilds.get_mut(&holding.guild) {
            *count -= 1;
            if *count == 0 {
                self.guilds.remove(&holding.guild);
            }
        }
        true
    }

    /// The session needs this much from now on, and the worker's word has it in it, or has not.
    /// True when that makes room.
    pub(crate) fn update(&mut self, session: &SessionId, need: u32, seen: bool) -> bool {
        let Some(holding) = self.sessions.get_mut(session) else {
            return false;
        };
        let lighter = need < holding.need || (seen && !holding.seen);
        self.needs = self.needs - u64::from(holding.need) + u64::from(need);
        if !holding.seen {
            self.unseen -= u64::from(holding.need);
        }
        if !seen {
            self.unseen += u64::from(need);
        }
        holding.need = need;
        holding.seen = seen;
        lighter
    }

    /// All needs, those unseen, and what the excepted session takes of the worker's own word.
    fn sums_without(&self, except: Option<&SessionId>) -> (u64, u64, u64) {
        let Some(holding) = except.and_then(|id| self.sessions.get(id)) else {
            return (self.needs, self.unseen, 0);
        };
        let need = u64::from(holding.need);
        if holding.seen {
            (self.needs - need, self.unseen, need)
        } else {
            (self.needs - need, self.unseen - need, 0)
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    pub(crate) fn contains(&self, session: &SessionId) -> bool {
        self.sessions.contains_key(session)
    }

    pub(crate) fn of_guild(&self, guild: u64) -> usize {
        self.guilds.get(&guild).copied().unwrap_or_default()
    }

    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.sessions.keys().cloned().collect()
    }
}
