//! The HLS files: what their time stamps mean, and how much of them there is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::*;
use orb_worker_media::{INIT_SEGMENT, PLAYLIST, Pipeline, PipelineEvent, RUN_AHEAD, VideoPlan};

/// Boxes of an ISO file, containers opened: path and content.
fn boxes(data: &[u8], path: &str, found: &mut Vec<(String, Vec<u8>)>) {
    let mut at = 0;
    while at + 8 <= data.len() {
        let size = u32::from_be_bytes(data[at..at + 4].try_into().unwrap()) as usize;
        let name = String::from_utf8_lossy(&data[at + 4..at + 8]).into_owned();
        let content = &data[at + 8..at + size];
        let path = format!("{path}/{name}");
        if ["moov", "trak", "mdia", "moof", "traf"].contains(&name.as_str()) {
            boxes(content, &path, found);
        } else {
            found.push((path, content.to_vec()));
        }
        at += size;
    }
}

fn number(data: &[u8], at: usize) -> u64 {
    u64::from(u32::from_be_bytes(data[at..at + 4].try_into().unwrap()))
}

/// For each track, by its handler (`vide`, `soun`): `tfdt` in ms.
fn begins(init: &Path, segment: &Path) -> BTreeMap<String, u64> {
    let (mut header, mut part) = (Vec::new(), Vec::new());
    boxes(&std::fs::read(init).unwrap(), "", &mut header);
    boxes(&std::fs::read(segment).unwrap(), "", &mut part);
    let all = |of: &[(String, Vec<u8>)], end: &str| -> Vec<Vec<u8>> {
        of.iter()
            .filter(|(p, _)| p.ends_with(end))
            .map(|(_, c)| c.clone())
            .collect()
    };
    let scales = all(&header, "/mdhd").into_iter().map(|c| number(&c, 12));
    let kinds = all(&header, "/hdlr").into_iter();
    let kinds = kinds.map(|c| String::from_utf8_lossy(&c[8..12]).into_owned());
    let times = all(&part, "/tfdt").into_iter().map(|c| match c[0] {
        1 => (number(&c, 4) << 32) + number(&c, 8),
        _ => number(&c, 4),
    });
    let scaled = times.zip(scales).map(|(time, scale)| time * 1000 / scale);
    kinds.zip(scaled).collect()
}

async fn run_dir(pipeline: &mut Pipeline) -> PathBuf {
    event_until(pipeline, |e| match e {
        PipelineEvent::WatchRun { dir, name } => {
            assert!(dir.ends_with(name));
            Some(dir.clone())
        }
        _ => None,
    })
    .await
}

/// Segments in the playlist.
fn listed(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join(PLAYLIST)).unwrap_or_default();
    let names = text.lines().filter(|line| line.starts_with("seg-"));
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn segments_bear_media_time() {
    let server = Server::with(copy_film()).await;
    server.put("transcoded", std::fs::read(transcode_film()).unwrap());
    let (media, _spool) = media(&server, Duration::from_secs(12)).await;
    // The picture of a copy begins at the key frame before, that of a transcode where asked.
    for (file, start, picture) in [
        ("film", 0, 0),
        ("film", 25_000, 20_000),
        ("transcoded", 0, 0),
        ("transcoded", 25_000, 25_000),
    ] {
        let spec = watched(&media, spec(&server.url(&format!("/ok/{file}")), start));
        let mut pipeline = media.open(spec);
        let dir = run_dir(&mut pipeline).await;
        eventually("a segment", || !listed(&dir).is_empty()).await;
        let begins = begins(&dir.join(INIT_SEGMENT), &dir.join(&listed(&dir)[0]));
        // One frame of the film, 42 ms, and the reordering delay of its muxer.
        assert!(
            begins["vide"].abs_diff(picture) <= 45,
            "{file} {start}: {begins:?}"
        );
        assert!(
            begins["soun"].abs_diff(start) <= 1,
            "{file} {start}: {begins:?}"
        );
    }
}

#[tokio::test]
async fn the_spool_is_bounded() {
    let server = Server::with(long_film()).await;
    let (media, _spool) = media(&server, Duration::from_secs(4)).await;
    let mut pipeline = media.open(watched(&media, spec(&server.url("/ok/film"), 0)));
    let dir = run_dir(&mut pipeline).await;
    let segments = || {
        let files = std::fs::read_dir(&dir).unwrap().flatten();
        files
            .filter(|f| f.path().extension().is_some_and(|e| e == "m4s"))
            .count()
    };
    let mut most = 0;
    for _ in 0..29 {
        assert_eq!(listen(&pipeline, 500).await.len(), 500);
        most = most.max(segments());
        for name in listed(&dir) {
            assert!(
                dir.join(&name).exists() || !listed(&dir).contains(&name),
                "{name}"
            );
        }
    }
    // 56 in the playlist; ffmpeg deletes a file some entries after it left the playlist.
    assert!((56..=60).contains(&most), "{most}");
}

#[tokio::test]
async fn a_film_with_one_key_frame_is_transcoded_in_the_end() {
    let video = "-c:v libx264 -preset ultrafast -b:v 500k -g 100000 -sc_threshold 0";
    let film = film("one-key-frame.mkv", 60, video, "-c:a aac -ac 2");
    let server = Server::with(film).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut pipeline = media.open(watched(&media, spec(&server.url("/ok/film"), 0)));
    let mut plans = Vec::new();
    let dir = event_until(&mut pipeline, |e| match e {
        PipelineEvent::Planned { plan, .. } => {
            plans.push(plan.clone());
            None
        }
        PipelineEvent::WatchRun { dir, name } if name == "film-1" => Some(dir.clone()),
        _ => None,
    })
    .await;
    assert!(matches!(plans[0].video, VideoPlan::Copy { .. }));
    assert!(
        plans[1].explain().contains("gives viewers nothing"),
        "{}",
        plans[1].explain()
    );
    let frames = listen(&pipeline, 1500).await;
    assert_contiguous(&frames);
    eventually("a segment", || !listed(&dir).is_empty()).await;
}

#[tokio::test]
async fn a_film_without_sound_has_silence_and_a_clock() {
    let film = film(
        "mute.mkv",
        20,
        "-c:v libx264 -preset ultrafast -g 48",
        "-an",
    );
    let server = Server::with(film).await;
    let (media, _spool) = media(&server, Duration::from_secs(4)).await;
    for start in [0, 7_000] {
        let mut pipeline = media.open(watched(&media, spec(&server.url("/ok/film"), start)));
        let frames = listen(&pipeline, usize::MAX).await;
        assert_eq!(frames[0].pts_ms, start);
        assert_contiguous(&frames);
        let end = frames.last().unwrap().pts_ms;
        assert!((19_900..20_100).contains(&end), "{end}");
        event_until(&mut pipeline, |e| {
            (*e == PipelineEvent::Finished).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn music_without_a_picture_plays() {
    let music = film("music.mp3", 20, "-vn", "-c:a libmp3lame");
    let server = Server::with(music).await;
    let (media, _spool) = media(&server, Duration::from_secs(4)).await;
    let mut pipeline = media.open(watched(&media, spec(&server.url("/ok/film"), 4_500)));
    assert_eq!(first_frame(&mut pipeline).await, 4_500);
    let frames = listen(&pipeline, usize::MAX).await;
    assert_contiguous(&frames);
    for at in clicks(&frames) {
        assert!(((at + 500) % 1000).abs_diff(500) <= 30, "click at {at}");
    }
}

#[tokio::test]
async fn a_broken_spool_does_not_end_the_sound() {
    let server = Server::with(transcode_film()).await;
    let (media, _spool) = media(&server, Duration::from_secs(4)).await;
    let mut pipeline = media.open(watched(&media, spec(&server.url("/ok/film"), 0)));
    let dir = run_dir(&mut pipeline).await;
    first_frame(&mut pipeline).await;
    std::fs::remove_dir_all(&dir).unwrap();
    let frames = listen(&pipeline, 1000).await;
    assert_contiguous(&frames);
    assert!(pipeline.events.try_recv().is_err(), "nothing to tell");
}
