//! `watch` over what the real ffmpeg writes, through the real router.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use http_body_util::BodyExt;
use m3u8_rs::{MediaPlaylist, parse_media_playlist_res};
use orb_worker_outputs::watch::{WatchRegistry, WatchRuns, router};
use secrecy::SecretString;
use tempfile::TempDir;
use tower::ServiceExt;

const GOP_S: u64 = 2;

/// A film of 40 s with a key frame every 2 s, sound in step.
fn film(dir: &Path) -> PathBuf {
    let film = dir.join("film.mkv");
    let gop = (GOP_S * 25).to_string();
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=160x90:r=25",
        "-f",
        "lavfi",
        "-i",
        "sine=1000:r=48000",
        "-t",
        "40",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-g",
        &gop,
        "-keyint_min",
        &gop,
        "-sc_threshold",
        "0",
        "-pix_fmt",
        "yuv420p",
        "-c:a",
        "libopus",
        "-b:a",
        "32k",
        film.to_str().unwrap(),
    ]);
    film
}

/// What the pipeline makes of `film` from `at_s` on: picture copied from the key frame before, sound from the second
/// itself.
fn run(film: &Path, dir: &Path, at_s: f64, length_s: u64) {
    std::fs::create_dir_all(dir).unwrap();
    let (at, length) = (at_s.to_string(), length_s.to_string());
    let (segments, index) = (dir.join("seg-%d.m4s"), dir.join("index.m3u8"));
    ffmpeg(&[
        "-ss",
        &at,
        "-copyts",
        "-t",
        &length,
        "-i",
        film.to_str().unwrap(),
        "-c:v",
        "copy",
        "-c:a",
        "libopus",
        "-f",
        "hls",
        "-hls_time",
        "2",
        "-hls_list_size",
        "0",
        "-hls_segment_type",
        "fmp4",
        "-hls_fmp4_init_filename",
        "init.mp4",
        "-hls_segment_options",
        "movflags=+frag_discont",
        "-hls_segment_filename",
        segments.to_str().unwrap(),
        index.to_str().unwrap(),
    ]);
}

fn ffmpeg(args: &[&str]) {
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(args)
        .status();
    assert!(status.expect("ffmpeg is installed").success());
}

/// Media times of the pictures in a segment, as ffprobe (not the code under test) reads them, in ms.
fn picture_times(dir: &Path, file: &str) -> Vec<u64> {
    let joined = dir.join("joined.mp4");
    let parts = ["init.mp4", file].map(|part| std::fs::read(dir.join(part)).unwrap());
    std::fs::write(&joined, parts.concat()).unwrap();
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "v",
            "-show_entries",
            "packet=pts_time",
            "-of",
            "csv=p=0",
        ])
        .arg(&joined)
        .output()
        .unwrap();
    let mut times: Vec<u64> = String::from_utf8(output.stdout)
        .unwrap()
        .split_whitespace()
        .map(|time| (time.trim_end_matches(',').parse::<f64>().unwrap() * 1000.0).round() as u64)
        .collect();
    times.sort_unstable();
    times
}

struct Stage {
    dir: TempDir,
    film: PathBuf,
    runs: Arc<WatchRuns>,
    clock_ms: Arc<AtomicU64>,
    app: Router,
    _registered: orb_worker_outputs::watch::Registered,
}

impl Stage {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let film = film(dir.path());
        let clock_ms = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&clock_ms);
        let runs = WatchRuns::new(1, move || Some(clock.load(Ordering::Relaxed)));
        let registry = Arc::new(WatchRegistry::default());
        let registered = registry.register("s1", Arc::clone(&runs));
        let app = router(registry, SecretString::from("secret"));
        Self {
            dir,
            film,
            runs,
            clock_ms,
            app,
            _registered: registered,
        }
    }

    fn run(&self, name: &str, generation: u64, at_s: f64, length_s: u64) -> PathBuf {
        let dir = self.dir.path().join(name);
        run(&self.film, &dir, at_s, length_s);
        self.runs.begin_run(name, dir.clone(), generation).unwrap();
        dir
    }

    async fn get(&self, path: &str) -> (u16, axum::http::HeaderMap, Vec<u8>) {
        get(&self.app, path, Some("Bearer secret")).await
    }

    async fn playlist(&self) -> MediaPlaylist {
        let (status, headers, text) = self.get("/watch/s1/index.m3u8").await;
        assert_eq!(status, 200);
        assert_eq!(headers["content-type"], "application/vnd.apple.mpegurl");
        parse_media_playlist_res(&text).unwrap()
    }
}

async fn get(
    app: &Router,
    path: &str,
    auth: Option<&str>,
) -> (u16, axum::http::HeaderMap, Vec<u8>) {
    let mut request = axum::http::Request::get(path);
    if let Some(auth) = auth {
        request = request.header("authorization", auth);
    }
    let response = app
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    (
        parts.status.as_u16(),
        parts.headers,
        body.collect().await.unwrap().to_bytes().to_vec(),
    )
}

fn dates_ms(playlist: &MediaPlaylist) -> Vec<u64> {
    let ms =
        |segment: &m3u8_rs::MediaSegment| segment.program_date_time.unwrap().timestamp_millis();
    playlist
        .segments
        .iter()
        .map(|segment| u64::try_from(ms(segment)).unwrap())
        .collect()
}

#[tokio::test]
async fn every_date_is_the_media_time_of_the_segments_first_picture() {
    let stage = Stage::new();
    let dir = stage.run("r1", 1, 11.3, 10);
    let playlist = stage.playlist().await;
    assert!(playlist.segments.len() >= 4, "{playlist:?}");
    for (segment, date) in playlist.segments.iter().zip(dates_ms(&playlist)) {
        let times = picture_times(&dir, segment.uri.strip_prefix("r1/").unwrap());
        assert_eq!(times[0], date, "{}", segment.uri);
    }
    // The key frame before 11.3 s: copied pictures start there, and the date says so.
    assert!(
        (10_000..10_100).contains(&dates_ms(&playlist)[0]),
        "{:?}",
        dates_ms(&playlist)
    );
}

#[tokio::test]
async fn what_the_playlist_names_can_be_fetched_and_decoded() {
    let stage = Stage::new();
    stage.run("r1", 1, 4.0, 6);
    let playlist = stage.playlist().await;
    let map = playlist.segments[0].map.as_ref().unwrap();
    let (status, headers, mut film) = stage.get(&format!("/watch/s1/{}", map.uri)).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (200, &"video/mp4".parse().unwrap())
    );
    for segment in &playlist.segments {
        let (status, headers, media) = stage.get(&format!("/watch/s1/{}", segment.uri)).await;
        assert_eq!(status, 200);
        assert_eq!(headers["content-length"], media.len().to_string());
        film.extend(media);
    }
    let fetched = stage.dir.path().join("fetched.mp4");
    std::fs::write(&fetched, film).unwrap();
    ffmpeg(&[
        "-xerror",
        "-i",
        fetched.to_str().unwrap(),
        "-f",
        "null",
        "-",
    ]);
}

#[tokio::test]
async fn numbers_rise_over_a_restart_and_a_seek_and_dates_go_on() {
    let stage = Stage::new();
    stage.run("r1", 1, 0.0, 10);
    let first = stage.playlist().await;
    assert!(first.end_list);

    // The encoder died at 10 s and starts again at the clock, 6 s.
    stage.run("r2", 1, 6.0, 10);
    let restarted = stage.playlist().await;
    let dates = dates_ms(&restarted);
    assert!(
        dates.is_sorted() && dates.windows(2).all(|pair| pair[1] - pair[0] > 1500),
        "{dates:?}"
    );
    assert_eq!(
        restarted
            .segments
            .iter()
            .filter(|segment| segment.discontinuity)
            .count(),
        1
    );
    assert_eq!(restarted.media_sequence, first.media_sequence);

    // The window moves on, past the restart.
    stage.clock_ms.store(15_000, Ordering::Relaxed);
    assert_eq!(
        stage.playlist().await.media_sequence,
        first.media_sequence,
        "all within 30 s"
    );

    // A seek to 30 s.
    stage.run("r3", 2, 30.5, 6);
    let seeked = stage.playlist().await;
    assert!(
        seeked
            .segments
            .iter()
            .all(|segment| segment.uri.starts_with("r3/"))
    );
    assert!(seeked.media_sequence >= restarted.media_sequence + restarted.segments.len() as u64);
    assert_eq!(
        seeked.discontinuity_sequence,
        first.discontinuity_sequence + 2
    );
    assert!(
        dates_ms(&seeked)[0].abs_diff(30_000) < 100,
        "{:?}",
        dates_ms(&seeked)
    );
}

#[tokio::test]
async fn a_segment_is_listed_when_the_encoder_has_finished_it() {
    let stage = Stage::new();
    let dir = stage.dir.path().join("live");
    std::fs::create_dir(&dir).unwrap();
    stage.runs.begin_run("live", dir.clone(), 1).unwrap();
    let made = stage.dir.path().join("made");
    run(&stage.film, &made, 0.0, 8);
    let index = std::fs::read_to_string(made.join("index.m3u8")).unwrap();
    let publish = |segments: usize| {
        let end = index.match_indices(".m4s\n").nth(segments - 1).unwrap().0 + 5;
        for file in std::iter::once("init.mp4".to_owned())
            .chain((0..segments).map(|n| format!("seg-{n}.m4s")))
        {
            std::fs::copy(made.join(&file), dir.join(&file)).unwrap();
        }
        std::fs::write(dir.join("index.m3u8"), &index[..end]).unwrap();
    };

    // A player that asks before the first segment is there waits for it.
    let waiting = tokio::spawn({
        let runs = Arc::clone(&stage.runs);
        async move { runs.playlist().await }
    });
    tokio::task::yield_now().await;
    publish(1);
    let playlist = parse_media_playlist_res(waiting.await.unwrap().unwrap().as_bytes()).unwrap();
    assert_eq!((playlist.segments.len(), playlist.end_list), (1, false));
    publish(3);
    assert_eq!(stage.playlist().await.segments.len(), 3);
    std::fs::write(dir.join("index.m3u8"), &index).unwrap();
    std::fs::copy(made.join("seg-3.m4s"), dir.join("seg-3.m4s")).unwrap();
    assert!(stage.playlist().await.end_list);
}

#[tokio::test]
async fn a_playlist_without_segment_is_not_there_yet_but_not_for_ever() {
    let stage = Stage::new();
    stage
        .runs
        .begin_run("r1", stage.dir.path().join("nothing"), 1)
        .unwrap();
    let asked = Instant::now();
    let (status, headers, _) = stage.get("/watch/s1/index.m3u8").await;
    assert_eq!(
        (status, &headers["retry-after"]),
        (404, &"1".parse().unwrap())
    );
    assert!(
        asked.elapsed() >= Duration::from_millis(1900) && asked.elapsed() < Duration::from_secs(10)
    );
}

#[tokio::test]
async fn nobody_gets_out_of_a_runs_folder_or_in_without_the_bearer() {
    let stage = Stage::new();
    stage.run("r1", 1, 0.0, 2);
    std::fs::write(stage.dir.path().join("seg-9.m4s"), "secret").unwrap();
    for path in [
        "/watch/s1/r1/index.m3u8",
        "/watch/s1/r1/../film.mkv",
        "/watch/s1/../s1/film.mkv",
        "/watch/s1/r1/..%2Ffilm.mkv",
        "/watch/s1/r1/..%2Fseg-9.m4s",
        "/watch/s1/../seg-9.m4s",
        "/watch/s1/%2e%2e/seg-9.m4s",
        "/watch/s1/r2/seg-0.m4s",
        "/watch/s2/index.m3u8",
        "/watch/s1/r1/seg-99.m4s",
    ] {
        let (status, ..) = stage.get(path).await;
        assert_eq!(status, 404, "{path}");
    }
    for auth in [
        None,
        Some("Bearer wrong"),
        Some("Bearer "),
        Some("Bearer secretx"),
        Some("secret"),
    ] {
        for path in ["/watch/s1/index.m3u8", "/watch/s1/r1/init.mp4"] {
            assert_eq!(get(&stage.app, path, auth).await.0, 401, "{path} {auth:?}");
        }
    }
}

#[tokio::test]
async fn a_session_is_reachable_as_long_as_its_guard_lives() {
    let registry = Arc::new(WatchRegistry::default());
    let app = router(Arc::clone(&registry), SecretString::from("secret"));
    let status = async || {
        get(&app, "/watch/s1/r/init.mp4", Some("Bearer secret"))
            .await
            .0
    };
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("init.mp4"), "init").unwrap();
    let session = |name: &str| {
        let runs = WatchRuns::new(1, || None);
        runs.begin_run(name, dir.path().to_owned(), 1).unwrap();
        registry.register("s1", runs)
    };
    let older = session("r");
    let newer = session("r");
    drop(older);
    assert_eq!(status().await, 200, "the successor stays");
    drop(newer);
    assert_eq!(status().await, 404);
}
