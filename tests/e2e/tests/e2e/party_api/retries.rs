//! Calls that are made again, and editors who do not know of each other.

use orb_e2e::{ApiParty, Installation, Setting, Surroundings, Title, added, entries_of, until};
use reqwest::Method;
use serde_json::{Value, json};

use super::{GUILD, SOON, story};

async fn orb() -> Installation {
    Installation::up(Surroundings::start(Setting::default()).await).await
}

/// A queue of so many films that wait.
async fn queue_of(orb: &Installation, count: usize) -> ApiParty {
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    party.add(&vec![Title::Clock.id(); count]).await;
    party
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_without_an_id_is_made_once() {
    let orb = orb().await;
    let body = json!({"guildId": "111", "voiceChannelId": "456", "textChannelId": "789"});
    let create = || orb.api.post_once("/api/v1/parties", &body, "create-1");
    let first = until("an account", SOON, async || {
        let answer = create().await;
        (answer.code != 503).then_some(answer)
    })
    .await
    .expect_code(201);
    let again = create().await.expect_code(201);
    assert_eq!(again.text_of("id"), first.text_of("id"));
    let location = format!("/api/v1/parties/{}", first.text_of("id"));
    assert_eq!(first.location.as_deref(), Some(location.as_str()));
    assert_eq!(again.location, first.location);
    let all = orb.api.get("/api/v1/parties").await.expect_code(200);
    assert_eq!(
        all.body["parties"].as_array().unwrap().len(),
        1,
        "{}",
        all.text
    );
    let other = json!({"guildId": "112", "voiceChannelId": "456", "textChannelId": "789"});
    let reused = orb
        .api
        .post_once("/api/v1/parties", &other, "create-1")
        .await;
    reused.expect_problem(409, "command_id_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn add_play_and_skip_have_one_effect_each() {
    let orb = orb().await;
    let party = queue_of(&orb, 1).await;
    let film = json!({"itemIds": [Title::Clock.id(), Title::Clock.id()]});
    let once = async |call: &str, body: &Value, key: &str| {
        party
            .post_with(call, body, &[("Idempotency-Key", key)])
            .await
    };
    // At once, as a client that lost patience does, and later.
    let (a, b) = tokio::join!(once("queue", &film, "add-1"), once("queue", &film, "add-1"));
    let c = once("queue", &film, "add-1").await;
    for answer in [a, b, c] {
        let answer = answer.expect_code(201);
        assert_eq!(added(&answer), [2, 3], "{}", answer.text);
    }
    assert_eq!(party.entries().await, ["1 queued", "2 queued", "3 queued"]);
    let other = json!({"itemIds": [Title::Clock.id()]});
    let reused = once("queue", &other, "add-1").await;
    reused.expect_problem(409, "command_id_reused");

    let nothing = json!({});
    let first = until("room on a worker", SOON, async || {
        let answer = once("play", &nothing, "play-1").await;
        (answer.code != 503).then_some(answer)
    })
    .await;
    assert!(matches!(first.code, 200 | 202), "{}", first.text);
    party.plays(1, SOON).await;
    let skip = async || once("skip", &nothing, "skip-1").await;
    let (a, b) = tokio::join!(skip(), skip());
    party.plays(2, SOON).await;
    let c = skip().await;
    for answer in [a, b, c] {
        assert!(matches!(answer.code, 200 | 202), "{}", answer.text);
    }
    // A retry of the play comes late, while nothing plays any more.
    party.act("stop").await;
    let late = once("play", &nothing, "play-1").await;
    assert!(matches!(late.code, 200 | 202), "{}", late.text);
    assert_eq!(late.text_of("playbackState"), "stopped", "{}", late.text);
    assert_eq!(
        party.entries().await,
        ["1 skipped", "2 skipped", "3 queued"]
    );
    assert_eq!(
        story(&party.events().await),
        [
            "created call api",
            "queue_added call api",
            "queue_added call api",
            "play 1 call api",
            "ended 1 skipped call api",
            "skip 1 call api",
            "play 2 call api",
            "ended 2 stopped call api",
            "stop call api",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_editors_who_saw_the_same_queue_one_is_told_to_look_again() {
    let orb = orb().await;
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    // An empty queue can be guarded as well.
    let empty = party.queue().await.etag.unwrap();
    let film = json!({"itemIds": [Title::Clock.id()]});
    let guarded = [("If-Match", empty.as_str())];
    let (a, b) = tokio::join!(
        party.post_with("queue", &film, &guarded),
        party.post_with("queue", &film, &guarded)
    );
    let (won, lost) = if a.code == 201 { (a, b) } else { (b, a) };
    won.expect_code(201);
    lost.expect_problem(412, "queue_changed");
    assert_eq!(party.entries().await, ["1 queued"]);

    party.add(&[Title::Clock.id(); 4]).await;
    // Two editors, ten rounds: one moves the last entry to the front, the other adds one behind.
    for round in 0..10 {
        let seen = party.queue().await;
        let etag = seen.etag.clone().unwrap();
        assert_eq!(etag, format!("\"{}\"", seen.body["version"]));
        let waiting = seen.body["entries"].as_array().unwrap();
        let last = waiting.last().unwrap()["entryId"].as_u64().unwrap();
        let count = waiting.len();
        let to_front = json!({"toIndex": 0});
        let part = format!("/queue/{last}/move");
        let guard = [("If-Match", etag.as_str())];
        let (moved, grown) = tokio::join!(
            party.edit(Method::POST, &part, Some(&to_front), &guard),
            party.post_with("queue", &film, &guard)
        );
        println!("round {round}: {} and {}", moved.code, grown.code);
        match (moved.code, grown.code) {
            (200, 412) => {
                grown.expect_problem(412, "queue_changed");
                assert_eq!(entries_of(&moved)[0], format!("{last} queued"));
                let etag = moved.etag.unwrap();
                let guard = [("If-Match", etag.as_str())];
                party
                    .post_with("queue", &film, &guard)
                    .await
                    .expect_code(201);
            }
            (412, 201) => {
                moved.expect_problem(412, "queue_changed");
                let etag = grown.etag.unwrap();
                let guard = [("If-Match", etag.as_str())];
                let moved = party
                    .edit(Method::POST, &part, Some(&to_front), &guard)
                    .await;
                moved.expect_code(200);
            }
            codes => panic!("{codes:?}: {} and {}", moved.text, grown.text),
        }
        // Neither undid the other.
        let now = party.entries().await;
        assert_eq!(now.len(), count + 1, "{now:?}");
        assert_eq!(now[0], format!("{last} queued"), "{now:?}");
    }
}
