//! A film that plays: positions, the end, both outputs, the bound.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::*;
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
