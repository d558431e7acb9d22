//! Who has room, who gets it, and what is refused.

use std::collections::{BTreeMap, BTreeSet};

use orb_scheduler_core::{
    AccountId, AccountKind, Effect, Event, FencingToken, Generation, Incarnation, KnownPlan,
    PlaybackState, Request, SessionId, Shard, WorkerId, Write, cost,
};

use super::{codes, learn_cost, play, start, without_workers};
use crate::harness::{Harness, item};

/// Sessions by the worker that holds their lease.
fn spread(h: &Harness) -> BTreeMap<String, usize> {
    let mut spread = BTreeMap::new();
    for session in h.sessions() {
        if let Some(worker) = h.view(&session).worker {
            *spread.entry(worker.to_string()).or_default() += 1;
        }
    }
    spread
}

#[test]
fn a_burst_between_two_beats_spreads_and_the_rest_is_refused() {
    let mut h = without_workers();
    // As many as may join a thousand channels at once.
    for account in 2..20 {
        h.event(Event::AccountReady {
            account: AccountId::new(account),
            kind: AccountKind::Bot,
            shard: Shard::WHOLE,
            resumed: false,
        });
    }
    for worker in 0..10 {
        h.attach(&format!("w{worker}"), "life-1", vec![]);
    }
    let plays: Vec<_> = (0..1_000).map(|n| play(&mut h, n)).collect();
    // Nobody looks at any of the titles.
    for _ in 0..5 {
        h.wait(1_000);
        for worker in 0..10 {
            h.beat_of(&format!("w{worker}"), "life-1", vec![]);
        }
    }
    let refused = codes(&h, &plays).iter().flatten().count();
    let each = 2_000 / cost::UNPROBED_VIDEO as usize;
    let playing: Vec<_> = h
        .sessions()
        .into_iter()
        .filter(|session| h.view(session).playback == PlaybackState::Loading)
        .collect();
    // An idle session takes a little room too, wherever there is some.
    assert!(playing.len() >= (each - 2) * 10, "{}", playing.len());
    assert!(playing.len() <= each * 10, "{}", playing.len());
    assert_eq!(refused + playing.len(), 1_000, "placed or refused");
    let refusal = h.refusal(*plays.last().unwrap());
    assert_eq!(
        refusal.retry_after_ms,
        Some(1_000),
        "guesses, that may shrink soon"
    );
    let mut by_worker: BTreeMap<String, usize> = BTreeMap::new();
    for session in playing {
        *by_worker
            .entry(h.view(&session).worker.unwrap().to_string())
            .or_default() += 1;
    }
    let (most, least) = (by_worker.values().max(), by_worker.values().min());
    assert_eq!(by_worker.len(), 10);
    assert!(most.unwrap() - least.unwrap() <= 1, "{by_worker:?}");
}

#[test]
fn a_small_worker_takes_a_burst_of_copied_films_as_fast_as_it_looks_at_them() {
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    let plays: Vec<_> = (0..32).map(|n| play(&mut h, n)).collect();
    let mut looked_at = BTreeSet::new();
    for _ in 0..32 {
        h.wait(100);
        let next = h.sessions().into_iter().find(|session| {
            h.view(session).playback == PlaybackState::Loading && !looked_at.contains(session)
        });
        let Some(session) = next else { continue };
        looked_at.insert(session.clone());
        // Nothing of it was sent yet: the fence is that of the word before.
        let mut observed = h.observed(&session, PlaybackState::Loading, 0);
        observed.fence.generation = Generation::default();
        observed.known_plan = Some(KnownPlan {
            cost_millicores: 20,
            details: String::new(),
        });
        let free = 2_000 - 20 * looked_at.len() as u32;
        h.beat_with("w1", "life-1", free, vec![observed]);
    }
    assert_eq!(looked_at.len(), 32);
    assert!(
        codes(&h, &plays).iter().all(Option::is_none),
        "nobody was refused"
    );
}

#[test]
fn a_beat_that_does_not_know_of_a_session_yet_frees_nothing() {
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    let plays: Vec<_> = (0..20).map(|n| play(&mut h, n)).collect();
    let placed = |h: &Harness| {
        let is_placed = |s: &String| h.view(s).playback != PlaybackState::Idle;
        h.sessions()
            .into_iter()
            .filter(is_placed)
            .collect::<Vec<_>>()
    };
    let fits = placed(&h);
    assert!(fits.len() < plays.len());
    // Sent before the leases arrived: all is free, says the worker.
    h.beat(vec![]);
    assert_eq!(placed(&h), fits);
    // Now it has them, probed, and they are cheap.
    for session in &fits {
        learn_cost(&mut h, "w1", session, 20, 2_000 - 20 * fits.len() as u32);
    }
    assert_eq!(placed(&h).len(), 20);
}

#[test]
fn an_item_that_its_holder_cannot_hold_goes_elsewhere_with_the_next_token() {
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    h.create("s");
    h.credentials("voice-1");
    assert_eq!(h.lease("s").0.token.get(), 1);
    h.beat_with("w1", "life-1", 10, vec![]);
    let refused = h.play("s", 1);
    assert_eq!(h.refusal(refused).code, "no_capacity");
    h.attach("w2", "life-2", vec![]);
    h.effects.clear();
    h.play("s", 1);
    assert_eq!(h.view("s").worker.unwrap().as_str(), "w2");
    assert_eq!(h.lease("s").0.token.get(), 2);
    assert!(h.effects.iter().any(|effect| matches!(effect,
        Effect::SendRevoke { worker, fence, .. } if worker.as_str() == "w1" && fence.token.get() == 2)));
}

#[test]
fn a_healthy_party_is_never_moved_for_neatness() {
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    for n in 0..8 {
        start(&mut h, n);
    }
    let before = spread(&h);
    h.attach("w2", "life-2", vec![]);
    for _ in 0..10 {
        h.wait(1_000);
        h.beat_with("w1", "life-1", 100, vec![]);
        h.beat_of("w2", "life-2", vec![]);
    }
    assert_eq!(spread(&h), before);
}

#[test]
fn a_worker_that_gives_a_session_back_is_not_asked_again_at_once() {
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    start(&mut h, 1);
    h.effects.clear();
    h.event(Event::LeaseDeclined {
        worker: WorkerId::new("w1"),
        incarnation: Incarnation::new("life-1"),
        session: SessionId::new("s1"),
        token: FencingToken::new(1),
        plan: Some(KnownPlan {
            cost_millicores: 1_500,
            details: "probed".to_owned(),
        }),
    });
    assert!(!h.is_leased("s1"), "it waits");
    h.attach_with("w2", "life-1", 2_000, vec![]);
    let (fence, desired, _) = h.lease("s1");
    assert_eq!(
        (h.newest_holder("s1").as_str(), fence.token.get()),
        ("w2", 2)
    );
    assert_eq!(
        desired.plan.unwrap().details,
        "probed",
        "the next one need not probe"
    );
    // Late: the lease is another's.
    h.event(Event::LeaseDeclined {
        worker: WorkerId::new("w1"),
        incarnation: Incarnation::new("life-1"),
        session: SessionId::new("s1"),
        token: FencingToken::new(1),
        plan: None,
    });
    assert_eq!(h.lease("s1").0.token.get(), 2);
}

#[test]
fn alone_it_is_asked_again_after_a_while() {
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    start(&mut h, 1);
    h.event(Event::LeaseDeclined {
        worker: WorkerId::new("w1"),
        incarnation: Incarnation::new("life-1"),
        session: SessionId::new("s1"),
        token: FencingToken::new(1),
        plan: None,
    });
    for _ in 0..5 {
        h.wait(1_000);
        h.beat(vec![]);
    }
    assert_eq!(h.lease("s1").0.token.get(), 2);
}

#[test]
fn sessions_of_one_guild_are_kept_apart_and_the_reason_is_in_the_event_row() {
    let mut h = without_workers();
    h.event(Event::AccountReady {
        account: AccountId::new(2222),
        kind: AccountKind::Bot,
        shard: Shard::WHOLE,
        resumed: false,
    });
    h.attach("w1", "life-1", vec![]);
    h.attach("w2", "life-1", vec![]);
    h.beat_with("w2", "life-1", 1_000, vec![]);
    h.create("a");
    h.create("b");
    assert_eq!(h.newest_holder("a"), "w1", "the least loaded");
    assert_eq!(h.newest_holder("b"), "w2", "apart");
    let rows: Vec<_> = h
        .writes
        .iter()
        .filter_map(|write| match write {
            Write::Event(row) if row.event_type == "lease_granted" => {
                Some(row.payload["placement"]["chosen"]["why"].clone())
            }
            _ => None,
        })
        .collect();
    assert_eq!(rows, ["least_loaded", "apart_from_guild"]);
}

#[test]
fn a_refused_play_keeps_what_plays() {
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    start(&mut h, 1);
    learn_cost(&mut h, "w1", "s1", 20, 30);
    let second = h.call("s1", Request::Play(Box::new(item(2))));
    assert_eq!(h.refusal(second).code, "no_capacity");
    assert_eq!(h.view("s1").current_title.as_deref(), Some("Film 1"));
    assert_eq!(h.view("s1").playback, PlaybackState::Playing);
}
