use std::time::{Duration, Instant};

use discord_sim::{Fault, GuildId};
use orb_worker_outputs::voice::{Voice, VoiceCredentials, VoiceEvent};

use super::PROMPT;
use super::stage::{GUILD, Over, PATIENCE, Stage, close, fault, film, identifies, plain, pts_of};

on_stage! {
    both {
        a_close_for_good_is_reported_with_its_code_and_the_clock_goes_on_with_new_credentials: plain(),
        a_cut_that_can_be_resumed_is_not_heard: plain(),
        a_refused_identify_is_given_up: plain(),
        a_newer_connection_replaces_the_older_and_nothing_is_heard_twice: plain(),
        disconnect_ends_a_dial_at_once_not_when_it_times_out: plain(),
        disconnect_is_silence_at_once_and_the_clock_stands: plain(),
        a_server_that_does_not_answer_is_lost_in_bounded_time: plain(),
        credentials_that_cannot_be_right_are_lost_not_a_panic: plain(),
    }
    orb {
        a_timed_out_session_is_lost_with_its_code_and_nothing_is_tried: plain(),
        a_cut_is_reported_and_so_is_its_end: plain(),
    }
    songbird {
        connections_leave_no_thread_behind: plain(),
        what_songbird_tries_after_4009_ends_in_lost: plain(),
    }
}

async fn a_close_for_good_is_reported_with_its_code_and_the_clock_goes_on_with_new_credentials(
    mut stage: Stage,
) {
    stage.join().await;
    stage.voice.play(film(0, 600_000), false);
    stage.expect(&VoiceEvent::FirstFrame { pts_ms: 0 }).await;
    for (revision, code) in [(1, 4006), (2, 4014), (3, 4022)] {
        let so_far = stage.frames().len();
        stage.hear(so_far + 10).await;
        close(&stage, code);
        match stage.event().await {
            VoiceEvent::Lost {
                revision: of,
                close_code,
                reason,
                ..
            } => {
                assert_eq!((of, close_code), (revision, Some(code)), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        let stood = stage.voice.snapshot();
        assert!(!stood.connected && !stood.playing);
        let heard = stage.frames().len();
        stage.join().await;
        let next = pts_of(&stage.hear(heard + 1).await[heard]);
        let behind = next - stood.position_ms.unwrap();
        assert!(behind <= 20, "{behind} ms lost with {code}");
        let identifies = identifies(&stage);
        assert_eq!(
            identifies,
            revision as usize + 1,
            "nothing was tried again below us"
        );
    }
}

async fn a_cut_that_can_be_resumed_is_not_heard(mut stage: Stage) {
    stage.join().await;
    stage.voice.play(film(0, 600_000), false);
    stage.expect(&VoiceEvent::FirstFrame { pts_ms: 0 }).await;
    for code in [Some(4015), None] {
        let so_far = stage.frames().len();
        stage.hear(so_far + 10).await;
        match code {
            Some(code) => close(&stage, code),
            None => assert_eq!(
                fault(
                    &stage,
                    &Fault::ResetVoice {
                        guild: GuildId(GUILD),
                        user: None
                    }
                ),
                1
            ),
        }
        stage.expect(&VoiceEvent::Connected { revision: 1 }).await;
        let so_far = stage.frames().len();
        stage.hear(so_far + 10).await;
    }
    let heard = stage.frames();
    let gap = heard
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .max()
        .unwrap();
    assert!(gap < PROMPT, "{gap:?}");
    assert_eq!(identifies(&stage), 1, "RESUMEd, not joined anew");
}

async fn a_refused_identify_is_given_up(mut stage: Stage) {
    fault(
        &stage,
        &Fault::RefuseVoiceIdentify {
            times: 10,
            code: 4006,
            after: 0,
        },
    );
    let credentials = stage.credentials().await;
    stage.connect(credentials);
    match stage.event().await {
        VoiceEvent::Lost {
            revision: 1,
            close_code: Some(4006),
            ..
        } => {}
        other => panic!("{other:?}"),
    }
    // songbird's type wants one retry at least.
    let tries = if stage.over == Over::Orb { 1 } else { 2 };
    assert_eq!(identifies(&stage), tries);
}

async fn a_newer_connection_replaces_the_older_and_nothing_is_heard_twice(mut stage: Stage) {
    stage.join().await;
    stage.voice.play(film(0, 600_000), false);
    stage.hear(20).await;
    let credentials = stage.credentials().await;
    stage.connect(credentials);
    let heard = stage.frames().len();
    let pts: Vec<u64> = stage.hear(heard + 20).await.iter().map(pts_of).collect();
    assert!(
        pts.windows(2)
            .all(|pair| (20..=40).contains(&(pair[1] - pair[0]))),
        "{pts:?}"
    );
    let connections = stage.sim.heard(GUILD).connections;
    let (older, newer) = (&connections[0], &connections[1]);
    assert!(older.packets.last().unwrap().at < newer.packets[0].at);
}

async fn disconnect_ends_a_dial_at_once_not_when_it_times_out(mut stage: Stage) {
    // A voice server that takes the connection and then says nothing.
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = server.local_addr().unwrap().to_string();
    let credentials = VoiceCredentials {
        endpoint,
        ..stage.credentials().await
    };
    stage.connect(credentials);
    let (mut dialled, _) = tokio::time::timeout(PATIENCE, server.accept())
        .await
        .unwrap()
        .unwrap();
    stage.voice.disconnect();
    let asked = Instant::now();
    let mut hello = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut dialled, &mut hello).await;
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "still there after {:?}",
        asked.elapsed()
    );
    assert!(
        stage.events.try_recv().is_err(),
        "asked for, so not reported"
    );
}

async fn a_server_that_does_not_answer_is_lost_in_bounded_time(mut stage: Stage) {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = server.local_addr().unwrap().to_string();
    let credentials = VoiceCredentials {
        endpoint,
        ..stage.credentials().await
    };
    let asked = Instant::now();
    stage.connect(credentials);
    match stage.event().await {
        VoiceEvent::Lost {
            revision: 1,
            close_code: None,
            reason,
            ..
        } => println!("{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
}

async fn disconnect_is_silence_at_once_and_the_clock_stands(mut stage: Stage) {
    stage.join().await;
    stage.voice.play(film(0, 600_000), false);
    stage.expect(&VoiceEvent::FirstFrame { pts_ms: 0 }).await;
    stage.hear(20).await;
    stage.voice.disconnect();
    let stood = stage.voice.snapshot();
    assert!(!stood.connected && !stood.playing);
    // What was on its way arrives; nothing follows.
    tokio::time::sleep(PROMPT).await;
    let heard = stage.frames().len();
    tokio::time::sleep(PROMPT).await;
    assert_eq!(stage.frames().len(), heard);
    assert_eq!(stage.voice.snapshot().position_ms, stood.position_ms);
    stage.join().await;
    stage.hear(heard + 1).await;
    let pts = stage.heard_pts();
    assert!(
        pts.windows(2)
            .all(|pair| (20..=40).contains(&(pair[1] - pair[0]))),
        "{pts:?}"
    );
    let next = pts
        .iter()
        .find(|pts| Some(**pts) >= stood.position_ms)
        .unwrap();
    assert!(
        next - stood.position_ms.unwrap() <= 20,
        "{next} after {stood:?}"
    );
}

async fn a_timed_out_session_is_lost_with_its_code_and_nothing_is_tried(mut stage: Stage) {
    stage.join().await;
    close(&stage, 4009);
    match stage.event().await {
        VoiceEvent::Lost {
            revision: 1,
            close_code: Some(4009),
            reason,
            ..
        } => println!("{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(identifies(&stage), 1);
}

async fn a_cut_is_reported_and_so_is_its_end(mut stage: Stage) {
    // Nothing plays: it does not take a frame to notice.
    stage.join().await;
    close(&stage, 4015);
    for expected in [
        VoiceEvent::Reconnecting { revision: 1 },
        VoiceEvent::Connected { revision: 1 },
    ] {
        assert_eq!(stage.any_event().await, expected);
    }
    assert_eq!(identifies(&stage), 1, "RESUMEd");
}

async fn what_songbird_tries_after_4009_ends_in_lost(mut stage: Stage) {
    stage.join().await;
    close(&stage, 4009);
    match stage.event().await {
        // Not 4009: songbird takes it for a cut that can be resumed, and is told otherwise.
        VoiceEvent::Lost {
            revision: 1,
            close_code: Some(4006),
            reason,
            ..
        } => println!("{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(identifies(&stage), 3, "two of them by songbird alone");
}

async fn credentials_that_cannot_be_right_are_lost_not_a_panic(mut stage: Stage) {
    for (user_id, endpoint) in [
        (0, "localhost:1"),
        (1, "not an endpoint"),
        (1, "127.0.0.1:1"),
    ] {
        let good = stage.credentials().await;
        let revision = good.revision;
        stage.connect(VoiceCredentials {
            user_id,
            endpoint: endpoint.into(),
            ..good
        });
        match stage.event().await {
            VoiceEvent::Lost {
                revision: of,
                close_code: None,
                reason,
                ..
            } => {
                assert_eq!(of, revision);
                println!("{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn connections_leave_no_thread_behind(mut stage: Stage) {
    stage.voice.play(film(0, 600_000), false);
    stage.join().await;
    let one = voice_threads();
    for _ in 0..10 {
        stage.join().await;
    }
    stage
        .until("the older ones are gone", || voice_threads() <= one)
        .await;
    stage.voice.disconnect();
    stage
        .until("the last one is gone", || voice_threads() == 0)
        .await;
}

/// Threads of voice connections in this process.
fn voice_threads() -> usize {
    let of_a_link = |task: &std::fs::DirEntry| {
        let name = std::fs::read_to_string(task.path().join("comm"));
        name.is_ok_and(|name| name.trim() == "voice-link")
    };
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .filter(of_a_link)
        .count()
}

/// The handle may go from task to task, as its owner does.
#[test]
fn a_voice_can_be_sent_and_shared() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Voice>();
}
