//! The trace of a call goes with its session, whoever carries it out, and tells why that one does.

use crate::harness::{Harness, item};
use orb_scheduler_core::{
    Action, Call, CallId, CommandId, Effect, Event, Grant, GrantCause, PlaybackState, Request,
    SessionId, Step, TraceParent,
};

fn trace(call: u8) -> TraceParent {
    TraceParent::parse(&format!("00-{call:032x}-{call:016x}-01")).unwrap()
}

/// A call of that trace.
fn traced(h: &mut Harness, request: Request, call: u8) -> Step {
    h.event(Event::Call(Box::new(Call {
        id: CallId(1_000 + u64::from(call)),
        command: CommandId(format!("traced-{call}")),
        request_hash: [call; 32],
        known: None,
        stored: None,
        actor: "tester".to_owned(),
        session: SessionId::new("s"),
        request,
        trace: Some(trace(call)),
    })))
}

/// It plays on w1, in trace 1.
fn playing() -> Harness {
    let mut h = Harness::playing();
    traced(&mut h, Request::Play(Box::new(item(99))), 1);
    h.report("s", PlaybackState::Playing, 1_000);
    h.attach("w2", "life-2", vec![]);
    h
}

/// Of this leader; the first one's first is w1's.
fn grants(h: &Harness) -> Vec<(Grant, Option<TraceParent>)> {
    let grants = h.effects.iter().filter_map(|effect| match effect {
        Effect::Granted { grant, trace, .. } => Some(((**grant).clone(), trace.clone())),
        _ => None,
    });
    grants.collect()
}

#[test]
fn words_bear_the_trace_of_the_last_call_that_changed_something() {
    let mut h = playing();
    traced(&mut h, Request::Control(Action::Pause), 2);
    assert_eq!(h.lease("s").1.trace, Some(trace(2)));
    traced(&mut h, Request::Control(Action::Pause), 3);
    traced(
        &mut h,
        Request::Control(Action::Seek { position_ms: -1 }),
        4,
    );
    h.control("s", Action::Resume);
    assert_eq!(
        h.lease("s").1.trace,
        None,
        "an untraced call belongs to none"
    );
}

#[test]
fn a_take_over_goes_on_with_it_and_says_what_was_lost() {
    let mut h = playing();
    h.wait(500);
    h.detach("w1", "life-1");
    h.wait(150);
    let [_, (grant, of)] = &grants(&h)[..] else {
        panic!("one more grant")
    };
    assert_eq!(*of, Some(trace(1)));
    assert_eq!(grant.from.as_ref().unwrap().as_str(), "w1");
    let lost = GrantCause::TakenOver {
        unheard_ms: Some(650),
    };
    assert_eq!((grant.worker.as_str(), grant.cause), ("w2", lost));
    let (fence, desired, _) = h.lease("s");
    assert_eq!((fence.token, desired.trace), (grant.token, Some(trace(1))));
    let placed = |effect: &Effect| matches!(effect, Effect::Placed { trace: of, .. } if *of == Some(trace(1)));
    assert!(h.effects.iter().any(placed), "with its explanation");
}

#[test]
fn so_it_does_under_the_next_leader() {
    let mut h = playing().restart();
    h.attach("w2", "life-2", vec![]);
    h.wait(1_500);
    for _ in 0..9 {
        h.beat_of("w2", "life-2", vec![]);
        h.wait(1_000);
    }
    let [(grant, of)] = &grants(&h)[..] else {
        panic!("one grant")
    };
    let never_met = GrantCause::TakenOver { unheard_ms: None };
    assert_eq!((grant.cause, of), (never_met, &Some(trace(1))));
    assert_eq!(h.lease("s").1.trace, Some(trace(1)));
}

#[test]
fn a_hand_over_is_none_unless_the_holder_is_lost_on_the_way() {
    for lost in [false, true] {
        let mut h = playing();
        h.drain("w1", "life-1");
        let [_, (planned, _)] = &grants(&h)[..] else {
            panic!("one more grant")
        };
        assert_eq!(planned.cause, GrantCause::HandedOver);
        h.warm("w2", "life-2", "s");
        if lost {
            h.detach("w1", "life-1");
            h.wait(150);
        } else {
            h.stopped("w1", "life-1", "s");
        }
        assert_eq!(h.lease("s").0.token, planned.token, "w2 holds it");
        let causes: Vec<_> = grants(&h).iter().map(|(grant, _)| grant.cause).collect();
        let taken_over = |cause: &GrantCause| matches!(cause, GrantCause::TakenOver { .. });
        assert_eq!(causes.iter().any(taken_over), lost, "{causes:?}");
    }
}

#[test]
fn a_refused_play_explains_itself_in_its_own_trace() {
    let mut h = Harness::new();
    h.create("s");
    h.beat_with("w1", "life-1", 0, vec![]);
    let step = traced(&mut h, Request::Play(Box::new(item(1))), 5);
    let placed = step.effects.iter().find_map(|effect| match effect {
        Effect::Placed {
            explanation, trace, ..
        } => Some((explanation.chosen.is_some(), trace.clone())),
        _ => None,
    });
    assert_eq!(placed, Some((false, Some(trace(5)))));
}
