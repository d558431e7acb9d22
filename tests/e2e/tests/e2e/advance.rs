//! From one film of the queue to the next: what a member of the channel and a viewer get of it.

mod crashes;

use std::time::{Duration, Instant};

use discord_sim::{EarReport, Join};
use orb_e2e::{Ears, Installation, Party, Queue, Setting, Surroundings, Title};
use orb_proto::v1::QueueStatus;
use serde_json::json;

use crate::watch::{assert_true, playlist};

const GUILD: u64 = 111;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// The most that may lie between two films.
const GAP_MS: f64 = 100.0;

/// What counting clicks within packets may be off: a packet on either side.
const COUNTED_MS: f64 = 40.0;

/// What encoders fill the end of a film up with: the last frames of AAC (21 ms) and Opus (20 ms) are whole ones. It is
/// heard at each join.
const FILLED_MS: f64 = 41.0;

/// Played in this order; each is known by its length.
const FILMS: [Title; 3] = [Title::Short, Title::Shorter, Title::Shortest];

async fn queue_of(films: &[Title]) -> (Installation, Party, Queue) {
    let surroundings = Surroundings::start(Setting::with(films).alone()).await;
    let mut orb = Installation::up(surroundings).await;
    let party = Party::create(&orb.api, GUILD).await;
    let queue = Queue::of(&party, orb.orb.grpc_addr().await);
    (orb, party, queue)
}

/// The seconds of films, one after the other, but for the first of each: its click is cut by AAC.
fn all_seconds(films: &[Title]) -> Vec<u32> {
    films.iter().flat_map(|film| 1..film.seconds()).collect()
}

/// That so much more film was heard than there is, over so many joins, is nothing that was played twice or skipped.
fn assert_heard_once(surplus_ms: f64, joins: usize) {
    let filled_ms = joins as f64 * FILLED_MS;
    assert!(
        (-COUNTED_MS..=filled_ms + COUNTED_MS).contains(&surplus_ms),
        "{surplus_ms:+.0} ms"
    );
}

/// Joins of these films, printed.
fn joins(ears: &Ears<'_>, since: Instant) -> (EarReport, Vec<Join>) {
    let report = ears.report(since);
    let joins = ears.heard(since).joins(&report);
    for join in &joins {
        println!(
            "measured join: gap {:+.1} ms, sent {:+.1} ms, {} silence frames, packets at most {:.0} ms apart",
            join.gap_ms, join.sent_ms, join.silence_frames, join.longest_ms
        );
    }
    (report, joins)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_films_are_one_sound() {
    let (orb, party, mut queue) = queue_of(&FILMS).await;
    let since = Instant::now();
    let entries = queue.add(&orb.surroundings, &FILMS).await;
    queue.start().await;
    let ears = party.ears(&orb.surroundings.discord);
    for (entry, film) in entries.iter().zip(FILMS) {
        let plays = party.becomes_so("the next film", SOON, |status| {
            status.text_of("currentTitle") == film.name()
                && status.text_of("playbackState") == "playing"
        });
        let began = plays.await;
        assert!(began.position() < 2.0, "{}", began.text);
        // Where a second of it was heard, the status has to agree.
        ears.numbers_until(2, began.answered, SOON).await;
        assert!(ears.apart_from(&party.status().await).await.abs() <= 0.25);
        queue.becomes(*entry, QueueStatus::Played, SOON).await;
    }
    let ended = party.becomes("ended", SOON).await;
    assert_eq!(ended.text_of("endReason"), "finished", "{}", ended.text);
    let (_, joins) = joins(&ears, since);
    assert_eq!(ears.numbers(since), all_seconds(&FILMS));
    assert_eq!(joins.len(), 2);
    for join in joins {
        assert!(join.gap_ms <= GAP_MS, "{join:?}");
        assert!(join.gap_ms >= -COUNTED_MS, "something is missing: {join:?}");
        assert_eq!(join.silence_frames, 0, "{join:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_right_before_the_join_loses_nothing() {
    let films = [Title::Short, Title::Shorter];
    let (orb, party, mut queue) = queue_of(&films).await;
    let ears = party.ears(&orb.surroundings.discord);
    for before_ms in [400, 100] {
        let since = Instant::now();
        let entries = queue.add(&orb.surroundings, &films).await;
        queue.start().await;
        let begun = ears.sound(since, SOON).await;
        let film_ms = u64::from(films[0].seconds()) * 1000;
        let pause_at = begun + Duration::from_millis(film_ms - before_ms);
        tokio::time::sleep_until(pause_at.into()).await;
        let paused = party.control("pause").await.expect_code(200);
        assert_eq!(paused.text_of("playbackState"), "paused", "{}", paused.text);
        println!("paused: {}", paused.text);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let quiet_since = ears.last_sound(since);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(ears.last_sound(since), quiet_since, "it is held");
        party.control("resume").await.expect_code(200);
        queue.becomes(entries[1], QueueStatus::Played, SOON).await;
        let report = ears.report(since);
        let second = |number| {
            let sure = report.seconds.iter().filter(|one| one.confirmed);
            sure.filter(move |one| one.second == number)
        };
        let (first, last) = (second(1).next().unwrap(), second(4).next_back().unwrap());
        let surplus_ms = ears.heard(since).film_ms(first, last) - 9_000.0;
        println!(
            "measured pause {before_ms} ms before the join: {surplus_ms:+.0} ms heard too much"
        );
        assert_heard_once(surplus_ms, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skip_to_a_film_that_is_open_already_is_heard_at_once() {
    let films = [Title::Shorter, Title::Short];
    let (orb, party, mut queue) = queue_of(&films).await;
    let ears = party.ears(&orb.surroundings.discord);
    let entries = queue.add(&orb.surroundings, &films).await;
    queue.start().await;
    orb_e2e::until("both films to be open", SOON, async || {
        let opened = orb.orb.log().matches("source is open").count();
        (opened >= 2).then_some(())
    })
    .await;
    let asked = Instant::now();
    queue.skip(entries[0]).await;
    println!("skip answered after {} ms", asked.elapsed().as_millis());
    let (first, position) = ears.start_of_sound(asked, 0.0, SOON).await;
    println!(
        "measured skip to a prepared film: {} ms, at {position:.3} s",
        (first.saturating_duration_since(asked)).as_millis()
    );
    assert!(asked.elapsed() < SOON && position.abs() <= 0.1);
    queue.becomes(entries[0], QueueStatus::Skipped, SOON).await;
    queue.becomes(entries[1], QueueStatus::Played, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_the_next_film_too() {
    let films = [Title::Short, Title::Shorter];
    let (orb, party, mut queue) = queue_of(&films).await;
    queue.add(&orb.surroundings, &films).await;
    queue.start().await;
    let plays = |film: Title| {
        party.becomes_so("the film", SOON, move |status| {
            status.text_of("currentTitle") == film.name()
                && status.text_of("playbackState") == "playing"
        })
    };
    plays(films[0]).await;
    let path = format!("/api/v1/parties/{}/watch-links", party.id());
    let link = orb.api.post(&path, &json!({})).await.expect_code(201);
    let link = link.text_of("url").to_owned();
    let viewer = orb.api.with_token(None);
    let mut before = None;
    loop {
        let listed = viewer.bytes(&format!("{link}/index.m3u8")).await;
        // Else it may be the next film's list already.
        if party.status().await.text_of("currentTitle") != films[0].name() {
            break;
        }
        if let Some(listed) = listed {
            let listed = String::from_utf8(listed).unwrap();
            assert!(
                !listed.contains("#EXT-X-ENDLIST"),
                "a film follows: {listed}"
            );
            before.get_or_insert(sequences(&listed));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let before = before.expect("the first film was listed");
    let joined = plays(films[1]).await;
    let within = Duration::from_secs(3);
    // What the channel plays is listed: the new film's beginning, under new numbers.
    let segments = orb_e2e::until("the next film in the playlist", within, async || {
        let segments = playlist(&viewer, &link).await?;
        let here = joined.position() * 1000.0;
        let has = |begins: i64, lasts: i64| (begins..begins + lasts).contains(&(here as i64));
        let is_new = segments.first()?.begins_ms == 0;
        (is_new && segments.iter().any(|one| has(one.begins_ms, one.lasts_ms))).then_some(segments)
    })
    .await;
    let listed = viewer.bytes(&format!("{link}/index.m3u8")).await.unwrap();
    let after = sequences(&String::from_utf8(listed).unwrap());
    assert!(
        after.0 > before.0 && after.1 > before.1,
        "{before:?} {after:?}"
    );
    assert_true(&viewer, &link, &segments[..1]).await;
}

/// `EXT-X-MEDIA-SEQUENCE` and `EXT-X-DISCONTINUITY-SEQUENCE`.
fn sequences(playlist: &str) -> (u64, u64) {
    let of = |tag: &str| {
        let mut lines = playlist.lines().filter_map(|line| line.strip_prefix(tag));
        lines.find_map(|number| number.parse().ok())
    };
    (
        of("#EXT-X-MEDIA-SEQUENCE:").unwrap_or_default(),
        of("#EXT-X-DISCONTINUITY-SEQUENCE:").unwrap_or_default(),
    )
}
