//! Accounts as a pool: which are connected, which is free in a guild, and how long it would be until it joins.
//!
//! Discord takes 120 events a minute on a gateway connection, and a join, a leave or fresh credentials are one each
//! (op 4). The connection's own limiter sends no more than that, so what is asked beyond it waits there. A party that
//! waits so is starved: accepted, and silent. Hence the pool counts along, and a start whose join would have to wait for
//! longer than [`JOIN_WAIT_MS`] is refused with the time after which it would not.

use std::collections::{BTreeMap, VecDeque};

use crate::{AccountId, Effect, Millis, Refusal, Scheduler};

/// So many op 4s of a shard are counted on in a minute: a little less than its limiter sends, for those that it sends
/// again by itself when Discord does not answer.
pub const JOINS_A_MINUTE: usize = 90;

/// A join may wait so long, as long as a call does for its worker.
pub const JOIN_WAIT_MS: u64 = 5_000;

const MINUTE_MS: u64 = 60_000;

/// One of an account's gateway connections, which has its part of the account's guilds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// From 0.
    pub number: u32,
    /// How many the account has; at least 1.
    pub count: u32,
}

impl Shard {
    /// The only one of an account that has one.
    pub const WHOLE: Self = Self {
        number: 0,
        count: 1,
    };

    /// Whether the guild is of its part (Discord, "Gateway: sharding").
    pub fn has(self, guild: u64) -> bool {
        (guild >> 22) % u64::from(self.count.max(1)) == u64::from(self.number)
    }
}

/// The accounts that this leader holds.
#[derive(Debug, Default)]
pub(crate) struct Accounts(BTreeMap<AccountId, BTreeMap<Shard, Sent>>);

/// When the op 4s of a shard are sent, as far as that is known: the last minute's, and those that wait.
#[derive(Debug, Default)]
struct Sent(VecDeque<Millis>);

impl Sent {
    /// When one that is asked for now would be.
    fn next(&self, now: Millis) -> Millis {
        let before = self.0.len().checked_sub(JOINS_A_MINUTE);
        let oldest = before.and_then(|index| self.0.get(index));
        oldest.map_or(now, |at| at.after(MINUTE_MS).max(now))
    }

    fn note(&mut self, now: Millis) {
        while self.0.front().is_some_and(|at| at.after(MINUTE_MS) <= now) {
            self.0.pop_front();
        }
        self.0.push_back(self.next(now));
    }
}

impl Accounts {
    /// The shard has been connected.
    pub(crate) fn connected(&mut self, account: AccountId, shard: Shard) {
        let shards = self.0.entry(account).or_default();
        // Those of another count are an earlier connection's.
        shards.retain(|known, _| known.count == shard.count);
        shards.entry(shard).or_default();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How long a join would wait; none where the guild's shard has not been connected.
    fn join_wait(&self, account: AccountId, guild: u64, now: Millis) -> Option<u64> {
        let shards = self.0.get(&account)?;
        let (_, sent) = shards.iter().find(|(shard, _)| shard.has(guild))?;
        Some(sent.next(now).since(now))
    }

    fn note(&mut self, account: AccountId, guild: u64, now: Millis) {
        let shards = self.0.get_mut(&account).into_iter().flatten();
        for (_, sent) in shards.filter(|(shard, _)| shard.has(guild)) {
            sent.note(now);
        }
    }
}

impl Scheduler {
    /// An account that is in no other party of this guild, and could join soon: the first that could at once, else the
    /// one that could soonest.
    pub(crate) fn free_account(&self, guild: u64, now: Millis) -> Result<AccountId, Refusal> {
        let mut soonest = None;
        for account in self.accounts.0.keys() {
            let is_leased = self.leased.contains_key(&(*account, guild));
            let wait_ms = self.accounts.join_wait(*account, guild, now);
            match wait_ms.filter(|_| !is_leased) {
                Some(0) => return Ok(*account),
                Some(wait_ms) => soonest = soonest.into_iter().chain([(wait_ms, *account)]).min(),
                None => {}
            }
        }
        match soonest {
            None => Err(Refusal::no_free_account()),
            Some((wait_ms, _)) if wait_ms > JOIN_WAIT_MS => Err(Refusal::joins_limited(wait_ms)),
            Some((_, account)) => Ok(account),
        }
    }

    /// Whether an account that the session holds could join soon.
    pub(crate) fn may_join(
        &self,
        account: AccountId,
        guild: u64,
        now: Millis,
    ) -> Result<(), Refusal> {
        match self.accounts.join_wait(account, guild, now) {
            Some(wait_ms) if wait_ms > JOIN_WAIT_MS => Err(Refusal::joins_limited(wait_ms)),
            _ => Ok(()),
        }
    }

    /// Counts the op 4s among what is to be done.
    pub(crate) fn count_joins(&mut self, effects: &[Effect], now: Millis) {
        for effect in effects {
            if let Effect::JoinVoice {
                account, guild_id, ..
            }
            | Effect::RefreshVoice { account, guild_id }
            | Effect::LeaveVoice { account, guild_id } = effect
            {
                self.accounts.note(*account, *guild_id, now);
            }
        }
    }
}
