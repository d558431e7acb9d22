//! What a worker asks its scheduler before it dials a voice server, and what it takes for an answer.

use std::time::Duration;

use orb_proto::v1;
use orb_proto::v1::attach_request::Message as Report;
use orb_proto::v1::attach_response::Message as Word;

use super::stage::{LONG_PERMIT, Setting, Stage};

#[tokio::test]
async fn it_dials_when_the_lease_is_confirmed_and_not_before() {
    let mut stage = Stage::set().await;
    let mut stream = stage.attach(LONG_PERMIT).await;
    stream.say(stage.lease(1)).await;
    let question = stream.question(1).await;
    stage.is_silent(&mut stream).await;
    stream.confirm(question + 1, 1, true).await;
    stage.is_silent(&mut stream).await;
    stream.confirm(question, 2, true).await;
    // That was no verdict about this lease.
    let question = stream.question(1).await;
    stage.is_silent(&mut stream).await;
    stream.confirm(question, 1, true).await;
    stage.dialled().await;
    stage.strike().await;
}

#[tokio::test]
async fn a_stream_is_dialled_as_its_channel_is_when_the_lease_is_confirmed() {
    let mut stage = Stage::set_with(Setting {
        go_live: true,
        ..Setting::default()
    })
    .await;
    let mut stream = stage.attach(LONG_PERMIT).await;
    stream.say(stage.live_lease(1)).await;
    let question = stream.question(1).await;
    stage.is_silent(&mut stream).await;
    stream.confirm(question, 1, true).await;
    stage.dialled().await;
    // Whichever is later may have asked by itself.
    let second = async {
        loop {
            let asked = stream.question(1).await;
            stream.confirm(asked, 1, true).await;
        }
    };
    tokio::select! {
        () = stage.dialled() => {}
        () = second => {}
    }
    stage.strike().await;
}

#[tokio::test]
async fn a_question_is_asked_anew_on_a_new_stream_and_the_old_answer_is_void() {
    let mut stage = Stage::set().await;
    let mut stream = stage.attach(LONG_PERMIT).await;
    stream.say(stage.lease(1)).await;
    let old = stream.question(1).await;
    drop(stream);
    let mut stream = stage.attach(LONG_PERMIT).await;
    let new = stream.question(1).await;
    assert_ne!(old, new);
    stream.confirm(old, 1, true).await;
    stage.is_silent(&mut stream).await;
    stream.confirm(new, 1, true).await;
    stage.dialled().await;
    stage.strike().await;
}

#[tokio::test]
async fn it_does_not_dial_when_the_lease_is_not_held() {
    let mut stage = Stage::set().await;
    let mut stream = stage.attach(LONG_PERMIT).await;
    stream.say(stage.lease(1)).await;
    let question = stream.question(1).await;
    stream.confirm(question, 1, false).await;
    stage.is_silent(&mut stream).await;
    stream.confirm(question, 1, true).await;
    stage.is_silent(&mut stream).await;
    stage.strike().await;
}

#[tokio::test]
async fn a_newer_lease_has_a_gate_of_its_own() {
    let mut stage = Stage::set().await;
    let mut stream = stage.attach(LONG_PERMIT).await;
    stream.say(stage.lease(1)).await;
    let old = stream.question(1).await;
    stream.say(stage.lease(2)).await;
    let new = stream.question(2).await;
    stream.confirm(old, 1, true).await;
    stage.is_silent(&mut stream).await;
    stream.confirm(new, 2, true).await;
    stage.dialled().await;
    stage.strike().await;
}

#[tokio::test]
async fn a_revoked_session_passes_no_gate() {
    let mut stage = Stage::set().await;
    let mut stream = stage.attach(LONG_PERMIT).await;
    stream.say(stage.lease(1)).await;
    let question = stream.question(1).await;
    let revoke = v1::Revoke {
        session_id: "s".to_owned(),
        fence: Some(v1::Fence {
            token: 1,
            epoch: 1,
            generation: 2,
        }),
    };
    stream.say(Word::Revoke(revoke)).await;
    stream.confirm(question, 1, true).await;
    stage.is_silent(&mut stream).await;
    stage.strike().await;
}

#[tokio::test]
async fn an_answer_that_took_longer_than_the_permit_lasts_is_asked_for_again() {
    const PERMIT: Duration = Duration::from_millis(100);
    let mut stage = Stage::set().await;
    let mut stream = stage.attach(PERMIT).await;
    stream.say(stage.lease(1)).await;
    let late = stream.question(1).await;
    // It was sent before it was read here: by then its permit is over.
    tokio::time::sleep(PERMIT).await;
    stream.confirm(late, 1, true).await;
    // On a machine that is busy just now, the next answer may be too late as well.
    let answering = async {
        loop {
            let again = stream.question(1).await;
            assert_ne!(again, late);
            stream.confirm(again, 1, true).await;
        }
    };
    tokio::select! {
        () = stage.dialled() => {}
        () = answering => {}
    }
    stage.strike().await;
}

#[tokio::test]
async fn a_scheduler_that_gives_no_permits_is_not_asked() {
    let mut stage = Stage::set().await;
    let mut stream = stage.attach(Duration::ZERO).await;
    stream.say(stage.lease(1)).await;
    stage.is_silent(&mut stream).await;
    drop(stream);
    let mut stream = stage.attach(LONG_PERMIT).await;
    let question = stream.question(1).await;
    stream.confirm(question, 1, true).await;
    stage.dialled().await;
    stage.strike().await;
}

#[tokio::test]
async fn what_cannot_be_warmed_up_is_given_back_and_reported_no_more() {
    let mut stage = Stage::set().await;
    let mut stream = stage.attach(LONG_PERMIT).await;
    stream.say(Stage::warms_up(2)).await;
    let declined = stream.until(|report| match report {
        Report::LeaseDeclined(declined) => Some(declined),
        _ => None,
    });
    let declined = declined.await;
    assert_eq!((declined.session_id.as_str(), declined.token), ("s", 2));
    let beat = stream.until(|report| match report {
        Report::Heartbeat(beat) => Some(beat),
        _ => None,
    });
    assert!(beat.await.sessions.is_empty());
    stage.is_silent(&mut stream).await;
    stage.strike().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_go_says_that_it_drains_and_ends_when_nothing_is_left() {
    let mut stage = Stage::set().await;
    let mut stream = stage.attach(LONG_PERMIT).await;
    // Not what it asked for: it stays.
    stream.say(Word::Drained(v1::Drained {})).await;
    stream.say(Word::StartDrain(v1::StartDrain {})).await;
    stream
        .until(|report| matches!(report, Report::Drain(_)).then_some(()))
        .await;
    // The next leader hears it with the registration.
    drop(stream);
    let (stream, draining) = stage.attach_and_say(LONG_PERMIT).await;
    assert!(draining);
    stream.say(Word::Drained(v1::Drained {})).await;
    stage.ended().await;
}
