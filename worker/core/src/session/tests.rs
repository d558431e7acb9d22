//! The session walked through its life, input by input.

use super::*;
use crate::{Anchor, Item, VoiceCredentials};

pub(super) fn fence(token: u64, generation: u64) -> Fence {
    Fence {
        token,
        epoch: 1,
        generation,
    }
}

pub(super) fn item(entry: i64) -> Item {
    Item {
        entry_id: entry.unsigned_abs(),
        queue_entry_id: entry,
        item_id: format!("item-{entry}"),
        title: "Film".to_owned(),
        stream_url: "http://jellyfin/stream".to_owned(),
        download_url: None,
        duration_ms: Some(60_000),
    }
}

pub(super) fn credentials(revision: u64) -> VoiceCredentials {
    VoiceCredentials {
        guild_id: 1,
        channel_id: 2,
        user_id: 3,
        voice_session_id: "s".to_owned(),
        endpoint: "localhost:1".to_owned(),
        token: "t".to_owned(),
        revision,
        stream: None,
    }
}

pub(super) fn playing(entry: i64, anchor: Anchor) -> Desired {
    Desired {
        voice: Some(credentials(1)),
        current: Some(item(entry)),
        anchor,
        ..Desired::default()
    }
}

fn lease(session: &mut Session, fence: Fence, desired: Desired) -> Vec<Action> {
    session.handle(Input::Lease {
        fence,
        desired: Box::new(desired),
        role: Role::Holds,
    })
}

/// A session that plays entry 1 from its start since generation 2, in the channel.
fn started() -> Session {
    let mut session = Session::new();
    lease(
        &mut session,
        fence(1, 2),
        playing(
            1,
            Anchor {
                position_ms: 0,
                set_at: 2,
            },
        ),
    );
    session.handle(Input::Voice(VoiceNews::Connected { revision: 1 }));
    session.handle(Input::Pipeline {
        run: 1,
        news: PipelineNews::Ready,
    });
    session.handle(Input::Voice(VoiceNews::Started));
    session
}

#[test]
fn a_play_is_carried_out_when_its_first_frame_is_sent() {
    let mut session = Session::new();
    let actions = lease(
        &mut session,
        fence(1, 2),
        playing(
            1,
            Anchor {
                position_ms: 0,
                set_at: 2,
            },
        ),
    );
    assert!(matches!(actions[0], Action::Connect(_)), "{actions:?}");
    assert!(
        matches!(
            actions[1],
            Action::Open {
                run: 1,
                start_ms: 0,
                paused: false,
                ..
            }
        ),
        "{actions:?}"
    );
    assert_eq!(session.playback(), Playback::Loading);
    session.handle(Input::Pipeline {
        run: 1,
        news: PipelineNews::Ready,
    });
    assert_eq!(session.reported().generation, 0, "nothing was sent yet");
    let actions = session.handle(Input::Voice(VoiceNews::Started));
    assert_eq!(actions, [Action::Report]);
    assert_eq!(session.playback(), Playback::Playing);
    assert_eq!(session.reported(), fence(1, 2));
}

#[test]
fn an_old_word_changes_nothing_whatever_it_says() {
    let mut session = started();
    for old in [
        fence(1, 2),
        fence(1, 1),
        Fence {
            token: 0,
            epoch: 9,
            generation: 99,
        },
    ] {
        assert_eq!(lease(&mut session, old, Desired::default()), []);
    }
    assert_eq!(session.playback(), Playback::Playing);
}

#[test]
fn pause_and_resume_keep_the_pipeline() {
    let mut session = started();
    let anchor = Anchor {
        position_ms: 0,
        set_at: 2,
    };
    let held = Desired {
        paused: true,
        ..playing(1, anchor)
    };
    assert_eq!(
        lease(&mut session, fence(1, 3), held),
        [Action::Pause, Action::Report]
    );
    assert_eq!(
        (session.playback(), session.reported().generation),
        (Playback::Paused, 3)
    );
    assert_eq!(
        lease(&mut session, fence(1, 4), playing(1, anchor)),
        [Action::Resume, Action::Report]
    );
    assert_eq!(
        (session.playback(), session.reported().generation),
        (Playback::Playing, 4)
    );
}

#[test]
fn a_seek_opens_a_pipeline_at_the_new_place_and_keeps_the_connection() {
    let mut session = started();
    let actions = lease(
        &mut session,
        fence(1, 3),
        playing(
            1,
            Anchor {
                position_ms: 30_500,
                set_at: 3,
            },
        ),
    );
    assert!(
        matches!(
            actions[..],
            [
                Action::Open {
                    run: 2,
                    start_ms: 30_500,
                    ..
                },
                Action::Report
            ]
        ),
        "{actions:?}"
    );
    assert_eq!(session.reported().generation, 2, "not there yet");
    // The old pipeline's last words mean nothing any more.
    session.handle(Input::Pipeline {
        run: 1,
        news: PipelineNews::Ready,
    });
    assert!(!session.has_started());
    session.handle(Input::Voice(VoiceNews::Started));
    assert_eq!(session.reported().generation, 3);
}

#[test]
fn a_seek_while_paused_is_carried_out_when_its_first_frame_waits() {
    let mut session = started();
    let anchor = Anchor {
        position_ms: 9_000,
        set_at: 3,
    };
    lease(
        &mut session,
        fence(1, 3),
        Desired {
            paused: true,
            ..playing(1, anchor)
        },
    );
    assert_eq!(session.playback(), Playback::Loading);
    session.handle(Input::Pipeline {
        run: 2,
        news: PipelineNews::Ready,
    });
    assert_eq!(
        (session.playback(), session.reported().generation),
        (Playback::Paused, 3)
    );
}

#[test]
fn a_word_of_a_new_leader_about_the_same_record_disturbs_nothing() {
    let mut session = started();
    let word = Fence {
        token: 1,
        epoch: 2,
        generation: 2,
    };
    let actions = lease(
        &mut session,
        word,
        playing(
            1,
            Anchor {
                position_ms: 0,
                set_at: 2,
            },
        ),
    );
    assert_eq!(actions, [Action::Report]);
    assert_eq!(session.reported(), word);
}

#[test]
fn the_end_is_reported_when_the_last_frame_was_sent() {
    let mut session = started();
    let actions = session.handle(Input::Voice(VoiceNews::Drained));
    assert_eq!(actions, [Action::Close, Action::Report]);
    assert_eq!(session.playback(), Playback::Ended(EndReason::Finished));
    assert_eq!(session.cost_millicores(), 0);
}

#[test]
fn a_failure_before_the_first_frame_ends_the_item_and_answers_the_caller() {
    let mut session = Session::new();
    lease(
        &mut session,
        fence(1, 2),
        playing(
            1,
            Anchor {
                position_ms: 0,
                set_at: 2,
            },
        ),
    );
    let failure = Failure {
        code: "source_not_found".to_owned(),
        message: "gone".to_owned(),
    };
    session.handle(Input::Pipeline {
        run: 1,
        news: PipelineNews::Failed(failure.clone()),
    });
    assert_eq!(session.playback(), Playback::Ended(EndReason::Failed));
    assert_eq!(session.failure(), Some(&failure));
    assert_eq!(
        session.reported().generation,
        2,
        "there is nothing more to wait for"
    );
}

#[test]
fn a_failure_in_mid_film_plays_out_what_is_queued() {
    let mut session = started();
    let failure = Failure {
        code: "source_unreachable".to_owned(),
        message: "away".to_owned(),
    };
    session.handle(Input::Pipeline {
        run: 1,
        news: PipelineNews::Failed(failure),
    });
    assert_eq!(session.playback(), Playback::Playing);
    assert_eq!(session.failure(), None, "callers hear of it when it ends");
    session.handle(Input::Voice(VoiceNews::Drained));
    assert_eq!(session.playback(), Playback::Ended(EndReason::Failed));
    assert!(session.failure().is_some());
}

#[test]
fn a_starved_item_is_loading_until_frames_flow_again() {
    let mut session = started();
    session.handle(Input::Voice(VoiceNews::Starved));
    assert_eq!(session.playback(), Playback::Loading);
    session.handle(Input::Voice(VoiceNews::Refilled));
    assert_eq!(session.playback(), Playback::Playing);
}

#[test]
fn a_lost_connection_waits_for_newer_credentials() {
    let mut session = started();
    session.handle(Input::Voice(VoiceNews::Lost {
        revision: 1,
        close_code: Some(4006),
        stream: false,
    }));
    assert_eq!(
        session.voice_status(),
        VoiceStatus::Lost {
            close_code: Some(4006),
            stream: false
        }
    );
    let anchor = Anchor {
        position_ms: 0,
        set_at: 2,
    };
    let same = lease(&mut session, fence(1, 3), playing(1, anchor));
    assert_eq!(
        same,
        [Action::Report],
        "the same credentials are not tried again"
    );
    let fresh = Desired {
        voice: Some(credentials(4)),
        ..playing(1, anchor)
    };
    let actions = lease(&mut session, fence(1, 4), fresh);
    assert_eq!(actions, [Action::Connect(credentials(4)), Action::Report]);
    assert_eq!(session.voice_status(), VoiceStatus::Reconnecting);
    session.handle(Input::Voice(VoiceNews::Connected { revision: 1 }));
    assert_eq!(
        session.voice_status(),
        VoiceStatus::Reconnecting,
        "that was the old connection"
    );
    session.handle(Input::Voice(VoiceNews::Connected { revision: 4 }));
    assert_eq!(session.voice_status(), VoiceStatus::Connected);
}

#[test]
fn a_stop_closes_everything() {
    let mut session = started();
    let actions = lease(&mut session, fence(1, 3), Desired::default());
    assert_eq!(actions, [Action::Disconnect, Action::Close, Action::Report]);
    assert_eq!(
        (session.playback(), session.reported().generation),
        (Playback::Idle, 3)
    );
    assert_eq!(session.voice_status(), VoiceStatus::Disconnected);
}

#[test]
fn a_take_over_reports_nothing_done_before_it_plays() {
    let mut session = started();
    lease(
        &mut session,
        fence(2, 5),
        playing(
            1,
            Anchor {
                position_ms: 12_000,
                set_at: 5,
            },
        ),
    );
    assert_eq!(session.reported(), fence(2, 0));
}
