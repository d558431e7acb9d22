//! Ends of connections: what is resumed, what is identified anew, what is lost; and what the member misses.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSimConfig, Fault, ResumedOrder, StallAt};
use orb_voice::{CallEvent, Verdict, judge_close_code};

use crate::{
    faults::{GUILD_ID, close, drop_tls, reset, silence},
    stage::{CHANNEL, GUILD, Stage, USER},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_is_resumed_and_the_member_misses_nothing() {
    let cuts = [
        ("reset", reset()),
        ("end of TLS without a close frame", drop_tls()),
        ("1000", close(1000)),
        ("1001", close(1001)),
        ("4015", close(4015)),
    ];
    for (name, cut) in cuts {
        for resumed in [ResumedOrder::BeforeReplay, ResumedOrder::AfterReplay] {
            let mut stage = Stage::connected(DiscordSimConfig {
                resumed,
                ..DiscordSimConfig::default()
            })
            .await;
            let since = Instant::now();
            stage.fault(&cut);
            let event = stage.event().await;
            assert!(
                matches!(event, CallEvent::Reconnecting { .. }),
                "{name}: {event:?}"
            );
            assert_eq!(
                stage.event().await,
                CallEvent::Connected { resumed: true },
                "{name}"
            );
            let resumed_after = since.elapsed();
            stage.plays_for(Duration::from_millis(300)).await;
            assert_eq!(stage.attempts(since), (1, 0, 1), "{name}");
            stage.assert_whole_and_encrypted();
            let gap = stage.longest_gap(since);
            println!(
                "measured: cut by {name}: resumed after {resumed_after:?}, longest gap {gap:?}"
            );
            // No frame is missing, which is the statement. How punctual they were is the bench's: a machine that is
            // busy with other tests makes holes of its own.
            assert!(gap < Duration::from_millis(500), "{name}: {gap:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_is_acted_upon_and_counted() {
    for code in [
        4001, 4002, 4003, 4004, 4005, 4006, 4009, 4011, 4012, 4014, 4016, 4017, 4020, 4021, 4022,
    ] {
        let mut stage = Stage::connected(DiscordSimConfig::default()).await;
        let since = Instant::now();
        stage.fault(&close(code));
        let event = stage.event().await;
        match judge_close_code(Some(code)) {
            Verdict::Identify => {
                assert!(
                    matches!(event, CallEvent::Reconnecting { .. }),
                    "{code}: {event:?}"
                );
                assert_eq!(stage.event().await, CallEvent::Connected { resumed: false });
                stage.hears_a_frame_after(Instant::now()).await;
                stage.plays_for(Duration::from_millis(100)).await;
                assert_eq!(stage.attempts(since), (1, 1, 0), "{code}");
                println!(
                    "measured: {code}: longest gap {:?}",
                    stage.longest_gap(since)
                );
                stage.assert_encrypted();
                let frames = stage.frames();
                let jump = frames.windows(2).map(|pair| pair[1].1 - pair[0].1).max();
                // Those under way when the server forgot the connection.
                assert!(jump.unwrap() <= 10, "{code}: {jump:?}");
            }
            verdict => {
                let lost = matches!(
                    event,
                    CallEvent::Lost { close_code: Some(seen), verdict: judged, .. }
                        if seen == code && judged == verdict
                );
                assert!(lost, "{code}: {event:?}");
                tokio::time::sleep(Duration::from_millis(300)).await;
                assert_eq!(stage.attempts(since), (0, 0, 0), "{code}");
                stage.assert_encrypted();
            }
        }
        let closes = stage.driver.stats().snapshot().closes;
        assert_eq!(closes.get(&code), Some(&1), "{closes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resume_that_is_refused_is_lost_with_its_code() {
    for code in [4006, 4009] {
        let mut stage = Stage::connected(DiscordSimConfig::default()).await;
        stage
            .sim
            .fault(&Fault::RefuseVoiceResume { times: 1, code })
            .unwrap();
        stage.fault(&reset());
        let lost = stage
            .event_like(|event| matches!(event, CallEvent::Lost { .. }))
            .await;
        let expected = matches!(
            lost,
            CallEvent::Lost { close_code: Some(seen), verdict: Verdict::NewCredentials, .. }
                if seen == code
        );
        assert!(expected, "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_to_the_group_during_a_cut_is_made_up_for() {
    let mut stage = Stage::connected(DiscordSimConfig::default()).await;
    let since = Instant::now();
    // The socket is cut, and cannot be had for a while.
    stage.stall(StallAt::Tls, Duration::from_millis(600));
    stage.fault(&reset());
    stage
        .event_like(|event| matches!(event, CallEvent::Reconnecting { .. }))
        .await;
    stage.member_joins(501);
    stage
        .event_like(|event| matches!(event, CallEvent::Connected { resumed: true }))
        .await;
    stage.heard_by(2).await;
    println!(
        "measured: member joins during a cut: longest gap {:?}",
        stage.longest_gap(since)
    );
    stage.assert_whole_and_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_move_goes_on_with_the_next_frame() {
    let mut stage = Stage::connected(DiscordSimConfig::default()).await;
    for listener in [1, 0] {
        let since = Instant::now();
        stage.fault(&Fault::MoveServer {
            guild: GUILD_ID,
            user: None,
            listener,
            close: None,
        });
        stage.connect();
        stage
            .event_like(|event| matches!(event, CallEvent::Connected { resumed: false }))
            .await;
        stage.plays_for(Duration::from_millis(200)).await;
        println!(
            "measured: server move: longest gap {:?}",
            stage.longest_gap(since)
        );
        stage.assert_whole_and_encrypted();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_is_left_for_a_resume() {
    let mut stage = Stage::connected(DiscordSimConfig::default()).await;
    let since = Instant::now();
    stage.fault(&silence());
    stage
        .event_like(|event| matches!(event, CallEvent::Connected { resumed: true }))
        .await;
    println!(
        "measured: silence of the server: resumed after {:?}, longest gap {:?}",
        since.elapsed(),
        stage.longest_gap(since)
    );
    stage.assert_whole_and_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_discovery_datagrams_are_asked_for_again() {
    let mut stage = Stage::new(DiscordSimConfig::default()).await;
    stage.sim.fault(&Fault::LoseDiscovery { times: 2 }).unwrap();
    stage.connect();
    stage.hears_a_frame_after(Instant::now()).await;
    assert_eq!(stage.attempts(stage.begun), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_is_given_up() {
    let mut stage = Stage::new(DiscordSimConfig::default()).await;
    stage.stall(StallAt::Tls, Duration::from_mins(1));
    let since = Instant::now();
    stage.connect();
    let lost = stage.event().await;
    assert!(
        matches!(
            lost,
            CallEvent::Lost {
                close_code: None,
                ..
            }
        ),
        "{lost:?}"
    );
    assert!(stage.attempts(since).0 >= 2);
    assert_eq!(stage.source.sent(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identify_that_is_refused_tells_why() {
    for (code, verdict) in [(4006, Verdict::NewCredentials), (4004, Verdict::Final)] {
        let mut stage = Stage::new(DiscordSimConfig::default()).await;
        stage
            .sim
            .fault(&Fault::RefuseVoiceIdentify {
                times: 1,
                code,
                after: 0,
            })
            .unwrap();
        stage.connect();
        let lost = stage.event().await;
        let expected = matches!(
            lost,
            CallEvent::Lost { close_code: Some(seen), verdict: judged, .. }
                if seen == code && judged == verdict
        );
        assert!(expected, "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_displaced_does_not_come_back_when_the_gate_knows_of_a_successor() {
    for how in discord_sim::Displacement::ALL {
        let stage = Stage::connected(DiscordSimConfig {
            displacement: how,
            ..DiscordSimConfig::default()
        })
        .await;
        stage.gate.set(crate::stage::Answer::Refuse);
        // Another process with the same credentials.
        let (events, _told) = tokio::sync::mpsc::channel(64);
        let source = std::sync::Arc::new(crate::stage::Counted::default());
        let mut successor = stage.driver.call(source, events);
        let credentials = stage.sim.voice_credentials(GUILD, CHANNEL, USER).unwrap();
        let since = Instant::now();
        successor.connect(
            crate::stage::server(credentials),
            std::sync::Arc::new(orb_voice::OpenGate),
        );
        stage
            .until("the successor has the channel", |stage| {
                (stage.attempts(since).1 == 1).then_some(())
            })
            .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(
            stage.attempts(since),
            (1, 1, 0),
            "{how:?}: the successor's alone"
        );
    }
}
