//! Each action, its translation, and what is wrong with a body.

use orb_proto::v1::{
    ControlRequest, Pause, Previous, Resume, Seek, SeekBy, Skip, Start, Stop,
    control_request::Action,
};
use serde_json::json;

use crate::support::{Call, Harness, Reply, json, problem, session};

#[tokio::test]
async fn each_path_is_an_action() {
    let harness = Harness::start().await;
    for (verb, body, action) in [
        ("play", "", Action::Start(Start::default())),
        ("play", "{}", Action::Start(Start::default())),
        (
            "play",
            r#"{"itemId":null}"#,
            Action::Start(Start::default()),
        ),
        (
            "play",
            r#"{"entryId":4}"#,
            Action::Start(Start { entry_id: 4 }),
        ),
        ("pause", "", Action::Pause(Pause {})),
        ("resume", "", Action::Resume(Resume {})),
        ("stop", "", Action::Stop(Stop {})),
        (
            "seek",
            r#"{"positionSeconds":42.5}"#,
            Action::Seek(Seek {
                position_ms: 42_500,
            }),
        ),
        (
            "seek",
            r#"{"positionSeconds":-1}"#,
            Action::Seek(Seek { position_ms: -1000 }),
        ),
        (
            "seek",
            r#"{"bySeconds":-30,"positionSeconds":null}"#,
            Action::SeekBy(SeekBy { delta_ms: -30_000 }),
        ),
        ("skip", "", Action::Skip(Skip::default())),
        (
            "skip",
            r#"{"entryId":2}"#,
            Action::Skip(Skip { entry_id: 2 }),
        ),
        ("previous", "null", Action::Previous(Previous::default())),
        (
            "previous",
            r#"{"entryId":2.0}"#,
            Action::Previous(Previous { entry_id: 2 }),
        ),
    ] {
        for (settled, code) in [(true, 200), (false, 202)] {
            harness
                .scheduler
                .answer(move |_| Ok(Reply(session("456"), settled)));
            let request = harness
                .post(&format!("/api/v1/parties/456/{verb}"), body)
                .header("Idempotency-Key", "k")
                .header("X-Orb-Actor", "orb cli");
            let (status, party) = json(request).await;
            assert_eq!(
                (status, &party["id"]),
                (code, &json!("456")),
                "{verb} {body}"
            );
        }
        let expected = ControlRequest {
            session_id: "456".into(),
            action: Some(action),
            command_id: "k".into(),
            actor: "orb cli".into(),
        };
        assert_eq!(
            harness.scheduler.calls().pop(),
            Some(Call::Control(expected)),
            "{verb} {body}"
        );
    }
}

#[tokio::test]
async fn wrong_fields_are_named_and_nothing_is_asked() {
    let harness = Harness::start().await;
    for (verb, body, field) in [
        ("play", json!({"itemId": 5}), "itemId"),
        ("play", json!({"itemId": "a/b"}), "itemId"),
        ("play", json!({"itemId": "x".repeat(65)}), "itemId"),
        ("play", json!({"entryId": "4"}), "entryId"),
        ("play", json!({"entryId": 0}), "entryId"),
        ("play", json!({"entryId": 4, "itemId": "a"}), "entryId"),
        ("seek", json!({}), "positionSeconds"),
        ("seek", json!({"positionSeconds": "5"}), "positionSeconds"),
        ("seek", json!({"bySeconds": true}), "bySeconds"),
        (
            "seek",
            json!({"positionSeconds": 1, "bySeconds": 1}),
            "bySeconds",
        ),
        ("skip", json!({"entryId": -1}), "entryId"),
        ("skip", json!({"entryId": 1.5}), "entryId"),
        ("previous", json!({"entryId": []}), "entryId"),
    ] {
        let path = format!("/api/v1/parties/456/{verb}");
        let (status, answer) = problem(harness.post(&path, body.to_string())).await;
        assert_eq!(
            (status, &answer["code"], &answer["field"]),
            (422, &json!("invalid_argument"), &json!(field)),
            "{verb} {body}"
        );
    }
    for verb in ["play", "seek", "skip", "previous"] {
        let path = format!("/api/v1/parties/456/{verb}");
        for (body, status) in [("[]", 422), ("{", 400), ("\"x\"", 422)] {
            assert_eq!(
                problem(harness.post(&path, body)).await.0,
                status,
                "{verb} {body}"
            );
        }
    }
    assert_eq!(harness.scheduler.calls(), Vec::<Call>::new());
}
