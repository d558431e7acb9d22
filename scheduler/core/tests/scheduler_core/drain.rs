//! Drains and hand-overs, and what becomes of them when anybody is lost in the middle.

use crate::harness::{GUILD, Harness, create};
use orb_scheduler_core::{
    Action, CommandOutcome, DrainCause, Effect, Event, HANDOVERS_AT_ONCE, KnownPlan, PlaybackState,
    Request, Role, WorkerId, Write,
};

/// `s` plays on w1 at 10 s; w2 has room; w1 drains, so w2 warms up.
fn draining() -> Harness {
    let mut h = Harness::playing();
    h.attach("w2", "life-2", vec![]);
    h.report("s", PlaybackState::Playing, 10_000);
    h.drain("w1", "life-1");
    h
}

/// The same, with w2 warm and w1 told to stop.
fn stopping() -> Harness {
    let mut h = draining();
    h.wait(400);
    h.warm("w2", "life-2", "s");
    h
}

fn beats(h: &mut Harness, seconds: u64, workers: &[(&str, &str)]) {
    for _ in 0..seconds {
        h.wait(1_000);
        for (worker, life) in workers {
            h.beat_of(worker, life, vec![]);
        }
    }
}

fn drained(h: &Harness, worker: &str) -> usize {
    h.effects
        .iter()
        .filter(|e| matches!(e, Effect::Drained { worker: w, .. } if w.as_str() == worker))
        .count()
}

#[test]
fn a_playing_session_is_handed_over_at_the_frame_where_the_old_one_stopped() {
    let mut h = draining();
    let (warm_fence, anchor, role) = h.word_to("w2", "s").unwrap();
    assert_eq!((warm_fence.token.get(), role), (2, Role::WarmsUp));
    assert_eq!(anchor.position_ms, 11_500);
    assert_eq!(h.word_to("w1", "s").unwrap().2, Role::Holds, "it plays on");
    h.wait(400);
    h.warm("w2", "life-2", "s");
    let (fence, _, role) = h.word_to("w1", "s").unwrap();
    assert_eq!(fence.token.get(), 1);
    assert_eq!(
        role,
        Role::HoldsUntil {
            position_ms: 11_500
        }
    );
    assert_eq!(
        h.word_to("w2", "s").unwrap().2,
        Role::WarmsUp,
        "not before w1 has stopped"
    );
    h.wait(1_100);
    h.stopped("w1", "life-1", "s");
    let (fence, desired, voice) = h.lease("s");
    assert_eq!(fence.token.get(), 2);
    assert_eq!(
        (desired.anchor.position_ms, desired.anchor.set_at),
        (11_500, fence.generation)
    );
    assert_eq!(voice.unwrap().token, "voice-1");
    assert_eq!(h.word_to("w1", "s"), None, "revoked");
    assert_eq!(drained(&h, "w1"), 1);
    h.report_by("w2", "life-2", "s", PlaybackState::Playing, 11_520);
    assert_eq!(h.view("s").playback, PlaybackState::Playing);
    assert_eq!(drained(&h, "w1"), 1, "told once");
}

#[test]
fn a_slow_source_makes_the_old_one_play_longer_and_a_very_slow_one_is_opened_anew() {
    let mut h = draining();
    beats(&mut h, 3, &[("w1", "life-1"), ("w2", "life-2")]);
    h.warm("w2", "life-2", "s");
    assert_eq!(
        h.word_to("w1", "s").unwrap().2,
        Role::HoldsUntil {
            position_ms: 13_300
        }
    );

    let mut h = draining();
    beats(&mut h, 6, &[("w1", "life-1"), ("w2", "life-2")]);
    h.warm("w2", "life-2", "s");
    assert_eq!(h.word_to("w1", "s").unwrap().2, Role::Holds);
    let (fence, anchor, role) = h.word_to("w2", "s").unwrap();
    assert_eq!(
        (fence.token.get(), anchor.position_ms, role),
        (2, 17_500, Role::WarmsUp)
    );
}

#[test]
fn a_worker_that_never_gets_warm_is_given_up_and_another_one_tried() {
    let mut h = draining();
    h.attach("w3", "life-3", vec![]);
    beats(
        &mut h,
        10,
        &[("w1", "life-1"), ("w2", "life-2"), ("w3", "life-3")],
    );
    assert_eq!(h.word_to("w2", "s"), None);
    let (fence, _, role) = h.word_to("w3", "s").unwrap();
    assert_eq!((fence.token.get(), role), (3, Role::WarmsUp));
    assert_eq!(h.lease("s").0.token.get(), 1, "w1 plays on meanwhile");
}

#[test]
fn the_old_one_is_lost_while_the_next_one_warms_up_and_it_takes_over_at_once() {
    for stop in [false, true] {
        let mut h = if stop { stopping() } else { draining() };
        h.wait(100);
        let at = h.view("s").position.at(orb_scheduler_core::Millis(h.now));
        h.detach("w1", "life-1");
        h.wait(150);
        let (fence, desired, voice) = h.lease("s");
        assert_eq!(fence.token.get(), 2);
        assert_eq!(desired.anchor.position_ms, at);
        assert!(voice.is_some());
        assert_eq!(h.newest_holder("s"), "w2");
    }
}

#[test]
fn the_next_one_is_lost_and_the_old_one_goes_on() {
    let mut h = draining();
    h.detach("w2", "life-2");
    h.wait(150);
    assert_eq!(h.newest_holder("s"), "w1");
    assert_eq!(h.word_to("w1", "s").unwrap().2, Role::Holds);

    let mut h = stopping();
    let told = h.word_to("w1", "s").unwrap();
    h.detach("w2", "life-2");
    h.wait(150);
    let (fence, anchor, role) = h.word_to("w1", "s").unwrap();
    assert_eq!(role, Role::Holds, "what it was told is taken back");
    assert!(fence > told.0);
    assert_eq!(anchor, told.1, "it goes on from wherever it is");
    h.attach("w3", "life-3", vec![]);
    let (fence, _, role) = h.word_to("w3", "s").unwrap();
    assert_eq!(
        (fence.token.get(), role),
        (3, Role::WarmsUp),
        "and is drained to another"
    );
}

#[test]
fn both_are_lost_and_a_third_one_takes_over() {
    let mut h = stopping();
    h.detach("w1", "life-1");
    h.detach("w2", "life-2");
    h.wait(150);
    h.attach("w3", "life-3", vec![]);
    assert_eq!(
        (h.newest_holder("s").as_str(), h.lease("s").0.token.get()),
        ("w3", 3)
    );
}

#[test]
fn the_old_one_does_not_confirm_and_is_displaced() {
    let mut h = stopping();
    beats(&mut h, 4, &[("w1", "life-1"), ("w2", "life-2")]);
    assert_eq!(
        (h.newest_holder("s").as_str(), h.lease("s").0.token.get()),
        ("w2", 2)
    );
    assert_eq!(h.word_to("w1", "s"), None);
}

#[test]
fn the_leader_is_lost_while_the_next_one_warms_up() {
    let h = draining();
    let holder = h.observed("s", PlaybackState::Playing, 10_500);
    let mut h = h.restart();
    h.attach_draining("w1", "life-1", vec![holder]);
    assert_eq!(h.word_to("w1", "s").unwrap().2, Role::Holds);
    h.attach("w2", "life-2", vec![]);
    assert_eq!(h.word_to("w2", "s").unwrap().2, Role::WarmsUp, "told again");
    h.warm("w2", "life-2", "s");
    assert!(matches!(
        h.word_to("w1", "s").unwrap().2,
        Role::HoldsUntil { .. }
    ));
    h.wait(1_000);
    h.stopped("w1", "life-1", "s");
    assert_eq!(
        (h.newest_holder("s").as_str(), h.lease("s").0.token.get()),
        ("w2", 2)
    );
}

#[test]
fn the_leader_is_lost_while_the_old_one_stops() {
    // Both come back: the next one goes on from where the old one says it stopped.
    let mut h = stopping().restart();
    h.attach_draining("w1", "life-1", vec![]);
    h.stopped("w1", "life-1", "s");
    assert_eq!(h.newest_holder("s"), "w1", "w2 is not there yet");
    h.attach("w2", "life-2", vec![]);
    assert_eq!(h.newest_holder("s"), "w2");
    assert_eq!(h.lease("s").1.anchor.position_ms, 11_500);

    // The next one does not come back: the old one goes on.
    let mut h = stopping().restart();
    h.attach_draining("w1", "life-1", vec![]);
    h.stopped("w1", "life-1", "s");
    beats(&mut h, 10, &[("w1", "life-1")]);
    assert_eq!(h.newest_holder("s"), "w1");
    assert_eq!(h.word_to("w1", "s").unwrap().2, Role::Holds);

    // The old one does not come back: the next one takes over when the grace is over.
    let mut h = stopping().restart();
    h.attach("w2", "life-2", vec![]);
    beats(&mut h, 9, &[("w2", "life-2")]);
    assert_eq!(h.newest_holder("s"), "w1");
    beats(&mut h, 1, &[("w2", "life-2")]);
    assert_eq!(h.newest_holder("s"), "w2");

    // Nobody does.
    let mut h = stopping().restart();
    h.attach("w3", "life-3", vec![]);
    beats(&mut h, 10, &[("w3", "life-3")]);
    assert_eq!(
        (h.newest_holder("s").as_str(), h.lease("s").0.token.get()),
        ("w3", 3)
    );
}

#[test]
fn what_a_caller_changes_meanwhile_is_done_by_the_holder_and_prepared_anew() {
    for action in [
        Action::Pause,
        Action::Seek {
            position_ms: 30_000,
        },
        Action::Skip { entry: None },
        Action::Stop,
    ] {
        let mut h = stopping();
        h.control("s", action);
        if matches!(action, Action::Skip { .. }) {
            assert_eq!(h.newest_holder("s"), "w2", "nothing plays: moved at once");
            continue;
        }
        let (fence, anchor, role) = h.word_to("w1", "s").unwrap();
        assert_eq!((fence.token.get(), role), (1, Role::Holds), "{action:?}");
        match action {
            Action::Seek { .. } => {
                assert_eq!(anchor.position_ms, 30_000);
                h.report("s", PlaybackState::Playing, 30_000);
            }
            Action::Stop => {
                assert_eq!(h.word_to("w2", "s"), None);
                continue;
            }
            _ => {}
        }
        let (fence, _, role) = h.word_to("w2", "s").unwrap_or_else(|| panic!("{action:?}"));
        assert_eq!((fence.token.get(), role), (3, Role::WarmsUp), "{action:?}");
    }
}

#[test]
fn what_a_caller_changed_bears_the_callers_generation_not_that_of_the_hand_over_it_began_anew() {
    let mut h = stopping();
    h.call_as("s", Request::Control(Action::Pause), "pause");
    let stored = h.writes.iter().find_map(|write| match write {
        Write::Command(record) if record.id.0 == "pause" => Some(record.outcome.clone()),
        _ => None,
    });
    let Some(CommandOutcome::Accepted { generation, .. }) = stored else {
        panic!("{stored:?}");
    };
    assert_eq!(h.events("pause")[0]["generation"], generation.get());
    let anew = h.events("handover_started").pop().unwrap();
    assert_eq!(anew["generation"], generation.get() + 1);
}

#[test]
fn a_paused_session_is_handed_over_where_it_stands() {
    let mut h = Harness::playing();
    h.attach("w2", "life-2", vec![]);
    h.control("s", Action::Pause);
    h.report("s", PlaybackState::Paused, 10_000);
    h.drain("w1", "life-1");
    h.warm("w2", "life-2", "s");
    assert_eq!(
        h.word_to("w1", "s").unwrap().2,
        Role::HoldsUntil {
            position_ms: 10_000
        }
    );
    h.stopped("w1", "life-1", "s");
    assert!(h.lease("s").1.paused);
    assert_eq!(h.lease("s").1.anchor.position_ms, 10_000);
}

#[test]
fn an_item_about_to_end_is_let_end() {
    let mut h = Harness::playing();
    h.attach("w2", "life-2", vec![]);
    h.report("s", PlaybackState::Playing, 56_000);
    h.drain("w1", "life-1");
    assert_eq!(h.word_to("w2", "s"), None);
    h.report_end("s", orb_scheduler_core::EndReason::Finished, None);
    assert_eq!(h.newest_holder("s"), "w2");
    assert_eq!(drained(&h, "w1"), 1);
}

#[test]
fn twenty_sessions_go_a_few_at_once_and_none_is_lost() {
    let mut h = twenty_draining();
    let mut rounds = 0;
    while drained(&h, "w1") == 0 {
        let now = warming_on_w2(&h);
        assert!((1..=HANDOVERS_AT_ONCE).contains(&now.len()), "{now:?}");
        for session in now {
            h.warm("w2", "life-2", &session);
            h.stopped("w1", "life-1", &session);
            h.report_by("w2", "life-2", &session, PlaybackState::Playing, 2_600);
            assert!(warming_on_w2(&h).len() <= HANDOVERS_AT_ONCE);
        }
        rounds += 1;
        assert!(rounds < 30);
    }
    assert!(
        h.sessions()
            .iter()
            .all(|session| h.newest_holder(session) == "w2")
    );
}

#[test]
fn the_next_session_moves_when_an_earlier_one_is_heard_or_was_waited_for() {
    let mut h = twenty_draining();
    let first = warming_on_w2(&h);
    assert_eq!(first.len(), HANDOVERS_AT_ONCE);
    for session in &first {
        h.warm("w2", "life-2", session);
        h.stopped("w1", "life-1", session);
    }
    assert_eq!(warming_on_w2(&h), [""; 0], "all four still join");
    h.report_by("w2", "life-2", &first[0], PlaybackState::Loading, 2_600);
    assert_eq!(warming_on_w2(&h), [""; 0]);
    h.report_by("w2", "life-2", &first[0], PlaybackState::Playing, 2_600);
    assert_eq!(warming_on_w2(&h).len(), 1);
    // The others are never heard.
    h.beat_of("w1", "life-1", vec![]);
    h.beat_of("w2", "life-2", vec![]);
    h.wait(1_000);
    h.beat_of("w1", "life-1", vec![]);
    h.beat_of("w2", "life-2", vec![]);
    h.wait(999);
    assert_eq!(warming_on_w2(&h).len(), 1);
    h.wait(1);
    assert_eq!(warming_on_w2(&h).len(), HANDOVERS_AT_ONCE);
}

/// Twenty sessions play on w1, which drains; w2 has room for all of them.
fn twenty_draining() -> Harness {
    let mut h = Harness::new();
    h.attach_with("w1", "life-1", 8_000, vec![]);
    for n in 0..20 {
        let session = format!("s{n:02}");
        h.call(&session, create(GUILD + n));
        h.play(&session, 1);
        let mut observed = h.observed(&session, PlaybackState::Playing, 1_000);
        observed.known_plan = Some(KnownPlan {
            cost_millicores: 20,
            details: String::new(),
        });
        h.beat(vec![observed]);
    }
    h.attach_with("w2", "life-2", 8_000, vec![]);
    h.drain("w1", "life-1");
    h
}

fn warming_on_w2(h: &Harness) -> Vec<String> {
    let warms_up = |s: &String| {
        let word = h.word_to("w2", s);
        word.is_some_and(|(.., role)| role == Role::WarmsUp)
    };
    h.sessions().into_iter().filter(warms_up).collect()
}

#[test]
fn a_draining_worker_gets_nothing_new_and_keeps_what_nobody_has_room_for() {
    let mut h = Harness::playing();
    h.drain("w1", "life-1");
    assert_eq!(h.newest_holder("s"), "w1");
    h.call("t", create(GUILD + 1));
    let play = h.play("t", 1);
    assert!(h.answer(play).is_none());
    assert!(!h.is_leased("t"), "it waits for another one");
    assert_eq!(drained(&h, "w1"), 0);
    h.attach("w2", "life-2", vec![]);
    assert_eq!(h.newest_holder("t"), "w2");
    assert_eq!(
        h.word_to("w2", "s").unwrap().2,
        Role::WarmsUp,
        "as soon as there is room"
    );
}

#[test]
fn an_operator_drains_and_the_worker_is_told() {
    let mut h = Harness::playing();
    h.attach("w2", "life-2", vec![]);
    h.event(Event::Drain {
        worker: WorkerId::new("w1"),
        cause: DrainCause::Operator,
    });
    assert!(
        h.effects
            .iter()
            .any(|e| matches!(e, Effect::StartDrain { worker, .. } if worker.as_str() == "w1"))
    );
    assert_eq!(h.word_to("w2", "s").unwrap().2, Role::WarmsUp);
}

#[test]
fn the_next_one_drains_too_and_another_is_chosen() {
    let mut h = draining();
    h.attach("w3", "life-3", vec![]);
    h.drain("w2", "life-2");
    assert_eq!(h.word_to("w2", "s"), None);
    assert_eq!(h.word_to("w3", "s").unwrap().2, Role::WarmsUp);
    assert_eq!(drained(&h, "w2"), 1);
}

#[test]
fn a_worker_with_nothing_on_it_is_told_at_once() {
    let mut h = Harness::new();
    h.drain("w1", "another-life");
    assert_eq!(drained(&h, "w1"), 0, "another life of it");
    h.drain("w1", "life-1");
    assert_eq!(drained(&h, "w1"), 1);
}

#[test]
fn what_the_holder_finds_out_about_the_cost_counts_where_it_is_warmed_up_too() {
    let mut h = Harness::playing();
    h.attach_with("w2", "life-2", 155, vec![]);
    h.drain("w1", "life-1");
    assert_eq!(h.word_to("w2", "s").unwrap().2, Role::WarmsUp);
    let mut observed = h.observed("s", PlaybackState::Playing, 1_000);
    observed.known_plan = Some(KnownPlan {
        cost_millicores: 650,
        details: String::new(),
    });
    h.beat(vec![observed]);
    h.call("t", create(GUILD + 1));
    assert_eq!(h.newest_holder("t"), "", "w2 is more than full");
}
