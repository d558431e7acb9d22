//! The picture into the voice channel: asked for, refused, shown.

use orb_proto::v1::{GoLive, PictureHealth, Session};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{Call, Harness, Reply, json, problem, refusal, session};

fn body(go_live: &Value) -> String {
    let mut body =
        json!({"id": "friday", "guildId": "111", "voiceChannelId": "222", "textChannelId": "333"});
    if !go_live.is_null() {
        body["goLive"] = go_live.clone();
    }
    body.to_string()
}

#[tokio::test]
async fn what_a_caller_says_of_it_is_passed_on_and_silence_too() {
    let harness = Harness::start().await;
    for (said, passed_on) in [
        (json!(null), GoLive::Unspecified),
        (json!(false), GoLive::Off),
        (json!(true), GoLive::On),
    ] {
        harness
            .scheduler
            .answer(|_| Ok(Reply(session("friday"), true)));
        let (status, _) = json(harness.post("/api/v1/parties", body(&said))).await;
        assert_eq!(status, 201);
        match harness.scheduler.calls().pop() {
            Some(Call::Create(request)) => assert_eq!(request.go_live(), passed_on, "{said}"),
            other => panic!("{other:?}"),
        }
    }
    let (status, answer) = problem(harness.post("/api/v1/parties", body(&json!("yes")))).await;
    assert_eq!((status, &answer["field"]), (422, &json!("goLive")));
}

#[tokio::test]
async fn the_worker_contract_has_no_word_for_it() {
    let harness = Harness::start().await;
    harness
        .scheduler
        .answer(|_| Ok(Reply(session("456"), true)));
    let body = json!({"sessionId": "456", "guildId": "111", "voiceChannelId": "222", "textChannelId": "333",
        "goLive": true});
    let (status, _) = json(harness.post("/sessions", body.to_string())).await;
    assert_eq!(status, 201);
    match harness.scheduler.calls().pop() {
        Some(Call::Create(request)) => assert_eq!(request.go_live(), GoLive::Unspecified),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_installation_that_does_not_allow_it_says_so() {
    let harness = Harness::start().await;
    harness.scheduler.answer(|_| {
        Err(refusal(
            Code::FailedPrecondition,
            "golive_off",
            Some("go_live"),
        ))
    });
    let (status, answer) = problem(harness.post("/api/v1/parties", body(&json!(true)))).await;
    assert_eq!(
        (status, &answer["code"], &answer["field"]),
        (409, &json!("golive_off"), &json!("goLive"))
    );
}

#[tokio::test]
async fn a_party_shows_its_picture_while_there_is_one() {
    let harness = Harness::start().await;
    let live = Session {
        capabilities: vec!["voice".into(), "watch".into(), "golive".into()],
        picture: Some(PictureHealth {
            pictures_sent: 240,
            width: 1280,
            height: 720,
            ..PictureHealth::default()
        }),
        ..session("friday")
    };
    harness
        .scheduler
        .answer(move |_| Ok(Reply(live.clone(), true)));
    for path in ["/api/v1/parties/friday", "/sessions/friday"] {
        let (_, shown) = json(harness.get(path)).await;
        assert_eq!(shown["picture"]["picturesSent"], 240, "{path}");
        assert_eq!(shown["picture"]["lineKbitsPerSecond"], json!(null));
    }
    let (_, shown) = json(harness.get("/api/v1/parties/friday")).await;
    assert_eq!(shown["goLive"], true);

    harness
        .scheduler
        .answer(|_| Ok(Reply(session("friday"), true)));
    let (_, shown) = json(harness.get("/api/v1/parties/friday")).await;
    assert_eq!(shown["goLive"], false);
    assert!(shown.get("picture").is_none());
}

#[tokio::test]
async fn capabilities_say_what_is_missing() {
    let harness = Harness::start().await;
    let expected = json!({"outputs": [
        {"name": "voice", "available": true, "reason": null},
        {"name": "watch", "available": true, "reason": null},
        {"name": "golive", "available": false, "reason": "it is off"},
    ]});
    assert_eq!(
        json(harness.get("/api/v1/capabilities")).await,
        (200, expected)
    );
}
