//! Bad input: each gets its documented problem, and nothing reaches the scheduler.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Call, Harness, PATIENCE, Reply, json, problem, session};

/// `base` with one change: the value at a JSON pointer, or its removal.
fn changed(base: &Value, pointer: &str, value: Option<Value>) -> String {
    let mut body = base.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let object = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(name.to_owned(), value),
        None => object.remove(name),
    };
    body.to_string()
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let harness = Harness::start().await;
    let create = json!({"sessionId": "456", "guildId": "111", "voiceChannelId": "222", "textChannelId": "333"});
    let play = json!({"queueEntryId": 12, "title": "T", "playback": {"itemId": "i", "streamUrl": "http://j/s"}});
    let none = None::<Value>;
    let cases = [
        (
            "/sessions",
            &create,
            "/sessionId",
            none.clone(),
            "sessionId",
        ),
        (
            "/sessions",
            &create,
            "/sessionId",
            Some(json!(456)),
            "sessionId",
        ),
        (
            "/sessions",
            &create,
            "/sessionId",
            Some(json!("")),
            "sessionId",
        ),
        (
            "/sessions",
            &create,
            "/guildId",
            Some(json!(null)),
            "guildId",
        ),
        (
            "/sessions",
            &create,
            "/guildId",
            Some(json!(111)),
            "guildId",
        ),
        (
            "/sessions",
            &create,
            "/voiceChannelId",
            Some(json!(["222"])),
            "voiceChannelId",
        ),
        (
            "/sessions",
            &create,
            "/textChannelId",
            none.clone(),
            "textChannelId",
        ),
        (
            "/sessions/456/play",
            &play,
            "/queueEntryId",
            none.clone(),
            "queueEntryId",
        ),
        (
            "/sessions/456/play",
            &play,
            "/queueEntryId",
            Some(json!("12")),
            "queueEntryId",
        ),
        (
            "/sessions/456/play",
            &play,
            "/queueEntryId",
            Some(json!(1.5)),
            "queueEntryId",
        ),
        (
            "/sessions/456/play",
            &play,
            "/queueEntryId",
            Some(json!(0)),
            "queueEntryId",
        ),
        (
            "/sessions/456/play",
            &play,
            "/playback",
            none.clone(),
            "playback",
        ),
        (
            "/sessions/456/play",
            &play,
            "/playback",
            Some(json!("x")),
            "playback",
        ),
        (
            "/sessions/456/play",
            &play,
            "/playback/streamUrl",
            none.clone(),
            "playback.streamUrl",
        ),
        (
            "/sessions/456/play",
            &play,
            "/playback/streamUrl",
            Some(json!(7)),
            "playback.streamUrl",
        ),
        (
            "/sessions/456/play",
            &play,
            "/playback/downloadUrl",
            Some(json!({})),
            "playback.downloadUrl",
        ),
        (
            "/sessions/456/play",
            &play,
            "/playback/itemId",
            none.clone(),
            "playback.itemId",
        ),
        (
            "/sessions/456/play",
            &play,
            "/playback/mediaType",
            Some(json!(2024)),
            "playback.mediaType",
        ),
        (
            "/sessions/456/play",
            &play,
            "/playback/durationSeconds",
            Some(json!("5")),
            "playback.durationSeconds",
        ),
        (
            "/sessions/456/play",
            &play,
            "/playback/durationSeconds",
            Some(json!(-5)),
            "playback.durationSeconds",
        ),
        (
            "/sessions/456/play",
            &play,
            "/playback/durationSeconds",
            Some(json!(1e18)),
            "playback.durationSeconds",
        ),
        (
            "/sessions/456/play",
            &play,
            "/title",
            Some(json!(7)),
            "title",
        ),
        (
            "/sessions/456/play",
            &play,
            "/mediaType",
            Some(json!(1)),
            "mediaType",
        ),
        (
            "/sessions/456/control",
            &json!({"action": "dance"}),
            "/x",
            none.clone(),
            "action",
        ),
        (
            "/sessions/456/control",
            &json!({}),
            "/x",
            none.clone(),
            "action",
        ),
        (
            "/sessions/456/control",
            &json!({"action": "seek"}),
            "/x",
            none.clone(),
            "positionSeconds",
        ),
        (
            "/sessions/456/control",
            &json!({"action": "seek"}),
            "/seconds",
            Some(json!("soon")),
            "seconds",
        ),
    ];
    for (path, base, pointer, value, field) in cases {
        let body = changed(base, pointer, value);
        let (status, answer) = problem(harness.post(path, body.clone())).await;
        assert_eq!(
            (status, &answer["code"], &answer["field"]),
            (422, &json!("invalid_argument"), &json!(field)),
            "{body}"
        );
    }
    assert_eq!(harness.scheduler.calls(), vec![]);
}

#[tokio::test]
async fn bodies_that_are_no_json_object() {
    let harness = Harness::start().await;
    let large = format!(r#"{{"sessionId":"{}"}}"#, "x".repeat(10 * 1024 * 1024));
    let deep = format!("{}{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
    for path in ["/sessions", "/sessions/456/play", "/sessions/456/control"] {
        for (body, status, code) in [
            (b"".to_vec(), 400, "malformed_json"),
            (b"{".to_vec(), 400, "malformed_json"),
            (b"{\"sessionId\":\"\xff\"}".to_vec(), 400, "malformed_json"),
            (deep.clone().into_bytes(), 400, "malformed_json"),
            (b"[]".to_vec(), 422, "invalid_argument"),
            (b"null".to_vec(), 422, "invalid_argument"),
            (large.clone().into_bytes(), 413, "body_too_large"),
        ] {
            let (answered, answer) = problem(harness.post(path, body)).await;
            assert_eq!(
                (answered, answer["code"].as_str()),
                (status, Some(code)),
                "{path}"
            );
        }
    }
    assert_eq!(harness.scheduler.calls(), vec![]);
}

#[tokio::test]
async fn a_refusal_before_the_body_has_come_keeps_the_connection() {
    let harness = Harness::start().await;
    let address = harness.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /api/v1/parties/456/queue HTTP/1.1\r\nHost: orb\r\nContent-Length: 17\r\n";
    for refused in ["", "Authorization: Bearer first-token\r\nIf-Match: 7\r\n"] {
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
            .write_all(format!("{refused}\r\n").as_bytes())
            .await
            .unwrap();
        // Behind its head, in a packet of its own; were it not, the test would still hold.
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.write_all(b"{\"itemIds\":[\"a\"]}").await.unwrap();
        let status = if refused.is_empty() { "401" } else { "422" };
        answered(&mut stream, status).await;
    }
    let next = "GET /healthz HTTP/1.1\r\nHost: orb\r\n\r\n";
    stream.write_all(next.as_bytes()).await.unwrap();
    answered(&mut stream, "200").await;
}

/// Reads one answer.
async fn answered(stream: &mut TcpStream, status: &str) {
    let mut answer = Vec::new();
    let read = async {
        while !answer.ends_with(b"}") {
            assert_ne!(
                stream.read_buf(&mut answer).await.unwrap(),
                0,
                "the connection was closed"
            );
        }
    };
    timeout(PATIENCE, read).await.expect("an answer");
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status}")),
        "{answer}"
    );
}

#[tokio::test]
async fn the_content_type_does_not_matter() {
    let harness = Harness::start().await;
    harness
        .scheduler
        .answer(|_| Ok(Reply(session("456"), true)));
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-8",
    ] {
        let request = harness.post("/sessions/456/control", r#"{"action":"pause"}"#);
        assert_eq!(
            json(request.header("Content-Type", content_type)).await.0,
            200,
            "{content_type}"
        );
    }
}

#[tokio::test]
async fn ids_that_no_session_can_have_are_unknown() {
    let harness = Harness::start().await;
    let long = "x".repeat(129);
    for id in ["a%20b", "%ff", "a%2fb", "%00", &long] {
        let (status, answer) = problem(harness.get(&format!("/sessions/{id}"))).await;
        assert_eq!(
            (status, &answer["code"]),
            (404, &json!("session_not_found")),
            "{id}"
        );
        let request = harness.post(&format!("/sessions/{id}/control"), r#"{"action":"pause"}"#);
        assert_eq!(problem(request).await.0, 404, "{id}");
    }
    assert_eq!(harness.scheduler.calls(), Vec::<Call>::new());
}

#[tokio::test]
async fn a_command_id_must_be_plain_and_short() {
    let harness = Harness::start().await;
    for key in [
        reqwest::header::HeaderValue::from_bytes(b"\xc3\xa9").unwrap(),
        "x".repeat(256).parse().unwrap(),
    ] {
        let request = harness
            .post("/sessions/456/control", r#"{"action":"pause"}"#)
            .header("Idempotency-Key", key);
        let (status, answer) = problem(request).await;
        assert_eq!((status, &answer["field"]), (422, &json!("Idempotency-Key")));
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    let harness = Harness::start().await;
    for path in [
        "/nowhere",
        "/sessions/1/2/3",
        "/metrics/of/mine",
        "/api/v1/nothing",
        "/sessions/",
        "/watch/1",
    ] {
        let (status, answer) = problem(harness.get(path)).await;
        assert_eq!(
            (status, &answer["code"]),
            (404, &json!("route_not_found")),
            "{path}"
        );
    }
    for (method, path, allowed) in [
        (Method::DELETE, "/sessions", "POST"),
        (Method::PUT, "/sessions/456", "GET,HEAD"),
        (Method::GET, "/sessions/456/play", "POST"),
        (Method::POST, "/healthz", "GET,HEAD"),
        (Method::POST, "/", "GET,HEAD"),
        (Method::PATCH, "/watch/456/x/state", "GET,HEAD"),
    ] {
        let response = harness
            .bare(method.clone(), path)
            .bearer_auth("none")
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["allow"], allowed, "{method} {path}");
        let (status, answer) = problem(harness.bare(method, path)).await;
        assert_eq!(
            (status, &answer["code"]),
            (405, &json!("method_not_allowed")),
            "{path}"
        );
    }
}
