//! A film that plays: positions, the end, both outputs, the bound.

use std::time::Duration;

use crate::common::*;
use orb_worker_media::{PipelineEvent, Plan, VideoPlan};

const RUN_AHEAD: Duration = Duration::from_secs(4);

async fn planned(pipeline: &mut orb_worker_media::Pipeline) -> Plan {
    event_until(pipeline, |event| match event {
        PipelineEvent::Planned { plan, .. } => Some(plan.clone()),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn plays_from_the_start_to_the_end() {
    let server = Server::with(copy_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut pipeline = media.open(spec(&server.url("/ok/film"), 0));
    assert!(matches!(
        event(&mut pipeline).await,
        PipelineEvent::Planned {
            duration_ms: Some(60_000..=60_100),
            cost_millicores: 16,
            ..
        }
    ));
    assert_eq!(first_frame(&mut pipeline).await, 0);
    let frames = listen(&pipeline, usize::MAX).await;
    assert_contiguous(&frames);
    let end = frames.last().unwrap().pts_ms + 20;
    assert!((60_000..60_100).contains(&end), "{end}");
    let heard = clicks(&frames);
    assert_eq!(heard.len(), 60);
    for (second, at) in heard.iter().enumerate() {
        assert!(at.abs_diff(second as u64 * 1000) <= 30, "{second}: {at}");
    }
    assert_eq!(event(&mut pipeline).await, PipelineEvent::Finished);
}

#[tokio::test]
async fn sound_starts_at_the_asked_place_inside_a_long_gop() {
    let server = Server::with(copy_film()).await;
    server.put("transcoded", std::fs::read(transcode_film()).unwrap());
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    for (file, copies) in [("film", true), ("transcoded", false)] {
        for start in [0, 25_340, 39_900] {
            let spec = watched(&media, spec(&server.url(&format!("/ok/{file}")), start));
            let mut pipeline = media.open(spec);
            let plan = planned(&mut pipeline).await;
            assert_eq!(matches!(plan.video, VideoPlan::Copy { .. }), copies);
            let first = first_frame(&mut pipeline).await;
            assert!(first.abs_diff(start) <= 1, "{file} {start}: {first}");
            let frames = listen(&pipeline, 150).await;
            assert_contiguous(&frames);
            let heard = clicks(&frames);
            assert!(heard.len() >= 2, "{file} {start}: {heard:?}");
            for at in heard {
                let off = (at + 500) % 1000;
                assert!(off.abs_diff(500) <= 30, "{file} {start}: click at {at}");
            }
        }
    }
}

#[tokio::test]
async fn behind_the_end_there_is_nothing() {
    let server = Server::with(copy_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    for start in [60_500, 90_000] {
        for watch in [false, true] {
            let mut spec = spec(&server.url("/ok/film"), start);
            if watch {
                spec = watched(&media, spec);
            }
            let mut pipeline = media.open(spec);
            let mut events = Vec::new();
            while events.last() != Some(&PipelineEvent::Finished) {
                events.push(event(&mut pipeline).await);
                // The plan, perhaps a run, the end: no restart and no failure.
                assert!(events.len() < 4, "{events:?}");
            }
            assert!(listen(&pipeline, 1).await.is_empty());
        }
    }
}

#[tokio::test]
async fn a_server_without_ranges_is_read_from_its_start() {
    let server = Server::with(copy_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut pipeline = media.open(spec(&server.url("/plain/film"), 25_340));
    assert_eq!(first_frame(&mut pipeline).await, 25_340);
    let frames = listen(&pipeline, 300).await;
    assert_contiguous(&frames);
    for at in clicks(&frames) {
        assert!(((at + 500) % 1000).abs_diff(500) <= 30, "click at {at}");
    }
}

#[tokio::test]
async fn sound_that_ends_before_the_picture_is_no_fault() {
    let film = film(
        "short-sound.mkv",
        20,
        "-c:v libx264 -preset ultrafast -g 48",
        "-c:a aac -af atrim=end=12",
    );
    let server = Server::with(film).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut pipeline = media.open(watched(&media, spec(&server.url("/ok/film"), 0)));
    let frames = listen(&pipeline, usize::MAX).await;
    assert!((11_900..12_100).contains(&frames.last().unwrap().pts_ms));
    event_until(&mut pipeline, |e| {
        assert!(!matches!(e, PipelineEvent::Restarted { .. }), "{e:?}");
        (*e == PipelineEvent::Finished).then_some(())
    })
    .await;
}

/// What libraries hold besides H.264 with stereo in Matroska.
#[tokio::test]
async fn other_formats_play() {
    let hdr = "-c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv420p10le \
               -color_trc smpte2084 -color_primaries bt2020 -colorspace bt2020nc";
    let table = [
        ("hdr.mkv", hdr, "-c:a eac3 -ac 6", "tone-mapped"),
        (
            "plain.avi",
            "-c:v libx264 -preset ultrafast -bf 0",
            "-c:a mp3",
            "avi",
        ),
        (
            "fields.ts",
            "-c:v mpeg2video -flags +ildct+ilme -b:v 3M",
            "-c:a mp2",
            "interlaced",
        ),
        (
            "vp9.webm",
            "-c:v libvpx-vp9 -deadline realtime -cpu-used 8",
            "-c:a libopus",
            "vp9",
        ),
        (
            "copy.ts",
            "-c:v libx264 -preset ultrafast -g 48",
            "-c:a ac3 -ac 6",
            "copied",
        ),
        (
            "copy.mp4",
            "-c:v libx264 -preset ultrafast -g 48",
            "-c:a aac -ac 6",
            "copied",
        ),
        (
            "wide.mkv",
            "-c:v libx264 -preset ultrafast -aspect 2.35",
            "-c:a flac",
            "square",
        ),
        (
            "ten.mkv",
            "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le",
            "-c:a dca -ac 6 -strict -2",
            "8-bit",
        ),
    ];
    let server = Server::start().await;
    let (media, _spool) = media(&server, Duration::from_secs(8)).await;
    for (name, video, audio, word) in table {
        let path = film(name, 12, video, audio);
        server.put(name, std::fs::read(path).unwrap());
        let spec = watched(&media, spec(&server.url(&format!("/ok/{name}")), 3_000));
        let mut pipeline = media.open(spec);
        let plan = planned(&mut pipeline).await;
        assert!(plan.explain().contains(word), "{name}: {}", plan.explain());
        let dir = event_until(&mut pipeline, |event| match event {
            PipelineEvent::WatchRun { dir, .. } => Some(dir.clone()),
            _ => None,
        })
        .await;
        assert_eq!(first_frame(&mut pipeline).await, 3_000, "{name}");
        let frames = listen(&pipeline, 350).await;
        assert_contiguous(&frames);
        let heard = clicks(&frames);
        assert!(heard.len() >= 6, "{name}: {heard:?}");
        for at in heard {
            assert!(
                ((at + 500) % 1000).abs_diff(500) <= 40,
                "{name}: click at {at}"
            );
        }
        eventually("a segment", || {
            dir.join(orb_worker_media::PLAYLIST).exists()
        })
        .await;
    }
}

#[tokio::test]
async fn what_another_worker_found_out_saves_a_probe_and_is_not_believed_when_it_is_wrong() {
    let server = Server::with(copy_film()).await;
    let url = server.url("/ok/film");
    let known = {
        let (media, _spool) = media(&server, RUN_AHEAD).await;
        let mut pipeline = media.open(spec(&url, 0));
        let PipelineEvent::Planned { known, .. } = event(&mut pipeline).await else {
            panic!("planned first");
        };
        known
    };
    assert!(!known.contains("http"), "{known}");
    // A track that is not there: it is looked after, and nothing is missing.
    let wrong = known.replace("\"index\":1", "\"index\":9");
    assert_ne!(known, wrong);
    let mut requests = Vec::new();
    for known in [Some(known), None, Some(wrong)] {
        let (media, _spool) = media(&server, RUN_AHEAD).await;
        let mut told = spec(&url, 10_000);
        told.known = known;
        let before = server.requests().len();
        let mut pipeline = media.open(told);
        assert_eq!(first_frame(&mut pipeline).await, 10_000);
        requests.push(server.requests().len() - before);
        assert_contiguous(&listen(&pipeline, 100).await);
    }
    assert!(requests[0] < requests[1], "no probe: {requests:?}");
}
