//! Series, and what Jellyfin knows afterwards: its users can continue watching.

use std::time::Duration;

use jellyfin_sim::film::FilmSpec;
use jellyfin_sim::{Film, JellyfinSimConfig, PlaybackEvent, Show};
use orb_e2e::{ApiParty, Installation, JELLYFIN_KEY, Setting, Surroundings, Title, made, until};
use serde_json::{Value, json};

use super::{GUILD, SOON};

/// The report, and whatever list of before is still kept.
const REPORTED_WITHIN: Duration = Duration::from_secs(20);

/// A film that is long enough for Jellyfin to keep a position in it: five minutes at least.
const LONG: &str = "f11a0000000000000000000000000005";

async fn orb() -> (Installation, Show) {
    let long = FilmSpec {
        seconds: 400,
        width: 320,
        height: 180,
        ..FilmSpec::default()
    };
    let file = Title::Shortest.file().await;
    let show = Show::new("5e110000000000000000000000000001", "The Show", file)
        .season(0, ["Behind the scenes"])
        .season(1, ["Pilot", "Second"])
        .season(2, ["Back"]);
    let setting = Setting {
        jellyfin: JellyfinSimConfig {
            shows: vec![show.clone()],
            films: vec![Film::new(LONG, "The Long One", made(long).await)],
            ..JellyfinSimConfig::default()
        },
        ..Setting::default()
    };
    let orb = Installation::up(Surroundings::start(setting).await).await;
    (orb, show)
}

/// The first entry that waits.
async fn waiting(party: &ApiParty) -> Value {
    let queue = party.queue().await.body;
    let entries = queue["entries"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["status"] == "queued");
    entry
        .unwrap_or_else(|| panic!("nothing waits: {queue}"))
        .clone()
}

/// What was reported of an item.
fn reported(orb: &Installation, item: &str) -> Vec<PlaybackEvent> {
    let reports = orb.surroundings.jellyfin.reports();
    let of_item = reports.iter().filter(|one| one.body["ItemId"] == item);
    of_item.map(|one| one.event).collect()
}

/// Where the library's user would go on with an item, in seconds, as Jellyfin itself says.
async fn resume_position(orb: &Installation, item: &str) -> Option<f64> {
    let jellyfin = &orb.surroundings.jellyfin;
    let user = jellyfin.user_id("orb").unwrap();
    let base = jellyfin.base_url();
    let url = format!("{base}/UserItems/Resume?userId={user}&ApiKey={JELLYFIN_KEY}");
    let list: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let items = list["Items"].as_array().unwrap();
    let item = items.iter().find(|one| one["Id"] == item)?;
    let ticks = item["UserData"]["PlaybackPositionTicks"].as_f64()?;
    Some(ticks / 1e7)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_goes_on_where_its_last_episode_ended() {
    let (orb, show) = orb().await;
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    assert_eq!(party.add(&[&show.id]).await, [1]);
    let first = waiting(&party).await;
    assert_eq!(first["itemId"], show.episode_id(1, 1), "{first}");
    assert_eq!(first["episode"], "S01E01", "{first}");
    assert_eq!(first["mediaType"], "episode", "{first}");
    assert_eq!(first["title"], "The Show – Pilot", "{first}");

    party.act("play").await;
    party.becomes("ended", 2 * SOON).await;
    let path = format!("/api/v1/library/next-up?seriesId={}", show.id);
    until(
        "Jellyfin to know that it was seen",
        REPORTED_WITHIN,
        async || {
            let next = orb.api.get(&path).await.expect_code(200);
            (next.body["items"][0]["id"] == show.episode_id(1, 2)).then_some(())
        },
    )
    .await;
    let told = reported(&orb, &show.episode_id(1, 1));
    assert_eq!(told.first(), Some(&PlaybackEvent::Started), "{told:?}");
    assert_eq!(told.last(), Some(&PlaybackEvent::Stopped), "{told:?}");

    // The same series again is the next episode, which plays at once: the party waits for more.
    assert_eq!(party.add(&[&show.id]).await, [2]);
    let playing = party.plays(2, SOON).await;
    assert_eq!(
        playing.text_of("currentTitle"),
        "The Show – Second",
        "{}",
        playing.text
    );
    // A season is all of it.
    let season = show.season_id(1);
    assert_eq!(party.add(&[&season]).await, [3, 4]);
    assert_eq!(waiting(&party).await["itemId"], show.episode_id(1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_in_the_middle_can_be_continued() {
    let (orb, _) = orb().await;
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    let resumes_at = async |what: &str, fits: fn(f64) -> bool| {
        until(what, REPORTED_WITHIN, async || {
            resume_position(&orb, LONG).await.filter(|at| fits(*at))
        })
        .await
    };
    let started = party.post("play", &json!({"itemId": LONG})).await;
    assert!(matches!(started.code, 200 | 202), "{}", started.text);
    party.plays(1, SOON).await;
    party
        .post("seek", &json!({"positionSeconds": 60}))
        .await
        .expect_code(200);
    // While it plays.
    resumes_at("a seek to be known", |at| (60.0..75.0).contains(&at)).await;
    party.act("pause").await;
    party
        .post("seek", &json!({"positionSeconds": 90}))
        .await
        .expect_code(200);
    resumes_at("a seek while it is paused to be known", |at| {
        (89.0..91.0).contains(&at)
    })
    .await;
    party.act("stop").await;
    until("the stop to be reported", REPORTED_WITHIN, async || {
        let told = reported(&orb, LONG);
        (told.last() == Some(&PlaybackEvent::Stopped)).then_some(())
    })
    .await;
    resumes_at("it to be there afterwards", |at| (89.0..91.0).contains(&at)).await;
    // And so the party API says.
    let path = "/api/v1/library/continue-watching";
    let list = orb.api.get(path).await.expect_code(200);
    assert_eq!(list.body["items"][0]["id"], LONG, "{}", list.text);
    assert_eq!(list.body["items"][0]["resumeSeconds"], 90, "{}", list.text);
}
