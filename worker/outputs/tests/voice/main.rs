//! `voice` over the real songbird, against a simulated Discord whose member writes down what arrives.
#![allow(clippy::unwrap_used, missing_docs)]

mod stage;

use std::time::{Duration, Instant};

use discord_sim::{DiscordSimConfig, Fault, FirstCommit, GuildId, RecordEvent};
use orb_worker_media::FrameQueue;
use orb_worker_outputs::voice::{Snapshot, Voice, VoiceCredentials, VoiceEvent};
use stage::{GUILD, PATIENCE, Stage, append, film, on_stage, pts_of};

/// On a machine that also compiles; the product's own goals are measured by the benches.
const PROMPT: Duration = Duration::from_millis(150);

fn plain() -> DiscordSimConfig {
    DiscordSimConfig {
        dave: false,
        ..DiscordSimConfig::default()
    }
}

#[test]
fn every_frame_arrives_once_unchanged_in_order_and_in_step() {
    on_stage(
        "every_frame_arrives_once_unchanged_in_order_and_in_step",
        plain(),
        async |mut stage| {
            stage.join().await;
            let frames = film(90_000, 93_000);
            frames.finish();
            stage.voice.play(frames, false);
            stage
                .expect(&VoiceEvent::FirstFrame { pts_ms: 90_000 })
                .await;
            stage.expect(&VoiceEvent::Drained).await;
            let heard = stage.hear(150).await;
            let pts: Vec<u64> = heard.iter().map(pts_of).collect();
            assert!(
                pts.iter().copied().eq((90_000..93_000).step_by(20)),
                "{pts:?}"
            );

            let span = heard[149].at - heard[0].at;
            assert!(
                span.abs_diff(Duration::from_millis(149 * 20)) < PROMPT,
                "{span:?}"
            );
            assert!(
                heard
                    .windows(2)
                    .all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1))
            );
            let Snapshot {
                position_ms,
                frames_sent,
                frames_nulled,
                playing,
                ..
            } = stage.voice.snapshot();
            assert_eq!(
                (position_ms, frames_sent, frames_nulled, playing),
                (Some(93_000), 150, 0, false)
            );
            stage
                .until("speaking is cleared", || stage.speaking() == Some(0))
                .await;
        },
    );
}

#[test]
fn pause_is_silence_at_once_and_resume_goes_on_at_the_next_frame() {
    on_stage(
        "pause_is_silence_at_once_and_resume_goes_on_at_the_next_frame",
        plain(),
        async |mut stage| {
            stage.join().await;
            stage.voice.play(film(0, 60_000), false);
            for round in 1..=3 {
                stage.hear(round * 20).await;
                let asked = Instant::now();
                stage.voice.pause();
                stage.until("parked", || stage.speaking() == Some(0)).await;
                let heard = stage.frames();
                let last = heard.last().unwrap();
                let tail = last.at.saturating_duration_since(asked);
                assert!(tail < PROMPT, "sound for {tail:?} after the pause");
                assert_eq!(stage.voice.snapshot().position_ms, Some(pts_of(last) + 20));

                let asked = Instant::now();
                stage.voice.resume();
                let heard = stage.hear(heard.len() + 1).await;
                let wake = heard[heard.len() - 1].at - asked;
                println!(
                    "round {round}: sound for {tail:?} after pause, again {wake:?} after resume"
                );
                assert!(wake < PROMPT, "first packet {wake:?} after the resume");
            }
            let pts = stage.heard_pts();
            assert!(
                pts.iter()
                    .copied()
                    .eq((0..pts.len() as u64).map(|i| i * 20)),
                "{pts:?}"
            );
            assert_eq!(stage.voice.snapshot().frames_nulled, 0);
        },
    );
}

#[test]
fn a_new_source_replaces_the_old_without_a_gap() {
    on_stage(
        "a_new_source_replaces_the_old_without_a_gap",
        plain(),
        async |mut stage| {
            stage.join().await;
            stage.voice.play(film(0, 60_000), false);
            stage.hear(20).await;
            let asked = Instant::now();
            stage.voice.play(film(3_600_000, 3_660_000), false);
            stage
                .until("the new place is heard", || {
                    stage.heard_pts().last() > Some(&3_600_000)
                })
                .await;
            let heard = stage.frames();
            let at = heard
                .iter()
                .position(|packet| pts_of(packet) == 3_600_000)
                .expect("the first frame");
            println!("new source heard {:?} after the call", heard[at].at - asked);
            assert!(heard[at].at - asked < PROMPT);
            assert_eq!(
                heard[at].sequence,
                heard[at - 1].sequence.wrapping_add(1),
                "no packet between"
            );
        },
    );
}

#[test]
fn an_empty_queue_is_silence_and_costs_no_frame() {
    on_stage(
        "an_empty_queue_is_silence_and_costs_no_frame",
        plain(),
        async |mut stage| {
            stage.join().await;
            let frames = FrameQueue::new(Duration::from_mins(1));
            stage.voice.play(frames.clone(), false);
            append(&frames, 0, 400);
            stage.expect(&VoiceEvent::FirstFrame { pts_ms: 0 }).await;
            stage.expect(&VoiceEvent::Starved).await;
            assert!(!stage.voice.snapshot().playing);
            append(&frames, 400, 800);
            stage.expect(&VoiceEvent::Refilled).await;
            assert!(
                stage
                    .hear(40)
                    .await
                    .iter()
                    .map(pts_of)
                    .eq((0..800).step_by(20))
            );
            assert!(stage.voice.snapshot().frames_nulled > 0);
        },
    );
}

#[test]
fn a_close_for_good_is_reported_with_its_code_and_the_clock_goes_on_with_new_credentials() {
    let test =
        "a_close_for_good_is_reported_with_its_code_and_the_clock_goes_on_with_new_credentials";
    on_stage(test, plain(), async |mut stage| {
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
    });
}

#[test]
fn a_cut_that_can_be_resumed_is_not_heard() {
    on_stage(
        "a_cut_that_can_be_resumed_is_not_heard",
        plain(),
        async |mut stage| {
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
        },
    );
}

#[test]
fn a_refused_identify_is_given_up_after_one_retry() {
    on_stage(
        "a_refused_identify_is_given_up_after_one_retry",
        plain(),
        async |mut stage| {
            fault(
                &stage,
                &Fault::RefuseVoiceIdentify {
                    times: 10,
                    code: 4006,
                },
            );
            let credentials = stage.credentials().await;
            stage.voice.connect(credentials);
            match stage.event().await {
                VoiceEvent::Lost {
                    revision: 1,
                    close_code: Some(4006),
                    ..
                } => {}
                other => panic!("{other:?}"),
            }
            assert_eq!(identifies(&stage), 2);
        },
    );
}

#[test]
fn a_newer_connection_replaces_the_older_and_nothing_is_heard_twice() {
    on_stage(
        "a_newer_connection_replaces_the_older_and_nothing_is_heard_twice",
        plain(),
        async |mut stage| {
            stage.join().await;
            stage.voice.play(film(0, 600_000), false);
            stage.hear(20).await;
            let credentials = stage.credentials().await;
            stage.voice.connect(credentials);
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
        },
    );
}

#[test]
fn disconnect_ends_a_dial_at_once_not_when_it_times_out() {
    on_stage(
        "disconnect_ends_a_dial_at_once_not_when_it_times_out",
        plain(),
        async |mut stage| {
            // A voice server that takes the connection and then says nothing.
            let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let endpoint = server.local_addr().unwrap().to_string();
            let credentials = VoiceCredentials {
                endpoint,
                ..stage.credentials().await
            };
            stage.voice.connect(credentials);
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
        },
    );
}

#[test]
fn a_server_that_does_not_answer_is_lost_in_bounded_time() {
    on_stage(
        "a_server_that_does_not_answer_is_lost_in_bounded_time",
        plain(),
        async |mut stage| {
            let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let endpoint = server.local_addr().unwrap().to_string();
            let credentials = VoiceCredentials {
                endpoint,
                ..stage.credentials().await
            };
            let asked = Instant::now();
            stage.voice.connect(credentials);
            match stage.event().await {
                VoiceEvent::Lost {
                    revision: 1,
                    close_code: None,
                    reason,
                } => println!("{reason}"),
                other => panic!("{other:?}"),
            }
            assert!(
                asked.elapsed() < Duration::from_secs(10),
                "{:?}",
                asked.elapsed()
            );
        },
    );
}

#[test]
fn nothing_is_in_the_clear_when_the_bot_commits_first() {
    on_stage(
        "nothing_is_in_the_clear_when_the_bot_commits_first",
        dave(FirstCommit::Bot),
        nothing_is_in_the_clear,
    );
}

#[test]
fn nothing_is_in_the_clear_when_the_member_commits_first() {
    on_stage(
        "nothing_is_in_the_clear_when_the_member_commits_first",
        dave(FirstCommit::Member),
        nothing_is_in_the_clear,
    );
}

fn dave(first_commit: FirstCommit) -> DiscordSimConfig {
    DiscordSimConfig {
        dave: true,
        first_commit,
        ..DiscordSimConfig::default()
    }
}

/// The film is there before the connection, so that the first frame goes out as early as it can.
async fn nothing_is_in_the_clear(mut stage: Stage) {
    stage.voice.play(film(0, 60_000), false);
    stage.join().await;
    let connected = Instant::now();
    let heard = stage.hear(100).await;
    assert!(
        heard
            .iter()
            .map(pts_of)
            .zip((0..).step_by(20))
            .all(|(heard, sent)| heard == sent)
    );
    let last_step = stage
        .sim
        .record()
        .into_iter()
        .rev()
        .find_map(|entry| match entry.event {
            RecordEvent::Dave { step, .. } => Some((step, entry.at)),
            _ => None,
        });
    let (step, at) = last_step.expect("the group did something");
    println!(
        "after the transport was up: DAVE's last step ({step}) {:?}, first frame {:?}",
        at.saturating_duration_since(connected),
        heard[0].at - connected
    );
    // The group is complete sooner here than over the internet: what protects there is the wait.
    assert!(heard[0].at - connected > Duration::from_millis(250));
    let totals = stage.sim.heard(GUILD).totals();
    assert_eq!(
        (totals.in_the_clear, totals.undecryptable),
        (0, 0),
        "{totals:?}"
    );
}

#[test]
fn when_songbird_joins_anew_by_itself_nothing_is_in_the_clear_either() {
    let test = "when_songbird_joins_anew_by_itself_nothing_is_in_the_clear_either";
    let config = DiscordSimConfig {
        voice_resume_window: Duration::ZERO,
        ..dave(FirstCommit::Bot)
    };
    on_stage(test, config, async |mut stage| {
        stage.join().await;
        stage.voice.play(film(0, 600_000), false);
        stage.expect(&VoiceEvent::FirstFrame { pts_ms: 0 }).await;
        for round in 1..=3 {
            let heard = stage.frames().len();
            stage.hear(heard + 10).await;
            assert_eq!(
                fault(
                    &stage,
                    &Fault::ResetVoice {
                        guild: GuildId(GUILD),
                        user: None
                    }
                ),
                1
            );
            stage
                .until("joined anew", || identifies(&stage) > round)
                .await;
            while stage.event().await != (VoiceEvent::Connected { revision: 1 }) {}
            let heard = stage.frames().len();
            stage.hear(heard + 10).await;
        }
        let totals = stage.sim.heard(GUILD).totals();
        assert_eq!(
            (totals.in_the_clear, totals.undecryptable),
            (0, 0),
            "{totals:?}"
        );
        let pts = stage.heard_pts();
        let skipped = pts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        println!("at most {skipped} ms of the film skipped");
        assert!(pts.is_sorted() && skipped < 500, "{skipped} ms skipped");
    });
}

#[test]
fn what_songbird_tries_after_4009_ends_in_lost() {
    on_stage(
        "what_songbird_tries_after_4009_ends_in_lost",
        plain(),
        async |mut stage| {
            stage.join().await;
            close(&stage, 4009);
            match stage.event().await {
                // Not 4009: songbird takes it for a cut that can be resumed, and is told otherwise.
                VoiceEvent::Lost {
                    revision: 1,
                    close_code: Some(4006),
                    reason,
                } => println!("{reason}"),
                other => panic!("{other:?}"),
            }
            assert_eq!(identifies(&stage), 3, "two of them by songbird alone");
        },
    );
}

#[test]
fn credentials_that_cannot_be_right_are_lost_not_a_panic() {
    on_stage(
        "credentials_that_cannot_be_right_are_lost_not_a_panic",
        plain(),
        async |mut stage| {
            for (user_id, endpoint) in [
                (0, "localhost:1"),
                (1, "not an endpoint"),
                (1, "127.0.0.1:1"),
            ] {
                let good = stage.credentials().await;
                let revision = good.revision;
                stage.voice.connect(VoiceCredentials {
                    user_id,
                    endpoint: endpoint.into(),
                    ..good
                });
                match stage.event().await {
                    VoiceEvent::Lost {
                        revision: of,
                        close_code: None,
                        reason,
                    } => {
                        assert_eq!(of, revision);
                        println!("{reason}");
                    }
                    other => panic!("{other:?}"),
                }
            }
        },
    );
}

fn close(stage: &Stage, code: u16) {
    assert_eq!(
        fault(
            stage,
            &Fault::CloseVoice {
                guild: GuildId(GUILD),
                user: None,
                code
            }
        ),
        1
    );
}

fn fault(stage: &Stage, fault: &Fault) -> usize {
    stage.sim.fault(fault).unwrap()
}

/// How often a voice IDENTIFY was tried.
fn identifies(stage: &Stage) -> usize {
    let is_identify = |event: &RecordEvent| matches!(event, RecordEvent::VoiceIdentify { .. });
    stage
        .sim
        .record()
        .iter()
        .filter(|entry| is_identify(&entry.event))
        .count()
}

#[test]
fn connections_leave_no_thread_behind() {
    on_stage(
        "connections_leave_no_thread_behind",
        plain(),
        async |mut stage| {
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
        },
    );
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
