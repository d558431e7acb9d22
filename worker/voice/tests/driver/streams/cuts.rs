//! Ends of connections to a stream: what is resumed, what is identified anew, what is lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use discord_sim::{
    DiscordSimConfig, Fault, LinkDirection, LinkShape, ResumedOrder, StallAt, StreamFault,
};
use orb_voice::{CallEvent, PictureSource, Verdict, judge_close_code};

use super::on_stream;
use crate::{
    faults::GUILD_ID,
    film::Film,
    stage::{Answer, CHANNEL, Counted, GUILD, Stage, USER, stream_server},
};

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
                // Past the next IDR picture.
                stage.shows_for(Duration::from_millis(1_200)).await;
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
async fn a_path_that_begins_between_two_idr_pictures_is_led_up_to_the_present_one() {
    let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
    // The film waits during the cut: of these two, at least one goes on in the middle of a group.
    let mut again = 0;
    for _ in 0..2 {
        let since = Instant::now();
        stage.fault(&on_stream(StreamFault::Close { code: 4020 }));
        stage
            .event_like(|event| matches!(event, CallEvent::Connected { resumed: false }))
            .await;
        stage.shows_for(Duration::from_millis(400)).await;
        again += stage.call.media_counts().pictures_again;
        stage.measured("a path in the middle of a group", since);
    }
    assert!(again > 0);
    let totals = stage.sim.seen(GUILD).totals();
    assert_eq!(totals.pictures, totals.decodable, "{totals:?}");
    stage.assert_shown_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resume_that_is_refused_is_judged_by_its_code() {
    for code in [4006, 4009] {
        let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
        let refuse = Fault::RefuseVoiceResume { times: 1, code };
        stage.sim.fault(&refuse).unwrap();
        stage.fault(&on_stream(StreamFault::Reset));
        let lost = stage
            .event_like(|event| matches!(event, CallEvent::Lost { .. }))
            .await;
        let expected = matches!(
            lost,
            CallEvent::Lost { close_code: Some(seen), verdict: Verdict::NewCredentials, .. }
                if seen == code
        );
        assert!(expected, "{lost:?}");
        stage.assert_shown_encrypted();
    }
    // The server forgot the session, and not who may be in it.
    let mut stage = Stage::streaming(DiscordSimConfig::default()).await;
    let since = Instant::now();
    let refuse = Fault::RefuseVoiceResume {
        times: 1,
        code: 4003,
    };
    stage.sim.fault(&refuse).unwrap();
    stage.fault(&on_stream(StreamFault::Reset));
    stage
        .event_like(|event| matches!(event, CallEvent::Connected { resumed: false }))
        .await;
    assert_eq!(stage.attempts(since), (2, 1, 1));
    stage.shows_for(Duration::from_millis(1_200)).await;
    stage.measured("RESUME refused with 4003", since);
    stage.assert_shown_encrypted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identify_that_is_refused_is_judged_by_its_code() {
    let refuse = |code| Fault::RefuseVoiceIdentify {
        times: 1,
        code,
        after: 0,
    };
    for (code, verdict) in [(4006, Verdict::NewCredentials), (4004, Verdict::Final)] {
        let mut stage = Stage::of_stream(DiscordSimConfig::default()).await;
        stage.sim.fault(&refuse(code)).unwrap();
        stage.connect();
        let lost = stage.event().await;
        let expected = matches!(
            lost,
            CallEvent::Lost { close_code: Some(seen), verdict: judged, .. }
                if seen == code && judged == verdict
        );
        assert!(expected, "{lost:?}");
        assert_eq!(stage.film().taken(), 0);
    }
    // Once more, and the film begins with its first picture.
    let mut stage = Stage::of_stream(DiscordSimConfig::default()).await;
    let since = Instant::now();
    stage.sim.fault(&refuse(4020)).unwrap();
    stage.connect();
    stage
        .event_like(|event| matches!(event, CallEvent::Connected { resumed: false }))
        .await;
    assert_eq!(stage.attempts(since), (2, 2, 0));
    stage.shows_for(Duration::from_millis(300)).await;
    stage.assert_shown_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_displaced_does_not_come_back_when_the_gate_knows_of_a_successor() {
    for how in discord_sim::Displacement::ALL {
        let stage = Stage::streaming(DiscordSimConfig {
            displacement: how,
            ..DiscordSimConfig::default()
        })
        .await;
        stage.gate.set(Answer::Refuse);
        // Another worker with the same credentials, and the film from its first picture on.
        let (events, _told) = tokio::sync::mpsc::channel(64);
        let film = Arc::new(Film::default());
        let mut successor = stage.driver.stream_call(
            Arc::new(Counted::default()),
            Arc::clone(&film) as Arc<dyn PictureSource>,
            events,
        );
        let credentials = stage.sim.stream_credentials(GUILD, CHANNEL, USER).unwrap();
        let since = Instant::now();
        successor.connect(stream_server(credentials), Arc::new(orb_voice::OpenGate));
        let gap = stage
            .until("the successor's pictures are seen", |stage| {
                let seen = stage.sim.seen(GUILD);
                let [.., before, next] = &seen.connections[..] else {
                    return None;
                };
                let first = next.pictures.iter().find(|picture| picture.decodable)?;
                let last = before.pictures.iter().rfind(|picture| picture.decodable)?;
                Some(first.at.saturating_duration_since(last.at))
            })
            .await;
        println!("measured: stream: displaced ({how:?}): picture {gap:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(
            stage.attempts(since),
            (1, 1, 0),
            "{how:?}: the successor's alone"
        );
        let seen = stage.sim.seen(GUILD);
        assert_eq!(seen.totals().in_the_clear, 0);
        // Who is displaced without being told sends under keys that are no one's any more.
        let successors = seen.connections.last().unwrap().counters;
        assert_eq!(successors.undecryptable, 0);
        let counts = successor.media_counts();
        assert_eq!((counts.pictures_again, counts.pictures_dropped), (0, 0));
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
            let seen = stage.sim.seen(GUILD);
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
        stage.shows_for(Duration::from_millis(1_200)).await;
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
