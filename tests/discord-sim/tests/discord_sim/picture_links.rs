//! Streams over ways that are not perfect, and what a media server asks of its clients.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSim, DiscordSimConfig, Fault, LinkDirection, LinkShape, RecordEvent};
use serde_json::json;

use crate::common::h264::Pictures;
use crate::common::streamer::{Streamer, frame_time};
use crate::common::{GUILD, recorded, until};
use crate::pictures::{config, seen, start};

fn link(sim: &DiscordSim, direction: LinkDirection, shape: LinkShape) -> usize {
    let link = Fault::Link {
        guild: GUILD,
        user: None,
        direction,
        shape,
        seed: 7,
    };
    sim.fault(&link).unwrap()
}

fn lossy(loss_percent: f64) -> LinkShape {
    LinkShape {
        loss_percent,
        ..LinkShape::default()
    }
}

#[tokio::test]
async fn what_is_lost_is_asked_for_again() {
    let sim = DiscordSim::start(DiscordSimConfig {
        // A busy machine may take its time to send again.
        loss_patience: Duration::from_secs(5),
        ..config()
    })
    .await
    .unwrap();
    let mut streamer = Streamer::live(&sim, 7).await;
    let mut pictures = Pictures::new();
    let mut sent = vec![pictures.idr(10_000)];
    streamer.show(&sent[0]);
    // What nothing came before is not missed.
    seen(&sim, 1).await;
    assert_eq!(link(&sim, LinkDirection::Up, lossy(5.0)), 1);
    for _ in 0..60 {
        let picture = pictures.next(4_000);
        streamer.show(&picture);
        sent.push(picture);
        frame_time().await;
    }
    // The last ones may be lost without anything after them to tell.
    assert_eq!(link(&sim, LinkDirection::Up, LinkShape::default()), 1);
    for _ in 0..3 {
        let picture = pictures.next(4_000);
        streamer.show(&picture);
        sent.push(picture);
        frame_time().await;
    }
    seen(&sim, sent.len() as u64).await;
    let seen = sim.seen(GUILD);
    let totals = seen.totals();
    assert!(
        totals.link_lost > 0 && totals.retransmitted > 0,
        "{totals:?}"
    );
    assert_eq!((totals.lost, totals.broken), (0, 0), "{totals:?}");
    let got: Vec<_> = seen.pictures().map(|one| one.data.as_deref()).collect();
    let sent: Vec<_> = sent.iter().map(|one| Some(one.as_slice())).collect();
    assert!(got == sent);
    sim.shutdown().await;
}

#[tokio::test]
async fn what_never_comes_is_given_up_and_a_key_frame_asked_for() {
    let sim = DiscordSim::start(DiscordSimConfig {
        loss_patience: Duration::from_millis(100),
        ..config()
    })
    .await
    .unwrap();
    let mut streamer = Streamer::live(&sim, 7).await;
    let mut pictures = Pictures::new();
    streamer.show(&pictures.idr(5_000));
    seen(&sim, 1).await;
    // Nothing is sent again either: the answers to it are lost on the way down.
    link(&sim, LinkDirection::Down, lossy(100.0));
    link(&sim, LinkDirection::Up, lossy(100.0));
    streamer.show(&pictures.next(5_000));
    until("lost", || {
        (sim.seen(GUILD).totals().link_lost >= 5).then_some(())
    })
    .await;
    link(&sim, LinkDirection::Up, LinkShape::default());
    streamer.show(&pictures.next(5_000));
    until("given up", || {
        (sim.seen(GUILD).totals().lost >= 5).then_some(())
    })
    .await;
    link(&sim, LinkDirection::Down, LinkShape::default());
    while streamer.key_frame_requests() == 0 {
        streamer.show(&pictures.next(500));
        frame_time().await;
    }
    assert_eq!(sim.seen(GUILD).totals().decodable, 1);
    streamer.show(&pictures.idr(500));
    streamer.show(&pictures.next(500));
    seen(&sim, 3).await;
    assert!(sim.seen(GUILD).totals().broken >= 1);
    sim.shutdown().await;
}

#[tokio::test]
async fn a_bandwidth_that_is_too_small_builds_a_queue_and_then_loses() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let shape = LinkShape {
        bits_per_second: Some(1_000_000),
        queue_bytes: Some(25_000),
        ..LinkShape::default()
    };
    link(&sim, LinkDirection::Up, shape);
    let mut pictures = Pictures::new();
    streamer.show(&pictures.idr(1_000));
    let begin = Instant::now();
    // Three times what passes: 200 ms of queue are full after some 100 ms.
    while sim.seen(GUILD).totals().link_lost == 0 {
        assert!(begin.elapsed() < crate::common::PATIENCE);
        streamer.show(&pictures.next(3_750));
        frame_time().await;
    }
    let seen = sim.seen(GUILD);
    let connection = &seen.connections[0];
    let longest = connection
        .queue
        .iter()
        .filter_map(|one| one.waited)
        .max()
        .unwrap();
    assert!(longest > Duration::from_millis(150), "{longest:?}");
    assert!(longest <= Duration::from_millis(200), "{longest:?}");
    assert!(connection.queue.iter().any(|one| one.waited.is_none()));
    assert!(connection.queue_delay_at(Instant::now()) > Duration::from_millis(100));
    assert_eq!(
        connection.queue_delay_at(connection.info.opened_at),
        Duration::ZERO
    );
    // What waited came that much later.
    let late = connection.pictures.last().unwrap();
    let wait = connection.queue_delay_at(late.at);
    assert!(late.at <= seen.taken_at() + wait);
    sim.shutdown().await;
}

#[tokio::test]
async fn a_link_holds_for_connections_that_come_later_and_goes_over_http() {
    let sim = start().await;
    let url = format!("{}/_sim/fault", sim.api_url());
    let fault = async |body: serde_json::Value| {
        let sent = reqwest::Client::new().post(&url).json(&body).send();
        let answer = sent.await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let shape = json!({"delay_ms": 150});
    let link = json!({"kind": "link", "guild": GUILD, "direction": "up", "shape": shape});
    assert_eq!(fault(link).await, (200, json!({"hits": 0}).to_string()));
    let wrong = json!({"loss_percent": 200.0});
    let wrong = json!({"kind": "link", "guild": GUILD, "direction": "up", "shape": wrong});
    assert_eq!(fault(wrong).await.0, 400);
    let mut streamer = Streamer::live(&sim, 7).await;
    let sent = Instant::now();
    streamer.show(&Pictures::new().idr(500));
    seen(&sim, 1).await;
    let at = sim.seen(GUILD).pictures().next().unwrap().at;
    assert!(at >= sent + Duration::from_millis(150));
    sim.shutdown().await;
}

#[tokio::test]
async fn a_key_frame_is_asked_for_by_fault() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    streamer.show(&Pictures::new().idr(500));
    seen(&sim, 1).await;
    let fault = Fault::KeyFrame {
        guild: GUILD,
        user: None,
    };
    for times in 1..3 {
        assert_eq!(sim.fault(&fault).unwrap(), 1);
        until("asked", || {
            (streamer.key_frame_requests() == times).then_some(())
        })
        .await;
    }
    assert_eq!(sim.seen(GUILD).totals().key_frame_requests, 2);
    sim.shutdown().await;
}

#[tokio::test]
async fn viewers_get_what_is_shown_and_may_ask_for_key_frames() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let info = sim.watch_stream(GUILD, streamer.info.user, 8).unwrap();
    let mut viewer = Streamer::connect_as(&sim, info).await;
    // Who shows what is told to those who come later.
    let told = viewer.client.receive(12).await;
    assert_eq!(told["user_id"], "7");
    assert_eq!(told["video_ssrc"], streamer.ssrcs.1);
    viewer.media.watch(streamer.ssrcs.1, streamer.ssrcs.2);
    let come = json!({"any": 100});
    let told = come.to_string();
    viewer.client.send(15, come).await;
    recorded(
        &sim,
        "op 15",
        |entry| matches!(&entry.event, RecordEvent::VoiceWants { wants, .. } if *wants == told),
    )
    .await;
    let mut pictures = Pictures::new();
    let mut sent = vec![streamer.show(&pictures.idr(5_000))];
    // The viewer joins the group meanwhile.
    let (joined, followed) = (viewer.join_group(), streamer.follow_commit());
    tokio::join!(joined, followed);
    for _ in 0..5 {
        sent.push(streamer.show(&pictures.next(2_000)));
        frame_time().await;
    }
    until("forwarded", || {
        let got = viewer.media.got.lock().unwrap();
        got.media
            .iter()
            .any(|one| one == sent.last().unwrap())
            .then_some(())
    })
    .await;
    let got = viewer.media.got.lock().unwrap().media.clone();
    assert!(got.iter().all(|one| sent.contains(one)));
    viewer.media.ask_for_key_frame(streamer.ssrcs.1);
    until("asked", || {
        (streamer.key_frame_requests() == 1).then_some(())
    })
    .await;
    sim.shutdown().await;
}
