//! The voice gateway of a stream: identify, op 1, ops 12 and 15, resume, displacement, close codes.

use discord_sim::{DiscordSim, DiscordSimConfig, Displacement, Fault, RecordEvent, StreamFault};
use serde_json::{Value, json};

use crate::common::h264::Pictures;
use crate::common::media_client::Offering;
use crate::common::streamer::{SIZE, Streamer, frame_time, identify, select};
use crate::common::voice_client::Client;
use crate::common::{CHANNEL, GUILD, recorded, until};
use crate::pictures::{config, seen, start};

async fn identified(sim: &DiscordSim) -> (Client, Value) {
    let info = sim.stream_credentials(GUILD, CHANNEL, 7).unwrap();
    let mut client = Client::open(sim, "localhost", 8).await.unwrap();
    client.send(0, identify(&info)).await;
    let ready = client.receive(2).await;
    (client, ready)
}

fn stream_fault(sim: &DiscordSim, what: StreamFault) -> usize {
    let fault = Fault::Stream {
        guild: GUILD,
        user: None,
        what,
    };
    sim.fault(&fault).unwrap()
}

#[tokio::test]
async fn ready_has_what_was_asked_for() {
    let sim = start().await;
    let (_client, ready) = identified(&sim).await;
    let stream = &ready["streams"][0];
    assert_eq!(
        (&stream["type"], &stream["rid"]),
        (&json!("screen"), &json!("100"))
    );
    let ssrcs = [&ready["ssrc"], &stream["ssrc"], &stream["rtx_ssrc"]];
    assert!(ssrcs.iter().all(|ssrc| ssrc.is_u64()));
    assert!(ssrcs[0] != ssrcs[1] && ssrcs[1] != ssrcs[2] && ssrcs[0] != ssrcs[2]);
    let id = sim.streams(GUILD)[0].rtc_server_id;
    recorded(&sim, "identify", |entry| {
        matches!(entry.event, RecordEvent::VoiceIdentify { guild: GUILD, stream: Some(stream), refused: None, .. } if stream == id)
    })
    .await;
    sim.shutdown().await;
}

#[tokio::test]
async fn an_offer_that_breaks_the_rules_is_a_bad_request() {
    let sim = start().await;
    let fragment = Offering::new().fragment();
    let mut no_video = select(&fragment);
    no_video["codecs"].as_array_mut().unwrap().truncate(1);
    let whole_sdp = select(&format!("v=0\r\n{fragment}"));
    let broken = select(&fragment.replace("a=ice-pwd", "a=ice-password"));
    for offer in [no_video, whole_sdp, broken] {
        let (mut client, _) = identified(&sim).await;
        client.send(1, offer.clone()).await;
        assert_eq!(client.close_code().await, 4020, "{offer}");
    }
    let refused = sim
        .record()
        .into_iter()
        .filter_map(|entry| match entry.event {
            RecordEvent::ProtocolSelected { refused, .. } => refused,
            _ => None,
        });
    let refused: Vec<String> = refused.collect();
    assert!(refused[0].contains("no H264"), "{refused:?}");
    assert!(refused[1].contains("does not belong"), "{refused:?}");
    assert!(refused[2].contains("no a=ice-pwd"), "{refused:?}");
    let (mut client, _) = identified(&sim).await;
    let data = json!({"protocol": "quic", "data": ""});
    client.send(1, data).await;
    assert_eq!(client.close_code().await, 4012);
    sim.shutdown().await;
}

#[tokio::test]
async fn op_12_is_relayed_and_recorded_and_answered_with_op_15() {
    let sim = start().await;
    let mut streamer = Streamer::connect(&sim, 7).await;
    let info = sim.watch_stream(GUILD, streamer.info.user, 8).unwrap();
    let mut viewer = Streamer::connect_as(&sim, info).await;
    streamer.announce(true).await;
    let mut told = streamer.announcement(true);
    told["user_id"] = json!("7");
    assert_eq!(viewer.client.receive(12).await, told);
    let pictures = streamer.ssrcs.1.to_string();
    let wants = streamer.client.receive(15).await;
    assert_eq!(wants, json!({"any": 100, pictures.clone(): 100}));
    recorded(&sim, "op 12", |entry| {
        matches!(entry.event, RecordEvent::VoiceVideo {
            active: true, width, height, frame_rate: 30, bits_per_second: 2_500_000, refused: None, ..
        } if (width, height) == SIZE)
    })
    .await;
    let fault = Fault::Wants {
        guild: GUILD,
        user: Some(streamer.info.user),
        quality: 0,
        pixel_count: Some(230_400),
    };
    assert_eq!(sim.fault(&fault).unwrap(), 1);
    let wants = streamer.client.receive(15).await;
    let pixels = json!({pictures.clone(): 230_400});
    assert_eq!(wants, json!({"any": 0, pictures: 0, "pixelCounts": pixels}));
    streamer.announce(false).await;
    assert_eq!(viewer.client.receive(12).await["video_ssrc"], 0);
    let announced = sim.seen(GUILD).connections[0].announced.clone();
    let active: Vec<bool> = announced.iter().map(|one| one.active).collect();
    assert_eq!(active, [true, false]);

    let mut forged = streamer.announcement(true);
    forged["video_ssrc"] = json!(1);
    streamer.client.send(12, forged).await;
    assert_eq!(streamer.client.close_code().await, 4020);
    viewer.client.send(12, json!({"streams": 5})).await;
    assert_eq!(viewer.client.close_code().await, 4002);
    sim.shutdown().await;
}

#[tokio::test]
async fn a_resume_keeps_the_media_path() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let mut pictures = Pictures::new();
    streamer.show(&pictures.idr(500));
    seen(&sim, 1).await;
    let last = streamer.client.last_seq();
    assert_eq!(stream_fault(&sim, StreamFault::Drop), 1);
    while let Some(Ok(_)) = streamer.client.next().await {}
    // Pictures go on while there is no socket.
    streamer.show(&pictures.next(500));
    seen(&sim, 2).await;
    let info = streamer.info.clone();
    let (id, session, token) = (info.rtc_server_id, &info.session, &info.token);
    streamer.client = Client::resuming_at(&sim, id, session, token, last).await;
    streamer.client.receive(9).await;
    streamer.show(&pictures.next(500));
    seen(&sim, 3).await;
    recorded(&sim, "resume", |entry| {
        matches!(entry.event, RecordEvent::VoiceResume { guild: GUILD, stream: Some(stream), refused: None, .. } if stream == id)
    })
    .await;
    assert_eq!(sim.seen(GUILD).connections.len(), 1);
    // Not with the guild's id, nor with another token.
    let mut wrong = Client::resuming_at(&sim, GUILD.0, session, token, last).await;
    assert_eq!(wrong.close_code().await, 4006);
    let mut wrong = Client::resuming_at(&sim, id, session, "other", last).await;
    assert_eq!(wrong.close_code().await, 4004);
    sim.shutdown().await;
}

#[tokio::test]
async fn a_second_media_path_takes_the_place_of_the_first() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let mut pictures = Pictures::new();
    streamer.show(&pictures.idr(500));
    seen(&sim, 1).await;
    let mut offering = Offering::estimating();
    let offer = select(&offering.fragment());
    streamer.client.send(1, offer).await;
    let description = streamer.client.receive(4).await;
    let (sound, ssrc, rtx) = streamer.ssrcs;
    let sdp = description["sdp"].as_str().unwrap();
    streamer.media = offering.accept(sdp, sound, Some((ssrc, rtx)));
    until("connected", || {
        streamer.media.got.lock().unwrap().connected.then_some(())
    })
    .await;
    streamer.show(&pictures.idr(500));
    seen(&sim, 2).await;
    assert_eq!(sim.seen(GUILD).connections.len(), 1);
    // The server's feedback is what a client estimates by.
    while streamer.media.got.lock().unwrap().estimates == 0 {
        streamer.show(&pictures.next(2_000));
        frame_time().await;
    }
    sim.shutdown().await;
}

#[tokio::test]
async fn a_newer_connection_displaces_the_older_one_and_not_the_parent() {
    let sim = start().await;
    let parent = sim.voice_credentials(GUILD, CHANNEL, 7).unwrap();
    let (mut parent, _) = Client::identified(&sim, &parent).await;
    let mut older = Streamer::live(&sim, 7).await;
    let mut newer = Streamer::live(&sim, 7).await;
    assert_eq!(older.client.close_code().await, 4006);
    let mut pictures = Pictures::new();
    newer.show(&pictures.idr(500));
    seen(&sim, 1).await;
    older.show(&pictures.next(500));
    newer.show(&pictures.next(500));
    parent.beat(None).await;
    let seen = sim.seen(GUILD);
    assert_eq!(seen.connections.len(), 2);
    assert!(seen.connections[0].pictures.is_empty() && seen.connections[0].closed_at.is_some());
    // And the parent's faults are not the stream's, nor the other way around.
    let close = Fault::CloseVoice {
        guild: GUILD,
        user: None,
        code: 4006,
    };
    assert_eq!(sim.fault(&close).unwrap(), 1);
    assert_eq!(parent.close_code().await, 4006);
    newer.client.beat(None).await;
    assert_eq!(stream_fault(&sim, StreamFault::Close { code: 4006 }), 1);
    assert_eq!(newer.client.close_code().await, 4006);
    let mut again = Client::open(&sim, "localhost", 8).await.unwrap();
    again.send(0, identify(&newer.info)).await;
    assert_eq!(again.close_code().await, 4006, "its credentials are void");
    sim.shutdown().await;
}

#[tokio::test]
async fn however_the_older_one_gives_way_the_newer_one_is_seen() {
    for displacement in Displacement::ALL {
        let config = DiscordSimConfig {
            displacement,
            ..config()
        };
        let sim = DiscordSim::start(config).await.unwrap();
        let mut older = Streamer::live(&sim, 7).await;
        let mut newer = Streamer::live(&sim, 7).await;
        recorded(&sim, "displaced", |entry| {
            matches!(entry.event, RecordEvent::VoiceDisplaced { how, .. } if how == displacement)
        })
        .await;
        let mut pictures = Pictures::new();
        let picture = pictures.idr(500);
        older.show(&picture);
        newer.show(&picture);
        until("the newer one is seen", || {
            let seen = sim.seen(GUILD);
            let newer = seen.connections[1].counters;
            (newer.decodable == 1).then_some(())
        })
        .await;
        let older = sim.seen(GUILD).connections[0].counters;
        assert_eq!(older.decodable, 0, "{displacement:?}");
        sim.shutdown().await;
    }
}

#[tokio::test]
async fn a_stream_that_ends_takes_its_connections_with_it() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let info = sim.watch_stream(GUILD, streamer.info.user, 8).unwrap();
    let mut viewer = Streamer::connect_as(&sim, info).await;
    sim.leave_voice(GUILD, streamer.info.user);
    assert_eq!(streamer.client.close_code().await, 4014);
    assert_eq!(viewer.client.close_code().await, 4014);
    let seen = sim.seen(GUILD);
    assert!(seen.connections.iter().all(|one| one.closed_at.is_some()));
    let groups = Fault::RecreateGroup { guild: GUILD };
    until("its call is gone", || {
        (sim.fault(&groups).unwrap() == 0).then_some(())
    })
    .await;
    let mut again = Client::open(&sim, "localhost", 8).await.unwrap();
    again.send(0, identify(&streamer.info)).await;
    assert_eq!(again.close_code().await, 4006);
    sim.shutdown().await;
}

#[tokio::test]
async fn a_stream_moves_to_another_server() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let before = streamer.info.clone();
    let mover = Fault::MoveStreamServer {
        guild: GUILD,
        user: None,
        listener: 1,
        close: Some(4014),
    };
    assert_eq!(sim.fault(&mover).unwrap(), 1);
    assert_eq!(streamer.client.close_code().await, 4014);
    let mut again = Client::open(&sim, "localhost", 8).await.unwrap();
    again.send(0, identify(&before)).await;
    assert_eq!(again.close_code().await, 4006);
    let mut streamer = Streamer::live(&sim, 7).await;
    assert_eq!(streamer.info.endpoint, sim.voice_endpoints()[1].to_string());
    assert_eq!(streamer.info.rtc_server_id, before.rtc_server_id);
    streamer.show(&Pictures::new().idr(500));
    seen(&sim, 1).await;
    sim.shutdown().await;
}

#[tokio::test]
async fn codecs_may_be_agreed_on_anew() {
    let sim = start().await;
    let mut streamer = Streamer::connect(&sim, 7).await;
    assert_eq!(stream_fault(&sim, StreamFault::SessionUpdate), 1);
    assert_eq!(streamer.client.receive(14).await["video_codec"], "H264");
    sim.shutdown().await;
}
