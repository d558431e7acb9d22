//! Films made by ffmpeg, a file server with faults, and a listener that pops frames.
#![allow(unreachable_pub)]

pub mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use orb_worker_media::{
    Media, MediaConfig, OpenSpec, OpusFrame, Pipeline, PipelineEvent, Pop, Sources, WatchSpool,
};
pub use server::Server;
use tempfile::TempDir;
use tokio::sync::MutexGuard;
use tokio::time::timeout;

/// What a test waits for at most.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Whose pipelines run.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Who makes a film.
static FILMS: Mutex<()> = Mutex::new(());

/// One test at a time has pipelines where tests are threads of one process (`cargo test`): an ffmpeg belongs to it by
/// its parent alone, and what is heard in real time shares no core.
pub async fn turn() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().await;
    eventually("nothing runs of the test before", || children().is_empty()).await;
    turn
}

/// The spool's folder, and the turn: both until the test ends.
pub struct Spool {
    folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// A film of `seconds` with a click (1 kHz, 30 ms) at each full second and a key frame each 10 s,
/// made once and kept.
pub fn film(name: &str, seconds: u32, video: &str, audio: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("orb-films");
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join(name);
    let _made_once = FILMS.lock().unwrap_or_else(PoisonError::into_inner);
    if path.exists() {
        return path;
    }
    // Tests may be processes of their own: make it aside, then move it into place whole.
    let aside = dir.join(format!("{}-{name}", std::process::id()));
    let click = "aevalsrc=exprs='if(lt(mod(t,1),0.03),0.8*sin(2*PI*1000*t),0)':s=48000";
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=s=640x360:r=24:d={seconds}"))
        .args(["-f", "lavfi", "-i"])
        .arg(format!("{click}:d={seconds}"))
        .args(video.split_whitespace())
        .args(audio.split_whitespace())
        .arg(&aside)
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::rename(&aside, &path).unwrap();
    path
}

/// H.264 with B-frames, which is copied.
pub fn copy_film() -> PathBuf {
    let video = "-c:v libx264 -preset veryfast -bf 3 -g 240 -keyint_min 240 -sc_threshold 0";
    film("copy.mkv", 60, video, "-c:a aac -ac 2 -b:a 128k")
}

/// Five minutes with a key frame each 2 s, which is copied.
pub fn long_film() -> PathBuf {
    let video = "-c:v libx264 -preset ultrafast -b:v 800k -bf 2 -g 48 -sc_threshold 0";
    film("long-2s.mkv", 300, video, "-c:a aac -ac 2 -b:a 128k")
}

/// MPEG-4 part 2, which is transcoded.
pub fn transcode_film() -> PathBuf {
    film(
        "transcode.mkv",
        60,
        "-c:v mpeg4 -b:v 3M -g 240",
        "-c:a aac -ac 6",
    )
}

/// A worker's media side that may open `server` and nothing else.
pub async fn media(server: &Server, run_ahead: Duration) -> (Media, Spool) {
    let spool = Spool {
        _turn: turn().await,
        folder: tempfile::tempdir().unwrap(),
    };
    let policy =
        orb_jellyfin::SourcePolicy::from_config(Some(&server.origin), &[] as &[&str], None);
    let config = MediaConfig {
        policy: policy.unwrap(),
        api_key: Some("SECRETKEY".to_owned().into()),
        run_ahead,
        spool_root: Some(spool.folder.path().to_owned()),
        ..MediaConfig::default()
    };
    (Media::start(config).await.unwrap(), spool)
}

pub fn spec(stream: &str, start_ms: u64) -> OpenSpec {
    OpenSpec {
        session: "test".into(),
        sources: Sources {
            stream: stream.parse().unwrap(),
            download: None,
        },
        start_ms,
        duration_ms: None,
        watch: None,
        picture: None,
        known: None,
    }
}

pub fn watched(media: &Media, mut spec: OpenSpec) -> OpenSpec {
    spec.watch = Some(WatchSpool {
        dir: media.spool_dir().to_owned(),
        prefix: "film".into(),
    });
    spec
}

/// The next event; the test fails if none comes.
pub async fn event(pipeline: &mut Pipeline) -> PipelineEvent {
    timeout(PATIENCE, pipeline.events.recv())
        .await
        .expect("an event in time")
        .expect("an open channel")
}

/// Reads events up to one that `pick` takes.
pub async fn event_until<T>(
    pipeline: &mut Pipeline,
    mut pick: impl FnMut(&PipelineEvent) -> Option<T>,
) -> T {
    loop {
        let event = event(pipeline).await;
        if let Some(found) = pick(&event) {
            return found;
        }
        assert!(
            !matches!(event, PipelineEvent::Failed(_) | PipelineEvent::Finished),
            "{event:?}"
        );
    }
}

pub async fn first_frame(pipeline: &mut Pipeline) -> u64 {
    event_until(pipeline, |event| match event {
        PipelineEvent::FirstFrame { pts_ms } => Some(*pts_ms),
        _ => None,
    })
    .await
}

/// Pops as fast as frames come, at most `count` of them, and fewer if the film ends.
pub async fn listen(pipeline: &Pipeline, count: usize) -> Vec<OpusFrame> {
    let deadline = Instant::now() + PATIENCE;
    let mut frames = Vec::new();
    while frames.len() < count {
        match pipeline.frames.pop() {
            Pop::Frame(frame) => frames.push(frame),
            Pop::Drained => break,
            Pop::Empty => {
                assert!(Instant::now() < deadline, "{} frames came", frames.len());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
    frames
}

/// Throws all frames away until the film ends.
pub fn drain(pipeline: &Pipeline) -> tokio::task::JoinHandle<()> {
    let frames = std::sync::Arc::clone(&pipeline.frames);
    tokio::spawn(async move {
        loop {
            match frames.pop() {
                Pop::Frame(_) => {}
                Pop::Empty => tokio::time::sleep(Duration::from_millis(2)).await,
                Pop::Drained => return,
            }
        }
    })
}

/// Pops every 20 ms, as a mixer does. Gives the frames and how often there was none.
pub async fn listen_in_real_time(pipeline: &Pipeline, time: Duration) -> (Vec<OpusFrame>, usize) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let (mut frames, mut missing) = (Vec::new(), 0);
    for _ in 0..time.as_millis() / 20 {
        tick.tick().await;
        match pipeline.frames.pop() {
            Pop::Frame(frame) => frames.push(frame),
            Pop::Empty | Pop::Drained => missing += 1,
        }
    }
    (frames, missing)
}

/// Each frame follows the one before it by exactly 20 ms.
#[track_caller]
pub fn assert_contiguous(frames: &[OpusFrame]) {
    for pair in frames.windows(2) {
        assert_eq!(pair[1].pts_ms, pair[0].pts_ms + 20, "a gap or a repeat");
    }
}

/// Media times, in ms, of the clicks that a decoder hears.
pub fn clicks(frames: &[OpusFrame]) -> Vec<u64> {
    let mut decoder = opus2::Decoder::new(48_000, opus2::Channels::Stereo).unwrap();
    let mut heard: Vec<u64> = Vec::new();
    let mut pcm = vec![0i16; 960 * 2];
    for frame in frames {
        let samples = decoder.decode(&frame.data, &mut pcm, false).unwrap();
        assert_eq!(samples, 960, "20 ms");
        let loud = pcm.chunks(2).position(|pair| pair[0].abs() > 3000);
        if let Some(sample) = loud {
            let at = frame.pts_ms + sample as u64 / 48;
            if heard.last().is_none_or(|last| at > last + 500) {
                heard.push(at);
            }
        }
    }
    heard
}

/// The processes whose parent is this one, ffmpeg and ffprobe of pipelines: pid and command line. Not those that make
/// a film, maybe for the next test.
pub fn children() -> Vec<(i32, String)> {
    let me = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let parent = stat.rsplit(')').next().unwrap().split_whitespace().nth(1);
        if parent == Some(&me) {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if !line.contains(" lavfi ") {
                found.push((pid, line));
            }
        }
    }
    found
}

/// Waits until `condition` holds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
