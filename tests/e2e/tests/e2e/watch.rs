//! What a viewer with a signed link sees: HLS whose dates are the film's own time, ahead of the channel.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use jellyfin_sim::read_time_code;
use orb_e2e::{Api, Installation, Party, Setting, Surroundings, Title, until};
use serde_json::json;

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// How far a picture may be from the date of its place: a frame and rounding.
const A_FRAME_MS: i64 = 60;

/// What a browser wants ahead to play without stalling.
const AHEAD_MS: i64 = 4_000;

const WIDTH: usize = 640;
const HEIGHT: usize = 360;

/// A segment of the playlist.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Media time of its first frame: `EXT-X-PROGRAM-DATE-TIME` since 1970.
    pub(crate) begins_ms: i64,
    pub(crate) lasts_ms: i64,
    init: String,
    file: String,
}

async fn playing(title: Title) -> (Installation, Party, String) {
    let surroundings = Surroundings::start(Setting::with(&[title])).await;
    let orb = Installation::up(surroundings).await;
    let party = Party::create(&orb.api, 111).await;
    party.play_title(&orb.surroundings, title).await;
    let path = format!("/api/v1/parties/{}/watch-links", party.id());
    let link = orb.api.post(&path, &json!({})).await.expect_code(201);
    let url = link.text_of("url").to_owned();
    assert!(url.starts_with(&format!("/watch/{}/", party.id())), "{url}");
    (orb, party, url)
}

/// The playlist, as a viewer without a token gets it.
pub(crate) async fn playlist(viewer: &Api, link: &str) -> Option<Vec<Segment>> {
    let text = viewer.bytes(&format!("{link}/index.m3u8")).await?;
    Some(segments(&String::from_utf8(text).unwrap()))
}

fn segments(playlist: &str) -> Vec<Segment> {
    let (mut init, mut begins_ms, mut lasts_ms) = (None, None, None);
    let mut found = Vec::new();
    for line in playlist.lines() {
        if let Some(map) = line.strip_prefix("#EXT-X-MAP:URI=\"") {
            init = map.split('"').next().map(str::to_owned);
        } else if let Some(date) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
            begins_ms = Some(since_1970(date));
        } else if let Some(info) = line.strip_prefix("#EXTINF:") {
            let seconds: f64 = info.split(',').next().unwrap().parse().unwrap();
            lasts_ms = Some((seconds * 1000.0).round() as i64);
        } else if !line.starts_with('#') && !line.is_empty() {
            found.push(Segment {
                begins_ms: begins_ms.take().expect("each segment bears its date"),
                lasts_ms: lasts_ms.take().expect("each segment bears its length"),
                init: init.clone().expect("fMP4 has an initialisation"),
                file: line.to_owned(),
            });
        }
    }
    found
}

/// `1970-01-01T00:01:07.400Z` in milliseconds; films are shorter than a day.
fn since_1970(date: &str) -> i64 {
    let time = date.strip_prefix("1970-01-01T").expect(date);
    let time = time.trim_end_matches('Z').split('+').next().unwrap();
    let parts: Vec<f64> = time.split(':').map(|part| part.parse().unwrap()).collect();
    (parts[0] * 3_600_000.0 + parts[1] * 60_000.0 + parts[2] * 1000.0).round() as i64
}

/// The times that are burnt into a segment's pictures, in their order.
async fn times_in(viewer: &Api, link: &str, segment: &Segment) -> Vec<i64> {
    let mut bytes = viewer
        .bytes(&format!("{link}/{}", segment.init))
        .await
        .expect("the initialisation is there");
    let media = viewer.bytes(&format!("{link}/{}", segment.file)).await;
    bytes.extend(media.expect("the segment is there"));
    let pictures = tokio::task::block_in_place(|| decoded(&bytes));
    assert_eq!(pictures.len() % (WIDTH * HEIGHT), 0);
    pictures
        .chunks(WIDTH * HEIGHT)
        .map(|luma| read_time_code(luma, WIDTH, HEIGHT).expect("the time can be read") as i64)
        .collect()
}

/// All pictures as luma; what ffmpeg complains of fails the test.
fn decoded(media: &[u8]) -> Vec<u8> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args("-v error -xerror -i pipe:0 -map 0:v:0 -map 0:a:0".split(' '))
        .args("-fps_mode passthrough -c:a pcm_s16le -f null /dev/null".split(' '))
        .args("-map 0:v:0 -fps_mode passthrough -pix_fmt gray -f rawvideo pipe:1".split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = ffmpeg.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // It closes its side early when it dislikes what it reads; then its own words are the better ones.
        scope.spawn(move || input.write_all(media));
        let output = ffmpeg.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
        output.stdout
    })
}

/// That pictures and dates agree, for segments that reach over `from_ms`.
pub(crate) async fn assert_true(viewer: &Api, link: &str, segments: &[Segment]) {
    for segment in segments {
        let times = times_in(viewer, link, segment).await;
        let (first, last) = (times[0], *times.last().unwrap());
        println!(
            "{}: {} ms, lasts {} ms, pictures from {first} to {last} ms",
            segment.file, segment.begins_ms, segment.lasts_ms
        );
        assert!((first - segment.begins_ms).abs() <= A_FRAME_MS);
        let end = segment.begins_ms + segment.lasts_ms;
        assert!((end - last).abs() <= 2 * A_FRAME_MS, "{end} ms is its end");
        assert!(times.windows(2).all(|pair| pair[1] > pair[0]));
    }
}

/// Waits until the playlist has what comes at `position_ms` and the time after it.
async fn ahead_of(viewer: &Api, link: &str, position_ms: i64) -> Vec<Segment> {
    until("segments ahead of the channel", SOON, async || {
        let segments = playlist(viewer, link).await?;
        let now = segments.iter().position(|one| {
            one.begins_ms <= position_ms && position_ms < one.begins_ms + one.lasts_ms
        })?;
        let last = segments.last()?;
        (last.begins_ms + last.lasts_ms >= position_ms + AHEAD_MS).then(|| segments[now..].to_vec())
    })
    .await
}

async fn is_true_at_the_start_and_after_seeks(title: Title) {
    let (orb, party, link) = playing(title).await;
    println!("plan: {}", party.status().await.text_of("plan"));
    let viewer = orb.api.with_token(None);
    let at_start = ahead_of(&viewer, &link, 500).await;
    assert_true(&viewer, &link, &at_start[..2.min(at_start.len())]).await;

    for target in [67.4, 22.0] {
        party.seek(target).await.expect_code(200);
        let position = (party.status().await.position() * 1000.0) as i64;
        let after = ahead_of(&viewer, &link, position).await;
        assert_true(&viewer, &link, &after[..2.min(after.len())]).await;
    }

    // It stays ahead while it plays.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let position = (party.status().await.position() * 1000.0) as i64;
        let segments = playlist(&viewer, &link).await.unwrap();
        let last = segments.last().unwrap();
        let ahead = last.begins_ms + last.lasts_ms - position;
        println!("at {position} ms, {ahead} ms ahead");
        assert!(ahead >= AHEAD_MS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_picture_shows_the_films_time() {
    is_true_at_the_start_and_after_seeks(Title::Clock).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_picture_with_long_groups_shows_the_films_time() {
    is_true_at_the_start_and_after_seeks(Title::LongGop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcoded_picture_shows_the_films_time() {
    is_true_at_the_start_and_after_seeks(Title::TenBit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_state_agrees_with_the_status() {
    let (orb, party, link) = playing(Title::Clock).await;
    let viewer = orb.api.with_token(None);
    let state = viewer.get(&format!("{link}/state")).await.expect_code(200);
    let status = party.status().await;
    let age = state.body["ageMs"].as_f64().unwrap() / 1000.0;
    let apart = status.position() - state.position() - age;
    assert!(
        (-0.05..0.25).contains(&apart),
        "{} and {}",
        state.text,
        status.text
    );
    assert_eq!(state.text_of("playbackState"), "playing");
    assert_eq!(state.body["watchable"], true);
    assert_eq!(state.body["generation"], status.body["generation"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_for_its_session_and_cannot_be_made_up() {
    let (orb, party, link) = playing(Title::Clock).await;
    let viewer = orb.api.with_token(None);
    ahead_of(&viewer, &link, 500).await;
    let forged = link.replacen(&format!("/watch/{}/", party.id()), "/watch/9112/", 1);
    let mut cut = link.clone();
    cut.pop();
    for bad in [forged, cut, format!("/watch/{}/x", party.id())] {
        let answer = viewer.get(&format!("{bad}/index.m3u8")).await;
        answer.expect_problem(403, "link_invalid");
        let answer = viewer.get(&format!("{bad}/state")).await;
        answer.expect_problem(403, "link_invalid");
    }
    for path in ["/../../../etc/passwd", "/1/..%2f..%2fx.m4s", "/run/no.m4s"] {
        let answer = viewer.get(&format!("{link}{path}")).await;
        assert_eq!(answer.code, 404, "{path}: {}", answer.text);
    }
    party.control("stop").await.expect_code(200);
    until("no stream after the stop", SOON, async || {
        let answer = viewer.get(&format!("{link}/index.m3u8")).await;
        (answer.code == 404).then_some(())
    })
    .await;
}
