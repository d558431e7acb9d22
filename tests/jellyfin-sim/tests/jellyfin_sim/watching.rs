//! What users have seen: from reports, by hand, and what is next.

use jellyfin_sim::{AuthMode, JellyfinSimConfig, PlaybackEvent};
use reqwest::Method;
use serde_json::{Value, json};

use crate::setup::{As, SECONDS, Setup, TICKS_PER_SECOND, names};

const RUN_TIME: u64 = SECONDS * TICKS_PER_SECOND;

impl Setup {
    async fn report(&self, what: &str, who: &As<'_>, body: Value) -> u16 {
        self.post(&format!("/Sessions/Playing{what}"), who, body)
            .await
    }

    /// Position, times played, and whether it was seen.
    async fn seen(&self, item: &str, who: &As<'_>) -> (u64, u64, bool) {
        let data = self.get(&format!("/UserItems/{item}/UserData"), who).await;
        let number = |name: &str| data[name].as_u64().unwrap();
        (
            number("PlaybackPositionTicks"),
            number("PlayCount"),
            data["Played"].as_bool().unwrap(),
        )
    }
}

#[tokio::test]
async fn reports_make_a_position_and_the_end_makes_it_seen() {
    let setup = Setup::start(JellyfinSimConfig::default()).await;
    let (orb, eve) = (
        setup.log_in("orb", "orb").await,
        setup.log_in("eve", "pass").await,
    );
    let (orb, eve) = (As::User(&orb), As::User(&eve));
    let at = |part: u64| json!({ "ItemId": "m1", "PositionTicks": RUN_TIME / 100 * part });
    assert_eq!(setup.report("", &orb, at(50)).await, 204);
    assert_eq!(
        setup.seen("m1", &orb).await,
        (0, 1, false),
        "a start is no position"
    );
    for (event, part, expected) in [
        ("/Progress", 4, (0, 1, false)),
        ("/Progress", 30, (RUN_TIME / 100 * 30, 1, false)),
        ("/Stopped", 60, (RUN_TIME / 100 * 60, 1, false)),
    ] {
        assert_eq!(setup.report(event, &orb, at(part)).await, 204);
        assert_eq!(setup.seen("m1", &orb).await, expected, "{event} {part}");
    }
    let item = setup.get("/Items/m1", &orb).await;
    assert_eq!(item["UserData"]["PlayedPercentage"], 60.0);
    assert!(
        item["UserData"]["LastPlayedDate"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert_eq!(setup.seen("m1", &eve).await, (0, 0, false));

    // The last begun comes first; what was only reported as going on was never begun.
    setup
        .report(
            "/Progress",
            &orb,
            json!({ "itemid": "m2", "positionticks": RUN_TIME / 2 }),
        )
        .await;
    setup.report("", &orb, json!({ "ItemId": "m3" })).await;
    let text = json!({ "ItemId": "m3", "PositionTicks": (RUN_TIME / 2).to_string() });
    setup.report("/Stopped", &orb, text).await;
    let resume = setup.get("/UserItems/Resume", &orb).await;
    assert_eq!(names(&resume), "An Effect,The Amélie Effect,Spider-Man: 2");
    let filtered = setup
        .get("/Items?recursive=true&filters=IsResumable", &orb)
        .await;
    assert_eq!(filtered["TotalRecordCount"], 3);
    assert_eq!(
        setup.get("/UserItems/Resume", &eve).await["TotalRecordCount"],
        0
    );

    setup.report("/Stopped", &orb, at(91)).await;
    assert_eq!(setup.seen("m1", &orb).await, (0, 1, true));
    setup
        .report("/Stopped", &orb, json!({ "ItemId": "m2" }))
        .await;
    assert_eq!(
        setup.seen("m2", &orb).await,
        (0, 1, true),
        "no position is all of it"
    );
    setup
        .report(
            "/Stopped",
            &orb,
            json!({ "ItemId": "m3", "PositionTicks": 0, "Failed": true }),
        )
        .await;
    assert_eq!(setup.seen("m3", &orb).await, (RUN_TIME / 2, 1, false));

    assert_eq!(
        setup
            .report(
                "/Stopped",
                &orb,
                json!({ "ItemId": "m3", "PositionTicks": -1 })
            )
            .await,
        400
    );
    assert_eq!(setup.report("/Progress", &orb, json!([])).await, 400);
    assert_eq!(
        setup
            .report("/Progress", &orb, json!({ "ItemId": "none" }))
            .await,
        204
    );
    assert_eq!(
        setup
            .report("/Progress", &As::User("wrong"), json!({}))
            .await,
        401
    );
}

#[tokio::test]
async fn an_api_keys_reports_are_seen_and_count_for_nobody() {
    let setup = Setup::start(JellyfinSimConfig::default()).await;
    let body =
        json!({ "ItemId": "m1", "PositionTicks": RUN_TIME / 2, "UserId": setup.user_id("orb") });
    for event in ["", "/Progress", "/Stopped"] {
        assert_eq!(setup.report(event, &As::Key, body.clone()).await, 204);
    }
    let orb = setup.log_in("orb", "orb").await;
    assert_eq!(setup.seen("m1", &As::User(&orb)).await, (0, 0, false));
    let progress = setup
        .report("/Progress", &As::User(&orb), body.clone())
        .await;
    assert_eq!(progress, 204);
    let reports = setup.sim.reports();
    let seen: Vec<_> = reports
        .iter()
        .map(|r| (r.event, r.user.as_deref()))
        .collect();
    let expected = [
        (PlaybackEvent::Started, None),
        (PlaybackEvent::Progress, None),
        (PlaybackEvent::Stopped, None),
        (PlaybackEvent::Progress, Some("orb")),
    ];
    assert_eq!(seen, expected);
    assert_eq!(reports[0].body, body);
    assert!(reports.is_sorted_by_key(|report| report.at_ms));
}

#[tokio::test]
async fn who_starts_again_has_not_seen_it_in_10_11() {
    for (auth, still_seen) in [(AuthMode::V10_11, false), (AuthMode::V12, true)] {
        let setup = Setup::start(JellyfinSimConfig {
            auth,
            ..JellyfinSimConfig::default()
        })
        .await;
        let orb = setup.log_in("orb", "orb").await;
        let orb = As::User(&orb);
        assert_eq!(
            setup.post("/UserPlayedItems/m1", &orb, json!({})).await,
            200
        );
        assert_eq!(setup.seen("m1", &orb).await, (0, 1, true));
        setup.report("", &orb, json!({ "ItemId": "m1" })).await;
        assert_eq!(setup.seen("m1", &orb).await, (0, 2, still_seen));
    }
}

#[tokio::test]
async fn an_api_key_sets_a_users_data_by_hand() {
    let setup = Setup::start(JellyfinSimConfig::default()).await;
    let orb = setup.user_id("orb");
    let path = format!("/UserItems/m1/UserData?userId={orb}");
    let data = json!({
        "PlaybackPositionTicks": 1, "PlayCount": 3, "LastPlayedDate": "2026-01-02T03:04:05Z",
    });
    assert_eq!(setup.post(&path, &As::Key, data).await, 200);
    let data = setup.get(&path, &As::Key).await;
    assert_eq!(
        (&data["PlaybackPositionTicks"], &data["PlayCount"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(data["LastPlayedDate"], "2026-01-02T03:04:05.0000000Z");
    assert_eq!(
        setup.post(&path, &As::Key, json!({ "Played": true })).await,
        200
    );
    let data = setup.get(&path, &As::Key).await;
    assert_eq!(
        (&data["PlaybackPositionTicks"], &data["Played"]),
        (&json!(1), &json!(true))
    );
    let resume = setup
        .get(&format!("/UserItems/Resume?userId={orb}"), &As::Key)
        .await;
    assert_eq!(names(&resume), "The Amélie Effect");
    for bad in [
        json!({ "PlayCount": "x" }),
        json!({ "LastPlayedDate": "yesterday" }),
    ] {
        assert_eq!(setup.post(&path, &As::Key, bad).await, 400);
    }
}

#[tokio::test]
async fn next_is_what_follows_the_last_that_was_seen() {
    let setup = Setup::start(JellyfinSimConfig::default()).await;
    let (orb, eve) = (
        setup.log_in("orb", "orb").await,
        setup.log_in("eve", "pass").await,
    );
    let (orb, eve) = (As::User(&orb), As::User(&eve));
    let next = async |query: &str, who: &As<'_>| {
        names(&setup.get(&format!("/Shows/NextUp?{query}"), who).await)
    };
    let see = async |item: String| {
        setup
            .post(&format!("/UserPlayedItems/{item}"), &orb, json!({}))
            .await
    };
    assert_eq!(next("", &orb).await, "", "nothing was begun");
    assert_eq!(next("seriesId=s1", &orb).await, "Pilot", "not the special");
    see(setup.show.episode_id(1, 2)).await;
    assert_eq!(next("", &orb).await, "Third");
    let uncounted = setup
        .get("/Shows/NextUp?enableTotalRecordCount=false", &orb)
        .await;
    assert_eq!(
        (names(&uncounted).as_str(), &uncounted["TotalRecordCount"]),
        ("Third", &json!(0))
    );
    see(setup.show.episode_id(1, 3)).await;
    assert_eq!(
        next("seriesId=s1", &orb).await,
        "Back",
        "not the missing one"
    );
    let back = setup.show.episode_id(2, 1);
    let half = json!({ "ItemId": back, "PositionTicks": RUN_TIME / 2 });
    setup.report("/Stopped", &orb, half).await;
    assert_eq!(next("", &orb).await, "Back");
    assert_eq!(next("enableResumable=false", &orb).await, "");
    see(back).await;
    assert_eq!(next("seriesId=s1", &orb).await, "", "all of it was seen");
    assert_eq!(next("seriesId=s1", &eve).await, "Pilot", "by another user");
}

#[tokio::test]
async fn a_series_is_seen_when_all_of_it_is() {
    let setup = Setup::start(JellyfinSimConfig::default()).await;
    let orb = setup.log_in("orb", "orb").await;
    let orb = As::User(&orb);
    let unseen = async |item: &str| {
        let data = setup
            .get(&format!("/UserItems/{item}/UserData"), &orb)
            .await;
        (
            data["UnplayedItemCount"].as_u64().unwrap(),
            data["Played"].as_bool().unwrap(),
        )
    };
    assert_eq!(
        unseen("s1").await,
        (5, false),
        "the missing one does not count"
    );
    setup
        .post(
            &format!("/UserPlayedItems/{}", setup.show.season_id(1)),
            &orb,
            json!({}),
        )
        .await;
    assert_eq!(unseen("s1").await, (2, false));
    assert_eq!(unseen(&setup.show.season_id(1)).await, (0, true));
    let played = setup
        .get(
            "/Items?recursive=true&includeItemTypes=Episode&isPlayed=true",
            &orb,
        )
        .await;
    assert_eq!(names(&played), "Pilot,Second,Third");
    setup.post("/UserPlayedItems/c1", &orb, json!({})).await;
    assert_eq!(unseen("s1").await, (0, true), "it is in the collection");
    let answer = setup
        .call(Method::DELETE, "/UserPlayedItems/s1", &orb, None)
        .await;
    assert_eq!(
        answer.json::<Value>().await.unwrap()["UnplayedItemCount"],
        5
    );
}
