//! What each command asks of the server.

use serde_json::{Value, json};

use crate::support::{Client, StandIn, party, queue};

/// Runs it; the one change that it asked for.
async fn change(server: &StandIn, arguments: &[&str]) -> (String, Value) {
    let before = server.changes().len();
    Client::of(&server.url).says(arguments).await;
    let changes = server.changes();
    assert_eq!(changes.len(), before + 1, "{arguments:?}");
    let seen = changes.last().unwrap();
    let key = &seen.headers["idempotency-key"];
    assert!(
        changes[..before]
            .iter()
            .all(|other| other.headers["idempotency-key"] != *key)
    );
    assert_eq!(seen.headers["x-orb-actor"], "cli");
    (
        seen.what.replace("/api/v1/parties/movie-night", ""),
        seen.body.clone(),
    )
}

#[tokio::test]
async fn controls() {
    let server = StandIn::start().await;
    for action in [
        "play", "pause", "resume", "seek", "skip", "previous", "stop",
    ] {
        server.answers(&format!("POST /parties/movie-night/{action}"), 200, party());
    }
    server.answers("DELETE /parties/movie-night", 200, party());
    for (arguments, what, body) in [
        (&["play"][..], "POST /play", json!({})),
        (
            &["play", "--item", "abc"],
            "POST /play",
            json!({ "itemId": "abc" }),
        ),
        (
            &["play", "movie-night", "--entry", "3"],
            "POST /play",
            json!({ "entryId": 3 }),
        ),
        (&["pause", "mov"], "POST /pause", json!({})),
        (&["-p", "mov", "resume"], "POST /resume", json!({})),
        (
            &["seek", "90"],
            "POST /seek",
            json!({ "positionSeconds": 90 }),
        ),
        (
            &["seek", "1:02:03"],
            "POST /seek",
            json!({ "positionSeconds": 3723 }),
        ),
        (&["seek", "+30"], "POST /seek", json!({ "bySeconds": 30 })),
        (&["seek", "-10"], "POST /seek", json!({ "bySeconds": -10 })),
        (
            &["-p", "movie-night", "seek", "-1:30"],
            "POST /seek",
            json!({ "bySeconds": -90 }),
        ),
        (
            &["seek", "-10", "-p", "movie", "--server", &server.url],
            "POST /seek",
            json!({ "bySeconds": -10 }),
        ),
        (
            &["seek", "0.5", "-p", "movie"],
            "POST /seek",
            json!({ "positionSeconds": 0.5 }),
        ),
        (&["skip"], "POST /skip", json!({})),
        (&["previous"], "POST /previous", json!({})),
        (&["stop"], "POST /stop", json!({})),
        (&["end"], "DELETE ", Value::Null),
    ] {
        let arguments: Vec<&str> = [&["party"], arguments].concat();
        assert_eq!(
            change(&server, &arguments).await,
            (what.to_owned(), body),
            "{arguments:?}"
        );
    }
}

#[tokio::test]
async fn a_change_says_what_became_of_it() {
    let server = StandIn::start().await;
    let mut paused = party();
    paused["playbackState"] = "paused".into();
    server.answers("POST /parties/movie-night/pause", 202, paused.clone());
    let client = Client::of(&server.url);
    assert_eq!(
        client.says(&["party", "pause"]).await,
        "movie-night: paused  千と千尋の神隠し  1:03 / 2:05:00  accepted; the worker is not there yet\n"
    );
    assert_eq!(
        client.run(&["party", "pause", "--json"]).await.json(),
        paused
    );
}

#[tokio::test]
async fn creating() {
    let server = StandIn::start().await;
    server.answers("POST /parties", 201, party());
    let ids = [
        "party",
        "create",
        "--guild",
        "1",
        "--voice-channel",
        "2",
        "--text-channel",
        "3",
    ];
    let body = change(&server, &ids).await.1;
    assert_eq!(
        body,
        json!({ "guildId": "1", "voiceChannelId": "2", "textChannelId": "3" })
    );
    let all = [
        &ids[..],
        &[
            "--id",
            "x",
            "--title",
            "T",
            "--owner",
            "9",
            "--at-queue-end",
            "leave",
            "--go-live",
        ],
    ]
    .concat();
    assert_eq!(
        change(&server, &all).await.1,
        json!({ "id": "x", "guildId": "1", "voiceChannelId": "2", "textChannelId": "3", "title": "T",
                "ownerUserId": "9", "atQueueEnd": "leave", "goLive": true })
    );
}

#[tokio::test]
async fn edits_of_the_queue() {
    let server = StandIn::start().await;
    let mut added = queue();
    added["added"] = json!([4]);
    server.answers("POST /parties/movie-night/queue", 201, added);
    for what in ["DELETE …/3", "DELETE …", "PUT …/order", "POST …/4/move"] {
        server.answers(
            &what.replace('…', "/parties/movie-night/queue"),
            200,
            queue(),
        );
    }
    for (arguments, what, body) in [
        (
            &["add", "a", "b"][..],
            "POST /queue",
            json!({ "itemIds": ["a", "b"], "next": false }),
        ),
        (
            &["next", "a"],
            "POST /queue",
            json!({ "itemIds": ["a"], "next": true }),
        ),
        (&["remove", "3"], "DELETE /queue/3", Value::Null),
        (
            &["move", "4", "1"],
            "POST /queue/4/move",
            json!({ "toIndex": 0 }),
        ),
        (
            &["reorder", "4"],
            "PUT /queue/order",
            json!({ "entryIds": [4, 3] }),
        ),
        (&["clear"], "DELETE /queue", Value::Null),
    ] {
        let arguments: Vec<&str> = [&["party", "queue"], arguments].concat();
        assert_eq!(
            change(&server, &arguments).await,
            (what.to_owned(), body),
            "{arguments:?}"
        );
    }
    let changes = server.changes();
    let order = changes
        .iter()
        .find(|seen| seen.what.ends_with("/order"))
        .unwrap();
    assert_eq!(
        order.headers["if-match"], "\"5\"",
        "of the queue that was looked at"
    );
}

#[tokio::test]
async fn the_library() {
    let server = StandIn::start().await;
    let item =
        |id: &str, title: &str| json!({ "id": id, "kind": "movie", "name": title, "year": 1979 });
    let found =
        |items: Vec<Value>| json!({ "items": items, "startIndex": 0, "total": items.len() });
    server.answers(
        "GET /library/search",
        200,
        found(vec![item("a", "Alien"), item("b", "Aliens")]),
    );
    server.answers("POST /parties/movie-night/queue", 201, queue());
    let client = Client::of(&server.url);
    client
        .says(&[
            "library",
            "search",
            "the",
            "alien",
            "--kind",
            "movie,series",
            "--limit",
            "5",
        ])
        .await;
    let asked = server.seen().pop().unwrap().what;
    assert_eq!(
        asked,
        "GET /api/v1/library/search?q=the+alien&kinds=movie%2Cseries&limit=5"
    );

    // Nobody can be asked which of the two is meant.
    let add = ["party", "queue", "add", "--search", "alien"];
    let ended = client.run(&add).await;
    assert_eq!(ended.code, 2);
    assert!(
        ended
            .stderr
            .contains("\n  a  movie  Alien (1979)\n  b  movie  Aliens (1979)\n"),
        "{}",
        ended.stderr
    );
    assert!(server.changes().is_empty());

    server.answers("GET /library/search", 200, found(vec![item("a", "Alien")]));
    assert_eq!(
        change(&server, &add).await.1,
        json!({ "itemIds": ["a"], "next": false })
    );

    server.answers("GET /library/search", 200, found(Vec::new()));
    let ended = client.run(&add).await;
    assert!(
        ended.code == 1 && ended.stderr.contains("nothing under \"alien\""),
        "{ended:?}"
    );
}
