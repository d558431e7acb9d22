//! Accounts as a pool: shards, and the limit on joins, which admission counts.

use crate::harness::{ACCOUNT, GUILD, Harness, create};
use orb_scheduler_core::{
    AccountId, AccountKind, Action, Effect, Event, JOIN_WAIT_MS, JOINS_A_MINUTE, Shard,
};

const OTHER: AccountId = AccountId::new(2222);
const MINUTE_MS: u64 = 60_000;

/// Guilds of the second of two shards.
const SECOND: u64 = 1 << 22;
const TWO: [Shard; 2] = [
    Shard {
        number: 0,
        count: 2,
    },
    Shard {
        number: 1,
        count: 2,
    },
];

fn ready(h: &mut Harness, account: AccountId, shard: Shard, resumed: bool) {
    h.event(Event::AccountReady {
        account,
        kind: AccountKind::Bot,
        shard,
        resumed,
    });
}

/// Creates the session in that guild; the refusal's code and its `Retry-After`.
fn start(h: &mut Harness, guild: u64) -> Result<(), (String, Option<u64>)> {
    let call = h.call(&format!("s{guild}"), create(guild));
    let refused = |refusal: orb_scheduler_core::Refusal| (refusal.code, refusal.retry_after_ms);
    h.answer(call).unwrap().map(|_| ()).map_err(refused)
}

/// So many parties in guilds of their own, from that one on.
fn start_all(h: &mut Harness, guilds: impl Iterator<Item = u64>) {
    for guild in guilds {
        start(h, guild).unwrap();
    }
}

fn joins(h: &Harness) -> Vec<(AccountId, u64)> {
    let joins = h.effects.iter().filter_map(|effect| match effect {
        Effect::JoinVoice {
            account, guild_id, ..
        } => Some((*account, *guild_id)),
        _ => None,
    });
    joins.collect()
}

#[test]
fn a_start_whose_join_would_wait_is_refused_with_the_time_that_it_would() {
    let mut h = Harness::new();
    start_all(&mut h, (0..JOINS_A_MINUTE as u64).map(|n| GUILD + n));
    h.wait(10_000);
    let late = GUILD + 1_000;
    let refused = start(&mut h, late).unwrap_err();
    assert_eq!(
        refused,
        ("joins_limited".to_owned(), Some(MINUTE_MS - 10_000))
    );
    assert!(
        !h.sessions().contains(&format!("s{late}")),
        "nothing changed"
    );
    assert_eq!(joins(&h).len(), JOINS_A_MINUTE);
    // A wait that a caller does not notice is no reason to refuse.
    h.wait(MINUTE_MS - 10_000 - JOIN_WAIT_MS);
    start(&mut h, late).unwrap();
}

#[test]
fn never_more_than_the_limiter_sends() {
    let mut h = Harness::new();
    let mut accepted = Vec::new();
    for guild in GUILD..GUILD + 2_000 {
        if start(&mut h, guild).is_ok() {
            accepted.push(h.now);
        }
        h.wait(100);
    }
    for window in accepted.windows(JOINS_A_MINUTE + 1) {
        let apart = window[JOINS_A_MINUTE] - window[0];
        assert!(apart + JOIN_WAIT_MS >= MINUTE_MS, "{apart} ms");
    }
    assert!(accepted.len() >= 3 * JOINS_A_MINUTE, "{}", accepted.len());
}

#[test]
fn another_account_joins_when_the_first_may_not() {
    let mut h = Harness::new();
    ready(&mut h, OTHER, Shard::WHOLE, false);
    let parties = 2 * JOINS_A_MINUTE as u64;
    start_all(&mut h, (0..parties).map(|n| GUILD + n));
    let by_other = joins(&h)
        .iter()
        .filter(|(account, _)| *account == OTHER)
        .count();
    assert_eq!(by_other, JOINS_A_MINUTE);
    assert_eq!(
        start(&mut h, GUILD + parties).unwrap_err().0,
        "joins_limited"
    );
}

#[test]
fn leaves_are_counted_and_never_refused() {
    let mut h = Harness::new();
    start_all(&mut h, (0..JOINS_A_MINUTE as u64 - 5).map(|n| GUILD + n));
    for n in 0..10 {
        let call = h.control(&format!("s{}", GUILD + n), Action::Stop);
        assert!(h.answer(call).is_none_or(|answer| answer.is_ok()));
    }
    let leaves = |effect: &&Effect| matches!(effect, Effect::LeaveVoice { .. });
    assert_eq!(h.effects.iter().filter(leaves).count(), 10);
    assert_eq!(start(&mut h, GUILD + 1_000).unwrap_err().0, "joins_limited");
}

#[test]
fn coming_back_after_a_stop_is_a_join_like_any_other() {
    let mut h = Harness::new();
    h.create("s");
    h.control("s", Action::Stop);
    start_all(&mut h, (1..JOINS_A_MINUTE as u64 - 1).map(|n| GUILD + n));
    let play = h.play("s", 1);
    assert_eq!(
        h.refusal(play).code,
        "joins_limited",
        "while it still leaves"
    );
    h.event(Event::VoiceLeft {
        account: ACCOUNT,
        guild_id: GUILD,
        asked: true,
    });
    let play = h.play("s", 1);
    assert_eq!(
        h.refusal(play).code,
        "joins_limited",
        "and when it has left"
    );
    h.wait(MINUTE_MS);
    h.attach("w2", "life-1", vec![]);
    h.play("s", 1);
    assert_eq!(joins(&h).last(), Some(&(ACCOUNT, GUILD)));
}

#[test]
fn a_guild_can_be_joined_when_its_shard_is_there() {
    let mut h = Harness::empty();
    ready(&mut h, ACCOUNT, TWO[0], false);
    assert_eq!(start(&mut h, SECOND).unwrap_err().0, "no_free_account");
    start(&mut h, 2 * SECOND).unwrap();
    ready(&mut h, ACCOUNT, TWO[1], false);
    start(&mut h, SECOND).unwrap();
}

#[test]
fn each_shard_has_a_limit_of_its_own() {
    let mut h = Harness::empty();
    for shard in TWO {
        ready(&mut h, ACCOUNT, shard, false);
    }
    start_all(&mut h, (1..=JOINS_A_MINUTE as u64).map(|n| 2 * n * SECOND));
    assert_eq!(
        start(&mut h, 1_000 * SECOND).unwrap_err().0,
        "joins_limited"
    );
    start(&mut h, SECOND).unwrap();
}

#[test]
fn a_new_session_of_one_shard_joins_again_what_is_its_own() {
    let mut h = Harness::empty();
    for shard in TWO {
        ready(&mut h, ACCOUNT, shard, false);
    }
    start(&mut h, SECOND).unwrap();
    start(&mut h, 2 * SECOND).unwrap();
    h.effects.clear();
    ready(&mut h, ACCOUNT, TWO[1], false);
    assert_eq!(joins(&h), [(ACCOUNT, SECOND)]);
}
