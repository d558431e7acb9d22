//! Each call, its translation, and its answer.

use orb_proto::v1::{
    ControlRequest, CreateRequest, EndReason, GetRequest, Item, Pause, PlayRequest, PlaybackState,
    Resume, Seek, Session, Skip, Stop, StreamHealth, WatchOutput, WorkerStatus,
    control_request::Action,
};
use serde_json::{Value, json};

use crate::support::{Call, Harness, Reply, json, session};

fn create_body() -> Value {
    json!({"sessionId": "456", "guildId": "111", "voiceChannelId": "222", "textChannelId": "333", "extra": [1]})
}

fn play_body() -> Value {
    json!({
        "queueEntryId": 12, "jellyfinSourceId": "abc123", "title": "Top", "mediaType": "movie", "unknown": null,
        "playback": {
            "itemId": "item", "sourceId": "source", "title": "Movie Title", "mediaType": "episode",
            "streamUrl": "http://jellyfin/stream?api_key=k", "downloadUrl": "http://jellyfin/download",
            "durationSeconds": 5420, "posterUrl": "http://jellyfin/p.jpg", "year": "2024", "tmdbId": "1234",
            "imdbId": "tt1234567", "episode": null, "unknown": {},
        },
    })
}

#[tokio::test]
async fn create_says_whether_the_session_is_new() {
    let harness = Harness::start().await;
    for (created, code) in [(true, 201), (false, 200)] {
        harness
            .scheduler
            .answer(move |_| Ok(Reply(session("456"), created)));
        let (status, body) = json(harness.post("/sessions", create_body().to_string())).await;
        assert_eq!(status, code);
        assert_eq!(body["sessionId"], "456");
        assert_eq!(body["playbackState"], "idle");
    }
    let Some(Call::Create(CreateRequest { command_id, .. })) = harness.scheduler.calls().pop()
    else {
        panic!("a create");
    };
    let expected = CreateRequest {
        session_id: "456".into(),
        guild_id: "111".into(),
        voice_channel_id: "222".into(),
        text_channel_id: "333".into(),
        command_id,
        actor: "contract".into(),
        ..CreateRequest::default()
    };
    assert_eq!(harness.scheduler.calls()[1], Call::Create(expected));
    assert_eq!(
        harness.scheduler.authorizations()[0].as_deref(),
        Some("Bearer scheduler-token")
    );
}

#[tokio::test]
async fn play_passes_on_every_field() {
    let harness = Harness::start().await;
    for (settled, code) in [(true, 200), (false, 202)] {
        harness
            .scheduler
            .answer(move |_| Ok(Reply(session("456"), settled)));
        let request = harness
            .post("/sessions/456/play", play_body().to_string())
            .header("Idempotency-Key", "key-1");
        let (status, body) = json(request).await;
        assert_eq!((status, &body["sessionId"]), (code, &json!("456")));
    }
    let expected = PlayRequest {
        session_id: "456".into(),
        command_id: "key-1".into(),
        item: Some(Item {
            queue_entry_id: 12,
            item_id: "item".into(),
            source_id: "source".into(),
            title: "Movie Title".into(),
            media_type: "episode".into(),
            stream_url: "http://jellyfin/stream?api_key=k".into(),
            download_url: "http://jellyfin/download".into(),
            duration_ms: 5_420_000,
            poster_url: "http://jellyfin/p.jpg".into(),
            year: "2024".into(),
            tmdb_id: "1234".into(),
            imdb_id: "tt1234567".into(),
            episode: String::new(),
            ..Item::default()
        }),
        actor: "contract".into(),
        ..PlayRequest::default()
    };
    assert_eq!(
        harness.scheduler.calls(),
        vec![Call::Play(expected.clone()), Call::Play(expected)]
    );
}

#[tokio::test]
async fn play_takes_what_is_missing_from_the_top_level() {
    let harness = Harness::start().await;
    let body = json!({
        "queueEntryId": 12.0, "jellyfinSourceId": "abc123", "title": "Top", "mediaType": "movie",
        "playback": {
            "itemId": null, "title": null, "streamUrl": "http://jellyfin/stream", "downloadUrl": null,
            "durationSeconds": null, "year": null,
        },
    });
    let (status, _) = json(harness.post("/sessions/456/play", body.to_string())).await;
    assert_eq!(status, 200);
    let Some(Call::Play(PlayRequest {
        item: Some(item), ..
    })) = harness.scheduler.calls().pop()
    else {
        panic!("a play");
    };
    assert_eq!(
        item,
        Item {
            queue_entry_id: 12,
            item_id: "abc123".into(),
            source_id: "abc123".into(),
            title: "Top".into(),
            media_type: "movie".into(),
            stream_url: "http://jellyfin/stream".into(),
            ..Item::default()
        }
    );
}

#[tokio::test]
async fn control_translates_each_action() {
    let harness = Harness::start().await;
    for (body, action) in [
        (json!({"action": "pause"}), Action::Pause(Pause {})),
        (json!({"command": "resume"}), Action::Resume(Resume {})),
        (
            json!({"action": "seek", "positionSeconds": 381.25}),
            Action::Seek(Seek {
                position_ms: 381_250,
            }),
        ),
        (
            json!({"action": "seek", "value": {"seconds": "90"}}),
            Action::Seek(Seek {
                position_ms: 90_000,
            }),
        ),
        // Whether there is anything to seek in is said before whether the target is good: by the scheduler.
        (
            json!({"action": "seek", "positionSeconds": -1}),
            Action::Seek(Seek { position_ms: -1000 }),
        ),
        (
            json!({"payload": {"action": "skip"}}),
            Action::Skip(Skip::default()),
        ),
        (
            json!({"params": {"command": "stop"}}),
            Action::Stop(Stop {}),
        ),
    ] {
        let request = harness
            .post("/sessions/456/control", body.to_string())
            .header("Idempotency-Key", "k");
        assert_eq!(json(request).await.0, 200, "{body}");
        let expected = ControlRequest {
            session_id: "456".into(),
            action: Some(action),
            command_id: "k".into(),
            actor: "contract".into(),
        };
        assert_eq!(
            harness.scheduler.calls().pop(),
            Some(Call::Control(expected)),
            "{body}"
        );
    }
    harness
        .scheduler
        .answer(|_| Ok(Reply(session("456"), false)));
    assert_eq!(
        json(harness.post("/sessions/456/control", r#"{"action":"stop"}"#))
            .await
            .0,
        202
    );
}

#[tokio::test]
async fn get_shows_the_whole_status_and_no_secret() {
    let harness = Harness::start().await;
    harness.scheduler.answer(|_| {
        Ok(Reply(
            Session {
                session_id: "456".into(),
                worker_session_id: "w-1".into(),
                worker_status: WorkerStatus::Connected.into(),
                playback_state: PlaybackState::Playing.into(),
                current_title: "Movie Title".into(),
                position_ms: 381_240,
                duration_ms: 5_420_000,
                queue_entry_id: 12,
                end_reason: EndReason::Unspecified.into(),
                updated_at: Some(prost_types::Timestamp {
                    seconds: 1_700_000_000,
                    nanos: 500_000_000,
                }),
                plan: "video copied".into(),
                capabilities: vec!["voice".into(), "watch".into()],
                generation: 3,
                health: Some(StreamHealth {
                    frames_sent: 19_062,
                    ..StreamHealth::default()
                }),
                watch: Some(WatchOutput { latency_ms: 200 }),
                ..Session::default()
            },
            true,
        ))
    });
    let (status, body) = json(harness.get("/sessions/456")).await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({
            "workerStatus": "connected", "playbackState": "playing", "currentTitle": "Movie Title",
            "positionSeconds": 381, "durationSeconds": 5420, "lastError": null, "positionMs": 381_240,
            "sessionId": "456", "workerSessionId": "w-1", "queueEntryId": 12, "endReason": null,
            "updatedAt": "2023-11-14T22:13:20.500Z", "plan": "video copied", "capabilities": ["voice", "watch"],
            "generation": 3,
            "health": {"framesSent": 19_062, "framesNulled": 0, "framesLate": 0, "restarts": 0},
        })
    );
    assert_eq!(
        harness.scheduler.calls(),
        vec![Call::Get(GetRequest {
            session_id: "456".into()
        })]
    );
}

#[tokio::test]
async fn a_command_id_is_made_when_the_caller_has_none() {
    let harness = Harness::start().await;
    for _ in 0..2 {
        json(harness.post("/sessions", create_body().to_string())).await;
    }
    let ids: Vec<_> = harness
        .scheduler
        .calls()
        .into_iter()
        .map(|call| match call {
            Call::Create(request) => request.command_id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(ids.iter().all(|id| uuid::Uuid::parse_str(id).is_ok()));
    assert_ne!(ids[0], ids[1]);
}
