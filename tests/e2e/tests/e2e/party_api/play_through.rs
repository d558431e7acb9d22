//! A queue plays through by itself, and what is done at its end.

use std::time::{Duration, Instant};

use orb_e2e::{ApiParty, Installation, Setting, Surroundings, Title};
use serde_json::{Value, json};

use super::{GUILD, SOON, story};

/// For all three films.
const THROUGH: Duration = Duration::from_secs(30);

async fn orb() -> Installation {
    let titles = [Title::Short, Title::Shorter, Title::Shortest];
    Installation::up(Surroundings::start(Setting::with(&titles)).await).await
}

/// The ids of these titles, as a search of the library gives them.
async fn found(orb: &Installation, titles: &[Title]) -> Vec<String> {
    let path = "/api/v1/library/search?q=short&kinds=movie";
    let answer = orb.api.get(path).await.expect_code(200);
    let items = answer.body["items"].as_array().unwrap();
    let id = |title: &Title| {
        let is_it = |item: &&Value| item["title"] == title.name();
        let item = items
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("{}", answer.text));
        assert_eq!(item["playable"], true, "{}", answer.text);
        item["id"].as_str().unwrap().to_owned()
    };
    titles.iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_films_play_one_after_the_other() {
    let orb = orb().await;
    let titles = [Title::Shortest, Title::Shorter, Title::Short];
    let ids = found(&orb, &titles).await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    assert_eq!(party.add(&ids).await, [1, 2, 3]);
    let ears = party.ears(&orb.surroundings.discord);
    let started = Instant::now();
    party.act("play").await;

    let over = party.becomes("ended", THROUGH).await;
    assert_eq!(over.text_of("endReason"), "finished", "{}", over.text);
    assert_eq!(over.text_of("status"), "stopped", "{}", over.text);
    assert_eq!(
        over.text_of("workerStatus"),
        "connected",
        "it waits: {}",
        over.text
    );
    assert_eq!(over.body["entryId"], 3);
    assert_eq!(over.body["lastError"], Value::Null);
    assert_eq!(party.entries().await, ["1 played", "2 played", "3 played"]);
    // Each is as long as no other, so their seconds tell them apart. The first second of each has no number.
    assert_eq!(ears.numbers(started), [1, 2, 3, 1, 2, 3, 4, 1, 2, 3, 4, 5]);
    assert_eq!(
        story(&party.events().await),
        [
            "created call api",
            "queue_added call api",
            "play 1 call api",
            "ended 1 finished report worker",
            "play 2 auto_advance worker",
            "ended 2 finished report worker",
            "play 3 auto_advance worker",
            "ended 3 finished report worker",
            "queue_end queue_end worker",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_after_the_end_plays_at_once() {
    let orb = orb().await;
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    let film = Title::Shortest.id();
    party.add(&[film]).await;
    party.act("play").await;
    party.becomes("ended", THROUGH).await;
    let added = Instant::now();
    assert_eq!(party.add(&[film]).await, [2]);
    let ears = party.ears(&orb.surroundings.discord);
    assert_eq!(ears.numbers_until(3, added, SOON).await, [1, 2, 3]);
    party
        .becomes_so("entry 2 to end", SOON, |party| {
            party.body["entryId"] == 2 && party.text_of("endReason") == "finished"
        })
        .await;
    assert_eq!(
        story(&party.events().await)[2..],
        [
            "play 1 call api",
            "ended 1 finished report worker",
            "queue_end queue_end worker",
            "queue_added call api",
            "play 2 call api",
            "ended 2 finished report worker",
            "queue_end queue_end worker",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_that_leaves_at_the_end_stays_away_until_it_is_told_to_play() {
    let orb = orb().await;
    let party = ApiParty::create(&orb.api, GUILD, json!({"atQueueEnd": "leave"})).await;
    party.add(&[Title::Shortest.id()]).await;
    party.act("play").await;
    let left = party
        .becomes_so("to have left", THROUGH, |party| {
            party.text_of("workerStatus") == "disconnected"
        })
        .await;
    assert_eq!(left.text_of("playbackState"), "ended", "{}", left.text);
    assert_eq!(left.text_of("endReason"), "finished", "{}", left.text);
    let ears = party.ears(&orb.surroundings.discord);
    ears.left_alone(SOON).await;

    assert_eq!(party.add(&[Title::Shorter.id()]).await, [2]);
    assert_eq!(party.entries().await, ["1 played", "2 queued"]);
    let still = party.get().await;
    assert_eq!(still.text_of("playbackState"), "ended", "{}", still.text);
    assert_eq!(
        still.text_of("workerStatus"),
        "disconnected",
        "{}",
        still.text
    );

    let again = party.act("play").await;
    let (_, begun) = ears.start_of_sound(again.asked, 0.0, SOON).await;
    assert!(begun.abs() < 0.25, "it began at {begun:.3} s");
    party.plays(2, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_party_does_not_start_by_an_add_and_leaving_can_be_the_rule() {
    let surroundings = Surroundings::start(Setting::with(&[Title::Shortest])).await;
    let environment = surroundings
        .environment()
        .with("ORB_PARTY__AT_QUEUE_END", "leave");
    let orb = Installation::up_with(surroundings, environment).await;
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    assert_eq!(party.get().await.text_of("atQueueEnd"), "leave");
    let film = Title::Shortest.id();
    party.add(&[film, film]).await;
    party.act("play").await;
    party.plays(1, SOON).await;
    party.act("stop").await;
    party.add(&[film]).await;
    let stopped = party.get().await;
    assert_eq!(
        stopped.text_of("playbackState"),
        "stopped",
        "{}",
        stopped.text
    );
    assert_eq!(party.entries().await, ["1 skipped", "2 queued", "3 queued"]);
    // It plays what waits when it is told to.
    party.act("play").await;
    party.plays(2, SOON).await;
    let answer = party.post("play", &json!({"entryId": 1})).await;
    answer.expect_problem(404, "entry_not_found");
    party.end().await;
    party
        .post("play", &json!({}))
        .await
        .expect_problem(409, "queue_empty");
}
