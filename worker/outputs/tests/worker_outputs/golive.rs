//! Films over a Go Live stream, from Jellyfin's bytes to what a member of the channel sees and hears.

mod cinema;
mod song;

use std::time::{Duration, Instant};

use discord_sim::{Fault, GuildId, LinkDirection, LinkShape, Skew, StreamDeleteReason};
use orb_worker_outputs::voice::{VoiceCredentials, VoiceEvent};

use self::cinema::{Cinema, GUILD};

/// More, and people notice that lips do not move with the words.
const IN_STEP_MS: f64 = 20.0;

/// By the sender reports, as a receiver puts them together. When they came is the machine's business as well.
fn are_in_step(skews: &[Skew], at_least: usize) {
    assert!(skews.len() >= at_least, "{skews:?}");
    for skew in skews {
        assert!(skew.played_ms.abs() <= IN_STEP_MS, "{skews:?}");
    }
    println!("{skews:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_and_seek_keep_picture_and_sound_in_step() {
    let mut cinema = Cinema::of(1).await;
    let since = Instant::now();
    cinema.join().await;
    let film = cinema.open(1, 0);
    cinema.voice.play(film, false);
    cinema.plays_to(4_000).await;

    cinema.voice.pause();
    cinema
        .until("it stands", || !cinema.voice.snapshot().playing)
        .await;
    // What is under way arrives.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = cinema.decodable();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(cinema.decodable(), before, "none while it is held");
    cinema.voice.resume();
    cinema.plays_to(8_000).await;

    let film = cinema.open(1, 15_300);
    cinema.voice.play(film, false);
    cinema.plays_to(19_500).await;
    let skews = cinema.skews(since);
    are_in_step(&skews, 8);
    let seen: Vec<u32> = skews.iter().map(|skew| skew.second).collect();
    assert!(seen.contains(&5) && seen.contains(&17), "{seen:?}");

    let totals = cinema.discord.seen(GUILD).totals();
    assert_eq!((totals.in_the_clear, totals.undecryptable), (0, 0));
    assert_eq!(totals.pictures, totals.decodable, "{totals:?}");
    let snapshot = cinema.voice.snapshot();
    let picture = snapshot.picture.unwrap();
    // A machine that is busy with other tests is a narrow line itself.
    let narrow = picture.entry.rung_changes > 0 || cinema.voice.picture_rung(2).is_some();
    assert!(
        narrow || (picture.format.unwrap().height, picture.entry.left_out) == (360, 0),
        "{picture:?}"
    );
    assert!(snapshot.pictures.sent >= totals.pictures);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_film_follows_with_its_picture() {
    let mut cinema = Cinema::of(2).await;
    let since = Instant::now();
    cinema.join().await;
    let (film, next) = (cinema.open(1, 20_000), cinema.open(2, 0));
    let frames = std::sync::Arc::clone(&next.frames);
    cinema
        .until("it is ready", || frames.last_pts_ms().is_some())
        .await;
    cinema.voice.play(film, false);
    cinema.voice.follow_with(next);
    let joined = VoiceEvent::Joined { run: 2 };
    cinema.until_event("joined", |event| *event == joined).await;
    cinema.plays_to(4_500).await;
    let skews = cinema.skews(since);
    are_in_step(&skews, 5);
    let seen: Vec<u32> = skews.iter().map(|skew| skew.second).collect();
    assert!(seen.contains(&22) && seen.contains(&3), "{seen:?}");
    let seen = cinema.discord.seen(GUILD);
    let gap = seen.longest_gap().unwrap();
    println!("longest time without a new picture: {gap:?}");
    assert!(gap < Duration::from_secs(1), "{gap:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_down_gets_less_picture_in_step() {
    let mut cinema = Cinema::of(1).await;
    cinema.join().await;
    let film = cinema.open(1, 0);
    cinema.voice.play(film, false);
    cinema.plays_to(3_000).await;
    let before = cinema.voice.snapshot().picture.unwrap().format.unwrap();
    let bits_per_second = before.bits_per_second * 6 / 10;
    let shape = LinkShape {
        bits_per_second: Some(bits_per_second),
        ..LinkShape::default()
    };
    let link = Fault::Link {
        guild: GuildId(GUILD),
        user: None,
        direction: LinkDirection::Up,
        shape,
        seed: 7,
    };
    cinema.discord.fault(&link).unwrap();
    let rung = cinema.changes_rung().await;
    assert!(rung.bits_per_second < before.bits_per_second, "{rung:?}");
    cinema
        .until("it is sent", || {
            let picture = cinema.voice.snapshot().picture.unwrap();
            picture.entry.rung_changes > 0
        })
        .await;
    let since = Instant::now();
    let position = cinema.voice.snapshot().position_ms.unwrap();
    cinema.plays_to(position + 5_000).await;
    // Pictures are fewer at first, and a second is sure only with the next one.
    let mut skews = cinema.skews(since);
    while skews.len() < 2 && cinema.voice.snapshot().playing {
        tokio::time::sleep(Duration::from_secs(1)).await;
        skews = cinema.skews(since);
    }
    are_in_step(&skews, 2);
    let picture = cinema.voice.snapshot().picture.unwrap();
    assert!(picture.format.unwrap().bits_per_second < before.bits_per_second);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_channels_connection_is_lost_and_moved_and_the_stream_goes_on() {
    let mut cinema = Cinema::of(1).await;
    cinema.join().await;
    let film = cinema.open(1, 0);
    cinema.voice.play(film, false);
    cinema.plays_to(2_000).await;
    let (guild, user) = (GuildId(GUILD), None);
    let since = Instant::now();
    let lost = Fault::CloseVoice {
        guild,
        user,
        code: 4006,
    };
    cinema.discord.fault(&lost).unwrap();
    let event = cinema
        .until_event("lost", |event| matches!(event, VoiceEvent::Lost { .. }))
        .await;
    assert!(
        matches!(event, VoiceEvent::Lost { stream: false, .. }),
        "{event:?}"
    );
    let position = cinema.voice.snapshot().position_ms.unwrap();
    cinema.plays_to(position + 2_000).await;
    cinema.join().await;
    assert_eq!(cinema.identifies(), (2, 1), "the stream's is kept");

    let moved = Fault::MoveServer {
        guild,
        user,
        listener: 1,
        close: Some(4014),
    };
    cinema.discord.fault(&moved).unwrap();
    cinema.join().await;
    assert_eq!(cinema.identifies(), (3, 1));
    let position = cinema.voice.snapshot().position_ms.unwrap();
    cinema.plays_to(position + 2_000).await;
    let seen = cinema.discord.seen_since(GUILD, since);
    println!(
        "measured: channel's connection lost, then moved: picture {:?}",
        seen.longest_gap().unwrap()
    );
    let totals = cinema.discord.seen(GUILD).totals();
    assert_eq!(totals.pictures, totals.decodable, "{totals:?}");
    assert_eq!((totals.in_the_clear, totals.broken), (0, 0));
    let picture = cinema.voice.snapshot().picture.unwrap();
    assert_eq!(picture.entry.left_out, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_connections_the_one_that_is_as_it_was_is_kept() {
    let mut cinema = Cinema::of(1).await;
    cinema.join().await;
    let film = cinema.open(1, 0);
    cinema.voice.play(film, false);
    cinema.plays_to(1_000).await;
    assert_eq!(cinema.identifies(), (1, 1));
    // The stream is lost, the channel stands.
    let lost = Fault::EndStream {
        guild: GuildId(GUILD),
        user: None,
        reason: StreamDeleteReason::StreamEnded,
    };
    cinema.discord.fault(&lost).unwrap();
    let event = cinema
        .until_event("lost", |event| matches!(event, VoiceEvent::Lost { .. }))
        .await;
    assert!(
        matches!(
            event,
            VoiceEvent::Lost {
                stream: true,
                close_code: Some(_),
                ..
            }
        ),
        "{event:?}"
    );
    let stood = cinema.voice.snapshot();
    assert!(!stood.connected && !stood.playing);
    cinema.join().await;
    assert_eq!(cinema.identifies(), (1, 2), "the channel's is kept");
    let position = stood.position_ms.unwrap();
    cinema.plays_to(position + 2_000).await;

    // The same again: nothing is made anew, and it is said at once.
    cinema.join().await;
    assert_eq!(cinema.identifies(), (1, 2));

    // The stream is over: the sound goes on in the channel.
    let credentials = VoiceCredentials {
        stream: None,
        ..cinema.credentials()
    };
    let pictures = cinema.discord.seen(GUILD).totals().pictures;
    assert!(pictures > 0);
    cinema.connect(credentials);
    let position = cinema.voice.snapshot().position_ms.unwrap();
    cinema.plays_to(position + 2_000).await;
    assert_eq!(cinema.identifies(), (1, 2));
    assert_eq!(cinema.voice.snapshot().picture, None);
}
