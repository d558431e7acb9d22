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

/// What Discord lets an account do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// A bot's: in a channel of each guild at once, and never with a picture.
    Bot,
    /// A person's: it can go live, which Discord's terms forbid to automate; in one channel at a time, of all guilds.
    User,
}

impl AccountKind {
    /// What a party takes.
    pub(crate) fn of_party(go_live: bool) -> Self {
        if go_live { Self::User } else { Self::Bot }
    }
}

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
pub(crate) struct Accounts(BTreeMap<AccountId, Account>);

#[derive(Debug)]
struct Account {
    kind: AccountKind,
    shards: BTreeMap<Shard, Sent>,
}

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

impl Account {
    /// How long a join would wait; none where the guild's shard has not been connected.
    fn join_wait(&self, guild: u64, now: Millis) -> Option<u64> {
        let (_, sent) = self.shards.iter().find(|(shard, _)| shard.has(guild))?;
        Some(sent.next(now).since(now))
    }
}

impl Accounts {
    /// The shard has been connected.
    pub(crate) fn connected(&mut self, account: AccountId, kind: AccountKind, shard: Shard) {
        let account = self.0.entry(account).or_insert_with(|| Account {
            kind,
            shards: BTreeMap::new(),
        });
        account.kind = kind;
        let shards = &mut account.shards;
        // Those of another count are an earlier connection's.
        shards.retain(|known, _| known.count == shard.count);
        shards.entry(shard).or_default();
    }

    pub(crate) fn remove(&mut self, account: AccountId) {
        self.0.remove(&account);
    }

    pub(crate) fn has(&self, kind: AccountKind) -> bool {
        self.0.values().any(|account| account.kind == kind)
    }

    fn note(&mut self, account: AccountId, guild: u64, now: Millis) {
        let account = self.0.get_mut(&account);
        let shards = account.into_iter().flat_map(|account| &mut account.shards);
        for (_, sent) in shards.filter(|(shard, _)| shard.has(guild)) {
            sent.note(now);
        }
    }
}

impl Scheduler {
    /// An account of the party's kind that has room for it, and could join soon: the first that could at once, else the
    /// one that could soonest. A bot has room for one party of each guild, a person for one at all. A party without a
    /// picture takes no user account: that would risk the account for nothing.
    pub(crate) fn free_account(
        &self,
        guild: u64,
        go_live: bool,
        now: Millis,
    ) -> Result<AccountId, Refusal> {
        let kind = AccountKind::of_party(go_live);
        let mut soonest = None;
        let of_kind = self.accounts.0.iter().filter(|(_, a)| a.kind == kind);
        for (account, state) in of_kind {
            let Some(wait_ms) = state.join_wait(guild, now) else {
                continue;
            };
            // A large pool is mostly accounts that have joined as often as they may: those are passed over first.
            if soonest.is_some_and(|(least_ms, _)| least_ms <= wait_ms) {
                continue;
            }
            let is_leased = match kind {
                AccountKind::Bot => self.leased.contains_key(&(*account, guild)),
                AccountKind::User => self.is_in_any_guild(*account),
            };
            match wait_ms {
                _ if is_leased => {}
                0 => return Ok(*account),
                _ => soonest = Some((wait_ms, *account)),
            }
        }
        match soonest {
            None => Err(Refusal::no_free_account(kind)),
            Some((wait_ms, _)) if wait_ms > JOIN_WAIT_MS => Err(Refusal::joins_limited(wait_ms)),
            Some((_, account)) => Ok(account),
        }
    }

    fn is_in_any_guild(&self, account: AccountId) -> bool {
        let mut leased = self.leased.range((account, 0)..=(account, u64::MAX));
        leased.next().is_some()
    }

    /// Whether an account that the session holds could join soon.
    pub(crate) fn may_join(
        &self,
        account: AccountId,
        guild: u64,
        now: Millis,
    ) -> Result<(), Refusal> {
        let account = self.accounts.0.get(&account);
        match account.and_then(|account| account.join_wait(guild, now)) {
            Some(wait_ms) if wait_ms > JOIN_WAIT_MS => Err(Refusal::joins_limited(wait_ms)),
            _ => Ok(()),
        }
    }

    /// Counts the op 4s among what is to be done. (What is sent for a stream is not counted: its account is in one party
    /// at a time.)
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
