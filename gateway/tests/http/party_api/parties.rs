//! Create, list, get, end.

use orb_proto::v1::{
    AtQueueEnd, ControlRequest, CreateRequest, End, GoLive, PlaybackState, Session, SessionStatus,
    control_request::Action,
};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::{Call, Harness, Reply, json, problem, session};

fn body() -> Value {
    json!({
        "id": "friday", "guildId": "111", "voiceChannelId": "222", "textChannelId": "333", "title": "Film night",
        "ownerUserId": "444", "atQueueEnd": "leave", "unknown": 1,
    })
}

fn created(harness: &Harness) -> CreateRequest {
    match harness.scheduler.calls().pop() {
        Some(Call::Create(request)) => request,
        other => panic!("{other:?}"),
    }
}

async fn create(harness: &Harness, body: &Value, key: &str) -> String {
    let request = harness.post("/api/v1/parties", body.to_string());
    let answer = request.header("Idempotency-Key", key).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    created(harness).session_id
}

#[tokio::test]
async fn create_passes_on_every_field_and_says_where_the_party_is() {
    let harness = Harness::start().await;
    for (is_new, code) in [(true, 201), (false, 200)] {
        harness
            .scheduler
            .answer(move |_| Ok(Reply(session("friday"), is_new)));
        let request = harness
            .post("/api/v1/parties", body().to_string())
            .header("Idempotency-Key", "k-1")
            .header("X-Orb-Actor", "discord:123");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), code);
        let location = answer.headers().get("location").cloned();
        let expected = is_new.then(|| "/api/v1/parties/friday".parse().unwrap());
        assert_eq!(location, expected);
        assert_eq!(answer.json::<Value>().await.unwrap()["id"], "friday");
    }
    let expected = CreateRequest {
        session_id: "friday".into(),
        guild_id: "111".into(),
        voice_channel_id: "222".into(),
        text_channel_id: "333".into(),
        command_id: "k-1".into(),
        title: "Film night".into(),
        owner_user_id: "444".into(),
        at_queue_end: AtQueueEnd::Leave.into(),
        actor: "discord:123".into(),
        go_live: GoLive::Unspecified.into(),
    };
    assert_eq!(created(&harness), expected);
}

#[tokio::test]
async fn a_party_without_an_id_gets_one_that_its_retry_gets_again() {
    let harness = Harness::start().await;
    harness
        .scheduler
        .answer(|_| Ok(Reply(session("made"), true)));
    let mut body = body();
    body.as_object_mut().unwrap().remove("id");
    let first = create(&harness, &body, "k-1").await;
    assert_eq!(create(&harness, &body, "k-1").await, first);
    assert_ne!(create(&harness, &body, "k-2").await, first);
    json(harness.post("/api/v1/parties", body.to_string())).await;
    let made = created(&harness);
    assert!(made.session_id.starts_with("p-") && made.session_id != first);
    assert_eq!(
        (made.actor.as_str(), made.title.as_str()),
        ("api", "Film night")
    );
}

#[tokio::test]
async fn a_party_is_the_status_and_more() {
    let harness = Harness::start().await;
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let friday = Session {
        title: "Film night".into(),
        owner_user_id: "444".into(),
        guild_id: "111".into(),
        voice_channel_id: "222".into(),
        text_channel_id: "333".into(),
        at_queue_end: AtQueueEnd::Leave.into(),
        status: SessionStatus::Playing.into(),
        playback_state: PlaybackState::Playing.into(),
        current_title: "Movie".into(),
        entry_id: 2,
        queue_version: 7,
        queued: 1,
        created_at: time(1_700_000_000),
        updated_at: time(1_700_000_060),
        ..session("friday")
    };
    harness
        .scheduler
        .answer(move |_| Ok(Reply(friday.clone(), true)));
    let expected = json!({
        "id": "friday", "title": "Film night", "ownerUserId": "444", "guildId": "111", "voiceChannelId": "222",
        "textChannelId": "333", "atQueueEnd": "leave", "goLive": false, "status": "playing", "entryId": 2, "queueVersion": 7,
        "queued": 1, "createdAt": "2023-11-14T22:13:20Z",
        "workerStatus": "connecting", "playbackState": "playing", "currentTitle": "Movie", "positionSeconds": 0,
        "durationSeconds": null, "lastError": null, "positionMs": 0, "sessionId": "friday", "workerSessionId": "",
        "queueEntryId": null, "endReason": null, "updatedAt": "2023-11-14T22:14:20Z", "plan": null,
        "capabilities": [], "generation": 0, "health": null,
    });
    assert_eq!(
        json(harness.get("/api/v1/parties/friday")).await,
        (200, expected.clone())
    );
    assert_eq!(
        json(harness.get("/api/v1/parties")).await,
        (200, json!({"parties": [expected]}))
    );
}

#[tokio::test]
async fn a_fresh_party_has_every_field() {
    let harness = Harness::start().await;
    harness
        .scheduler
        .answer(|_| Ok(Reply(session("friday"), true)));
    let (_, party) = json(harness.get("/api/v1/parties/friday")).await;
    for (field, value) in [
        ("title", Value::Null),
        ("ownerUserId", Value::Null),
        ("entryId", Value::Null),
        ("createdAt", Value::Null),
        ("atQueueEnd", json!("wait")),
        ("status", json!("draft")),
        ("queued", json!(0)),
    ] {
        assert_eq!(party.get(field), Some(&value), "{field}");
    }
}

#[tokio::test]
async fn end_is_a_command() {
    let harness = Harness::start().await;
    for (settled, code) in [(true, 200), (false, 202)] {
        harness
            .scheduler
            .answer(move |_| Ok(Reply(session("friday"), settled)));
        let request = harness.delete("/api/v1/parties/friday");
        let request = request.header("Idempotency-Key", "k");
        assert_eq!(json(request).await.0, code);
    }
    let expected = ControlRequest {
        session_id: "friday".into(),
        action: Some(Action::End(End {})),
        command_id: "k".into(),
        actor: "api".into(),
    };
    assert_eq!(
        harness.scheduler.calls().pop(),
        Some(Call::Control(expected))
    );
}

#[tokio::test]
async fn wrong_fields_are_named_and_nothing_is_asked() {
    let harness = Harness::start().await;
    for (field, value) in [
        ("id", json!(456)),
        ("guildId", json!(111)),
        ("guildId", json!("")),
        ("guildId", Value::Null),
        ("voiceChannelId", json!(["222"])),
        ("textChannelId", Value::Null),
        ("title", json!(7)),
        ("ownerUserId", json!({})),
        ("atQueueEnd", json!("stay")),
        ("atQueueEnd", json!(true)),
    ] {
        let mut body = body();
        body[field] = value;
        let (status, answer) = problem(harness.post("/api/v1/parties", body.to_string())).await;
        assert_eq!(
            (status, &answer["code"], &answer["field"]),
            (422, &json!("invalid_argument"), &json!(field)),
            "{body}"
        );
    }
    for (header, value) in [
        ("X-Orb-Actor", ""),
        ("X-Orb-Actor", "tab\there"),
        ("X-Orb-Actor", &"x".repeat(129)),
        ("Idempotency-Key", &"x".repeat(256)),
    ] {
        let post = |path: &str| harness.post(path, body().to_string()).header(header, value);
        let delete = harness.delete("/api/v1/parties/1").header(header, value);
        let requests: [RequestBuilder; 2] = [post("/api/v1/parties"), delete];
        for request in requests {
            let (status, answer) = problem(request).await;
            assert_eq!((status, &answer["field"]), (422, &json!(header)), "{value}");
        }
    }
    assert_eq!(harness.scheduler.calls(), Vec::<Call>::new());
}
