//! How a film ends, and how it goes on when its source or ffmpeg does not.

use std::time::{Duration, Instant};

use jellyfin_sim::{Fault, FaultKind, Scope};
use orb_e2e::{
    Answer, Ears, Installation, JELLYFIN_KEY, Party, Setting, Surroundings, Title, entry, ffmpegs,
    kill, until,
};
use serde_json::{Value, json};

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// The contract's time for "no source can be played".
const FAILED_WITHIN: Duration = Duration::from_secs(5);

/// A hole that nobody calls one: a busy machine makes some that long.
const UNHEARD: Duration = Duration::from_millis(500);

/// The longest that a killed ffmpeg may be heard.
const RECOVERED_WITHIN: Duration = Duration::from_secs(2);

/// Bytes of about 20 s of the film; it is read 16 s ahead, so 4 s after the start.
const TWENTY_SECONDS: u64 = 2_200_000;

/// Bytes of about 10 s of the film.
const TEN_SECONDS: u64 = TWENTY_SECONDS / 2;

async fn orb(titles: &[Title]) -> (Installation, Party) {
    let orb = Installation::up(Surroundings::start(Setting::with(titles)).await).await;
    let party = Party::create(&orb.api, 111).await;
    (orb, party)
}

/// Each second once and in its order, from the first to the last.
#[track_caller]
fn assert_unbroken(numbers: &[u32]) {
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
}

/// That the member hears the film up to `second` without a hole longer than `hole`.
async fn assert_heard_through(ears: &Ears<'_>, since: Instant, second: u32, hole: Duration) {
    let numbers = ears
        .numbers_until(second, since, Duration::from_mins(1))
        .await;
    let (from, to) = ears.longest_hole(since);
    let longest = to - from;
    println!("heard {numbers:?}, longest hole {} ms", longest.as_millis());
    assert_unbroken(&numbers);
    assert!(longest <= hole, "a hole of {longest:?}");
}

/// That an item ended as failed, and says why in a sentence that is fit for everybody.
#[track_caller]
fn assert_failed(status: &Answer) {
    assert_eq!(status.text_of("playbackState"), "ended", "{}", status.text);
    assert_eq!(status.text_of("endReason"), "failed", "{}", status.text);
    let said = status.text_of("lastError");
    assert!(!said.is_empty() && !said.contains('\n'), "{}", status.text);
    for secret in [
        "://",
        "127.0.0.1",
        JELLYFIN_KEY,
        "ApiKey",
        "/Videos",
        "/Items",
    ] {
        assert!(!said.contains(secret), "{said}");
    }
}

/// Plays, and looks at every status until the end. None may have one half of the failure.
async fn fails_in_time(orb: &Installation, party: &Party, play: &Value) -> Answer {
    let started = Instant::now();
    let (api, path, body) = (orb.api.clone(), party.path("play"), play.clone());
    let call = tokio::spawn(async move { api.post(&path, &body).await });
    let queue_entry = &play["queueEntryId"];
    let failed = until("endReason failed", 2 * FAILED_WITHIN, async || {
        let status = party.status().await;
        if status.body["queueEntryId"] != *queue_entry {
            return None; // not taken up yet
        }
        let failed = status.text_of("endReason") == "failed";
        assert_eq!(
            failed,
            status.body["lastError"].is_string() && status.text_of("playbackState") == "ended",
            "reason and error come at once: {}",
            status.text
        );
        failed.then_some(status)
    })
    .await;
    let took = failed.answered - started;
    println!(
        "failed after {} ms: {}",
        took.as_millis(),
        failed.text_of("lastError")
    );
    assert_failed(&failed);
    assert!(took <= FAILED_WITHIN, "{took:?}");
    let answer = call.await.unwrap();
    assert!(matches!(answer.code, 200 | 202), "{}", answer.text);
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_film_stays_visible() {
    let (orb, party) = orb(&[Title::Short]).await;
    let ears = party.ears(&orb.surroundings.discord);
    let started = Instant::now();
    party.play_title(&orb.surroundings, Title::Short).await;
    let ended = party.becomes("ended", 2 * SOON).await;
    // A poller that comes rarely sees the same.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for status in [ended, party.status().await] {
        assert_eq!(status.text_of("playbackState"), "ended", "{}", status.text);
        assert_eq!(status.text_of("endReason"), "finished", "{}", status.text);
        assert_eq!(
            status.text_of("workerStatus"),
            "connected",
            "{}",
            status.text
        );
        assert_eq!(status.text_of("currentTitle"), Title::Short.name());
        assert_eq!(status.body["queueEntryId"], 1);
        assert_eq!(status.body["lastError"], Value::Null);
        assert!((status.position() - 6.0).abs() < 0.1, "{}", status.text);
    }
    // In this container the first click is half covered by the encoder's priming, so second 0 has no number.
    assert_eq!(ears.numbers(started), [1, 2, 3, 4, 5]);
    let (_, begun) = ears.start_of_sound(started, 0.0, SOON).await;
    assert!(begun.abs() < 0.1, "the film began at {begun:.3} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_are_refused_fail_in_time() {
    let (orb, party) = orb(&[Title::Clock]).await;
    for (entry_id, status) in (1..).zip([404, 401, 403, 410, 500]) {
        orb.surroundings.jellyfin.clear_faults();
        let refuse = Fault::new(FaultKind::Status { status });
        orb.surroundings.jellyfin.fault(refuse).unwrap();
        println!("status {status}:");
        let play = entry(&orb.surroundings, entry_id, Title::Clock);
        fails_in_time(&orb, &party, &play).await;
    }
    // It stays, and the next play knows nothing of it.
    assert_failed(&party.status().await);
    orb.surroundings.jellyfin.clear_faults();
    party.play(&entry(&orb.surroundings, 9, Title::Clock)).await;
    let playing = party.becomes("playing", SOON).await;
    assert_eq!(playing.body["lastError"], Value::Null);
    assert_eq!(playing.body["endReason"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_are_no_film_or_nobody_fail_in_time() {
    let (orb, party) = orb(&[Title::Clock]).await;
    orb.surroundings
        .jellyfin
        .fault(Fault::new(FaultKind::NotMedia))
        .unwrap();
    let play = entry(&orb.surroundings, 1, Title::Clock);
    fails_in_time(&orb, &party, &play).await;

    orb.surroundings.jellyfin.clear_faults();
    orb.surroundings
        .jellyfin
        .fault(Fault::new(FaultKind::Reset { after_bytes: None }))
        .unwrap();
    let play = entry(&orb.surroundings, 2, Title::Clock);
    fails_in_time(&orb, &party, &play).await;

    orb.surroundings.jellyfin.clear_faults();
    orb.surroundings
        .jellyfin
        .fault(Fault::new(FaultKind::Stall {
            after_bytes: None,
            ms: 60_000,
        }))
        .unwrap();
    let play = entry(&orb.surroundings, 3, Title::Clock);
    fails_in_time(&orb, &party, &play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fallback_plays_when_the_first_source_does_not_open() {
    let (orb, party) = orb(&[Title::Clock]).await;
    let ears = party.ears(&orb.surroundings.discord);
    let faults = [
        FaultKind::Status { status: 404 },
        FaultKind::NotMedia,
        FaultKind::Reset { after_bytes: None },
    ];
    for (entry_id, kind) in (1..).zip(faults) {
        println!("{kind:?}:");
        orb.surroundings.jellyfin.clear_faults();
        let fault = Fault::new(kind).scope(Scope::Stream);
        orb.surroundings.jellyfin.fault(fault).unwrap();
        let play = party
            .play(&entry(&orb.surroundings, entry_id, Title::Clock))
            .await;
        let playing = party.becomes("playing", SOON).await;
        println!(
            "plays after {} ms",
            (playing.answered - play.asked).as_millis()
        );
        assert!(playing.answered - play.asked <= FAILED_WITHIN);
        let (_, begun) = ears.start_of_sound(play.asked, 0.0, SOON).await;
        assert!(begun.abs() < 0.25, "it began at {begun:.3} s");
    }
}

/// Plays a film whose first source gives 10 s and then, to whoever asks again, `then`.
async fn dies_after_ten_seconds(then: FaultKind) {
    let (orb, party) = orb(&[Title::Clock]).await;
    let jellyfin = &orb.surroundings.jellyfin;
    let cut = FaultKind::Truncate {
        after_bytes: TEN_SECONDS,
    };
    jellyfin
        .fault(Fault::new(cut).scope(Scope::Stream))
        .unwrap();
    let started = Instant::now();
    party.play_title(&orb.surroundings, Title::Clock).await;
    // The answer that is being read will be cut all the same.
    jellyfin.clear_faults();
    jellyfin
        .fault(Fault::new(then).scope(Scope::Stream))
        .unwrap();
    let ears = party.ears(&orb.surroundings.discord);
    assert_heard_through(&ears, started, 30, UNHEARD).await;
    let from_fallback = |path: &str| path.to_lowercase().ends_with("/download");
    assert!(
        jellyfin
            .requests()
            .iter()
            .any(|one| from_fallback(&one.path))
    );
    let status = party.status().await;
    assert_eq!(
        status.text_of("playbackState"),
        "playing",
        "{}",
        status.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fallback_goes_on_when_the_first_source_is_gone_in_mid_film() {
    dies_after_ten_seconds(FaultKind::Status { status: 410 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fallback_goes_on_when_the_first_source_cannot_be_reached_in_mid_film() {
    dies_after_ten_seconds(FaultKind::Reset { after_bytes: None }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_cut_again_and_again_is_read_on() {
    let (orb, party) = orb(&[Title::Clock]).await;
    let cut = FaultKind::Truncate {
        after_bytes: 500_000,
    };
    orb.surroundings.jellyfin.fault(Fault::new(cut)).unwrap();
    let started = Instant::now();
    party.play_title(&orb.surroundings, Title::Clock).await;
    let ears = party.ears(&orb.surroundings.discord);
    assert_heard_through(&ears, started, 15, UNHEARD).await;
    let status = party.status().await;
    assert_eq!(status.body["health"]["restarts"], 0, "{}", status.text);
}

/// Waits until Jellyfin has sent so much of one answer, lets nobody have anything for 10 s, and mends it.
async fn stalls_ten_seconds(orb: &Installation, after_bytes: u64) {
    let jellyfin = &orb.surroundings.jellyfin;
    until("the answer to stall", 2 * SOON, async || {
        let requests = jellyfin.requests();
        requests
            .iter()
            .any(|one| one.bytes_sent == after_bytes && !one.ended)
            .then_some(())
    })
    .await;
    jellyfin.clear_faults();
    let nothing = FaultKind::Stall {
        after_bytes: None,
        ms: 60_000,
    };
    jellyfin.fault(Fault::new(nothing)).unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    jellyfin.clear_faults();
}

fn stalling(after_bytes: u64) -> Fault {
    Fault::new(FaultKind::Stall {
        after_bytes: Some(after_bytes),
        ms: 10_000,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_of_ten_seconds_is_not_heard_when_enough_was_read_ahead() {
    let (orb, party) = orb(&[Title::Clock]).await;
    orb.surroundings
        .jellyfin
        .fault(stalling(TWENTY_SECONDS))
        .unwrap();
    let started = Instant::now();
    party.play_title(&orb.surroundings, Title::Clock).await;
    stalls_ten_seconds(&orb, TWENTY_SECONDS).await;
    let ears = party.ears(&orb.surroundings.discord);
    assert_heard_through(&ears, started, 28, UNHEARD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_that_is_heard_is_seen_and_the_film_goes_on_where_it_was() {
    let (orb, party) = orb(&[Title::Clock]).await;
    let three_seconds = TWENTY_SECONDS * 3 / 20;
    orb.surroundings
        .jellyfin
        .fault(stalling(three_seconds))
        .unwrap();
    let started = Instant::now();
    party.play(&entry(&orb.surroundings, 1, Title::Clock)).await;
    let ((), seen) = tokio::join!(stalls_ten_seconds(&orb, three_seconds), async {
        party.becomes("playing", SOON).await;
        let loading = party.becomes("loading", SOON).await;
        println!("the status says: {}", loading.text);
        loading
    });
    assert_eq!(seen.text_of("workerStatus"), "connected");
    party.becomes("playing", SOON).await;
    let ears = party.ears(&orb.surroundings.discord);
    let numbers = ears.numbers_until(8, started, 2 * SOON).await;
    let (broke_off, went_on) = ears.longest_hole(started);
    let hole = went_on - broke_off;
    println!("heard {numbers:?}, a hole of {} ms", hole.as_millis());
    assert!(
        hole > Duration::from_secs(5),
        "the stall was to be heard: {hole:?}"
    );
    // The second in which it broke off is in two parts, and so has no number.
    let before = ears.end_of_sound(broke_off);
    let (_, begun) = ears.start_of_sound(went_on, before, SOON).await;
    println!("broke off at {before:.3} s, went on at {begun:.3} s");
    assert!((begun - before).abs() < 0.25);
    assert!((seen.position() - before).abs() < 0.25, "{}", seen.text);
}

#[track_caller]
fn kill_ffmpegs(orb: &Installation) {
    let running = ffmpegs(orb.orb.pid());
    assert!(!running.is_empty(), "ffmpeg runs as a child of orb");
    for one in running {
        kill(one.pid);
    }
}

/// Kills ffmpeg while a title plays, several times; the member is to notice little.
async fn survives_kills(title: Title) {
    let (orb, party) = orb(&[title]).await;
    let ears = party.ears(&orb.surroundings.discord);
    let started = Instant::now();
    party.play_title(&orb.surroundings, title).await;
    for second in [4, 10] {
        kill_ffmpegs(&orb);
        assert_heard_through(&ears, started, second, RECOVERED_WITHIN).await;
    }
    // As early as can be, when next to nothing was read ahead.
    let sought = party.seek(60.4).await.expect_code(200);
    kill_ffmpegs(&orb);
    let (begun_at, begun) = ears.start_of_sound(sought.asked, 60.4, SOON).await;
    assert!((begun - 60.4).abs() < 0.25, "it began at {begun:.3} s");
    assert_heard_through(&ears, begun_at, 65, RECOVERED_WITHIN).await;
    let status = party.status().await;
    println!("afterwards: {}", status.text);
    assert_eq!(status.text_of("playbackState"), "playing");
    assert!(
        status.body["health"]["restarts"].as_u64() >= Some(1),
        "{}",
        status.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_ffmpeg_that_copies_is_replaced_at_the_same_second() {
    survives_kills(Title::Clock).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_ffmpeg_that_transcodes_is_replaced_at_the_same_second() {
    survives_kills(Title::TenBit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_film_survives_a_killed_ffmpeg() {
    let (orb, party) = orb(&[Title::Clock]).await;
    let ears = party.ears(&orb.surroundings.discord);
    party.play_title(&orb.surroundings, Title::Clock).await;
    party.seek(40.0).await.expect_code(200);
    party.control("pause").await.expect_code(200);
    kill_ffmpegs(&orb);
    let held = party.status().await;
    assert_eq!(held.text_of("playbackState"), "paused", "{}", held.text);
    let resume = party.control("resume").await.expect_code(200);
    let (_, begun) = ears
        .start_of_sound(resume.asked, held.position(), SOON)
        .await;
    assert!(
        (begun - held.position()).abs() < 0.25,
        "it went on at {begun:.3} s"
    );
    // Nothing of it is left to see.
    assert_eq!(party.status().await.body["lastError"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seek_to_the_very_end_ends_the_film() {
    let (orb, party) = orb(&[Title::Clock]).await;
    party.play_title(&orb.surroundings, Title::Clock).await;
    let sought = party.seek(119.0).await.expect_code(200);
    let ended = party.becomes("ended", SOON).await;
    assert_eq!(ended.text_of("endReason"), "finished", "{}", ended.text);
    assert!((ended.position() - 120.0).abs() < 0.1, "{}", ended.text);
    let took = ended.answered - sought.answered;
    assert!(
        (Duration::from_millis(700)..Duration::from_secs(3)).contains(&took),
        "{took:?}"
    );

    // The last moment itself is not beyond the end.
    party.play_title(&orb.surroundings, Title::Clock).await;
    let sought = party.seek(120.0).await;
    assert!(matches!(sought.code, 200 | 202), "{}", sought.text);
    let ended = party.becomes("ended", SOON).await;
    assert_eq!(ended.text_of("endReason"), "finished", "{}", ended.text);
    assert_eq!(ended.body["lastError"], Value::Null, "{}", ended.text);
}
