//! What a worker is told that asks whether its leases stand, and what that keeps the scheduler from.

use crate::harness::Harness;
use orb_scheduler_core::{
    Action, Effect, Event, FencingToken, Incarnation, PlaybackState, SessionId, Step, WorkerId,
};
use proptest::prelude::*;

/// Permits are shorter (`orb-config`).
const RESET_GRACE: u64 = 150;

impl Harness {
    /// This life of the worker asks about session `s`.
    fn ask(&mut self, worker: &str, incarnation: &str, token: u64) -> Step {
        self.event(Event::ConfirmLeases {
            worker: WorkerId::new(worker),
            incarnation: Incarnation::new(incarnation),
            request: 7,
            leases: vec![(SessionId::new("s"), FencingToken::new(token))],
        })
    }

    /// What this life of the worker is told of session `s`; none when it is not answered.
    fn confirm(&mut self, worker: &str, incarnation: &str, token: u64) -> Option<bool> {
        let step = self.ask(worker, incarnation, token);
        assert!(step.writes.is_empty(), "nothing of it has to be durable");
        match &step.effects[..] {
            [] => None,
            [
                Effect::ConfirmLeases {
                    worker: to,
                    incarnation: life,
                    request,
                    verdicts,
                },
            ] => {
                assert_eq!((to.as_str(), life.as_str()), (worker, incarnation));
                assert_eq!((*request, verdicts.len()), (7, 1));
                assert_eq!(verdicts[0].session.as_str(), "s");
                assert_eq!(verdicts[0].token.get(), token);
                Some(verdicts[0].held)
            }
            other => panic!("{other:?}"),
        }
    }

    fn token(&self) -> u64 {
        self.lease("s").0.token.get()
    }
}

#[test]
fn a_lease_is_held_by_one_life_under_one_token() {
    let mut h = Harness::playing();
    h.attach("w2", "life-2", vec![]);
    assert_eq!(h.confirm("w1", "life-1", 1), Some(true));
    assert_eq!(
        h.confirm("w1", "life-1", 2),
        Some(false),
        "no such token yet"
    );
    assert_eq!(h.confirm("w1", "life-1", 0), Some(false));
    assert_eq!(h.confirm("w2", "life-2", 1), Some(false), "another's");
    assert_eq!(h.confirm("w1", "life-9", 1), None, "not attached");
    assert_eq!(h.confirm("w9", "life-1", 1), None, "not known");
}

#[test]
fn an_unknown_session_is_not_held() {
    let mut h = Harness::new();
    assert_eq!(h.confirm("w1", "life-1", 1), Some(false));
}

#[test]
fn a_stopped_session_is_not_held() {
    let mut h = Harness::playing();
    h.control("s", Action::Stop);
    assert_eq!(h.confirm("w1", "life-1", 1), Some(false));
}

#[test]
fn after_a_take_over_only_the_successor_is_confirmed() {
    let mut h = Harness::playing();
    h.attach("w2", "life-2", vec![]);
    h.detach("w1", "life-1");
    h.wait(RESET_GRACE);
    h.attach("w1", "life-1", vec![]);
    assert_eq!(h.token(), 2);
    assert_eq!(h.confirm("w1", "life-1", 1), Some(false));
    assert_eq!(h.confirm("w1", "life-1", 2), Some(false));
    assert_eq!(h.confirm("w2", "life-2", 2), Some(true));
}

#[test]
fn a_new_leader_confirms_the_holder_that_came_back_before_its_grace_is_over() {
    let h = Harness::playing();
    let observed = h.observed("s", PlaybackState::Playing, 500);
    let mut h = h.restart();
    assert_eq!(
        h.confirm("w1", "life-1", 1),
        None,
        "not attached to this one"
    );
    h.attach("w1", "life-1", vec![observed]);
    assert_eq!(h.confirm("w1", "life-1", 1), Some(true));
}

#[test]
fn a_question_counts_as_a_beat() {
    let mut h = Harness::playing();
    h.attach("w2", "life-2", vec![]);
    for _ in 0..4 {
        h.wait(1_500);
        h.beat_of("w2", "life-2", vec![]);
        assert_eq!(h.confirm("w1", "life-1", 1), Some(true));
    }
    for _ in 0..3 {
        h.wait(1_000);
        h.beat_of("w2", "life-2", vec![]);
    }
    assert_eq!(h.token(), 2, "and its silence after that is noticed");
}

#[test]
fn a_question_after_the_worker_was_judged_keeps_it_under_watch() {
    let mut h = Harness::playing();
    h.wait(5_000);
    assert_eq!(
        h.confirm("w1", "life-1", 1),
        Some(true),
        "nobody else was there"
    );
    h.attach("w2", "life-2", vec![]);
    for _ in 0..3 {
        h.wait(1_000);
        h.beat_of("w2", "life-2", vec![]);
    }
    assert_eq!(h.token(), 2);
}

/// Every way in which a session can go elsewhere at once waits for the permit.
#[test]
fn a_confirmed_lease_is_granted_to_nobody_else_while_the_permit_may_be_used() {
    type Way = fn(&mut Harness);
    let ways: [(&str, Way); 3] = [
        ("another worker comes right after the reset", |h| {
            h.detach("w1", "life-1");
            h.attach("w2", "life-2", vec![]);
        }),
        ("another process takes the worker's id", |h| {
            h.detach("w1", "life-1");
            h.attach("w1", "life-2", vec![]);
        }),
        ("the party is stopped and made anew", |h| {
            h.attach("w2", "life-2", vec![]);
            h.control("s", Action::Stop);
            h.event(Event::VoiceLeft {
                account: crate::harness::ACCOUNT,
                guild_id: crate::harness::GUILD,
                asked: true,
            });
            h.detach("w1", "life-1");
            h.play("s", 2);
        }),
    ];
    for (way, go_elsewhere) in ways {
        let mut h = Harness::playing();
        h.wait(1_000);
        assert_eq!(h.confirm("w1", "life-1", 1), Some(true));
        go_elsewhere(&mut h);
        assert_eq!(h.token(), 1, "{way}: too early");
        h.wait(RESET_GRACE - 1);
        assert_eq!(h.token(), 1, "{way}: too early");
        h.wait(2);
        assert_eq!(h.token(), 2, "{way}: it is granted when the permit is over");
    }
}

#[test]
fn a_new_leader_waits_for_permits_of_the_last_one() {
    let h = Harness::playing();
    let observed = h.observed("s", PlaybackState::Playing, 500);
    let mut h = h.restart();
    h.attach("w1", "life-1", vec![observed]);
    h.detach("w1", "life-1");
    h.effects.clear();
    h.attach("w2", "life-2", vec![]);
    assert!(
        h.effects
            .iter()
            .all(|e| !matches!(e, Effect::SendLease { .. }))
    );
    h.wait(RESET_GRACE);
    assert_eq!(h.token(), 2);
}

#[derive(Debug, Clone)]
enum Happening {
    /// The worker that is told here asks about the newest token.
    Confirm(u8, u8),
    Attach(u8, u8),
    Detach(u8, u8),
    Beat(u8, u8),
    Play(i64),
    Stop,
    Left(bool),
    Wait(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let life = || (1..4u8, 1..3u8);
    prop_oneof![
        3 => life().prop_map(|(w, l)| Happening::Confirm(w, l)),
        3 => life().prop_map(|(w, l)| Happening::Attach(w, l)),
        2 => life().prop_map(|(w, l)| Happening::Detach(w, l)),
        1 => life().prop_map(|(w, l)| Happening::Beat(w, l)),
        1 => (1..4i64).prop_map(Happening::Play),
        1 => Just(Happening::Stop),
        1 => any::<bool>().prop_map(Happening::Left),
        2 => (0..200u64).prop_map(Happening::Wait),
        1 => (0..3_000u64).prop_map(Happening::Wait),
    ]
}

/// What the harness has sent, against the permits that were given.
#[derive(Default)]
struct Permits {
    /// Who may dial, and until when.
    given: Option<(String, u64)>,
    seen: usize,
}

impl Permits {
    /// Looks at what was sent since the last time; all of it was sent now.
    fn look(&mut self, h: &Harness) -> Result<(), TestCaseError> {
        for effect in &h.effects[self.seen..] {
            match effect {
                Effect::ConfirmLeases {
                    worker,
                    incarnation,
                    verdicts,
                    ..
                } if verdicts[0].held => {
                    self.given = Some((format!("{worker}/{incarnation}"), h.now + RESET_GRACE));
                }
                Effect::SendLease {
                    worker,
                    incarnation,
                    ..
                } => {
                    if let Some((permitted, until)) = &self.given {
                        let life = format!("{worker}/{incarnation}");
                        prop_assert!(
                            *permitted == life || h.now >= *until,
                            "leased to {life} at {} while {permitted} may dial until {until}",
                            h.now
                        );
                    }
                }
                _ => {}
            }
        }
        self.seen = h.effects.len();
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nobody_is_granted_what_another_may_dial_for(
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut h = Harness::playing();
        let mut permits = Permits::default();
        for happening in happenings {
            match happening {
                Happening::Confirm(w, l) => {
                    let token = h.token();
                    h.ask(&format!("w{w}"), &format!("life-{l}"), token);
                }
                Happening::Attach(w, l) => {
                    h.attach(&format!("w{w}"), &format!("life-{l}"), vec![]);
                }
                Happening::Detach(w, l) => {
                    h.detach(&format!("w{w}"), &format!("life-{l}"));
                }
                Happening::Beat(w, l) => {
                    h.beat_of(&format!("w{w}"), &format!("life-{l}"), vec![]);
                }
                Happening::Play(entry) => {
                    h.play("s", entry);
                }
                Happening::Stop => {
                    h.control("s", Action::Stop);
                }
                Happening::Left(asked) => {
                    h.event(Event::VoiceLeft {
                        account: crate::harness::ACCOUNT,
                        guild_id: crate::harness::GUILD,
                        asked,
                    });
                }
                Happening::Wait(ms) => {
                    let until = h.now + ms;
                    while let Some(at) = h.scheduler.next_deadline().filter(|at| at.0 <= until) {
                        h.wait(at.0.saturating_sub(h.now));
                        permits.look(&h)?;
                    }
                    h.wait(until - h.now);
                }
            }
            permits.look(&h)?;
        }
    }
}
