//! Parties whose worker is lost: they wait in order, and are placed when room appears.

use orb_scheduler_core::{Action, Event, PlaybackState};

use super::{detach, learn_cost, start, without_workers};
use crate::harness::{ACCOUNT, GUILD, Harness};

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
