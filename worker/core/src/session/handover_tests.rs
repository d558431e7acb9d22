//! The session in a hand-over, word by word, and under any order of words and news.

use proptest::prelude::*;

use super::tests::{credentials, fence, playing};
use super::*;
use crate::{Anchor, Handover};

fn anchor(position_ms: u64, set_at: u64) -> Anchor {
    Anchor {
        position_ms,
        set_at,
    }
}

fn tell(session: &mut Session, fence: Fence, desired: Desired, role: Role) -> Vec<Action> {
    session.handle(Input::Lease {
        fence,
        desired: Box::new(desired),
        role,
    })
}

fn news(session: &mut Session, run: u64, news: PipelineNews) -> Vec<Action> {
    session.handle(Input::Pipeline { run, news })
}

fn voice(session: &mut Session, news: VoiceNews) -> Vec<Action> {
    session.handle(Input::Voice(news))
}

fn without_voice(entry: i64, anchor: Anchor) -> Desired {
    Desired {
        voice: None,
        ..playing(entry, anchor)
    }
}

/// Plays entry 1 since generation 2, in the channel.
fn holder() -> Session {
    let mut session = Session::new();
    tell(
        &mut session,
        fence(1, 2),
        playing(1, anchor(0, 2)),
        Role::Holds,
    );
    voice(&mut session, VoiceNews::Connected { revision: 1 });
    news(&mut session, 1, PipelineNews::Ready);
    voice(&mut session, VoiceNews::Started);
    session
}

/// Is warm at 10 s since generation 5, under token 2.
fn warm() -> Session {
    let mut session = Session::new();
    let desired = without_voice(1, anchor(10_000, 5));
    let actions = tell(&mut session, fence(2, 5), desired, Role::WarmsUp);
    assert!(
        matches!(
            actions[0],
            Action::Open {
                warm: true,
                start_ms: 10_000,
                ..
            }
        ),
        "{actions:?}"
    );
    assert_eq!(session.handover(), None);
    news(&mut session, 1, PipelineNews::Ready);
    session
}

const UNTIL: Role = Role::HoldsUntil { position_ms: 8_000 };

#[test]
fn one_that_warms_up_sends_nothing_and_says_when_it_is_warm() {
    let session = warm();
    assert_eq!(session.handover(), Some(Handover::Warm));
    assert_eq!(session.reported(), fence(2, 5));
    assert_eq!(session.voice_status(), VoiceStatus::Disconnected);
}

#[test]
fn what_is_warm_is_fed_from_where_the_holder_stopped() {
    let mut session = warm();
    let actions = tell(
        &mut session,
        fence(2, 8),
        playing(1, anchor(11_240, 8)),
        Role::Holds,
    );
    assert_eq!(
        actions,
        [
            Action::Connect(credentials(1)),
            Action::Feed {
                from_ms: 11_240,
                paused: false
            },
            Action::Report
        ]
    );
    assert_eq!(session.start_ms(), 11_240);
    assert!(session.reported().generation < 8, "nothing was sent yet");
    voice(&mut session, VoiceNews::Connected { revision: 1 });
    voice(&mut session, VoiceNews::Started);
    assert_eq!(session.reported(), fence(2, 8));
    assert_eq!(session.playback(), Playback::Playing);
}

#[test]
fn a_holder_that_stops_between_frames_just_before_is_covered() {
    let mut session = warm();
    let desired = playing(1, anchor(9_990, 8));
    let actions = tell(&mut session, fence(2, 8), desired, Role::Holds);
    assert!(
        matches!(actions[1], Action::Feed { from_ms: 9_990, .. }),
        "{actions:?}"
    );
}

#[test]
fn what_is_warm_but_does_not_cover_the_position_is_opened_anew() {
    for position_ms in [9_000, 9_989, 13_020] {
        let mut session = warm();
        let desired = playing(1, anchor(position_ms, 8));
        let actions = tell(&mut session, fence(2, 8), desired, Role::Holds);
        assert!(
            matches!(actions[1], Action::Open { warm: false, start_ms, .. } if start_ms == position_ms),
            "{actions:?}"
        );
    }
    let mut session = warm();
    let actions = tell(
        &mut session,
        fence(2, 8),
        playing(2, anchor(10_500, 8)),
        Role::Holds,
    );
    assert!(
        matches!(actions[1], Action::Open { warm: false, .. }),
        "another item"
    );
}

#[test]
fn a_source_that_cannot_be_warmed_up_is_given_back() {
    let mut session = Session::new();
    let desired = without_voice(1, anchor(10_000, 5));
    tell(&mut session, fence(2, 5), desired, Role::WarmsUp);
    let failure = Failure {
        code: "source_unreachable".to_owned(),
        message: "away".to_owned(),
    };
    let actions = news(&mut session, 1, PipelineNews::Failed(failure));
    assert_eq!(actions, [Action::Close, Action::Decline, Action::Report]);
    assert_eq!(session.handover(), None);
}

#[test]
fn the_holder_plays_to_the_end_that_is_asked_for_and_says_where_it_stopped() {
    let mut session = holder();
    let actions = tell(&mut session, fence(1, 6), playing(1, anchor(0, 2)), UNTIL);
    assert_eq!(
        actions,
        [
            Action::EndAt {
                position_ms: Some(8_000)
            },
            Action::Report
        ]
    );
    assert_eq!(session.reported().generation, 2, "not yet");
    assert_eq!(session.playback(), Playback::Playing);
    // The same from the next leader, or after a stream that was cut.
    let again = Fence {
        epoch: 2,
        ..fence(1, 6)
    };
    assert_eq!(
        tell(&mut session, again, playing(1, anchor(0, 2)), UNTIL),
        [Action::Report]
    );
    let stopped = VoiceNews::Stopped {
        position_ms: Some(8_000),
        disconnected: false,
    };
    voice(&mut session, stopped);
    let handover = session.handover();
    assert_eq!(handover, Some(Handover::Stopped { position_ms: 8_000 }));
    assert_eq!(session.reported(), again);
    assert_eq!(session.voice_status(), VoiceStatus::Connected, "untouched");
}

#[test]
fn what_does_not_flow_stops_at_once() {
    let mut paused = holder();
    let mut desired = playing(1, anchor(0, 2));
    desired.paused = true;
    tell(&mut paused, fence(1, 3), desired.clone(), Role::Holds);
    let mut cut = holder();
    voice(&mut cut, VoiceNews::Reconnecting { revision: 1 });
    for (mut session, desired) in [(paused, desired), (cut, playing(1, anchor(0, 2)))] {
        let actions = tell(&mut session, fence(1, 6), desired, UNTIL);
        assert_eq!(
            actions,
            [Action::EndAt { position_ms: None }, Action::Report]
        );
    }
    let mut is_cut_on_the_way = holder();
    let desired = playing(1, anchor(0, 2));
    tell(&mut is_cut_on_the_way, fence(1, 6), desired, UNTIL);
    let actions = voice(
        &mut is_cut_on_the_way,
        VoiceNews::Reconnecting { revision: 1 },
    );
    assert_eq!(
        actions,
        [Action::EndAt { position_ms: None }, Action::Report]
    );
}

#[test]
fn one_that_is_to_stop_connects_with_no_new_credentials_until_it_may_go_on() {
    let mut session = holder();
    let newer = Desired {
        voice: Some(credentials(7)),
        ..playing(1, anchor(0, 2))
    };
    let actions = tell(&mut session, fence(1, 7), newer.clone(), UNTIL);
    assert!(
        !actions.iter().any(|a| matches!(a, Action::Connect(_))),
        "{actions:?}"
    );
    let actions = tell(&mut session, fence(1, 8), newer, Role::Holds);
    assert_eq!(
        actions,
        [
            Action::MayDial,
            Action::Connect(credentials(7)),
            Action::GoOn { paused: false },
            Action::Report
        ]
    );
}

#[test]
fn one_that_stopped_goes_on_where_it_stopped_when_it_is_taken_back() {
    let mut session = holder();
    tell(&mut session, fence(1, 6), playing(1, anchor(0, 2)), UNTIL);
    let stopped = VoiceNews::Stopped {
        position_ms: Some(8_000),
        disconnected: true,
    };
    voice(&mut session, stopped);
    assert_eq!(session.voice_status(), VoiceStatus::Disconnected);
    let actions = tell(
        &mut session,
        fence(1, 7),
        playing(1, anchor(0, 2)),
        Role::Holds,
    );
    assert_eq!(
        actions,
        [
            Action::MayDial,
            Action::Connect(credentials(1)),
            Action::GoOn { paused: false },
            Action::Report
        ]
    );
    assert_eq!((session.start_ms(), session.handover()), (8_000, None));
    assert!(session.reported().generation < 7);
    voice(&mut session, VoiceNews::Started);
    assert_eq!(session.reported(), fence(1, 7));
}

#[test]
fn a_seek_or_the_end_of_the_item_takes_the_end_back() {
    let mut session = holder();
    tell(&mut session, fence(1, 6), playing(1, anchor(0, 2)), UNTIL);
    let actions = tell(
        &mut session,
        fence(1, 7),
        playing(1, anchor(30_000, 7)),
        Role::Holds,
    );
    assert_eq!(actions[0], Action::MayDial);
    assert!(
        matches!(
            actions[1],
            Action::Open {
                start_ms: 30_000,
                ..
            }
        ),
        "{actions:?}"
    );

    let mut session = holder();
    tell(&mut session, fence(1, 6), playing(1, anchor(0, 2)), UNTIL);
    voice(&mut session, VoiceNews::Drained);
    assert_eq!(session.playback(), Playback::Ended(EndReason::Finished));
    assert_eq!(
        session.reported(),
        fence(1, 6),
        "it ended before it came to that"
    );
}

/// What may come in, whatever came before.
fn input() -> impl Strategy<Value = Input> {
    let role = prop_oneof![
        Just(Role::Holds),
        (0..20_000_u64).prop_map(|position_ms| Role::HoldsUntil { position_ms }),
        Just(Role::WarmsUp),
    ];
    let word = (
        1..40_u64,
        0..40_u64,
        0..3_i64,
        (any::<bool>(), any::<bool>()),
        0..4_u64,
        role,
    );
    let word = word.prop_map(
        |(generation, set_at, entry, (paused, live), revision, role)| {
            let mut desired = playing(entry, anchor(set_at * 1_000, set_at.min(generation)));
            desired.paused = paused;
            desired.go_live = live;
            desired.voice = (revision > 0).then(|| credentials(revision));
            if entry == 0 {
                desired.current = None;
            }
            Input::Lease {
                fence: fence(1, generation),
                desired: Box::new(desired),
                role,
            }
        },
    );
    let of_pipeline = prop_oneof![
        Just(PipelineNews::Ready),
        Just(PipelineNews::Failed(Failure {
            code: "source_unreachable".to_owned(),
            message: "away".to_owned()
        })),
    ];
    let of_voice = prop_oneof![
        (1..4_u64).prop_map(|revision| VoiceNews::Connected { revision }),
        (1..4_u64).prop_map(|revision| VoiceNews::Reconnecting { revision }),
        Just(VoiceNews::Started),
        Just(VoiceNews::Drained),
        (any::<bool>(), proptest::option::of(0..20_000_u64)).prop_map(
            |(disconnected, position_ms)| VoiceNews::Stopped {
                position_ms,
                disconnected
            }
        ),
    ];
    prop_oneof![
        3 => word,
        1 => (1..5_u64, of_pipeline).prop_map(|(run, news)| Input::Pipeline { run, news }),
        2 => of_voice.prop_map(Input::Voice),
    ]
}

proptest! {
    #[test]
    fn whatever_comes(inputs in proptest::collection::vec(input(), 1..40)) {
        let mut session = Session::new();
        // What the voice output was told: whether it may dial, and whether it has a source.
        let (mut may_dial, mut fed) = (true, false);
        for input in inputs {
            let before = session.reported();
            let actions = session.handle(input.clone());
            prop_assert!(session.reported() >= before, "reports only rise: {input:?}");
            for action in &actions {
                match action {
                    Action::Connect(_) => prop_assert!(may_dial, "{input:?} {actions:?}"),
                    Action::EndAt { .. } => may_dial = false,
                    Action::MayDial => may_dial = true,
                    Action::Open { warm, .. } => fed = !warm,
                    Action::Feed { .. } => {
                        prop_assert!(!fed, "fed twice: {input:?}");
                        fed = true;
                    }
                    Action::Close => fed = false,
                    _ => {}
                }
            }
            match session.handover() {
                Some(Handover::Warm) => prop_assert!(!fed),
                Some(Handover::Stopped { .. }) => prop_assert!(!may_dial),
                None => {}
            }
            if !session.is_to_end() {
                prop_assert!(may_dial, "who is not to stop may dial: {input:?}");
            }
        }
    }
}
