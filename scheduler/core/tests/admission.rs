//! What cannot be held is refused, what was accepted is placed as soon as there is room.
#![allow(clippy::unwrap_used)]

mod harness;

use std::collections::BTreeMap;

use harness::{ACCOUNT, GUILD, Harness, create};
use orb_scheduler_core::{
    Action, CallId, Effect, Event, FencingToken, Incarnation, KnownPlan, PlaybackState, Request,
    SessionId, WorkerId, Write, cost,
};

/// One account, no worker.
fn without_workers() -> Harness {
    let mut h = Harness::empty();
    h.event(Event::AccountReady {
        account: ACCOUNT,
        resumed: false,
    });
    h
}

/// Creates the session in a guild of its own and plays; the refusal's code, if it was refused.
fn start(h: &mut Harness, index: u64) -> Option<String> {
    let session = format!("s{index}");
    h.call(&session, create(GUILD + index));
    let play = h.play(&session, 1);
    h.answer(play).map(|answer| answer.unwrap_err().code)
}

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

fn detach(h: &mut Harness, worker: &str, incarnation: &str) {
    h.event(Event::Detached {
        worker: WorkerId::new(worker),
        incarnation: Incarnation::new(incarnation),
    });
}

fn learn_cost(h: &mut Harness, worker: &str, session: &str, cost_millicores: u32, free: u32) {
    let mut observed = h.observed(session, PlaybackState::Playing, 1_000);
    observed.known_plan = Some(KnownPlan {
        cost_millicores,
        details: String::new(),
    });
    h.beat_with(worker, "life-1", free, vec![observed]);
}

/// `play` waits so long at most.
const CALL_WAIT_MS: u64 = 5_000;
/// A worker that was heard of so lately is expected back.
const GRACE_MS: u64 = 10_000;

/// Plays in that session; the answer is still to come.
fn play(h: &mut Harness, index: u64) -> CallId {
    let session = format!("s{index}");
    h.call(&session, create(GUILD + index));
    h.play(&session, 1)
}

fn codes(h: &Harness, calls: &[CallId]) -> Vec<Option<String>> {
    let code = |call: &CallId| h.answer(*call)?.err().map(|refusal| refusal.code);
    calls.iter().map(code).collect()
}

#[test]
fn a_play_without_any_worker_is_refused_when_none_is_expected() {
    let mut h = without_workers();
    h.wait(GRACE_MS);
    h.create("s");
    let play = h.play("s", 1);
    let refusal = h.refusal(play);
    assert_eq!(refusal.code, "no_capacity");
    assert!(refusal.is_retryable() && refusal.retry_after_ms.is_some());
    assert_eq!(h.view("s").playback, PlaybackState::Idle, "nothing changed");
    h.attach("w1", "life-1", vec![]);
    let play = h.play("s", 1);
    h.report("s", PlaybackState::Playing, 0);
    assert!(h.answer(play).unwrap().unwrap().settled);
}

#[test]
fn a_play_under_a_young_leader_waits_for_the_worker_that_is_about_to_attach() {
    let mut h = without_workers();
    h.create("s");
    let play = h.play("s", 1);
    h.wait(2_000);
    assert!(h.answer(play).is_none());
    assert_eq!(
        h.view("s").playback,
        PlaybackState::Idle,
        "not yet accepted"
    );
    h.attach("w1", "life-1", vec![]);
    assert_eq!(h.newest_holder("s"), "w1");
    h.report("s", PlaybackState::Playing, 0);
    assert!(h.answer(play).unwrap().unwrap().settled);
}

#[test]
fn a_play_while_the_only_worker_restarts_is_accepted_and_waits_in_line() {
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    h.create("s");
    h.wait(GRACE_MS);
    h.beat(vec![]);
    detach(&mut h, "w1", "life-1");
    h.wait(500);
    let play = h.play("s", 1);
    h.wait(CALL_WAIT_MS - 1);
    assert!(h.answer(play).is_none());
    h.wait(1);
    assert!(!h.answer(play).unwrap().unwrap().settled, "accepted: 202");
    assert_eq!(h.view("s").playback, PlaybackState::Loading);
    h.attach("w1", "life-2", vec![]);
    assert_eq!(h.lease("s").1.current.unwrap().queue_entry_id, 1);
}

#[test]
fn the_line_for_a_worker_that_is_expected_is_no_longer_than_a_small_one_holds() {
    let mut h = without_workers();
    let plays: Vec<_> = (0..30).map(|n| play(&mut h, n)).collect();
    h.wait(CALL_WAIT_MS);
    let accepted = codes(&h, &plays).iter().filter(|c| c.is_none()).count();
    assert!((10..=13).contains(&accepted), "{accepted}");
    h.attach("w1", "life-1", vec![]);
    let placed = h.sessions().iter().filter(|s| h.is_leased(s)).count();
    assert!(placed >= accepted, "{placed} of {accepted}");
}

#[test]
fn an_overtaken_play_undoes_nothing_later() {
    let mut h = without_workers();
    h.create("s");
    let first = h.play("s", 1);
    let second = h.play("s", 2);
    assert_eq!(h.refusal(first).code, "no_capacity");
    let stop = h.control("s", Action::Stop);
    assert_eq!(h.refusal(second).code, "no_capacity");
    assert!(h.answer(stop).is_some() || h.view("s").playback == PlaybackState::Stopped);
    h.attach("w1", "life-1", vec![]);
    assert_eq!(h.view("s").playback, PlaybackState::Stopped);
}

#[test]
fn a_retry_of_a_play_that_is_held_back_gets_the_same_answer() {
    let mut h = without_workers();
    h.create("s");
    let first = h.call_as("s", Request::Play(Box::new(harness::item(1))), "the-same");
    let again = h.call_as("s", Request::Play(Box::new(harness::item(1))), "the-same");
    h.attach("w1", "life-1", vec![]);
    h.report("s", PlaybackState::Playing, 0);
    for call in [first, again] {
        assert!(h.answer(call).unwrap().unwrap().settled);
    }
    assert_eq!(h.lease("s").1.current_set_at.get(), 2, "carried out once");
}

#[test]
fn a_burst_between_two_beats_spreads_and_the_rest_is_refused() {
    let mut h = without_workers();
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
    let mut looked_at = std::collections::BTreeSet::new();
    for _ in 0..32 {
        h.wait(100);
        let next = h.sessions().into_iter().find(|session| {
            h.view(session).playback == PlaybackState::Loading && !looked_at.contains(session)
        });
        let Some(session) = next else { continue };
        looked_at.insert(session.clone());
        // Nothing of it was sent yet: the fence is that of the word before.
        let mut observed = h.observed(&session, PlaybackState::Loading, 0);
        observed.fence.generation = orb_scheduler_core::Generation::default();
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
fn parties_of_a_lost_worker_wait_in_order_and_are_placed_when_room_appears() {
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    for n in 0..6 {
        assert_eq!(start(&mut h, n), None);
        learn_cost(
            &mut h,
            "w1",
            &format!("s{n}"),
            300,
            2_000 - 300 * (n as u32 + 1),
        );
    }
    detach(&mut h, "w1", "life-1");
    h.wait(150);
    let waiting = |h: &Harness| -> Vec<String> {
        h.sessions()
            .into_iter()
            .filter(|s| h.newest_holder(s) != "w2")
            .collect()
    };
    assert_eq!(waiting(&h).len(), 6);
    // Room for two: the first two of the line, and no new one before the others.
    h.attach_with("w2", "life-1", 650, vec![]);
    assert_eq!(waiting(&h), ["s2", "s3", "s4", "s5"]);
    assert_eq!(start(&mut h, 7).as_deref(), Some("no_capacity"));
    h.control("s0", Action::Stop);
    h.event(Event::VoiceLeft {
        account: ACCOUNT,
        guild_id: GUILD,
        asked: true,
    });
    assert_eq!(
        waiting(&h),
        ["s0", "s3", "s4", "s5", "s7"],
        "the room that the stopped one left is the next one's"
    );
}

#[test]
fn small_newcomers_do_not_starve_a_big_party_that_waits() {
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    start(&mut h, 1);
    learn_cost(&mut h, "w1", "s1", 1_400, 600);
    detach(&mut h, "w1", "life-1");
    h.wait(150);
    h.attach_with("w2", "life-1", 1_500, vec![]);
    assert_eq!(h.newest_holder("s1"), "w2");
    // The same with a worker that is large enough, but not free enough, and one that is too small.
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    start(&mut h, 1);
    learn_cost(&mut h, "w1", "s1", 1_400, 600);
    h.attach("w2", "life-1", vec![]);
    h.beat_with("w2", "life-1", 1_000, vec![]);
    detach(&mut h, "w1", "life-1");
    h.wait(150);
    assert_eq!(h.newest_holder("s1"), "w1", "nobody has room");
    assert_eq!(
        start(&mut h, 2).as_deref(),
        Some("no_capacity"),
        "w2's room is kept"
    );
    h.attach_with("w3", "life-1", 500, vec![]);
    assert_eq!(
        start(&mut h, 3),
        None,
        "but a worker that could never hold it is not"
    );
    assert_eq!(h.newest_holder("s3"), "w3");
    h.beat_with("w2", "life-1", 1_450, vec![]);
    assert_eq!(h.newest_holder("s1"), "w2", "as soon as there is room");
    assert_eq!(start(&mut h, 4), None, "and nothing is kept any more");
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
        account: orb_scheduler_core::AccountId::new(2222),
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
fn a_leader_that_slept_suspects_nobody_until_they_had_time_to_be_heard() {
    let mut h = Harness::playing();
    h.attach("w2", "life-2", vec![]);
    // SIGSTOP: no tick, no beat is handled for 30 s.
    h.now += 30_000;
    h.event(Event::Tick);
    assert_eq!(h.lease("s").0.token.get(), 1);
    h.beat_of("w2", "life-2", vec![]);
    h.wait(1_000);
    assert_eq!(h.lease("s").0.token.get(), 1, "w1 is unknown, not suspect");
    let observed = h.observed("s", PlaybackState::Playing, 31_000);
    h.beat(vec![observed]);
    for _ in 0..12 {
        h.wait(1_000);
        h.beat(vec![]);
        h.beat_of("w2", "life-2", vec![]);
    }
    assert_eq!(h.lease("s").0.token.get(), 1);
    // Heard of since, and then silent: that is the worker's own silence.
    for _ in 0..3 {
        h.wait(1_000);
        h.beat_of("w2", "life-2", vec![]);
    }
    assert_eq!(h.lease("s").0.token.get(), 2);
}

#[test]
fn a_worker_that_slept_while_nobody_had_room_goes_on_and_is_still_watched() {
    let mut h = Harness::playing();
    h.wait(3_000);
    let observed = h.observed("s", PlaybackState::Playing, 3_000);
    h.beat(vec![observed]);
    assert_eq!(h.lease("s").0.token.get(), 1, "its own again");
    h.wait(1_000);
    h.attach("w2", "life-2", vec![]);
    assert_eq!(
        h.lease("s").0.token.get(),
        1,
        "it waits for nobody any more"
    );
    for _ in 0..3 {
        h.wait(1_000);
        h.beat_of("w2", "life-2", vec![]);
    }
    assert_eq!(
        h.lease("s").0.token.get(),
        2,
        "the second silence is noticed like the first"
    );
}

#[test]
fn a_restarted_worker_gets_its_sessions_at_once_even_from_a_leader_that_never_met_the_old_life() {
    let mut h = Harness::playing().restart();
    h.attach("w1", "life-2", vec![]);
    // Not the grace of 10 s: only a permit of the last leader may still be in use.
    h.wait(150);
    assert_eq!(h.lease("s").0.token.get(), 2);
}

#[test]
fn a_session_that_waited_for_a_worker_waits_on_under_the_next_leader() {
    let mut h = without_workers();
    h.create("s");
    let mut h = h.restart();
    h.attach("w1", "life-1", vec![]);
    assert!(h.is_leased("s"));
}

#[test]
fn a_refused_play_keeps_what_plays() {
    let mut h = without_workers();
    h.attach("w1", "life-1", vec![]);
    start(&mut h, 1);
    learn_cost(&mut h, "w1", "s1", 20, 30);
    let second = h.call("s1", Request::Play(Box::new(harness::item(2))));
    assert_eq!(h.refusal(second).code, "no_capacity");
    assert_eq!(h.view("s1").title.as_deref(), Some("Film 1"));
    assert_eq!(h.view("s1").playback, PlaybackState::Playing);
}

#[test]
fn an_older_life_of_a_worker_that_comes_back_has_what_it_had() {
    let mut h = Harness::playing();
    h.wait(2_000);
    h.control("s", Action::Stop);
    h.attach("w1", "life-2", vec![]);
    detach(&mut h, "w1", "life-2");
    h.attach("w1", "life-1", vec![]);
    assert!(
        !h.lease("s").1.in_channel,
        "told that it was stopped meanwhile"
    );
    h.play("s", 2);
    assert_eq!(
        (h.newest_holder("s").as_str(), h.lease("s").0.token.get()),
        ("w1", 1)
    );
}

#[test]
fn a_new_life_of_a_worker_that_was_stopped_is_another_holder() {
    let mut h = Harness::playing();
    detach(&mut h, "w1", "life-1");
    h.wait(150);
    h.control("s", Action::Stop);
    h.attach("w1", "life-2", vec![]);
    h.play("s", 2);
    assert_eq!(
        h.lease("s").0.token.get(),
        2,
        "the lease was another process's"
    );
}
