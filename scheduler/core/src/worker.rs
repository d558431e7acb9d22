//! A worker process as the scheduler knows it, and what is placed on it.

use std::collections::{BTreeMap, HashMap};

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
    /// Whether it sends pictures into voice channels.
    pub go_live: bool,
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
    /// Sends pictures into voice channels.
    pub(crate) go_live: bool,
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
        let sums = self.held.sums_without(except);
        self.room_beside(sums.needs, sums.unseen, sums.seen_cost)
    }

    /// The room there may be once every title that is placed here was looked at: none of it is known to be
    /// taken.
    pub(crate) fn room_hoped_for(&self) -> u32 {
        let sums = self.held.sums_without(None);
        let guessed = self.held.guessed;
        self.room_beside(
            sums.needs.saturating_sub(guessed),
            sums.unseen.saturating_sub(guessed),
            sums.seen_cost,
        )
    }

    fn room_beside(&self, needs: u64, unseen: u64, seen_cost: u64) -> u32 {
        let total = self.total_millicores.max(self.free_millicores);
        let said = u64::from(total.saturating_sub(self.free_millicores)).saturating_sub(seen_cost);
        let used = (said + unseen).max(needs);
        total.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
    }
}

/// One session on a worker, as lease holder or to be.
#[derive(Debug, Clone, Copy)]
struct Holding {
    guild: u64,
    need: Need,
}

/// What a session takes, and how that is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub(crate) millicores: u32,
    /// The worker's own word about its free capacity has this session in it.
    pub(crate) seen: bool,
    /// Nobody has looked at the title yet.
    pub(crate) guessed: bool,
}

/// What is placed on a worker, one session excepted.
struct Sums {
    needs: u64,
    unseen: u64,
    /// Of the excepted one, in the worker's own word.
    seen_cost: u64,
}

/// What is placed on one worker process, with its sums kept at hand: placement looks at every worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    sessions: BTreeMap<SessionId, Holding>,
    /// How many of each guild. Looked up on every worker at each placement, never walked.
    guilds: HashMap<u64, usize>,
    needs: u64,
    unseen: u64,
    guessed: u64,
}

impl Held {
    pub(crate) fn put(&mut self, session: SessionId, guild: u64, need: Need) {
        self.remove(&session);
        *self.guilds.entry(guild).or_default() += 1;
        let need = Need {
            seen: false,
            ..need
        };
        self.add(need);
        self.sessions.insert(session, Holding { guild, need });
    }

    pub(crate) fn remove(&mut self, session: &SessionId) -> bool {
        let Some(holding) = self.sessions.remove(session) else {
            return false;
        };
        self.subtract(holding.need);
        if let Some(count) = self.guilds.get_mut(&holding.guild) {
            *count -= 1;
            if *count == 0 {
                self.guilds.remove(&holding.guild);
            }
        }
        true
    }

    /// The session needs this much from now on. True when that makes room.
    pub(crate) fn update(&mut self, session: &SessionId, need: Need) -> bool {
        let Some(holding) = self.sessions.get_mut(session) else {
            return false;
        };
        let before = std::mem::replace(&mut holding.need, need);
        self.subtract(before);
        self.add(need);
        need.millicores < before.millicores || (need.seen && !before.seen)
    }

    fn add(&mut self, need: Need) {
        let millicores = u64::from(need.millicores);
        self.needs += millicores;
        self.unseen += if need.seen { 0 } else { millicores };
        self.guessed += if need.guessed { millicores } else { 0 };
    }

    fn subtract(&mut self, need: Need) {
        let millicores = u64::from(need.millicores);
        self.needs -= millicores;
        self.unseen -= if need.seen { 0 } else { millicores };
        self.guessed -= if need.guessed { millicores } else { 0 };
    }

    fn sums_without(&self, except: Option<&SessionId>) -> Sums {
        let (mut needs, mut unseen, mut seen_cost) = (self.needs, self.unseen, 0);
        if let Some(holding) = except.and_then(|id| self.sessions.get(id)) {
            let need = u64::from(holding.need.millicores);
            needs -= need;
            if holding.need.seen {
                seen_cost = need;
            } else {
                unseen -= need;
            }
        }
        Sums {
            needs,
            unseen,
            seen_cost,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// What it takes here; 0 when it is not here.
    pub(crate) fn need(&self, session: &SessionId) -> u32 {
        let holding = self.sessions.get(session);
        holding.map_or(0, |holding| holding.need.millicores)
    }

    /// Whether room is kept for it by a guess.
    pub(crate) fn is_guessed(&self, session: &SessionId) -> bool {
        let holding = self.sessions.get(session);
        holding.is_some_and(|holding| holding.need.guessed)
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
