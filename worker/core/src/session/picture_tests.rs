//! The picture turned on and off under way, and the loss of either connection.

use super::advance_tests::{at_start, failure, tell, then};
use super::tests::{credentials, fence};
use super::*;
use crate::{Desired, StreamCredentials};

fn live(desired: Desired) -> Desired {
    Desired {
        go_live: true,
        ..desired
    }
}

/// Entry 1 since generation 2, then entry 2.
fn wanted() -> Desired {
    then(1, at_start(2), 2)
}

fn voice(session: &mut Session, news: VoiceNews) -> Vec<Action> {
    session.handle(Input::Voice(news))
}

fn news(session: &mut Session, run: u64, news: PipelineNews) {
    session.handle(Input::Pipeline { run, news });
}

/// Plays, as run 1.
fn playing(desired: Desired) -> Session {
    let mut session = Session::new();
    tell(&mut session, fence(1, 2), desired, Role::Holds);
    voice(&mut session, VoiceNews::Connected { revision: 1 });
    news(&mut session, 1, PipelineNews::Ready);
    voice(&mut session, VoiceNews::Started);
    session
}

fn is_at(session: &mut Session, run: u64, media_ms: u64) {
    let media_ms = Some(media_ms);
    let actions = voice(session, VoiceNews::Position { run, media_ms });
    assert_eq!(actions, [], "no news");
}

/// `(run, start_ms, picture, warm)` of what is opened.
fn opened(actions: &[Action]) -> Vec<(u64, u64, bool, bool)> {
    let opened = actions.iter().filter_map(|action| match action {
        Action::Open {
            run,
            start_ms,
            picture,
            warm,
            ..
        } => Some((*run, *start_ms, *picture, *warm)),
        _ => None,
    });
    opened.collect()
}

#[test]
fn turned_on_under_way_the_source_is_opened_anew_where_it_is() {
    let mut session = playing(wanted());
    assert!(!session.has_picture());
    is_at(&mut session, 1, 42_020);
    let actions = tell(&mut session, fence(1, 3), live(wanted()), Role::Holds);
    assert_eq!(opened(&actions), [(2, 42_020, true, false)]);
    assert!(session.has_picture());
    assert_eq!(
        (session.playback(), session.start_ms()),
        (Playback::Loading, 42_020)
    );
    assert_eq!(session.opened_at(), 2, "the anchor is what it was");
    assert_eq!(session.reported().generation, 2, "not there yet");
    news(&mut session, 2, PipelineNews::Ready);
    voice(&mut session, VoiceNews::Started);
    assert_eq!(session.reported().generation, 3);
    // The same word again, and off again.
    let actions = tell(&mut session, fence(1, 4), live(wanted()), Role::Holds);
    assert_eq!(actions, [Action::Report]);
    is_at(&mut session, 2, 50_000);
    is_at(&mut session, 1, 7);
    let actions = tell(&mut session, fence(1, 5), wanted(), Role::Holds);
    assert_eq!(opened(&actions), [(3, 50_000, false, false)]);
}

#[test]
fn before_its_first_frame_it_is_opened_where_it_was_to_begin() {
    let mut session = Session::new();
    let mut desired = wanted();
    desired.anchor.position_ms = 9_000;
    tell(&mut session, fence(1, 2), desired.clone(), Role::Holds);
    voice(
        &mut session,
        VoiceNews::Position {
            run: 1,
            media_ms: None,
        },
    );
    let actions = tell(&mut session, fence(1, 3), live(desired), Role::Holds);
    assert_eq!(opened(&actions), [(2, 9_000, true, false)]);
}

#[test]
fn a_seek_in_the_same_word_counts() {
    let mut session = playing(wanted());
    is_at(&mut session, 1, 42_020);
    let mut desired = live(wanted());
    desired.anchor = crate::Anchor {
        position_ms: 30_000,
        set_at: 3,
    };
    let actions = tell(&mut session, fence(1, 3), desired, Role::Holds);
    assert_eq!(opened(&actions), [(2, 30_000, true, false)], "once");
}

#[test]
fn paused_it_stays_paused() {
    let mut session = playing(wanted());
    is_at(&mut session, 1, 42_020);
    let mut desired = live(wanted());
    desired.paused = true;
    let actions = tell(&mut session, fence(1, 3), desired, Role::Holds);
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Open { paused: true, .. }))
    );
    news(&mut session, 2, PipelineNews::Ready);
    assert_eq!(session.reported().generation, 3);
}

#[test]
fn what_is_next_is_prepared_anew() {
    let mut session = playing(wanted());
    session.handle(Input::MayPrepare);
    news(&mut session, 2, PipelineNews::Ready);
    let actions = tell(&mut session, fence(1, 3), live(wanted()), Role::Holds);
    assert!(actions.contains(&Action::DropNext), "{actions:?}");
    assert_eq!(session.prepared_run(), None);
    news(&mut session, 3, PipelineNews::Ready);
    let actions = session.handle(Input::MayPrepare);
    assert!(
        matches!(
            actions[0],
            Action::Prepare {
                run: 4,
                picture: true,
                ..
            }
        ),
        "{actions:?}"
    );
}

#[test]
fn what_has_advanced_is_opened_anew_and_is_still_not_known() {
    let mut session = playing(wanted());
    session.handle(Input::MayPrepare);
    news(&mut session, 2, PipelineNews::Ready);
    let joined = VoiceNews::Joined {
        run: 2,
        started: true,
    };
    voice(&mut session, joined);
    is_at(&mut session, 2, 1_500);
    let actions = tell(&mut session, fence(1, 3), live(wanted()), Role::Holds);
    assert_eq!(opened(&actions), [(3, 1_500, true, false)]);
    assert_eq!(
        (session.entry_id(), session.advanced_from()),
        (Some(2), Some(1))
    );
}

#[test]
fn who_is_to_stop_opens_nothing_and_who_warms_up_does() {
    let mut session = playing(wanted());
    is_at(&mut session, 1, 42_020);
    let until = Role::HoldsUntil {
        position_ms: 60_000,
    };
    let actions = tell(&mut session, fence(1, 3), live(wanted()), until);
    assert_eq!(opened(&actions), []);
    let actions = tell(&mut session, fence(1, 4), live(wanted()), Role::Holds);
    assert_eq!(opened(&actions), [(2, 42_020, true, false)]);

    let mut session = Session::new();
    tell(&mut session, fence(1, 2), wanted(), Role::WarmsUp);
    let actions = tell(&mut session, fence(1, 3), live(wanted()), Role::WarmsUp);
    assert_eq!(opened(&actions), [(2, 0, true, true)]);
    let actions = tell(&mut session, fence(1, 4), wanted(), Role::Holds);
    assert_eq!(opened(&actions), [(3, 0, false, false)]);
}

#[test]
fn another_encoding_costs_something_else() {
    let mut session = playing(live(wanted()));
    let planned = PipelineNews::Planned {
        plan: "copy".to_owned(),
        duration_ms: None,
        cost_millicores: 20,
        known: String::new(),
    };
    news(&mut session, 1, planned);
    assert_eq!(session.cost_millicores(), 20);
    let costs = |millicores| PipelineNews::Costs { millicores };
    news(&mut session, 1, costs(650));
    assert_eq!(session.cost_millicores(), 650);
    news(&mut session, 7, costs(3));
    assert_eq!(session.cost_millicores(), 650, "of another pipeline");
}

#[test]
fn what_breaks_off_is_played_out_as_it_is() {
    let mut session = playing(wanted());
    news(&mut session, 1, PipelineNews::Failed(failure()));
    let actions = tell(&mut session, fence(1, 3), live(wanted()), Role::Holds);
    assert_eq!(opened(&actions), []);
}

#[test]
fn new_credentials_of_a_stream_change_nothing_of_the_source() {
    let mut session = playing(live(wanted()));
    let mut fresh = credentials(2);
    fresh.stream = Some(StreamCredentials {
        rtc_server_id: 9,
        stream_key: "guild:1:2:3".to_owned(),
        endpoint: "localhost:2".to_owned(),
        token: "s3cret".to_owned(),
    });
    assert!(!format!("{fresh:?}").contains("s3cret"));
    let desired = Desired {
        voice: Some(fresh.clone()),
        ..live(wanted())
    };
    let actions = tell(&mut session, fence(1, 3), desired, Role::Holds);
    assert_eq!(actions, [Action::Connect(fresh), Action::Report]);
}

#[test]
fn of_two_losses_that_of_the_channel_is_judged() {
    let lost = |stream| VoiceNews::Lost {
        revision: 1,
        close_code: Some(if stream { 4014 } else { 4006 }),
        stream,
    };
    for losses in [[false, true], [true, false]] {
        let mut session = playing(live(wanted()));
        for stream in losses {
            voice(&mut session, lost(stream));
        }
        let judged = VoiceStatus::Lost {
            close_code: Some(4006),
            stream: false,
        };
        assert_eq!(session.voice_status(), judged);
    }
    let mut session = playing(live(wanted()));
    voice(&mut session, lost(true));
    let judged = VoiceStatus::Lost {
        close_code: Some(4014),
        stream: true,
    };
    assert_eq!(session.voice_status(), judged);
}
