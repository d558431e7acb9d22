//! What people see, letter by letter.

use serde_json::json;

use crate::support::{Client, StandIn, party, queue};

#[tokio::test]
async fn parties() {
    let server = StandIn::start().await;
    let mut other = party();
    other["id"] = "p-0a1b".into();
    other["title"] = "two\nlines \u{1b}[31mred".into();
    other["playbackState"] = "idle".into();
    other["currentTitle"] = json!(null);
    other["queued"] = 0.into();
    server.answers("GET /parties", 200, json!({ "parties": [party(), other] }));
    let client = Client::of(&server.url);
    assert_eq!(
        client.says(&["party", "list"]).await,
        "\
ID           TITLE               STATE    PLAYS               AT  QUEUED  CHANNEL
movie-night  Movie night         playing  千と千尋の神隠し  1:03       2  2
p-0a1b       two lines  [31mred  idle     -                    -       0  2
"
    );
    server.answers("GET /parties", 200, json!({ "parties": [] }));
    let text = client.says(&["party", "list"]).await;
    assert_eq!(text, "no parties; make one with `orb party create`\n");
}

#[tokio::test]
async fn one_party() {
    let server = StandIn::start().await;
    let client = Client::of(&server.url);
    assert_eq!(
        client.says(&["party", "show", "mov"]).await,
        "\
id             movie-night
title          Movie night
status         playing
playback       playing
plays          千と千尋の神隠し
position       1:03 / 2:05:00
entry          2
queued         2
worker         connected
plan           video copied
guild          1
voice channel  2
text channel   3
at queue end   wait
created        2026-01-01T20:00:00Z
"
    );
    assert_eq!(
        client.says(&["party", "status"]).await,
        "playing  千と千尋の神隠し  1:03 / 2:05:00  next: Alien (2 queued)  worker connected\n"
    );
}

#[tokio::test]
async fn the_queue() {
    let server = StandIn::start().await;
    assert_eq!(
        Client::of(&server.url)
            .says(&["party", "queue", "list"])
            .await,
        "\
PLACE  ENTRY  STATUS                        TITLE               LENGTH  ADDED BY
    -      1  failed (the file is damaged)  Broken                1:00  api
    -      2  playing                       千と千尋の神隠し   2:05:00  api
    1      3  queued                        Alien (1979)       1:57:00  api
    2      4  queued                        The Show · S01E02    25:00  api
"
    );
}

#[tokio::test]
async fn events() {
    let server = StandIn::start().await;
    let happened = json!({ "events": [
        { "id": 7, "type": "entry_failed", "at": "2026-01-01T20:00:00Z", "cause": "item_failed", "actor": "scheduler",
          "payload": { "entryId": 1, "title": "Broken" } },
        { "id": 8, "type": "paused", "at": null, "cause": "call", "actor": "discord:5", "payload": {} },
    ], "next": 8 });
    server.answers("GET /parties/movie-night/events", 200, happened);
    let client = Client::of(&server.url);
    assert_eq!(
        client
            .says(&["party", "events", "--after", "6", "--limit", "2"])
            .await,
        "\
ID  AT                    EVENT         ENTRY  CAUSE        ACTOR      ABOUT
 7  2026-01-01T20:00:00Z  entry_failed      1  item_failed  scheduler  Broken
 8  -                     paused            -  call         discord:5  -
more: --after 8
"
    );
    let asked = server.seen().pop().unwrap().what;
    assert_eq!(
        asked,
        "GET /api/v1/parties/movie-night/events?after=6&limit=2"
    );
}

#[tokio::test]
async fn workers() {
    let server = StandIn::start().await;
    let worker = json!({ "id": "worker-1", "incarnation": "x", "standing": "ready", "totalMillicores": 4000,
        "freeMillicores": 3850, "partyIds": ["a", "b"], "silentMs": 240, "goLive": true, "pictures": 1 });
    let other = json!({ "id": "worker-2", "incarnation": "y", "standing": "unknown", "totalMillicores": 0,
        "freeMillicores": 0, "partyIds": [], "silentMs": null, "goLive": false, "pictures": 0 });
    server.answers("GET /workers", 200, json!({ "workers": [worker, other] }));
    server.answers(
        "POST /workers/worker-1/drain",
        202,
        json!({ "id": "worker-1", "standing": "draining" }),
    );
    let client = Client::of(&server.url);
    assert_eq!(
        client.says(&["workers"]).await,
        "\
WORKER    STATE    PARTIES  PICTURES  FREE  CORES      HEARD
worker-1  ready          2         1  3.85   4.00  0.2 s ago
worker-2  unknown        0         -  0.00   0.00          -
"
    );
    let said = client.says(&["workers", "drain", "worker-1"]).await;
    assert_eq!(
        said,
        "worker-1 drains: it hands its parties over, then its process ends\n"
    );
}

#[tokio::test]
async fn json_is_the_servers_own_answer() {
    let server = StandIn::start().await;
    let client = Client::of(&server.url);
    let json = client.run(&["party", "show", "--json"]).await.json();
    assert_eq!(json, party());
    let ended = client.run(&["party", "queue", "list", "--json"]).await;
    assert_eq!(ended.json(), queue());
    assert_eq!(ended.stdout.lines().count(), 1, "one object a line");
}
