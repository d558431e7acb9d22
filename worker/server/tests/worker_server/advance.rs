//! From one item to the next: what the scheduler is told, and what a member of the channel hears.

use std::time::{Duration, Instant};

use orb_proto::v1;

use super::party::Party;

/// More than any film here costs, and what an unprobed one is taken to cost.
const ROOM: u32 = 1_000;

/// 20 ms of sound, by its own clock.
const PACKET: u32 = 960;

fn is_ready(observed: &v1::ObservedState, entry: u64) -> bool {
    let prepared = observed.prepared.as_ref();
    prepared.is_some_and(|next| next.entry_id == entry && next.ready)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_films_are_one_sound() {
    let mut party = Party::of(&[5, 4, 3], ROOM).await;
    let first = party.plays(1, 2).await;
    party.until_plays(1).await;
    let prepared = party
        .until("entry 2 is ready", |one| is_ready(one, 2))
        .await;
    let plan = prepared.prepared.and_then(|next| next.known_plan);
    assert!(plan.is_some_and(|plan| plan.cost_millicores > 0));
    assert_eq!((prepared.entry_id, prepared.advanced_from_entry_id), (1, 0));

    let advanced = party.until_plays(2).await;
    assert_eq!(advanced.advanced_from_entry_id, 1);
    assert_eq!(advanced.fence.map(|fence| fence.generation), Some(first));
    assert!(
        advanced
            .position
            .is_some_and(|position| position.media_ms < 1_000)
    );
    let health = advanced.health.unwrap_or_default();
    assert!(health.frames_sent < 50, "of this item: {health:?}");
    assert_eq!(
        (advanced.opened_at_generation, advanced.duration_ms),
        (0, 4_000)
    );

    let second = party.plays(2, 3).await;
    let known = party.until("the word is carried out", |one| {
        one.fence.as_ref().map(|fence| fence.generation) == Some(second)
    });
    let known = known.await;
    assert_eq!((known.entry_id, known.advanced_from_entry_id), (2, 0));
    assert_eq!(known.playback_state(), v1::PlaybackState::Playing);

    party.until_plays(3).await;
    party.plays(3, 0).await;
    let ended = party.until("the queue ends", |one| {
        one.playback_state() == v1::PlaybackState::Ended
    });
    assert_eq!(ended.await.entry_id, 3);
    assert_eq!(party.seconds(), [0, 1, 2, 3, 4, 0, 1, 2, 3, 0, 1, 2]);
    let (ticks, arrival) = party.assert_unbroken();
    println!(
        "joins: {} ms by the sound's clock, at most {} ms between two packets",
        (ticks - PACKET) / 48,
        arrival.as_millis()
    );
    assert_eq!(ticks, PACKET, "no tick without a frame");
    party.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_crosses_the_join_holds_the_next_item() {
    let mut party = Party::of(&[3, 5], ROOM).await;
    party.plays(1, 2).await;
    party.until_plays(2).await;
    let paused = party.pauses(true).await;
    let held = party.until("it is held", |one| {
        one.playback_state() == v1::PlaybackState::Paused
    });
    let held = held.await;
    assert_eq!((held.entry_id, held.advanced_from_entry_id), (2, 1));
    assert_eq!(held.fence.map(|fence| fence.generation), Some(paused));
    party.plays(2, 0).await;
    party.pauses(false).await;
    party
        .until("it ends", |one| {
            one.playback_state() == v1::PlaybackState::Ended
        })
        .await;
    assert_eq!(party.seconds(), [0, 1, 2, 0, 1, 2, 3, 4]);
    party.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seek_that_crosses_the_join_goes_back() {
    let mut party = Party::of(&[5, 5], ROOM).await;
    party.plays(1, 2).await;
    party.until_plays(2).await;
    party.seeks(3_000).await;
    let back = party.until_plays(1).await;
    assert_eq!(back.advanced_from_entry_id, 0);
    party
        .until("entry 2 follows again", |one| {
            (one.entry_id, one.advanced_from_entry_id) == (2, 1)
        })
        .await;
    party.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skip_to_what_is_prepared_is_heard_at_once() {
    let mut party = Party::of(&[15, 5], ROOM).await;
    party.plays(1, 2).await;
    party
        .until("entry 2 is ready", |one| is_ready(one, 2))
        .await;
    let asked = Instant::now();
    let skip = party.plays(2, 0).await;
    let plays = party.until_plays(2).await;
    let took = asked.elapsed();
    println!("skip to a prepared item: {} ms", took.as_millis());
    assert_eq!(plays.fence.map(|fence| fence.generation), Some(skip));
    assert_eq!(plays.advanced_from_entry_id, 0);
    // Opening a source takes two starts of ffmpeg; this is a matter of ticks, on a busy machine.
    assert!(took < Duration::from_millis(400), "{took:?}");
    party.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_that_is_not_there_is_told_and_another_one_follows() {
    let mut party = Party::of(&[6, 4], ROOM).await;
    party.plays(1, 77).await;
    let told = party.until("entry 77 fails", |one| {
        let next = one.prepared.as_ref();
        next.is_some_and(|next| next.entry_id == 77 && next.failure.is_some())
    });
    let told = told.await;
    let failure = told.prepared.and_then(|next| next.failure).unwrap();
    assert_eq!(failure.code, "source_not_found");
    assert_eq!((told.entry_id, told.failure), (1, None), "that of the next");
    party.follows(2).await;
    let advanced = party.until_plays(2).await;
    assert_eq!(advanced.advanced_from_entry_id, 1);
    assert_eq!(party.assert_unbroken().0, PACKET);
    party.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ffmpeg_that_is_killed_while_its_item_waits_is_started_again() {
    // The first one is read at once, so that the only ffmpeg is that of the second, which is longer than what is read
    // ahead.
    let mut party = Party::of(&[6, 30], ROOM).await;
    party.plays(1, 2).await;
    party
        .until("entry 2 is ready", |one| is_ready(one, 2))
        .await;
    let patience = Instant::now() + Duration::from_secs(20);
    let ffmpeg = loop {
        if let [ffmpeg] = &party.ffmpegs()[..] {
            break ffmpeg.clone();
        }
        assert!(Instant::now() < patience, "{:?}", party.ffmpegs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let killed = std::process::Command::new("kill")
        .args(["-KILL", &ffmpeg])
        .status();
    assert!(killed.unwrap().success());
    let advanced = party.until("entry 2 follows", |one| one.advanced_from_entry_id == 1);
    let advanced = advanced.await;
    assert_eq!(advanced.entry_id, 2);
    assert_eq!(advanced.health.map(|health| health.restarts), Some(1));
    party
        .until("two seconds of it", |one| {
            one.position
                .is_some_and(|position| position.media_ms > 2_000)
        })
        .await;
    assert_eq!(party.assert_unbroken().0, PACKET);
    party.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_that_is_replaced_is_not_heard() {
    let mut party = Party::of(&[6, 3, 4], ROOM).await;
    party.plays(1, 2).await;
    party
        .until("entry 2 is ready", |one| is_ready(one, 2))
        .await;
    party.follows(3).await;
    let advanced = party.until("something follows", |one| one.advanced_from_entry_id == 1);
    assert_eq!(advanced.await.entry_id, 3);
    party.plays(3, 0).await;
    party
        .until("it ends", |one| {
            one.playback_state() == v1::PlaybackState::Ended
        })
        .await;
    assert_eq!(party.seconds(), [0, 1, 2, 3, 4, 5, 0, 1, 2, 3]);
    party.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_next_is_an_end_and_silence() {
    let mut party = Party::of(&[3], ROOM).await;
    party.plays(1, 0).await;
    let ended = party.until("it ends", |one| {
        one.playback_state() == v1::PlaybackState::Ended
    });
    let ended = ended.await;
    assert_eq!((ended.entry_id, ended.advanced_from_entry_id), (1, 0));
    assert!(ended.prepared.is_none());
    let silent_since = party.silent_since().unwrap();
    party.until("a beat later", |_| true).await;
    assert_eq!(party.silent_since(), Some(silent_since));
    party.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_item_is_opened_when_twenty_seconds_are_left_and_counts_as_used() {
    let mut party = Party::of(&[24, 3], ROOM).await;
    party.plays(1, 2).await;
    let before = party.until_with_room("entry 1 is probed", |one, free| {
        one.known_plan.is_some() && free < ROOM
    });
    let (_, free_before) = before.await;
    let begun = party.until_with_room("entry 2 is being opened", |one, _| one.prepared.is_some());
    let (begun, free) = begun.await;
    let position = begun.position.unwrap_or_default().media_ms;
    assert!((3_900..8_000).contains(&position), "{position} ms");
    assert!(free < free_before, "{free} of {free_before}");
    party.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_beside_the_current_item_the_next_one_waits_until_that_is_read() {
    // A copied film takes 20, and one that nobody has looked at is taken for 150.
    let mut party = Party::of(&[24, 3], 160).await;
    party.plays(1, 2).await;
    let begun = party.until("entry 2 is being opened", |one| one.prepared.is_some());
    let position = begun.await.position.unwrap_or_default().media_ms;
    // 16 s are read ahead.
    assert!((7_500..15_000).contains(&position), "{position} ms");
    party.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_room_the_end_is_told_and_the_next_word_plays() {
    let mut party = Party::of(&[3, 3], 100).await;
    party.plays(1, 2).await;
    let ended = party.until("entry 1 ends", |one| {
        assert!(one.prepared.is_none());
        one.playback_state() == v1::PlaybackState::Ended
    });
    assert_eq!(ended.await.entry_id, 1);
    party.plays(2, 0).await;
    party.until_plays(2).await;
    party.strike().await;
}
