//! Signed links, and what is behind them.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use orb_proto::v1::{EndReason, PlaybackState, Session, WatchOutput};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Call, Events, Harness, Reply, json, problem, refusal, session};

const WORKER_TOKEN: &str = "worker-token";

/// The media endpoint of a worker: one playlist, one segment of 3 MB, one file that fails.
async fn worker() -> String {
    async fn media(Path(path): Path<String>, headers: HeaderMap, State(()): State<()>) -> Response {
        if headers["authorization"] != format!("Bearer {WORKER_TOKEN}") {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        match path.as_str() {
            "456/index.m3u8" => "#EXTM3U\n1/init.mp4\n".into_response(),
            "456/1/7.m4s" => Body::from(vec![7; 3_000_000]).into_response(),
            "456/1/8.m4s" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            "456/1/9.m4s" => {
                (StatusCode::FOUND, [("location", "/watch/456/1/7.m4s")]).into_response()
            }
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }
    let router = Router::new()
        .route("/watch/{*path}", get(media))
        .with_state(());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn playing() -> Session {
    Session {
        playback_state: PlaybackState::Playing.into(),
        current_title: "Movie Title".into(),
        position_ms: 381_240,
        duration_ms: 5_420_000,
        generation: 3,
        last_error: "something private".into(),
        watch: Some(WatchOutput { latency_ms: 200 }),
        ..session("456")
    }
}

async fn link(harness: &Harness, body: &'static str) -> String {
    let (status, body) = json(harness.post("/api/v1/parties/456/watch-links", body)).await;
    assert_eq!(status, 201);
    body["url"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn media_comes_from_the_worker() {
    let worker = worker().await;
    let harness = Harness::start().await;
    harness
        .scheduler
        .answer(move |_| Ok(Reply(playing(), true)));
    harness.scheduler.watched_at(&worker, WORKER_TOKEN);
    let link = link(&harness, "").await;
    let fetch = |file: &str| harness.bare(Method::GET, &format!("{link}/{file}"));

    let playlist = fetch("index.m3u8").send().await.unwrap();
    assert_eq!(playlist.status(), 200);
    assert_eq!(
        playlist.headers()["content-type"],
        "application/vnd.apple.mpegurl"
    );
    assert_eq!(playlist.headers()["cache-control"], "no-store");
    assert_eq!(playlist.text().await.unwrap(), "#EXTM3U\n1/init.mp4\n");

    let segment = fetch("1/7.m4s").send().await.unwrap();
    assert_eq!(segment.status(), 200);
    assert_eq!(segment.headers()["content-length"], "3000000");
    assert!(
        segment.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    assert_eq!(segment.bytes().await.unwrap(), vec![7; 3_000_000]);

    for (file, status, code) in [
        ("1/6.m4s", 404, "media_not_found"),
        ("2/init.mp4", 404, "media_not_found"),
        ("1/7.html", 404, "media_not_found"),
        ("..%2f1/7.m4s", 404, "media_not_found"),
        ("%2e%2e%2f457/7.m4s", 404, "media_not_found"),
        // No UTF-8 once decoded: nothing of such a path is believed.
        ("%ff/7.m4s", 403, "link_invalid"),
        ("1/8.m4s", 503, "watch_unavailable"),
        ("1/9.m4s", 503, "watch_unavailable"),
    ] {
        let (answered, answer) = problem(fetch(file)).await;
        assert_eq!(
            (answered, answer["code"].as_str()),
            (status, Some(code)),
            "{file}"
        );
    }
}

#[tokio::test]
async fn a_worker_that_is_gone_and_a_session_without_picture() {
    let harness = Harness::start().await;
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    harness
        .scheduler
        .answer(move |_| Ok(Reply(playing(), true)));
    harness
        .scheduler
        .watched_at(&format!("http://{gone}"), WORKER_TOKEN);
    let link = link(&harness, "{}").await;
    let playlist = || harness.bare(Method::GET, &format!("{link}/index.m3u8"));
    let (status, answer) = problem(playlist()).await;
    assert_eq!(
        (status, &answer["code"]),
        (503, &json!("watch_unavailable"))
    );
    assert!(!answer.to_string().contains(&gone.to_string()));

    harness
        .scheduler
        .answer(|_| Ok(Reply(session("456"), true)));
    let (status, answer) = problem(playlist()).await;
    assert_eq!((status, &answer["code"]), (404, &json!("no_watch_output")));
    harness
        .scheduler
        .answer(|_| Err(refusal(tonic::Code::NotFound, "session_not_found", None)));
    assert_eq!(problem(playlist()).await.1["code"], "session_not_found");
}

#[tokio::test]
async fn viewers_see_where_the_party_is_and_no_more() {
    let harness = Harness::start().await;
    harness.scheduler.answer(|_| Ok(Reply(playing(), true)));
    let link = link(&harness, "{}").await;
    let expected = json!({
        "title": "Movie Title", "playbackState": "playing", "endReason": null, "positionMs": 381_240,
        "durationMs": 5_420_000, "ageMs": 0, "latencyMs": 200, "generation": 3, "watchable": true,
    });
    let (status, state) = json(harness.bare(Method::GET, &format!("{link}/state"))).await;
    assert_eq!((status, &state), (200, &expected));

    let mut events = Events::open(harness.bare(Method::GET, &format!("{link}/events"))).await;
    assert_eq!(events.next().await.as_ref(), Some(&expected));
    harness.scheduler.change(Ok(Session {
        generation: 4,
        ..playing()
    }));
    assert_eq!(events.next().await.unwrap()["generation"], 4);

    harness.scheduler.change(Ok(Session {
        playback_state: PlaybackState::Ended.into(),
        end_reason: EndReason::Failed.into(),
        ..playing()
    }));
    let ended = events.next().await.unwrap();
    assert_eq!(
        (&ended["playbackState"], &ended["endReason"]),
        (&json!("ended"), &json!("failed"))
    );
    assert!(!ended.to_string().contains("private"), "{ended}");
}

#[tokio::test]
async fn a_link_is_good_for_its_own_session_until_it_expires() {
    let harness = Harness::with(|config| config.watch_link_ttl = Duration::from_secs(3)).await;
    harness.scheduler.answer(|_| Ok(Reply(playing(), true)));
    let link = link(&harness, r#"{"viewerId":"anna","expiresInSeconds":999}"#).await;
    assert!(link.contains(".anna."), "{link}");
    assert_eq!(
        json(harness.bare(Method::GET, &format!("{link}/state")))
            .await
            .0,
        200
    );

    let mut events = Events::open(harness.bare(Method::GET, &format!("{link}/events"))).await;
    events.next().await.unwrap();
    let calls = harness.scheduler.calls().len();
    for (forged, status) in [
        (link.replace("/watch/456/", "/watch/457/"), 403),
        (link.replace("anna", "otto"), 403),
        (link[..link.len() - 2].to_owned(), 403),
        ("/watch/456/x".to_owned(), 403),
        ("/watch/a%20b/x".to_owned(), 403),
    ] {
        for file in ["state", "events", "index.m3u8", "1/7.m4s"] {
            let (answered, answer) =
                problem(harness.bare(Method::GET, &format!("{forged}/{file}"))).await;
            assert_eq!(
                (answered, &answer["code"]),
                (status, &json!("link_invalid")),
                "{forged}"
            );
        }
    }
    assert_eq!(harness.scheduler.calls().len(), calls);

    // The stream of a viewer ends with the link; after that the link is good for nothing.
    while events.next().await.is_some() {}
    for file in ["state", "events", "index.m3u8", "1/7.m4s"] {
        let (status, answer) = problem(harness.bare(Method::GET, &format!("{link}/{file}"))).await;
        assert_eq!((status, &answer["code"]), (403, &json!("link_expired")));
    }
}

#[tokio::test]
async fn links_are_made_for_sessions_that_exist_and_terms_that_make_sense() {
    let harness = Harness::with(|config| {
        config.public_url = Some("https://orb.example/base/".parse().unwrap());
    })
    .await;
    let post = |body: &'static str| harness.post("/api/v1/parties/456/watch-links", body);
    for (body, field) in [
        (r#"{"viewerId":"a b"}"#, "viewerId"),
        (r#"{"viewerId":""}"#, "viewerId"),
        (r#"{"viewerId":7}"#, "viewerId"),
        (r#"{"expiresInSeconds":59}"#, "expiresInSeconds"),
        (r#"{"expiresInSeconds":"1h"}"#, "expiresInSeconds"),
    ] {
        let (status, answer) = problem(post(body)).await;
        assert_eq!((status, &answer["field"]), (422, &json!(field)));
    }
    assert_eq!(harness.scheduler.calls(), Vec::<Call>::new());

    let link = link(&harness, "null").await;
    assert!(
        link.starts_with("https://orb.example/base/watch/456/"),
        "{link}"
    );
    harness
        .scheduler
        .answer(|_| Err(refusal(tonic::Code::NotFound, "session_not_found", None)));
    assert_eq!(problem(post("{}")).await.0, 404);
}
