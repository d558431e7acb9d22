//! What is played or queued by an item's id.

use std::sync::Arc;

use orb_proto::v1::{Add, EditQueueRequest, PlayRequest, edit_queue_request::Edit};
use reqwest::RequestBuilder;
use serde_json::json;

use crate::support::{Call, Films, Harness, Reply, json, problem, session};

async fn with_library() -> Harness {
    let harness = Harness::with(|config| config.catalogue = Some(Arc::new(Films))).await;
    harness
        .scheduler
        .answer(|_| Ok(Reply(session("456"), true)));
    harness
}

fn play(harness: &Harness, item: &str) -> RequestBuilder {
    let body = json!({"itemId": item}).to_string();
    harness.post("/api/v1/parties/456/play", body)
}

fn add(harness: &Harness, body: &str) -> RequestBuilder {
    harness.post("/api/v1/parties/456/queue", body.to_owned())
}

fn fingerprint(call: Option<Call>) -> Vec<u8> {
    match call {
        Some(Call::Play(request)) => request.fingerprint,
        Some(Call::Edit(request)) => request.fingerprint,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_item_is_looked_up_and_played() {
    let harness = with_library().await;
    for (asked, film) in [("f1", "f1"), ("season2", "season2-1")] {
        let request = play(&harness, asked).header("Idempotency-Key", "k");
        assert_eq!(json(request).await.0, 200);
        let call = harness.scheduler.calls().pop();
        let expected = PlayRequest {
            session_id: "456".into(),
            item: Some(Films::film(film)),
            command_id: "k".into(),
            actor: "api".into(),
            fingerprint: fingerprint(call.clone()),
        };
        assert_eq!(call, Some(Call::Play(expected)));
    }
}

#[tokio::test]
async fn items_are_looked_up_and_added() {
    let harness = with_library().await;
    let body = r#"{"itemIds":["f1","season2"],"next":true}"#;
    let request = add(&harness, body)
        .header("Idempotency-Key", "k")
        .header("X-Orb-Actor", "anna")
        .header("If-Match", "\"1\"");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["etag"], "\"2\"");
    let answer: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(answer["added"], json!([1, 2, 3, 4]));
    assert_eq!(answer["version"], 2);
    assert_eq!(
        answer["entries"][1],
        json!({
            "entryId": 2, "status": "queued", "title": "Film season2-1", "mediaType": "movie", "itemId": "season2-1",
            "sourceId": "season2-1", "year": "2024", "episode": null, "durationSeconds": 60, "summary": null,
            "imageUrl": "/api/v1/library/items/season2-1/image", "addedBy": "anna", "error": null, "createdAt": null,
        })
    );
    let call = harness.scheduler.calls().pop();
    let films = ["f1", "season2-1", "season2-2", "season2-3"];
    let expected = EditQueueRequest {
        session_id: "456".into(),
        command_id: "k".into(),
        actor: "anna".into(),
        fingerprint: fingerprint(call.clone()),
        if_version: 1,
        edit: Some(Edit::Add(Add {
            items: films.map(Films::film).to_vec(),
            next: true,
        })),
    };
    assert_eq!(call, Some(Call::Edit(expected)));
}

#[tokio::test]
async fn a_retry_is_told_by_what_was_asked() {
    let harness = with_library().await;
    let mut seen = Vec::new();
    for request in [
        play(&harness, "f1"),
        play(&harness, "f2"),
        add(&harness, r#"{"itemIds":["f1"]}"#),
        add(&harness, r#"{"itemIds":["f1"],"next":true}"#),
        add(&harness, r#"{"itemIds":["f1"]}"#).header("If-Match", "\"3\""),
        add(&harness, r#"{"itemIds":["f1","f1"]}"#),
    ] {
        let again = request.try_clone().unwrap();
        let answered = request.send().await.unwrap().status().as_u16();
        assert!([200, 201, 412].contains(&answered), "{answered}");
        let first = fingerprint(harness.scheduler.calls().pop());
        again.send().await.unwrap();
        assert_eq!(fingerprint(harness.scheduler.calls().pop()), first);
        assert!(first.len() == 32 && !seen.contains(&first));
        seen.push(first);
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_and_nothing_is_changed() {
    let harness = with_library().await;
    for request in [
        play(&harness, "nothing"),
        add(&harness, r#"{"itemIds":["f1","nothing"]}"#),
    ] {
        let (status, answer) = problem(request).await;
        assert_eq!(
            (status, &answer["code"]),
            (404, &json!("library_item_not_found"))
        );
        assert!(answer["detail"].as_str().unwrap().contains("nothing"));
    }
    assert_eq!(harness.scheduler.calls(), Vec::<Call>::new());
}

#[tokio::test]
async fn without_a_library_it_says_what_to_set() {
    let harness = Harness::start().await;
    for request in [play(&harness, "f1"), add(&harness, r#"{"itemIds":["f1"]}"#)] {
        let (status, answer) = problem(request).await;
        assert_eq!(
            (status, &answer["code"]),
            (503, &json!("library_not_configured"))
        );
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains("ORB_JELLYFIN_URL") && detail.contains("ORB_JELLYFIN_API_KEY"));
    }
    assert_eq!(harness.scheduler.calls(), Vec::<Call>::new());
}
