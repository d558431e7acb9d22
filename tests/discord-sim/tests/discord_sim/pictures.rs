//! What the listening member sees of a stream over WebRTC.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSim, DiscordSimConfig, FirstCommit, Media, RecordEvent, UserId};
use serde_json::Value;

use crate::common::h264::Pictures;
use crate::common::streamer::{SIZE, Streamer, frame_time};
use crate::common::{CHANNEL, GUILD, PATIENCE, recorded, until};

/// The listening member commits, which clients find easiest to follow.
pub(super) fn config() -> DiscordSimConfig {
    let _ = rustls::crypto::ring::default_provider().install_default();
    DiscordSimConfig {
        first_commit: FirstCommit::Member,
        ..DiscordSimConfig::default()
    }
}

pub(super) async fn start() -> DiscordSim {
    DiscordSim::start(config()).await.unwrap()
}

/// Waits until so many decodable pictures were seen.
pub(super) async fn seen(sim: &DiscordSim, pictures: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let totals = sim.seen(GUILD).totals();
        if totals.decodable >= pictures {
            return;
        }
        assert!(Instant::now() < deadline, "not {pictures}: {totals:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn pictures_arrive_as_they_were_sent_through_dave() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let mut pictures = Pictures::new();
    let mut sent = Vec::new();
    for n in 0..60 {
        let picture = match n % 30 {
            0 => pictures.idr(40_000),
            _ => pictures.next(4_000),
        };
        streamer.show(&picture);
        streamer.say(b"some opus");
        sent.push(picture);
        frame_time().await;
    }
    seen(&sim, 60).await;
    let seen = sim.seen(GUILD);
    let got: Vec<_> = seen.pictures().collect();
    assert_eq!(got.len(), sent.len());
    for (n, (got, sent)) in got.iter().zip(&sent).enumerate() {
        assert_eq!(got.data.as_deref(), Some(sent.as_slice()), "picture {n}");
        assert_eq!(got.idr, n % 30 == 0);
        assert_eq!(got.packets > 30, got.idr, "{} packets", got.packets);
        assert!(got.dave_encrypted && got.decrypted && got.decodable);
        assert!(got.first_at <= got.at && !got.in_the_clear);
    }
    assert!(got.is_sorted_by_key(|one| one.at));
    let totals = seen.totals();
    assert_eq!((totals.pictures, totals.idr), (60, 2));
    let nothing = [
        totals.broken,
        totals.lost,
        totals.unannounced,
        totals.in_the_clear,
        totals.key_frame_requests,
    ];
    assert_eq!(nothing, [0; 5], "{totals:?}");
    let gap = seen.longest_gap().unwrap();
    assert!(gap >= Duration::from_millis(9), "{gap:?}");

    // The sound of the same connection is heard, and told apart from a voice channel's.
    until("sound", || {
        (sim.heard(GUILD).totals().packets == 60).then_some(())
    })
    .await;
    let heard = sim.heard(GUILD);
    assert_eq!(
        heard.connections[0].info.stream,
        Some(streamer.info.rtc_server_id)
    );
    assert_eq!(heard.connections[0].info.channel.0, CHANNEL);
    let opus = |packet: &&discord_sim::HeardPacket| packet.opus.as_deref() == Some(b"some opus");
    assert!(heard.packets().iter().all(opus));

    let path = tempfile::tempdir().unwrap();
    let path = path.path().join("seen.h264");
    assert_eq!(seen.write_annex_b(&path).unwrap(), 60);
    assert_eq!(std::fs::read(&path).unwrap(), sent.concat());
    sim.shutdown().await;
}

#[tokio::test]
async fn sender_reports_put_sound_and_pictures_on_one_clock() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let mut pictures = Pictures::new();
    streamer.show(&pictures.idr(1_000));
    let reported = |media| {
        let seen = sim.seen(GUILD);
        let reports = &seen.connections[0].reports;
        reports.iter().any(|report| report.media == media)
    };
    let deadline = Instant::now() + PATIENCE;
    while !(reported(Media::Picture) && reported(Media::Sound)) {
        assert!(Instant::now() < deadline, "no sender reports");
        streamer.show(&pictures.next(1_000));
        streamer.say(b"some opus");
        frame_time().await;
    }
    let before = sim.seen(GUILD).totals().pictures;
    streamer.show(&pictures.next(1_000));
    streamer.say(b"the last opus");
    let last_sound = || {
        let heard = sim.heard(GUILD);
        let packet = heard.packets().pop().cloned()?;
        (packet.opus.as_deref() == Some(b"the last opus")).then_some(packet)
    };
    let sound = until("the last sound", last_sound).await;
    seen(&sim, before + 1).await;
    let seen = sim.seen(GUILD);
    let connection = &seen.connections[0];
    let picture = connection.pictures.last().unwrap();
    let at = |media, rtp_time| connection.sender_time(media, rtp_time).unwrap();
    let (sound, picture) = (
        at(Media::Sound, sound.timestamp),
        at(Media::Picture, picture.rtp_time),
    );
    let apart = sound.abs_diff(picture);
    assert!(apart < Duration::from_millis(20), "{apart:?}");
    sim.shutdown().await;
}

#[tokio::test]
async fn what_is_not_announced_or_not_encrypted_is_told() {
    let sim = start().await;
    let mut streamer = Streamer::connect(&sim, 7).await;
    let mut pictures = Pictures::new();
    let early = pictures.idr(500);
    streamer.show_plain(&early);
    streamer.media.say(b"opus".to_vec(), 960, Instant::now());
    for media in [Media::Picture, Media::Sound] {
        let is_it = move |event: &RecordEvent| matches!(event, RecordEvent::MediaUnannounced { media: which, .. } if *which == media);
        recorded(&sim, "unannounced", |entry| is_it(&entry.event)).await;
    }
    seen(&sim, 1).await;
    let totals = sim.seen(GUILD).totals();
    assert_eq!(
        (totals.in_the_clear, totals.unannounced),
        (1, totals.packets)
    );
    streamer.announce(true).await;
    streamer.speak().await;
    streamer.client.beat(None).await;
    streamer.join_group().await;
    streamer.show(&pictures.next(500));
    seen(&sim, 2).await;
    streamer.show_plain(&pictures.next(500));
    seen(&sim, 3).await;
    let after = sim.seen(GUILD).totals();
    assert_eq!(
        (after.in_the_clear, after.unannounced),
        (2, totals.unannounced)
    );
    until("sound", || {
        (sim.heard(GUILD).totals().in_the_clear == 1).then_some(())
    })
    .await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a_picture_under_another_key_is_undecryptable_and_breaks_the_chain() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let mut pictures = Pictures::new();
    streamer.show(&pictures.idr(500));
    let mut spoiled = streamer.encrypt(&pictures.next(500));
    // Inside what is encrypted; start codes stay whole.
    spoiled[200] ^= 0x80;
    streamer.show_plain(&spoiled);
    streamer.show(&pictures.next(500));
    until("three pictures", || {
        (sim.seen(GUILD).totals().pictures == 3).then_some(())
    })
    .await;
    let totals = sim.seen(GUILD).totals();
    assert_eq!(
        (totals.undecryptable, totals.decodable),
        (1, 1),
        "{totals:?}"
    );
    // The member asks for a key frame by itself, once.
    until("asked", || {
        (streamer.key_frame_requests() == 1).then_some(())
    })
    .await;
    streamer.show(&pictures.idr(500));
    streamer.show(&pictures.next(500));
    seen(&sim, 3).await;
    assert_eq!(sim.seen(GUILD).totals().key_frame_requests, 1);
    sim.shutdown().await;
}

#[tokio::test]
async fn a_picture_that_was_left_out_breaks_the_chain() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let mut pictures = Pictures::new();
    streamer.show(&pictures.idr(500));
    streamer.show(&pictures.next(500));
    pictures.next(500);
    streamer.show(&pictures.next(500));
    until("three pictures", || {
        (sim.seen(GUILD).totals().pictures == 3).then_some(())
    })
    .await;
    let totals = sim.seen(GUILD).totals();
    assert_eq!((totals.decodable, totals.broken, totals.lost), (2, 1, 0));
    sim.shutdown().await;
}

#[tokio::test]
async fn what_was_seen_is_told_over_http() {
    let sim = start().await;
    let mut streamer = Streamer::live(&sim, 7).await;
    let mut pictures = Pictures::new();
    let sent = [pictures.idr(500), pictures.next(500)];
    for picture in &sent {
        streamer.show(picture);
    }
    seen(&sim, 2).await;
    let url = |path: &str| format!("{}/_sim/{path}", sim.api_url());
    let get = async |path: &str| reqwest::get(url(path)).await.unwrap();
    let told = get(&format!("seen?guild={GUILD}&pictures=true")).await;
    let told: Value = told.json().await.unwrap();
    assert_eq!(told["totals"]["decodable"], 2);
    let connection = &told["connections"][0];
    assert_eq!(connection["info"]["stream"], streamer.info.rtc_server_id);
    assert_eq!(connection["pictures"][0]["idr"], true);
    assert_eq!(connection["pictures"][1]["bytes"], sent[1].len());
    assert_eq!(connection["announced"][0]["height"], SIZE.1);
    assert!(connection["longest_gap_ms"].is_number());
    let nobody = get(&format!("seen?guild={GUILD}&user={}", UserId(8))).await;
    let nobody: Value = nobody.json().await.unwrap();
    assert_eq!(nobody["connections"], serde_json::json!([]));
    let bytes = get(&format!("seen/annex_b?guild={GUILD}")).await;
    assert_eq!(bytes.bytes().await.unwrap(), sent.concat());
    assert_eq!(get("seen?guild=x").await.status(), 400);
    sim.shutdown().await;
}
