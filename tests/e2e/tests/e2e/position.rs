//! The position in the status is the second that the member hears: after play, pause, resume and seek.

use std::time::{Duration, Instant};

use orb_e2e::{Ears, Installation, Party, Setting, Surroundings, Title, entry};

/// The most that the status and the member may be apart, and a seek's sound from the asked second.
const TOLERANCE: f64 = 0.25;

/// From the answer to a pause to the last packet of film at the member.
const SILENT_WITHIN: Duration = Duration::from_millis(300);

/// How long a pause is listened to.
const PAUSE: Duration = Duration::from_millis(1500);

/// No multiple of the 250 ms between a worker's beats, so that statuses of every age are looked at.
const BETWEEN_STATUSES: Duration = Duration::from_millis(170);

/// A debug build on a busy machine, which opens a file and starts an encoder.
const SOUND_WITHIN: Duration = Duration::from_secs(10);

async fn playing(title: Title) -> (Installation, Party) {
    let surroundings = Surroundings::start(Setting::with(&[title]).alone()).await;
    let orb = Installation::up(surroundings).await;
    let party = Party::create(&orb.api, 111).await;
    party.play_title(&orb.surroundings, title).await;
    (orb, party)
}

/// Asks several times within a second: no single status may be off.
async fn assert_in_step(party: &Party, ears: &Ears<'_>) {
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(party.status().await);
        tokio::time::sleep(BETWEEN_STATUSES).await;
    }
    for status in statuses {
        assert_eq!(
            status.text_of("playbackState"),
            "playing",
            "{}",
            status.text
        );
        let apart = ears.apart_from(&status).await;
        assert!(
            apart.abs() <= TOLERANCE,
            "{apart:+.3} s apart: {}",
            status.text
        );
    }
}

/// Seeks while it plays, and looks where the sound begins.
async fn seek(party: &Party, ears: &Ears<'_>, target: f64) {
    let answer = party.seek(target).await.expect_code(200);
    let (first, begun) = ears
        .start_of_sound(answer.asked, target, SOUND_WITHIN)
        .await;
    println!(
        "seek to {target:.3} s: sound at {begun:.3} s, {} ms after the call",
        (first - answer.asked).as_millis()
    );
    assert!((begun - target).abs() <= TOLERANCE);
    assert_in_step(party, ears).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_play() {
    let started = Instant::now();
    let (orb, party) = playing(Title::Clock).await;
    let ears = party.ears(&orb.surroundings.discord);
    let (_, begun) = ears.start_of_sound(started, 0.0, SOUND_WITHIN).await;
    assert!(begun.abs() <= 0.1, "the film began at {begun:.3} s");
    assert_in_step(&party, &ears).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_pause_and_resume() {
    let (orb, party) = playing(Title::Clock).await;
    let ears = party.ears(&orb.surroundings.discord);
    ears.seconds(Instant::now(), 2, SOUND_WITHIN).await;

    let pause = party.control("pause").await.expect_code(200);
    assert_eq!(pause.text_of("playbackState"), "paused");
    tokio::time::sleep(PAUSE).await;
    if let Some(last) = ears.last_sound(pause.answered) {
        let late = last - pause.answered;
        println!(
            "sound for {} ms after the pause was answered",
            late.as_millis()
        );
        assert!(late <= SILENT_WITHIN, "{late:?}");
    }
    let held = party.status().await;
    assert_eq!(
        held.body["positionMs"],
        party.status().await.body["positionMs"]
    );

    let resume = party.control("resume").await.expect_code(200);
    assert_eq!(resume.text_of("playbackState"), "playing");
    let (first, begun) = ears
        .start_of_sound(resume.asked, held.position(), SOUND_WITHIN)
        .await;
    println!(
        "paused at {:.3} s, went on at {begun:.3} s, {} ms after the call",
        held.position(),
        (first - resume.asked).as_millis()
    );
    assert!((begun - held.position()).abs() <= TOLERANCE);
    assert_in_step(&party, &ears).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_seeks_forward_and_backward() {
    let (orb, party) = playing(Title::Clock).await;
    let ears = party.ears(&orb.surroundings.discord);
    ears.sound(Instant::now(), SOUND_WITHIN).await;
    for target in [61.0, 7.4, 93.7, 0.0] {
        seek(&party, &ears, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_seek_into_a_long_group_that_is_copied() {
    let (orb, party) = playing(Title::LongGop).await;
    let status = party.status().await;
    println!("plan: {}", status.text_of("plan"));
    let ears = party.ears(&orb.surroundings.discord);
    ears.sound(Instant::now(), SOUND_WITHIN).await;
    for target in [67.4, 29.3, 58.0] {
        seek(&party, &ears, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_seek_into_a_long_group_that_is_transcoded() {
    let (orb, party) = playing(Title::TenBit).await;
    let status = party.status().await;
    println!("plan: {}", status.text_of("plan"));
    let ears = party.ears(&orb.surroundings.discord);
    ears.sound(Instant::now(), SOUND_WITHIN).await;
    for target in [67.4, 29.3, 58.0] {
        seek(&party, &ears, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_seek_while_paused() {
    let (orb, party) = playing(Title::LongGop).await;
    let ears = party.ears(&orb.surroundings.discord);
    ears.seconds(Instant::now(), 1, SOUND_WITHIN).await;
    party.control("pause").await.expect_code(200);

    let answer = party.seek(47.6).await.expect_code(200);
    assert_eq!(answer.text_of("playbackState"), "paused");
    assert!((answer.position() - 47.6).abs() <= 0.05, "{}", answer.text);
    tokio::time::sleep(PAUSE).await;
    let after = answer.answered + SILENT_WITHIN;
    assert_eq!(
        ears.last_sound(after),
        None,
        "a seek while paused is not heard"
    );
    let held = party.status().await;
    assert_eq!(held.text_of("playbackState"), "paused");
    assert!((held.position() - 47.6).abs() <= 0.05, "{}", held.text);

    let resume = party.control("resume").await.expect_code(200);
    let (_, begun) = ears.start_of_sound(resume.asked, 47.6, SOUND_WITHIN).await;
    assert!(
        (begun - 47.6).abs() <= TOLERANCE,
        "the sound went on at {begun:.3} s"
    );
    assert_in_step(&party, &ears).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_many_seeks_at_once_the_last_one_counts() {
    let (orb, party) = playing(Title::LongGop).await;
    let ears = party.ears(&orb.surroundings.discord);
    ears.sound(Instant::now(), SOUND_WITHIN).await;
    let storm = Instant::now();
    let (a, b, c, d) = tokio::join!(
        party.seek(33.0),
        party.seek(81.5),
        party.seek(12.2),
        party.seek(95.0)
    );
    for answer in [a, b, c, d] {
        answer.expect_code(200);
    }
    let last = party.seek(52.7).await.expect_code(200);
    let (_, begun) = ears.start_of_sound(last.asked, 52.7, SOUND_WITHIN).await;
    println!("{} ms after the first", storm.elapsed().as_millis());
    assert!(
        (begun - 52.7).abs() <= TOLERANCE,
        "it began at {begun:.3} s"
    );
    assert_in_step(&party, &ears).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_pause_while_it_loads() {
    let surroundings = Surroundings::start(Setting::with(&[Title::Clock]).alone()).await;
    let orb = Installation::up(surroundings).await;
    let party = Party::create(&orb.api, 111).await;
    let play = entry(&orb.surroundings, 1, Title::Clock);
    let ears = party.ears(&orb.surroundings.discord);
    let begun = Instant::now();
    let (played, paused) = tokio::join!(party.play(&play), async {
        party
            .becomes_so("the entry to be taken", SOUND_WITHIN, |status| {
                status.body["queueEntryId"] == 1
            })
            .await;
        party.control("pause").await
    });
    println!(
        "play {}, pause {}: {}",
        played.code, paused.code, paused.text
    );
    assert!(matches!(played.code, 200 | 202), "{}", played.text);
    assert!(matches!(paused.code, 200 | 202), "{}", paused.text);
    let held = party.becomes("paused", SOUND_WITHIN).await;
    tokio::time::sleep(PAUSE).await;
    if let Some(last) = ears.last_sound(begun) {
        assert!(last.saturating_duration_since(held.answered) <= SILENT_WITHIN);
    }
    let held = party.status().await;
    assert_eq!(held.text_of("playbackState"), "paused", "{}", held.text);

    let resume = party.control("resume").await.expect_code(200);
    let (_, begun) = ears
        .start_of_sound(resume.asked, held.position(), SOUND_WITHIN)
        .await;
    assert!(
        (begun - held.position()).abs() <= TOLERANCE,
        "it went on at {begun:.3} s"
    );
    assert_in_step(&party, &ears).await;
}
