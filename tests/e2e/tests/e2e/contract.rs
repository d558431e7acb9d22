//! The worker contract against the real thing, call by call.

use std::time::Duration;

use orb_e2e::{
    API_TOKEN, Api, Installation, Party, SECOND_API_TOKEN, Setting, Surroundings, Title, entry,
    until,
};
use serde_json::{Value, json};

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

async fn orb_with(setting: Setting) -> Installation {
    Installation::up(Surroundings::start(setting).await).await
}

async fn orb() -> Installation {
    orb_with(Setting::with(&[Title::Clock, Title::LongGop])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn create_is_201_then_200_then_409() {
    let orb = orb().await;
    let body = json!({
        "sessionId": "456", "guildId": "123", "voiceChannelId": "456", "textChannelId": "789",
        "somethingNew": {"unknown": [1, 2, 3]},
    });
    let first = orb.api.post("/sessions", &body).await.expect_code(201);
    first.expect_status();
    assert_eq!(first.text_of("playbackState"), "idle");
    orb.api
        .post("/sessions", &body)
        .await
        .expect_code(200)
        .expect_status();

    let mut other_text = body.clone();
    other_text["textChannelId"] = json!("790");
    orb.api
        .post("/sessions", &other_text)
        .await
        .expect_code(200);
    for (field, value) in [("guildId", "124"), ("voiceChannelId", "457")] {
        let mut other = body.clone();
        other[field] = json!(value);
        let answer = orb.api.post("/sessions", &other).await;
        answer.expect_problem(409, "session_conflict");
    }
    let status = orb.api.get("/sessions/456").await.expect_code(200);
    status.expect_status();
    assert_eq!(status.body["currentTitle"], Value::Null);
    assert_eq!(status.body["durationSeconds"], Value::Null);
    assert_eq!(status.body["lastError"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_does_not_exist_is_404() {
    let orb = orb().await;
    let play = entry(&orb.surroundings, 1, Title::Clock);
    let pause = json!({"action": "pause"});
    for answer in [
        orb.api.get("/sessions/777").await,
        orb.api.post("/sessions/777/play", &play).await,
        orb.api.post("/sessions/777/control", &pause).await,
    ] {
        answer.expect_problem(404, "session_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_asked_for() {
    let orb = orb().await;
    Party::create(&orb.api, 111).await;
    let path = "/sessions/9111";
    for token in [
        None,
        Some("wrong"),
        Some(""),
        Some(&API_TOKEN[..API_TOKEN.len() - 1]),
    ] {
        let answer = orb.api.with_token(token).get(path).await;
        answer.expect_problem(401, "unauthenticated");
        let answer = orb
            .api
            .with_token(token)
            .post("/sessions", &json!({}))
            .await;
        answer.expect_problem(401, "unauthenticated");
    }
    for token in [API_TOKEN, SECOND_API_TOKEN] {
        orb.api
            .with_token(Some(token))
            .get(path)
            .await
            .expect_code(200);
        let nothing = json!({"action": "pause"}).to_string();
        let by_key = orb.api.with_token(None);
        let answer = by_key
            .post_with(&format!("{path}/control"), nothing, &[("X-API-Key", token)])
            .await;
        answer.expect_problem(409, "nothing_playing");
    }
    for open in ["/healthz", "/readyz", "/api/openapi.json"] {
        orb.api.with_token(None).get(open).await.expect_code(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn play_control_and_sticky_ends() {
    let orb = orb().await;
    let party = Party::create(&orb.api, 111).await;
    let ears = party.ears(&orb.surroundings.discord);

    // Nothing to act on.
    for action in ["pause", "resume"] {
        let answer = party.control(action).await;
        answer.expect_problem(409, "nothing_playing");
    }
    party.seek(5.0).await.expect_problem(409, "nothing_playing");
    for action in ["skip", "stop", "stop"] {
        party.control(action).await.expect_code(200).expect_status();
    }
    assert_eq!(party.status().await.text_of("playbackState"), "stopped");

    // After a stop it joins again.
    let first = entry(&orb.surroundings, 12, Title::Clock);
    let playing = party.play(&first).await.expect_code(200);
    playing.expect_status();
    assert_eq!(playing.text_of("playbackState"), "playing");
    assert_eq!(playing.text_of("workerStatus"), "connected");
    assert_eq!(playing.text_of("currentTitle"), Title::Clock.name());
    assert_eq!(playing.body["durationSeconds"], 120);
    assert_eq!(playing.body["queueEntryId"], 12);
    assert_eq!(playing.body["endReason"], Value::Null);
    ears.seconds(playing.asked, 2, SOON).await;

    // The same again changes nothing, playing or paused.
    let again = party.play(&first).await.expect_code(200);
    assert_eq!(again.settled()["generation"], playing.body["generation"]);
    assert!(again.position() > 1.0, "{}", again.text);
    let paused = party.control("pause").await.expect_code(200);
    let again = party.play(&first).await.expect_code(200);
    assert_eq!(again.text_of("playbackState"), "paused", "{}", again.text);
    assert_eq!(again.body["generation"], paused.body["generation"]);
    let twice = party.control("pause").await.expect_code(200);
    assert_eq!(twice.body["generation"], paused.body["generation"]);

    // Another entry replaces it at once, and is not paused.
    let second = entry(&orb.surroundings, 13, Title::LongGop);
    let replaced = party.play(&second).await.expect_code(200);
    assert_eq!(replaced.text_of("currentTitle"), Title::LongGop.name());
    assert_eq!(replaced.text_of("playbackState"), "playing");
    assert_eq!(replaced.body["queueEntryId"], 13);
    let (_, begun) = ears.start_of_sound(replaced.asked, 0.0, SOON).await;
    assert!(begun.abs() < 0.25, "it began at {begun:.3} s");

    // A skip ends it, and that stays.
    let skipped = party.control("skip").await.expect_code(200);
    for status in [skipped, party.control("skip").await, party.status().await] {
        status.expect_status();
        assert_eq!(status.text_of("playbackState"), "ended", "{}", status.text);
        assert_eq!(status.text_of("endReason"), "skipped");
        assert_eq!(status.body["queueEntryId"], 13);
        assert_eq!(status.text_of("workerStatus"), "connected");
    }
    party
        .control("pause")
        .await
        .expect_problem(409, "nothing_playing");

    // After an end the same plays anew.
    let anew = party.play(&second).await.expect_code(200);
    assert_eq!(anew.text_of("playbackState"), "playing");
    assert_eq!(anew.body["endReason"], Value::Null);
    assert!(anew.position() < 1.0, "{}", anew.text);

    // A stop ends it and leaves the channel; a second one changes nothing.
    let stopped = party.control("stop").await.expect_code(200);
    let twice = party.control("stop").await.expect_code(200);
    assert_eq!(twice.settled(), party.status().await.settled());
    for status in [stopped, twice] {
        assert_eq!(
            status.text_of("playbackState"),
            "stopped",
            "{}",
            status.text
        );
        assert_eq!(status.text_of("endReason"), "stopped");
        assert_eq!(status.body["queueEntryId"], 13);
    }
    party
        .becomes_so("workerStatus disconnected", SOON, |status| {
            status.text_of("workerStatus") == "disconnected"
        })
        .await;
    let ears = party.ears(&orb.surroundings.discord);
    ears.left_alone(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_keeps_the_reason_of_an_end_before_it() {
    let orb = orb().await;
    let party = Party::create(&orb.api, 111).await;
    party.play_title(&orb.surroundings, Title::Clock).await;
    party.control("skip").await.expect_code(200);
    let stopped = party.control("stop").await.expect_code(200);
    assert_eq!(stopped.text_of("playbackState"), "stopped");
    assert_eq!(stopped.text_of("endReason"), "skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn control_takes_the_names_that_clients_use() {
    let orb = orb().await;
    let party = Party::create(&orb.api, 111).await;
    party.play_title(&orb.surroundings, Title::Clock).await;
    let control = party.path("control");
    let call = async |body: Value| orb.api.post(&control, &body).await.expect_code(200);

    for body in [
        json!({"command": "pause"}),
        json!({"payload": {"action": "pause"}, "unknown": true}),
        json!({"params": {"command": "pause"}}),
    ] {
        assert_eq!(call(body).await.text_of("playbackState"), "paused");
        assert_eq!(
            call(json!({"action": "resume"}))
                .await
                .text_of("playbackState"),
            "playing"
        );
    }
    call(json!({"action": "pause"})).await;
    for (body, position) in [
        (json!({"action": "seek", "positionSeconds": 10}), 10.0),
        (json!({"action": "seek", "position": 20.5}), 20.5),
        (json!({"action": "seek", "seconds": "30"}), 30.0),
        (json!({"action": "seek", "seekSeconds": 40}), 40.0),
        (
            json!({"action": "seek", "payload": {"positionSeconds": 50}}),
            50.0,
        ),
        (json!({"action": "seek", "value": 60}), 60.0),
        (json!({"params": {"action": "seek", "position": 70}}), 70.0),
    ] {
        let sought = call(body).await;
        assert!(
            (sought.position() - position).abs() < 0.1,
            "{position}: {}",
            sought.text
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_has_one_effect_and_the_first_answer() {
    let orb = orb().await;
    let create = json!({
        "sessionId": "9111", "guildId": "111", "voiceChannelId": "456", "textChannelId": "789",
    });
    for _ in 0..2 {
        let answer = orb.api.post_once("/sessions", &create, "create-1").await;
        answer.expect_code(201);
    }
    let mut other = create.clone();
    other["sessionId"] = json!("9112");
    let answer = orb.api.post_once("/sessions", &other, "create-1").await;
    answer.expect_problem(409, "command_id_reused");
    orb.api
        .get("/sessions/9112")
        .await
        .expect_problem(404, "session_not_found");

    let party = Party::known(&orb.api, 111);
    let play = entry(&orb.surroundings, 5, Title::Clock);
    let path = party.path("play");
    let first = orb
        .api
        .post_once(&path, &play, "play-1")
        .await
        .expect_code(200);
    party.becomes("playing", SOON).await;

    let control = party.path("control");
    let seek = json!({"action": "seek", "positionSeconds": 60});
    let sought = orb
        .api
        .post_once(&control, &seek, "seek-1")
        .await
        .expect_code(200);
    party
        .becomes_so("61 s", SOON, |status| status.position() > 61.0)
        .await;
    let replayed = orb
        .api
        .post_once(&control, &seek, "seek-1")
        .await
        .expect_code(200);
    assert_eq!(replayed.body["generation"], sought.body["generation"]);
    assert!(
        replayed.position() > 61.0,
        "it sought once: {}",
        replayed.text
    );
    let elsewhere = json!({"action": "seek", "positionSeconds": 30});
    let reused = orb.api.post_once(&control, &elsewhere, "seek-1").await;
    reused.expect_problem(409, "command_id_reused");

    // A late retry of the play that was answered does not start the film again after its end.
    party.control("skip").await.expect_code(200);
    let late = orb.api.post_once(&path, &play, "play-1").await;
    assert_eq!(late.code, first.code, "{}", late.text);
    let status = party.status().await;
    assert_eq!(status.text_of("playbackState"), "ended", "{}", status.text);
    let anew = orb
        .api
        .post_once(&path, &play, "play-2")
        .await
        .expect_code(200);
    assert_eq!(anew.text_of("playbackState"), "playing");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_with_one_key_have_one_effect() {
    let orb = orb().await;
    let party = Party::create(&orb.api, 111).await;
    party.play_title(&orb.surroundings, Title::Clock).await;
    let before = party.status().await.body["generation"].as_u64().unwrap();
    let control = party.path("control");
    let seek = json!({"action": "seek", "positionSeconds": 60});
    let call = || orb.api.post_once(&control, &seek, "seek-1");
    let (a, b, c) = tokio::join!(call(), call(), call());
    for answer in [a, b, c] {
        answer.expect_code(200);
    }
    let after = party.status().await.body["generation"].as_u64().unwrap();
    assert_eq!(after, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_parties_in_one_guild_need_two_accounts() {
    let orb = orb().await;
    let party = Party::create(&orb.api, 111).await;
    let second = json!({
        "sessionId": "2", "guildId": "111", "voiceChannelId": "457", "textChannelId": "789",
    });
    let answer = orb.api.post("/sessions", &second).await;
    answer.expect_problem(503, "no_free_account");
    let after: u64 = answer.retry_after.unwrap().parse().unwrap();
    assert!((1..=60).contains(&after));
    // Another guild is no matter, and the account is free again after a stop.
    Party::create(&orb.api, 112).await;
    party.control("stop").await.expect_code(200);
    created(&orb.api, &second).await;
    drop(orb);

    let orb = orb_of_two().await;
    Party::create(&orb.api, 111).await;
    created(&orb.api, &second).await;
}

async fn orb_of_two() -> Installation {
    orb_with(Setting {
        accounts: 2,
        ..Setting::default()
    })
    .await
}

async fn created(api: &Api, body: &Value) {
    until("POST /sessions to be 201", SOON, async || {
        (api.post("/sessions", body).await.code == 201).then_some(())
    })
    .await;
}
