//! Ends of connections to a stream: what is resumed, what is identified anew, what is lost.

use std::time::{Duration, Instant};

use discord_sim::{
    DiscordSimConfig, Fault, LinkDirection, LinkShape, ResumedOrder, StallAt, StreamFault,
};
use orb_voice::{CallEvent, PictureFormat, Verdict, judge_close_code};

use super::on_stream;
use crate::{
    faults::GUILD_ID,
    film::{RATE, format},
    stage::{GUILD, Stage},
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

/// Wherever in a group a path begins, on a line with room and on one with hardly any: what is sent once more goes at the
/// pacer's pace, and makes neither sound nor picture wait for longer than the next IDR picture would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leads_up_to_the_present_picture_is_paced() {
    const FILM: u64 = 600_000;
    for line in [None, Some(FILM * 4 / 3)] {
        let mut stage = Stage::of_stream(DiscordSimConfig::default()).await;
        stage.film().set_format(Some(PictureFormat {
            bits_per_second: FILM,
            ..format(360)
        }));
        let shape = LinkShape {
            bits_per_second: line,
            ..LinkShape::default()
        };
        let narrow = Fault::Link {
            guild: GUILD_ID,
            user: None,
            direction: LinkDirection::Up,
            shape,
            seed: 1,
        };
        stage.sim.fault(&narrow).unwrap();
        stage.connect();
        stage.shows_for(Duration::from_secs(1)).await;
        for into_group in [3, 9, 15, 21] {
            stage
                .until("the film is there in its group", |stage| {
                    (stage.film().taken() % RATE == into_group).then_some(())
                })
                .await;
            let since = Instant::now();
            stage.fault(&on_stream(StreamFault::Close { code: 4020 }));
            stage
                .event_like(|event| matches!(event, CallEvent::Reconnecting { .. }))
                .await;
            stage
                .event_like(|event| matches!(event, CallEvent::Connected { resumed: false }))
                .await;
            stage.shows_for(Duration::from_millis(1_500)).await;
            let seen = stage.sim.seen(GUILD);
            let last = seen.connections.last().unwrap();
            let queue = last.queue.iter().filter_map(|wait| wait.waited).max();
            let counts = stage.call.media_counts();
            stage.measured(
                &format!(
                    "{into_group} pictures after an IDR picture, line {line:?}: {} again, {} dropped, queue {queue:?}",
                    counts.pictures_again, counts.pictures_dropped
                ),
                since,
            );
        }
        let totals = stage.sim.seen(GUILD).totals();
        assert_eq!(totals.pictures, totals.decodable, "{totals:?}");
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
    stage.film().set_format(Some(format(360)));
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
