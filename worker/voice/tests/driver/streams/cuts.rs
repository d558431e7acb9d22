//! Ends of connections to a stream: what is resumed, what is identified anew, what is lost.

use std::time::{Duration, Instant};

use discord_sim::{
    DiscordSimConfig, Fault, LinkDirection, LinkShape, ResumedOrder, StallAt, StreamFault,
};
use orb_voice::{CallEvent, Verdict, judge_close_code};

use super::on_stream;
use crate::{faults::GUILD_ID, stage::Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_is_resumed_and_the_member_misses_nothing() {
    let cuts = [
        ("reset", StreamFault::Reset),
        ("end of TLS without a close frame", StreamFault::Drop),
        ("1001", StreamFault::Close { code: 1001 }),
        ("4015", StreamFault::Close { code: 4015 }),
    ];
    for (name, cut) in cuts {
        let mut stage = Stage::streaming(DiscordSimConfig {
            resumed: ResumedOrder::AfterReplay,
            ..DiscordSimConfig::default()
        })
        .await;
        let since = Instant::now();
        stage.fault(&on_stream(cut));
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
        stage.shows_for(Duration::from_millis(300)).await;
        assert_eq!(stage.attempts(since), (1, 0, 1), "{name}");
        stage.measured(&format!("cut by {name}"), since);
        stage.assert_shown_whole();
        stage.assert_whole_and_encrypted();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_is_acted_upon() {
    for code in [
        4001, 4002, 4003, 4004, 4005, 4006, 4009, 4011, 4012, 4014, 4016, 4017, 4020, 4021, 4022,
    ] {
        let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
        let since = Instant::now();
        stage.fault(&on_stream(StreamFault::Close { code }));
        let event = stage.event().await;
        match judge_close_code(Some(code)) {
            Verdict::Identify => {
                assert!(
                    matches!(event, CallEvent::Reconnecting { .. }),
                    "{code}: {event:?}"
                );
                assert_eq!(stage.event().await, CallEvent::Connected { resumed: false });
                stage.sees_a_picture_after(Instant::now()).await;
                assert_eq!(stage.attempts(since), (1, 1, 0), "{code}");
                stage.measured(&code.to_string(), since);
            }
            verdict => {
                let lost = matches!(
                    event,
                    CallEvent::Lost { close_code: Some(seen), verdict: judged, .. }
                        if seen == code && judged == verdict
                );
                assert!(lost, "{code}: {event:?}");
                let taken = stage.film().taken();
                tokio::time::sleep(Duration::from_millis(200)).await;
                assert_eq!(stage.attempts(since), (0, 0, 0), "{code}");
                assert!(stage.film().taken() <= taken + 1, "{code}: nobody sees it");
            }
        }
        stage.assert_shown_encrypted();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_during_a_cut_is_announced_after_it() {
    let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
    stage.stall(StallAt::Tls, Duration::from_millis(600));
    stage.fault(&on_stream(StreamFault::Reset));
    stage
        .event_like(|event| matches!(event, CallEvent::Reconnecting { .. }))
        .await;
    stage.film().set_format(Some(crate::film::format(360)));
    stage.call.wake();
    stage
        .event_like(|event| matches!(event, CallEvent::Connected { resumed: true }))
        .await;
    stage
        .until("the format is announced", |stage| {
            let seen = stage.sim.seen(crate::stage::GUILD);
            let last = *seen.connections[0].announced.last()?;
            (last.height == 360).then_some(())
        })
        .await;
    stage.assert_shown_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_joins_during_a_cut_sees_after_it() {
    let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
    let since = Instant::now();
    stage.stall(StallAt::Tls, Duration::from_millis(600));
    stage.fault(&on_stream(StreamFault::Reset));
    stage
        .event_like(|event| matches!(event, CallEvent::Reconnecting { .. }))
        .await;
    stage.member_joins(501);
    stage
        .event_like(|event| matches!(event, CallEvent::Connected { resumed: true }))
        .await;
    stage.heard_by(2).await;
    stage.shows_for(Duration::from_millis(200)).await;
    stage.measured("a member joins during a cut", since);
    stage.assert_shown_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_move_goes_on_with_the_next_idr_picture() {
    let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
    for listener in [1, 0] {
        let since = Instant::now();
        stage.fault(&Fault::MoveStreamServer {
            guild: GUILD_ID,
            user: None,
            listener,
            close: None,
        });
        stage.connect();
        stage
            .event_like(|event| matches!(event, CallEvent::Connected { resumed: false }))
            .await;
        stage.sees_a_picture_after(Instant::now()).await;
        stage.measured("server move", since);
        stage.assert_shown_encrypted();
    }
    stage.assert_whole_and_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_is_left_for_a_resume() {
    let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
    let since = Instant::now();
    stage.fault(&on_stream(StreamFault::Silence));
    stage
        .event_like(|event| matches!(event, CallEvent::Connected { resumed: true }))
        .await;
    stage.measured("silence of the server", since);
    stage.assert_shown_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_broke_is_made_anew() {
    let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
    let since = Instant::now();
    let link = |loss_percent| Fault::Link {
        guild: GUILD_ID,
        user: None,
        direction: LinkDirection::Down,
        shape: LinkShape {
            loss_percent,
            ..LinkShape::default()
        },
        seed: 1,
    };
    stage.fault(&link(100.0));
    let event = stage.event().await;
    assert!(
        matches!(
            event,
            CallEvent::Reconnecting {
                close_code: None,
                ..
            }
        ),
        "{event:?}"
    );
    println!(
        "measured: stream: a path that broke: noticed after {:?}",
        since.elapsed()
    );
    stage.sim.fault(&link(0.0)).unwrap();
    let mended = Instant::now();
    assert_eq!(stage.event().await, CallEvent::Connected { resumed: false });
    stage.sees_a_picture_after(mended).await;
    assert_eq!(stage.attempts(since).2, 0, "a RESUME would bring no path");
    stage.assert_shown_encrypted();
}
