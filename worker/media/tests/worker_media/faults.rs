//! Sources that fail: each fault passes unheard, or has its own code.

use std::time::{Duration, Instant};

use crate::common::*;
use orb_worker_media::{Failure, OpenSpec, Pipeline, PipelineEvent, RUN_AHEAD};

const SHORT: Duration = Duration::from_secs(2);

fn with_fallback(server: &Server, stream: &str, download: &str) -> OpenSpec {
    let mut spec = spec(&server.url(stream), 0);
    spec.sources.download = Some(server.url(download).parse().unwrap());
    spec
}

async fn failed(pipeline: &mut Pipeline) -> Failure {
    loop {
        match event(pipeline).await {
            PipelineEvent::Failed(failure) => return failure,
            PipelineEvent::Finished => panic!("it played"),
            _ => {}
        }
    }
}

/// No frame of the film is lost or repeated.
async fn assert_plays_whole(pipeline: &mut Pipeline) {
    let frames = listen(pipeline, usize::MAX).await;
    assert_contiguous(&frames);
    assert_eq!(clicks(&frames).len(), 60);
    event_until(pipeline, |e| (*e == PipelineEvent::Finished).then_some(())).await;
}

#[tokio::test]
async fn final_answers_have_their_codes_and_come_at_once() {
    let server = Server::with(copy_film()).await;
    let (media, _spool) = media(&server, SHORT).await;
    for (path, code) in [
        ("/status/401", "source_unauthorized"),
        ("/status/403", "source_forbidden"),
        ("/status/404", "source_not_found"),
        ("/status/410", "source_gone"),
        ("/status/418", "source_refused"),
        (
            "/redirect?to=http://169.254.169.254/",
            "source_redirect_refused",
        ),
        (
            "/redirect?to=/redirect?to=%2Fredirect%3Fto%3Dx%3Ax",
            "source_redirect_refused",
        ),
    ] {
        let begun = Instant::now();
        let mut pipeline = media.open(spec(&server.url(path), 0));
        let failure = failed(&mut pipeline).await;
        assert_eq!(failure.code, code, "{path}: {failure:?}");
        assert!(!failure.message.contains("://"), "{failure:?}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{path}");
    }
}

#[tokio::test]
async fn both_sources_failed_is_said_within_five_seconds() {
    let server = Server::with(copy_film()).await;
    let (media, _spool) = media(&server, SHORT).await;
    for (stream, download, code) in [
        ("/status/404", "/status/404", "source_not_found"),
        ("/status/500", "/status/503", "source_server_error"),
        ("/hang", "/hang", "source_unreachable"),
    ] {
        let begun = Instant::now();
        let mut pipeline = media.open(with_fallback(&server, stream, download));
        let failure = failed(&mut pipeline).await;
        assert_eq!(failure.code, code);
        assert!(begun.elapsed() < Duration::from_secs(5), "{stream}");
    }
    let begun = Instant::now();
    let mut pipeline = media.open(spec(&server.url("/hang"), 0));
    assert_eq!(failed(&mut pipeline).await.code, "source_unreachable");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_second_source_is_tried() {
    let server = Server::with(copy_film()).await;
    server.put("garbage", vec![0x5a; 3_000_000]);
    let (media, _spool) = media(&server, SHORT).await;
    for (stream, code) in [
        ("/status/404", "source_not_found"),
        ("/ok/garbage", "source_undecodable"),
    ] {
        let mut pipeline = media.open(with_fallback(&server, stream, "/ok/film"));
        let cause = event_until(&mut pipeline, |e| match e {
            PipelineEvent::SwitchedSource { cause } => Some(cause.clone()),
            _ => None,
        })
        .await;
        assert_eq!(cause.code, code);
        assert_eq!(first_frame(&mut pipeline).await, 0);
        assert_plays_whole(&mut pipeline).await;
    }
}

#[tokio::test]
async fn a_file_that_is_cut_off_is_taken_up_by_the_second_source() {
    let server = Server::with(copy_film()).await;
    let whole = std::fs::read(copy_film()).unwrap();
    server.put("half", whole[..whole.len() / 4].to_vec());
    let (media, _spool) = media(&server, SHORT).await;
    let mut pipeline = media.open(with_fallback(&server, "/ok/half", "/ok/film"));
    assert_plays_whole(&mut pipeline).await;
    let mut alone = media.open(spec(&server.url("/ok/half"), 0));
    let reader = drain(&alone);
    assert_eq!(failed(&mut alone).await.code, "source_incomplete");
    reader.await.unwrap();
}

#[tokio::test]
async fn broken_bodies_are_resumed() {
    let server = Server::with(copy_film()).await;
    let (media, _spool) = media(&server, SHORT).await;
    for kind in ["cut", "plain"] {
        let mut pipeline = media.open(spec(&server.url(&format!("/{kind}/film")), 0));
        assert_plays_whole(&mut pipeline).await;
    }
    let resumed = server
        .requests()
        .iter()
        .filter(|r| r.path == "/cut/film")
        .count();
    assert!(resumed > 5, "{resumed} requests");
}

#[tokio::test]
async fn a_silent_connection_is_replaced() {
    let server = Server::with(copy_film()).await;
    let (media, _spool) = media(&server, SHORT).await;
    let mut pipeline = media.open(spec(&server.url("/stall/film"), 0));
    assert_plays_whole(&mut pipeline).await;
}

#[tokio::test]
async fn a_server_that_is_silent_for_ten_seconds_is_not_heard() {
    let server = Server::with(long_film()).await;
    let (media, _spool) = media(&server, RUN_AHEAD).await;
    let mut pipeline = media.open(spec(&server.url("/ok/film"), 0));
    first_frame(&mut pipeline).await;
    eventually("a full queue", || pipeline.frames.is_full()).await;
    server.go_silent(Duration::from_secs(10));
    let (frames, missing) = listen_in_real_time(&pipeline, Duration::from_secs(13)).await;
    assert_eq!(missing, 0);
    assert_contiguous(&frames);
    let more = listen(&pipeline, 1000).await;
    assert_eq!(more[0].pts_ms, frames.last().unwrap().pts_ms + 20);
    assert_contiguous(&more);
    assert!(pipeline.events.try_recv().is_err(), "nothing to tell");
}

#[tokio::test]
async fn a_replaced_file_is_not_spliced() {
    let server = Server::with(long_film()).await;
    let (media, _spool) = media(&server, SHORT).await;
    let mut pipeline = media.open(spec(&server.url("/cut/film"), 0));
    first_frame(&mut pipeline).await;
    // Bodies break off, so the next bytes come from another request, and from another file.
    let mut other = std::fs::read(long_film()).unwrap();
    other.truncate(other.len() - 1000);
    server.put("film", other);
    let listener = drain(&pipeline);
    let cause = event_until(&mut pipeline, |e| match e {
        PipelineEvent::Restarted { cause } => Some(cause.code),
        _ => None,
    })
    .await;
    assert_eq!(cause, "source_changed");
    event_until(&mut pipeline, |e| {
        (*e == PipelineEvent::Finished).then_some(())
    })
    .await;
    listener.await.unwrap();
}

#[tokio::test]
async fn the_key_goes_to_jellyfin_alone() {
    let _turn = turn().await;
    let server = Server::with(copy_film()).await;
    let other = Server::with(copy_film()).await;
    let policy =
        orb_jellyfin::SourcePolicy::from_config(Some(&server.origin), &[&other.origin], None);
    let spool = tempfile::tempdir().unwrap();
    let media = orb_worker_media::Media::start(orb_worker_media::MediaConfig {
        policy: policy.unwrap(),
        api_key: Some("SECRETKEY".to_owned().into()),
        spool_root: Some(spool.path().to_owned()),
        ..Default::default()
    })
    .await
    .unwrap();
    let redirect = format!("/redirect?to={}", other.url("/ok/film"));
    let mut pipeline = media.open(spec(&server.url(&redirect), 0));
    first_frame(&mut pipeline).await;
    let has_key = |requests: Vec<server::Request>| {
        let keys = requests.iter().map(|r| r.authorization.clone());
        keys.map(|a| a.is_some_and(|a| a.contains("SECRETKEY")))
            .collect::<Vec<_>>()
    };
    assert!(has_key(server.requests()).iter().all(|key| *key));
    assert!(!has_key(other.requests()).is_empty());
    assert!(has_key(other.requests()).iter().all(|key| !key));
}
