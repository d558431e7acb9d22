//! The session from one item to the next, word by word. `advance_orders.rs` has any order of words and news.

use super::tests::{fence, item, playing};
use super::*;
use crate::Anchor;

const FROM_ITS_START: Anchor = Anchor {
    position_ms: 0,
    set_at: 2,
};

pub(super) fn tell(
    session: &mut Session,
    fence: Fence,
    desired: Desired,
    role: Role,
) -> Vec<Action> {
    session.handle(Input::Lease {
        fence,
        desired: Box::new(desired),
        role,
    })
}

/// As the holder, generation after generation.
fn word(session: &mut Session, desired: Desired) -> Vec<Action> {
    let newer = fence(1, session.fence().generation + 1);
    tell(session, newer, desired, Role::Holds)
}

fn news(session: &mut Session, run: u64, news: PipelineNews) -> Vec<Action> {
    session.handle(Input::Pipeline { run, news })
}

fn voice(session: &mut Session, news: VoiceNews) -> Vec<Action> {
    session.handle(Input::Voice(news))
}

/// Entry 1 since generation 2, and what is next.
fn first_then(next: i64) -> Desired {
    then(1, FROM_ITS_START, next)
}

/// An entry that became the current one at the anchor.
pub(super) fn then(current: i64, anchor: Anchor, next: i64) -> Desired {
    Desired {
        next: (next > 0).then(|| item(next)),
        current_set_at: anchor.set_at,
        ..playing(current, anchor)
    }
}

pub(super) fn at_start(set_at: u64) -> Anchor {
    Anchor {
        position_ms: 0,
        set_at,
    }
}

fn paused(desired: Desired) -> Desired {
    Desired {
        paused: true,
        ..desired
    }
}

pub(super) fn failure() -> Failure {
    Failure {
        code: "source_not_found".to_owned(),
        message: "gone".to_owned(),
    }
}

const PLANNED: u32 = 650;

fn planned() -> PipelineNews {
    PipelineNews::Planned {
        plan: "as it is".to_owned(),
        duration_ms: Some(90_000),
        cost_millicores: PLANNED,
        known: "probe".to_owned(),
    }
}

/// Plays entry 1 as run 1; entry 2 is next.
fn started() -> Session {
    let mut session = Session::new();
    tell(&mut session, fence(1, 2), first_then(2), Role::Holds);
    voice(&mut session, VoiceNews::Connected { revision: 1 });
    news(&mut session, 1, PipelineNews::Ready);
    voice(&mut session, VoiceNews::Started);
    session
}

/// Entry 2 is being opened as run 2.
fn preparing() -> Session {
    let mut session = started();
    session.handle(Input::MayPrepare);
    session
}

/// Its first frame waits.
fn prepared() -> Session {
    let mut session = preparing();
    news(&mut session, 2, planned());
    news(&mut session, 2, PipelineNews::Ready);
    session
}

const JOINED: VoiceNews = VoiceNews::Joined {
    run: 2,
    started: true,
};

/// Entry 2 plays, and no word knows it.
fn advanced() -> Session {
    let mut session = prepared();
    voice(&mut session, JOINED);
    session
}

/// What is told of the item: entry, where it came from, how it is heard.
fn said(session: &Session) -> (Option<u64>, Option<u64>, Playback) {
    let entry = session.entry_id();
    (entry, session.advanced_from(), session.playback())
}

fn is_open(actions: &[Action], entry: u64, at_ms: u64) -> bool {
    actions.iter().any(|action| {
        matches!(action, Action::Open { item, start_ms, warm: false, .. }
            if item.entry_id == entry && *start_ms == at_ms)
    })
}

#[test]
fn the_next_item_is_opened_beside_the_current_one_and_follows_it_by_itself() {
    let mut session = started();
    assert_eq!(session.to_prepare().map(|next| next.entry_id), Some(2));
    let actions = session.handle(Input::MayPrepare);
    let prepare = Action::Prepare {
        run: 2,
        item: item(2),
        picture: false,
    };
    assert_eq!(actions, [prepare, Action::Report]);
    assert_eq!(session.handle(Input::MayPrepare), [], "once is enough");
    news(&mut session, 2, planned());
    assert_eq!(session.next().map(|next| next.ready), Some(false));
    let actions = news(&mut session, 2, PipelineNews::Ready);
    assert_eq!(actions, [Action::Report, Action::Join { run: 2 }]);
    let next = session.next().expect("it is prepared");
    assert_eq!((next.entry_id, next.ready, next.failure), (2, true, None));
    let plan = next.known_plan.expect("it was probed");
    assert_eq!(plan.cost_millicores, PLANNED);
    assert_eq!(said(&session), (Some(1), None, Playback::Playing));

    let actions = voice(&mut session, JOINED);
    assert_eq!(actions, [Action::Advance, Action::Report]);
    assert_eq!(said(&session), (Some(2), Some(1), Playback::Playing));
    assert_eq!(session.duration_ms(), Some(90_000));
    assert_eq!(session.opened_at(), 0, "no word named it");
    assert_eq!((session.reported(), session.next()), (fence(1, 2), None));
}

#[test]
fn the_word_that_knows_of_it_changes_nothing_of_what_is_heard() {
    let mut session = advanced();
    let actions = word(&mut session, then(2, at_start(3), 3));
    assert_eq!(actions, [Action::Report]);
    assert_eq!(said(&session), (Some(2), None, Playback::Playing));
    assert_eq!((session.reported(), session.opened_at()), (fence(1, 3), 3));
    assert_eq!(session.to_prepare().map(|next| next.entry_id), Some(3));
}

#[test]
fn a_word_that_moved_in_it_meanwhile_opens_it_there() {
    let mut session = advanced();
    let moved = Anchor {
        position_ms: 40_000,
        set_at: 4,
    };
    let desired = Desired {
        current_set_at: 3,
        ..then(2, moved, 3)
    };
    let actions = word(&mut session, desired);
    assert!(is_open(&actions, 2, 40_000), "{actions:?}");
    assert_eq!(said(&session), (Some(2), None, Playback::Loading));
}

#[test]
fn a_pause_that_crossed_the_join_is_about_what_plays_by_then() {
    let mut session = advanced();
    let actions = word(&mut session, paused(first_then(2)));
    assert_eq!(actions, [Action::Pause, Action::Report]);
    assert_eq!(said(&session), (Some(2), Some(1), Playback::Paused));
    assert_eq!(session.reported(), fence(1, 3), "it is carried out");
    let actions = word(&mut session, paused(then(2, at_start(4), 3)));
    assert_eq!(actions, [Action::Report]);
    assert_eq!(said(&session), (Some(2), None, Playback::Paused));
    let actions = word(&mut session, then(2, at_start(4), 3));
    assert_eq!(actions, [Action::Resume, Action::Report]);
}

#[test]
fn the_same_word_again_from_another_leader_is_told_of_the_advance_again() {
    let mut session = advanced();
    let again = Fence {
        epoch: 2,
        ..fence(1, 2)
    };
    let actions = tell(&mut session, again, first_then(2), Role::Holds);
    assert_eq!(actions, [Action::Report]);
    assert_eq!(said(&session), (Some(2), Some(1), Playback::Playing));
    assert_eq!(session.reported(), again);
}

#[test]
fn a_seek_that_crossed_the_join_goes_back_to_what_had_ended() {
    let mut session = advanced();
    let back = Anchor {
        position_ms: 10_000,
        set_at: 3,
    };
    let desired = Desired {
        current_set_at: 2,
        ..then(1, back, 2)
    };
    let actions = word(&mut session, desired);
    assert!(is_open(&actions, 1, 10_000), "{actions:?}");
    assert_eq!(said(&session), (Some(1), None, Playback::Loading));
}

#[test]
fn another_next_that_crossed_the_join_is_played_and_what_ended_stays_ended() {
    let mut session = advanced();
    let actions = word(&mut session, first_then(3));
    assert!(is_open(&actions, 3, 0), "{actions:?}");
    assert_eq!(said(&session), (Some(3), Some(1), Playback::Loading));
    assert_eq!(session.told_plan(), None, "what is known is of another");
    news(&mut session, 3, PipelineNews::Ready);
    voice(&mut session, VoiceNews::Started);
    assert_eq!(said(&session), (Some(3), Some(1), Playback::Playing));
    let actions = word(&mut session, then(3, at_start(4), 0));
    assert_eq!(actions, [Action::Report]);
    assert_eq!(said(&session), (Some(3), None, Playback::Playing));
}

#[test]
fn a_next_that_was_removed_while_it_crossed_is_heard_no_more() {
    let mut session = advanced();
    let actions = word(&mut session, first_then(0));
    assert_eq!(actions, [Action::Close, Action::Report]);
    let ended = Playback::Ended(EndReason::Finished);
    assert_eq!(said(&session), (Some(1), None, ended));
}

#[test]
fn another_item_that_crossed_the_join_is_played() {
    let mut session = advanced();
    let actions = word(&mut session, then(7, at_start(3), 2));
    assert!(is_open(&actions, 7, 0), "{actions:?}");
    assert_eq!(said(&session), (Some(7), None, Playback::Loading));
}

#[test]
fn a_stop_that_crossed_the_join_stops() {
    let mut session = advanced();
    let actions = word(&mut session, Desired::default());
    assert_eq!(actions, [Action::Disconnect, Action::Close, Action::Report]);
    assert_eq!(said(&session), (None, None, Playback::Idle));
}

#[test]
fn one_that_is_told_to_stop_at_a_place_does_not_advance() {
    let until = Role::HoldsUntil { position_ms: 8_000 };
    let mut session = prepared();
    let actions = tell(&mut session, fence(1, 3), first_then(2), until);
    assert!(actions.contains(&Action::DropNext), "{actions:?}");
    assert_eq!((session.to_prepare(), session.next()), (None, None));
    voice(&mut session, VoiceNews::Drained);
    let ended = Playback::Ended(EndReason::Finished);
    assert_eq!(said(&session), (Some(1), None, ended));
}

#[test]
fn a_place_to_stop_that_crossed_the_join_is_one_of_an_item_that_is_over() {
    let until = Role::HoldsUntil { position_ms: 8_000 };
    let mut session = advanced();
    let actions = tell(&mut session, fence(1, 3), first_then(2), until);
    assert_eq!(actions, [Action::Report]);
    assert_eq!(said(&session), (Some(2), Some(1), Playback::Playing));
    assert_eq!(
        (session.reported(), session.handover()),
        (fence(1, 2), None)
    );
}

#[test]
fn one_that_only_warms_up_prepares_nothing() {
    let mut session = Session::new();
    tell(&mut session, fence(2, 5), first_then(2), Role::WarmsUp);
    news(&mut session, 1, PipelineNews::Ready);
    assert_eq!(session.to_prepare(), None);
    assert_eq!(session.handle(Input::MayPrepare), []);
}

#[test]
fn a_skip_to_what_is_prepared_feeds_it_at_once() {
    let mut session = prepared();
    let actions = word(&mut session, then(2, at_start(3), 3));
    let feed = Action::Feed {
        from_ms: 0,
        paused: false,
    };
    assert_eq!(actions, [Action::Advance, feed, Action::Report]);
    assert_eq!(said(&session), (Some(2), None, Playback::Loading));
    voice(&mut session, VoiceNews::Started);
    assert_eq!(said(&session), (Some(2), None, Playback::Playing));
    assert_eq!((session.reported(), session.opened_at()), (fence(1, 3), 3));
}

#[test]
fn going_back_drops_what_is_prepared() {
    let mut session = prepared();
    let actions = word(&mut session, then(9, at_start(3), 1));
    assert_eq!(actions[0], Action::DropNext);
    assert!(is_open(&actions, 9, 0), "{actions:?}");
    assert_eq!(session.next(), None);
}

#[test]
fn a_seek_in_the_current_item_drops_what_is_prepared() {
    let mut session = prepared();
    let back = Anchor {
        position_ms: 0,
        set_at: 3,
    };
    let actions = word(&mut session, then(1, back, 2));
    assert_eq!(actions[0], Action::DropNext);
    assert!(is_open(&actions, 1, 0), "{actions:?}");
    news(&mut session, 3, PipelineNews::Ready);
    assert_eq!(session.to_prepare().map(|next| next.entry_id), Some(2));
}

#[test]
fn what_is_not_next_any_more_is_dropped_and_what_is_next_now_is_opened() {
    let mut session = prepared();
    let actions = word(&mut session, first_then(3));
    assert_eq!(actions, [Action::Report, Action::DropNext]);
    let actions = session.handle(Input::MayPrepare);
    assert!(
        matches!(&actions[0], Action::Prepare { run: 3, item, .. } if item.entry_id == 3),
        "{actions:?}"
    );
    assert_eq!(
        news(&mut session, 2, PipelineNews::Ready),
        [],
        "the old one"
    );
    let actions = word(&mut session, first_then(0));
    assert_eq!(actions, [Action::Report, Action::DropNext]);
    voice(&mut session, VoiceNews::Drained);
    let ended = Playback::Ended(EndReason::Finished);
    assert_eq!(said(&session), (Some(1), None, ended));
}

#[test]
fn a_word_takes_the_join_back_and_it_is_asked_for_anew() {
    let mut session = prepared();
    let actions = word(&mut session, paused(first_then(2)));
    let join = Action::Join { run: 2 };
    assert_eq!(actions, [Action::Pause, Action::Report, join.clone()]);
    let old = tell(&mut session, fence(1, 1), first_then(3), Role::Holds);
    assert_eq!(old, [join], "also by a word that is too old to be taken");
}

#[test]
fn an_end_that_the_voice_output_did_not_join_is_joined_here() {
    let mut session = prepared();
    let actions = voice(&mut session, VoiceNews::Drained);
    let feed = Action::Feed {
        from_ms: 0,
        paused: false,
    };
    assert_eq!(actions, [Action::Advance, feed, Action::Report]);
    assert_eq!(said(&session), (Some(2), Some(1), Playback::Loading));
    voice(&mut session, VoiceNews::Started);
    assert_eq!(said(&session), (Some(2), Some(1), Playback::Playing));
}

#[test]
fn a_next_that_is_not_ready_at_the_end_is_fed_when_a_word_names_it() {
    let mut session = preparing();
    let actions = voice(&mut session, VoiceNews::Drained);
    assert_eq!(actions, [Action::Close, Action::Report]);
    let ended = Playback::Ended(EndReason::Finished);
    assert_eq!(said(&session), (Some(1), None, ended));
    let actions = news(&mut session, 2, PipelineNews::Ready);
    assert_eq!(actions, [Action::Report], "nothing is heard without a word");
    let actions = word(&mut session, then(2, at_start(3), 0));
    assert_eq!(actions[0], Action::Advance);
    assert!(matches!(actions[1], Action::Feed { from_ms: 0, .. }));
    voice(&mut session, VoiceNews::Started);
    assert_eq!(said(&session), (Some(2), None, Playback::Playing));
}

#[test]
fn a_next_that_cannot_be_played_is_told_and_another_takes_its_place() {
    for mut session in [preparing(), prepared()] {
        let actions = news(&mut session, 2, PipelineNews::Failed(failure()));
        assert_eq!(actions, [Action::DropNext, Action::Report]);
        let next = session.next().expect("it is told");
        assert_eq!((next.ready, next.failure), (false, Some(failure())));
        assert_eq!(session.to_prepare(), None, "not tried again");
        assert_eq!(session.playback(), Playback::Playing);
        assert_eq!(session.failure(), None, "that of the next");
        word(&mut session, first_then(3));
        assert_eq!(session.next(), None);
        assert_eq!(session.to_prepare().map(|next| next.entry_id), Some(3));
    }
}

#[test]
fn a_next_that_is_too_dear_waits_for_room() {
    let mut session = preparing();
    news(&mut session, 2, planned());
    let actions = session.handle(Input::TooDear { run: 2 });
    assert_eq!(actions, [Action::DropNext, Action::Report]);
    assert_eq!(session.next_cost_millicores(), Some(PLANNED));
    let next = session.next().expect("what it costs is told");
    assert!(!next.ready && next.failure.is_none() && next.known_plan.is_some());
    assert_eq!(session.to_prepare().map(|next| next.entry_id), Some(2));
}

#[test]
fn an_item_that_was_read_keeps_its_room_for_the_one_that_follows() {
    let mut session = preparing();
    news(&mut session, 1, planned());
    assert_eq!(session.cost_with_next(20), PLANNED + 20);
    news(&mut session, 1, PipelineNews::Read);
    assert_eq!(session.cost_with_next(20), PLANNED);
    assert_eq!(session.cost_with_next(900), 900);
}

#[test]
fn an_item_that_breaks_off_is_not_followed_without_a_word() {
    let mut session = prepared();
    news(&mut session, 1, PipelineNews::Failed(failure()));
    let actions = voice(&mut session, VoiceNews::Drained);
    assert_eq!(actions, [Action::Close, Action::Report]);
    let ended = Playback::Ended(EndReason::Failed);
    assert_eq!(said(&session), (Some(1), None, ended));
    let actions = word(&mut session, then(2, at_start(3), 0));
    assert_eq!(actions[0], Action::Advance, "it waits all the same");
}

#[test]
fn what_followed_may_end_before_a_word_knows_it() {
    let mut session = advanced();
    voice(&mut session, VoiceNews::Drained);
    let ended = Playback::Ended(EndReason::Finished);
    assert_eq!(said(&session), (Some(2), Some(1), ended));
    let actions = word(&mut session, then(2, at_start(3), 3));
    assert_eq!(actions, [Action::Report]);
    assert_eq!(said(&session), (Some(2), None, ended));
    assert_eq!(session.reported(), fence(1, 3));
}
