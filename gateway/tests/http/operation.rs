//! Health, readiness, metrics, the API document, request ids.

use orb_gateway::Readiness;
use reqwest::Method;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Harness, json, problem, refusal};

#[tokio::test]
async fn ready_only_when_the_process_and_the_scheduler_are() {
    let harness = Harness::start().await;
    let ready = || harness.bare(Method::GET, "/readyz");
    harness
        .scheduler
        .answer(|_| Err(refusal(Code::NotFound, "session_not_found", None)));
    assert_eq!(json(ready()).await, (200, json!({"status": "ok"})));

    harness
        .readiness
        .send(Readiness::NotReady("no worker is attached".to_owned()))
        .unwrap();
    let (status, answer) = problem(ready()).await;
    assert_eq!((status, &answer["code"]), (503, &json!("not_ready")));
    assert_eq!(answer["detail"], "no worker is attached");

    harness.readiness.send(Readiness::Ready).unwrap();
    assert_eq!(json(ready()).await.0, 200);
    // A gateway whose own token is refused could serve nobody.
    for status in [
        Status::unavailable("x"),
        Status::unauthenticated("x"),
        Status::internal("x"),
    ] {
        harness.scheduler.answer(move |_| Err(status.clone()));
        assert_eq!(problem(ready()).await.0, 503);
    }
    assert_eq!(
        json(harness.bare(Method::GET, "/healthz")).await,
        (200, json!({"status": "ok"}))
    );
}

#[tokio::test]
async fn a_stopped_scheduler_is_not_ready_and_no_reason_to_be_restarted() {
    let harness = Harness::start().await;
    harness.scheduler.stop().await;
    assert_eq!(problem(harness.bare(Method::GET, "/readyz")).await.0, 503);
    assert_eq!(json(harness.bare(Method::GET, "/healthz")).await.0, 200);
}

#[tokio::test]
async fn the_api_document_needs_no_token() {
    let harness = Harness::start().await;
    let (status, document) = json(harness.bare(Method::GET, "/api/openapi.json")).await;
    assert_eq!(status, 200);
    assert_eq!(document, orb_gateway::openapi_document());
    for path in [
        "/sessions",
        "/sessions/{id}/play",
        "/api/v1/parties",
        "/watch/{session}/{sig}/index.m3u8",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}

#[tokio::test]
async fn a_request_has_an_id() {
    let harness = Harness::start().await;
    let healthz = || harness.bare(Method::GET, "/healthz");
    let given = healthz()
        .header("X-Request-Id", "abc-1")
        .send()
        .await
        .unwrap();
    assert_eq!(given.headers()["x-request-id"], "abc-1");
    for request in [
        healthz(),
        healthz().header("X-Request-Id", "a b"),
        healthz().header("X-Request-Id", "x".repeat(65)),
    ] {
        let made = request.send().await.unwrap();
        assert!(uuid::Uuid::parse_str(made.headers()["x-request-id"].to_str().unwrap()).is_ok());
    }
}

#[tokio::test]
async fn requests_are_counted_by_route_and_nothing_else_is_told() {
    let harness = Harness::start().await;
    let missing = |_: &_| Err(refusal(Code::NotFound, "session_not_found", None));
    harness.scheduler.answer(move |call| missing(call));
    for path in ["/sessions/9771?key=s3cr3t", "/sessions/9772"] {
        assert_eq!(harness.get(path).send().await.unwrap().status(), 404);
    }
    let made_up = Method::from_bytes(b"MADEUP").unwrap();
    let refused = harness.bare(made_up, "/no/such/9773").send().await.unwrap();
    assert_eq!(refused.status(), 404);

    let scrape = harness.bare(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(scrape.status(), 200);
    let kind = scrape.headers()["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/plain"), "{kind}");
    let text = scrape.text().await.unwrap();
    for line in [
        r#"orb_http_requests_total{method="GET",route="/sessions/{id}",status="404"} 2"#,
        r#"orb_http_requests_total{method="other",route="none",status="404"} 1"#,
        r#"orb_http_request_duration_seconds_count{method="GET",route="/sessions/{id}"} 2"#,
    ] {
        assert!(text.lines().any(|one| one == line), "{line} in:\n{text}");
    }
    for told in ["977", "s3cr3t", "MADEUP"] {
        assert!(!text.contains(told), "{told} in:\n{text}");
    }
}
