//! One party, half by the bot and half by the party API: each sees what the other did.

use jellyfin_sim::{Film, JellyfinSimConfig};
use orb_e2e::{
    Answer, ApiParty, Installation, Party, Setting, Surroundings, Title, entries_of, entry,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::tables::{SessionRow, Tables, WorkerRow};
use super::{GUILD, SOON, agree, story};

/// Films of the library that are as long as [`Title::Clock`], so that nothing ends by itself.
const FIRST: (&str, &str) = ("f11a0000000000000000000000000001", "The First");
const SECOND: (&str, &str) = ("f11a0000000000000000000000000002", "The Second");

/// Who edits the queue.
const ALICE: [(&str, &str); 1] = [("X-Orb-Actor", "discord:42")];

async fn orb() -> Installation {
    let file = Title::Clock.file().await;
    let film = |(id, title): (&str, &str)| Film::new(id, title, &file);
    let setting = Setting {
        jellyfin: JellyfinSimConfig {
            films: vec![film(FIRST), film(SECOND)],
            ..JellyfinSimConfig::default()
        },
        ..Setting::default()
    };
    Installation::up(Surroundings::start(setting).await).await
}

/// Both views say that this entry plays, of which the bot knows this id.
async fn both_see(party: &ApiParty, entry: u64, bots: Option<i64>, title: &str) -> Answer {
    party.plays(entry, SOON).await;
    let (status, seen) = agree(party).await;
    assert_eq!(seen.body["entryId"], entry, "{}", seen.text);
    assert_eq!(status.body["queueEntryId"], json!(bots), "{}", status.text);
    assert_eq!(status.text_of("currentTitle"), title, "{}", status.text);
    assert_eq!(seen.text_of("status"), "playing", "{}", seen.text);
    seen
}

/// The film that was called for begins at its start.
async fn is_heard_from_its_start(orb: &Installation, party: &ApiParty, call: &Answer) {
    let ears = party.ears(&orb.surroundings.discord);
    let (_, begun) = ears.start_of_sound(call.asked, 0.0, SOON).await;
    assert!(begun.abs() < 0.25, "it began at {begun:.3} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bots_party_is_driven_by_the_party_api() {
    let orb = orb().await;
    let bot = Party::create(&orb.api, GUILD).await;
    let party = ApiParty::known(&orb.api, GUILD);
    agree(&party).await;

    // The bot plays, somebody else queues behind it.
    let played = bot.play(&entry(&orb.surroundings, 12, Title::Clock)).await;
    assert!(matches!(played.code, 200 | 202), "{}", played.text);
    both_see(&party, 1, Some(12), Title::Clock.name()).await;
    let films = json!({"itemIds": [FIRST.0, SECOND.0]});
    let queued = party.post_with("queue", &films, &ALICE).await;
    let queued = queued.expect_code(201);
    assert_eq!(entries_of(&queued), ["1 playing", "2 queued", "3 queued"]);
    let seen = both_see(&party, 1, Some(12), Title::Clock.name()).await;
    assert_eq!(seen.body["queued"], 2);

    assert!(!queued.text.contains("://"), "{}", queued.text);
    // The bot's retry of its play changes nothing.
    let again = bot.play(&entry(&orb.surroundings, 12, Title::Clock)).await;
    let again = again.expect_code(200);
    assert_eq!(again.body["generation"], seen.body["generation"]);

    // What plays next is nobody's own entry, as the bot sees it.
    let skipped = party
        .post_with("skip", &json!({"entryId": 1}), &ALICE)
        .await;
    assert!(matches!(skipped.code, 200 | 202), "{}", skipped.text);
    both_see(&party, 2, None, FIRST.1).await;
    // Who saw the same entry play skips nothing more.
    party.post("skip", &json!({"entryId": 1})).await;
    both_see(&party, 2, None, FIRST.1).await;

    // Held by one, let go by the other.
    let paused = bot.control("pause").await.expect_code(200);
    assert_eq!(paused.text_of("playbackState"), "paused");
    let (_, seen) = agree(&party).await;
    assert_eq!(seen.text_of("status"), "paused", "{}", seen.text);
    party.post_with("resume", &json!({}), &ALICE).await;
    both_see(&party, 2, None, FIRST.1).await;

    // Back: the bot's own entry once more, from its start.
    let back = party.post_with("previous", &json!({}), &ALICE).await;
    both_see(&party, 1, Some(12), Title::Clock.name()).await;
    is_heard_from_its_start(&orb, &party, &back).await;
    assert_eq!(party.entries().await, ["1 playing", "2 queued", "3 queued"]);

    // The bot plays something else; its skip goes on with what waits.
    let other = bot.play(&entry(&orb.surroundings, 13, Title::Clock)).await;
    assert!(matches!(other.code, 200 | 202), "{}", other.text);
    both_see(&party, 4, Some(13), Title::Clock.name()).await;
    let skipped = bot.control("skip").await;
    both_see(&party, 2, None, FIRST.1).await;
    is_heard_from_its_start(&orb, &party, &skipped).await;

    let rows = [
        "1 12 skipped The Clock",
        "4 13 skipped The Clock",
        "2 - playing The First",
        "3 - queued The Second",
    ];
    assert_stored(
        &orb,
        &bot,
        "playing",
        &rows,
        &WorkerRow {
            worker_status: "connected".to_owned(),
            playback_state: "playing".to_owned(),
            current_title: Some(FIRST.1.to_owned()),
            duration_seconds: Some(120),
            last_error: None,
        },
    )
    .await;

    // The bot stops: the queue stays. The party API ends it: nothing waits any more.
    let stopped = bot.control("stop").await.expect_code(200);
    assert_eq!(stopped.text_of("playbackState"), "stopped");
    let (_, seen) = agree(&party).await;
    assert_eq!(
        (seen.text_of("status"), &seen.body["queued"]),
        ("stopped", &json!(1))
    );
    party.end().await.expect_code(200);
    assert_eq!(
        party.entries().await,
        ["1 skipped", "4 skipped", "2 skipped"]
    );

    assert_eq!(
        story(&party.events().await),
        [
            "created call contract",
            "play 1 call contract",
            "queue_added call discord",
            "ended 1 skipped call discord",
            "skip 1 call discord",
            "play 2 call discord",
            "pause 2 call contract",
            "resume 2 call discord",
            "previous call discord",
            "play 1 call discord",
            "ended 1 skipped call contract",
            "play 4 call contract",
            "ended 4 skipped call contract",
            "skip 4 call contract",
            "play 2 call contract",
            "ended 2 stopped call contract",
            "stop call contract",
            "end call api",
        ]
    );
}

async fn assert_stored(
    orb: &Installation,
    party: &Party,
    status: &str,
    queue: &[&str],
    worker: &WorkerRow,
) {
    let mut tables = Tables::of(&orb.surroundings).await;
    let session = tables.session(party.id()).await;
    let seen = ApiParty::known(&orb.api, party.guild()).get().await;
    let text = |field: &str| seen.body[field].as_str().map(str::to_owned);
    let title = text("title").or_else(|| text("currentTitle"));
    assert_eq!(
        session,
        SessionRow {
            guild_id: party.guild().to_string(),
            voice_channel_id: "456".to_owned(),
            owner_user_id: text("ownerUserId"),
            title,
            status: status.to_owned(),
            current_entry: seen.body["entryId"].as_i64(),
        }
    );
    assert_eq!(tables.queue(party.id()).await, queue);
    assert_eq!(tables.worker_state(party.id()).await, *worker);
    // What the API tells are the table's rows, each once.
    let events = ApiParty::known(&orb.api, party.guild()).events().await;
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            let kind = event["type"].as_str().unwrap_or_default();
            (event["id"].as_i64().unwrap(), kind.to_owned())
        })
        .collect();
    assert_eq!(tables.events(party.id()).await, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_of_the_party_api_is_driven_by_the_bot() {
    let orb = orb().await;
    let further = json!({"title": "Film night", "ownerUserId": "77", "atQueueEnd": "leave"});
    let party = ApiParty::create(&orb.api, GUILD, further).await;
    let bot = party.contract();
    let draft = party.get().await;
    assert_eq!(draft.text_of("status"), "draft", "{}", draft.text);
    assert_eq!(draft.text_of("title"), "Film night");
    assert_eq!(draft.text_of("ownerUserId"), "77");
    assert_eq!(draft.text_of("atQueueEnd"), "leave");
    assert_eq!(draft.body["entryId"], Value::Null);

    // It is the bot's session as well: made again it is the same, and not in another guild.
    orb.api
        .post("/sessions", &bot.create_body())
        .await
        .expect_code(200);
    let mut elsewhere = bot.create_body();
    elsewhere["guildId"] = json!("112");
    let answer = orb.api.post("/sessions", &elsewhere).await;
    answer.expect_problem(409, "session_conflict");
    assert_eq!(party.get().await.text_of("title"), "Film night");

    // What is added to a draft waits.
    assert_eq!(party.add(&[FIRST.0, SECOND.0]).await, [1, 2]);
    assert_eq!(bot.status().await.text_of("playbackState"), "idle");
    let started = party.act("play").await;
    both_see(&party, 1, None, FIRST.1).await;
    is_heard_from_its_start(&orb, &party, &started).await;

    // The bot holds, lets go, goes elsewhere in it and skips.
    bot.control("pause").await.expect_code(200);
    assert_eq!(party.get().await.text_of("playbackState"), "paused");
    bot.control("resume").await.expect_code(200);
    let sought = bot.seek(60.0).await.expect_code(200);
    let ears = bot.ears(&orb.surroundings.discord);
    let (_, begun) = ears.start_of_sound(sought.asked, 60.0, SOON).await;
    assert!((begun - 60.0).abs() < 0.25, "it went on at {begun:.3} s");
    let by = json!({"bySeconds": -30});
    let back = party.post("seek", &by).await.expect_code(200);
    let expected = sought.position() - 30.0;
    let moved = back.position() - expected;
    assert!((0.0..10.0).contains(&moved), "{}", back.text);
    bot.control("skip").await;
    both_see(&party, 2, None, SECOND.1).await;

    let rows = ["1 - skipped The First", "2 - playing The Second"];
    assert_stored(
        &orb,
        bot,
        "playing",
        &rows,
        &WorkerRow {
            worker_status: "connected".to_owned(),
            playback_state: "playing".to_owned(),
            current_title: Some(SECOND.1.to_owned()),
            duration_seconds: Some(120),
            last_error: None,
        },
    )
    .await;

    // Its skip of the last one ends the queue, and so the party leaves.
    bot.control("skip").await;
    let over = party
        .becomes_so("to have left", SOON, |party| {
            party.text_of("workerStatus") == "disconnected"
        })
        .await;
    assert_eq!(over.text_of("playbackState"), "ended", "{}", over.text);
    assert_eq!(over.text_of("endReason"), "skipped");
    agree(&party).await;
    let gone = party.edit(Method::DELETE, "/queue/2", None, &[]).await;
    gone.expect_problem(404, "entry_not_found");
    assert_eq!(
        story(&party.events().await),
        [
            "created call api",
            "queue_added call api",
            "play 1 call api",
            "pause 1 call contract",
            "resume 1 call contract",
            "seek 1 call contract",
            "seek 1 call api",
            "ended 1 skipped call contract",
            "skip 1 call contract",
            "play 2 call contract",
            "ended 2 skipped call contract",
            "skip 2 call contract",
            "queue_end queue_end contract",
        ]
    );
}
