//! Parties with a picture: a user account goes live at the simulated Discord, and a worker hears of the stream.

use discord_sim::{Fault, RecordEvent, StreamDeleteReason};
use orb_proto::v1;
use orb_proto::v1::attach_request::Message as Report;
use orb_proto::v1::attach_response::Message as Word;
use orb_scheduler_core::GoLive;
use tonic::Code;

use crate::installation::{
    API, FakeWorker, INTERNAL, Scheduler, Surroundings, create, play, playing, with_token,
};
use crate::reason;

const ALLOWED: GoLive = GoLive::Allowed { by_default: false };

fn with_picture(session: &str) -> v1::CreateRequest {
    v1::CreateRequest {
        go_live: v1::GoLive::On.into(),
        ..create(session)
    }
}

/// Of the session, in the order of ops 18, 19 and 22 as the account sent them.
fn stream_ops(surroundings: &Surroundings) -> Vec<(u64, Option<bool>)> {
    let record = surroundings.discord.record();
    let ops = record.into_iter().filter_map(|entry| match entry.event {
        RecordEvent::StreamRequest { op, paused, .. } => Some((op, paused)),
        _ => None,
    });
    ops.collect()
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let holding = async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let limit = std::time::Duration::from_secs(20);
    let held = tokio::time::timeout(limit, holding).await;
    held.unwrap_or_else(|_| panic!("not in time: {what}"));
}

async fn outputs(scheduler: &Scheduler) -> Vec<v1::Output> {
    let asked = with_token(API, v1::ListOutputsRequest {});
    let answer = scheduler.parties().list_outputs(asked).await.unwrap();
    answer.into_inner().outputs
}

async fn session(scheduler: &Scheduler) -> v1::Session {
    let asked = v1::GetRequest {
        session_id: "s".to_owned(),
    };
    let answer = scheduler.sessions().get(with_token(API, asked)).await;
    answer.unwrap().into_inner().session.unwrap()
}

fn control(scheduler: &Scheduler, action: v1::control_request::Action) {
    let asked = v1::ControlRequest {
        session_id: "s".to_owned(),
        action: Some(action),
        ..v1::ControlRequest::default()
    };
    let mut sessions = scheduler.sessions();
    // Nobody carries it out here: it is durable.
    tokio::spawn(async move { sessions.control(with_token(API, asked)).await });
}

/// Party `s` plays, with its picture.
async fn playing_live(scheduler: &Scheduler, worker: &mut FakeWorker) -> v1::VoiceCredentials {
    until("the user account is connected", async || {
        outputs(scheduler).await[2].available
    })
    .await;
    let mut sessions = scheduler.sessions();
    let created = sessions.create(with_token(API, with_picture("s"))).await;
    let created = created.unwrap().into_inner().session.unwrap();
    assert_eq!(created.capabilities, ["voice", "watch", "golive"]);
    let call = tokio::spawn(async move { sessions.play(with_token(API, play("s", "p"))).await });
    let has_stream = |desired: &v1::DesiredState| {
        let voice = desired.voice.as_ref();
        desired.current.is_some() && voice.is_some_and(|voice| voice.stream.is_some())
    };
    let lease = worker.lease_where(has_stream).await;
    let desired = lease.desired.clone().unwrap();
    assert!(desired.go_live);
    worker
        .report(v1::ObservedState {
            picture: Some(v1::PictureHealth {
                pictures_sent: 24,
                width: 1280,
                ..v1::PictureHealth::default()
            }),
            ..playing(&lease, 1_000)
        })
        .await;
    call.await.unwrap().unwrap();
    desired.voice.unwrap()
}

#[tokio::test]
async fn a_party_goes_live_by_a_user_account_and_its_pauses_show() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.with_user(ALLOWED).await;
    let mut plain = scheduler.attach("w1", "life-1", vec![]).await.unwrap();
    let mut worker = scheduler.attach_live("w2", "life-2").await;
    let voice = playing_live(&scheduler, &mut worker).await;
    let stream = voice.stream.unwrap();
    let key = format!("guild:123:456:{}", voice.user_id);
    assert_eq!(stream.stream_key, key);
    let live = surroundings.discord.streams(123_u64);
    assert_eq!(live.len(), 1);
    assert_ne!(stream.token, voice.token);
    let shown = session(&scheduler).await;
    assert_eq!(shown.picture.unwrap().pictures_sent, 24);
    let asked = with_token(INTERNAL, v1::ListWorkersRequest {});
    let listed = scheduler.admin().list_workers(asked).await.unwrap();
    let listed = listed.into_inner().workers;
    let pictures = listed
        .iter()
        .map(|worker| (worker.go_live, worker.pictures));
    assert!(pictures.eq([(false, 0), (true, 1)]), "{listed:?}");
    control(&scheduler, v1::control_request::Action::Pause(v1::Pause {}));
    worker.lease_where(|desired| desired.paused).await;
    control(
        &scheduler,
        v1::control_request::Action::Resume(v1::Resume {}),
    );
    worker.lease_where(|desired| !desired.paused).await;
    let expected = [(18, None), (22, Some(true)), (22, Some(false))];
    until("Discord heard of both", async || {
        stream_ops(&surroundings) == expected
    })
    .await;
    // A worker that sends no pictures was told nothing of it.
    let of_plain = tokio::time::timeout(std::time::Duration::from_millis(1), plain.word()).await;
    assert!(of_plain.is_err(), "{of_plain:?}");
    scheduler.stop().await;
}

#[tokio::test]
async fn a_stream_that_discord_refuses_leaves_the_sound() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.with_user(ALLOWED).await;
    let mut worker = scheduler.attach_live("w2", "life-2").await;
    playing_live(&scheduler, &mut worker).await;
    let ends = Fault::EndStream {
        guild: 123_u64.into(),
        user: None,
        reason: StreamDeleteReason::StreamFull,
    };
    surroundings.discord.fault(&ends).unwrap();
    let lease = worker.lease_where(|desired| !desired.go_live).await;
    let desired = lease.desired.unwrap();
    assert!(desired.current.is_some());
    assert!(desired.voice.unwrap().stream.is_none());
    let shown = session(&scheduler).await;
    assert_eq!(shown.capabilities, ["voice", "watch"]);
    assert!(shown.last_error.contains("goes on with sound"), "{shown:?}");
    scheduler.stop().await;
}

#[tokio::test]
async fn the_next_scheduler_goes_on_with_the_stream() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.with_user(ALLOWED).await;
    let mut worker = scheduler.attach_live("w2", "life-2").await;
    let before = playing_live(&scheduler, &mut worker).await;
    drop(worker);
    scheduler.stop().await;
    let scheduler = surroundings.with_user(ALLOWED).await;
    let mut worker = scheduler.attach_live("w2", "life-2").await;
    let lease = worker.lease_where(|desired| desired.voice.is_some()).await;
    let after = lease.desired.unwrap().voice.unwrap();
    assert_eq!(after.stream, before.stream);
    let begun = stream_ops(&surroundings);
    assert_eq!(begun.iter().filter(|(op, _)| *op == 18).count(), 1);
    scheduler.stop().await;
}

#[tokio::test]
async fn while_it_is_off_nothing_turns_it_on() {
    let surroundings = Surroundings::new().await;
    // The account is there; the installation does not allow it.
    let scheduler = surroundings.with_user(GoLive::Off).await;
    let mut worker = scheduler.attach_live("w2", "life-2").await;
    let mut sessions = scheduler.sessions();
    let refused = sessions.create(with_token(API, with_picture("s"))).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "golive_off");
    for asked in [v1::GoLive::Unspecified, v1::GoLive::Off] {
        let request = v1::CreateRequest {
            go_live: asked.into(),
            ..create("s")
        };
        let created = sessions.create(with_token(API, request)).await;
        let created = created.unwrap().into_inner().session.unwrap();
        assert_eq!(created.capabilities, ["voice", "watch"]);
    }
    let again = sessions.create(with_token(API, with_picture("s"))).await;
    assert_eq!(reason(&again.unwrap_err()), "golive_off");
    let call = tokio::spawn(async move { sessions.play(with_token(API, play("s", "p"))).await });
    let has_all = |desired: &v1::DesiredState| desired.current.is_some() && desired.voice.is_some();
    let lease = worker.lease_where(has_all).await;
    let desired = lease.desired.clone().unwrap();
    assert!(!desired.go_live && desired.voice.unwrap().stream.is_none());
    // Not even a worker that claims to send one.
    worker.report(playing(&lease, 1_000)).await;
    call.await.unwrap().unwrap();
    let golive = &outputs(&scheduler).await[2];
    assert_eq!((golive.name.as_str(), golive.available), ("golive", false));
    assert!(golive.reason.contains("ORB_GOLIVE"), "{golive:?}");
    assert!(stream_ops(&surroundings).is_empty());
    scheduler.stop().await;
}

#[tokio::test]
async fn a_scheduler_that_allows_it_no_more_takes_the_account_out() {
    let surroundings = Surroundings::new().await;
    let scheduler = surroundings.with_user(ALLOWED).await;
    let mut worker = scheduler.attach_live("w2", "life-2").await;
    playing_live(&scheduler, &mut worker).await;
    drop(worker);
    scheduler.stop().await;
    let scheduler = surroundings.with_user(GoLive::Off).await;
    until("it is stopped", async || {
        session(&scheduler).await.playback_state() == v1::PlaybackState::Stopped
    })
    .await;
    let mut worker = scheduler.attach_live("w2", "life-2").await;
    // It is revoked, unless the worker was given up before: either leader may have waited for it too long.
    let is_held = v1::ConfirmLeases {
        request_id: 1,
        leases: vec![v1::LeaseRef {
            session_id: "s".to_owned(),
            token: 1,
        }],
    };
    let ask = async |worker: &FakeWorker| worker.say(Report::ConfirmLeases(is_held.clone())).await;
    ask(&worker).await;
    let taken_back = async {
        loop {
            match worker.word().await.expect("the stream goes on") {
                Word::Lease(lease) => assert!(lease.desired.unwrap().voice.is_none()),
                Word::LeasesConfirmed(answer) if !answer.verdicts[0].held => break,
                Word::LeasesConfirmed(_) => ask(&worker).await,
                _ => {}
            }
        }
    };
    let limit = std::time::Duration::from_secs(20);
    let taken_back = tokio::time::timeout(limit, taken_back).await;
    taken_back.expect("its lease is taken back");
    assert_eq!(session(&scheduler).await.capabilities, ["voice", "watch"]);
    scheduler.stop().await;
}
