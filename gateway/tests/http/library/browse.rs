//! Searching and looking around.

use jellyfin_sim::AuthMode;
use orb_jellyfin::client::{PlaybackEnd, PlaybackReport};
use serde_json::{Value, json};

use super::{Stage, titles};
use crate::support::{Harness, problem};

/// What each of both Jellyfins shows.
async fn on_both(look: impl AsyncFn(&Stage)) {
    for auth in [AuthMode::V10_11, AuthMode::V12] {
        look(&Stage::of(auth).await).await;
    }
}

#[tokio::test]
async fn libraries_and_what_is_in_them() {
    on_both(async |stage| {
        let libraries = stage.get("").await;
        let movies = libraries["items"].as_array().unwrap().iter();
        let movies = movies.clone().find(|item| item["title"] == "Movies");
        let movies = movies.unwrap();
        assert_eq!(
            (
                &movies["kind"],
                &movies["collectionType"],
                &movies["playable"]
            ),
            (&json!("library"), &json!("movies"), &json!(false))
        );
        let id = movies["id"].as_str().unwrap();
        let inside = stage.get(&format!("/items/{id}/children")).await;
        assert_eq!(titles(&inside), ["Sintel", "Tears of Steel"]);
        let path = format!("/items/{id}/children?start=1&limit=1");
        let second = stage.get(&path).await;
        assert_eq!(titles(&second), ["Tears of Steel"]);
        assert_eq!((&second["start"], &second["total"]), (&json!(1), &json!(2)));
    })
    .await;
}

#[tokio::test]
async fn a_search_finds_the_best_first() {
    on_both(async |stage| {
        assert_eq!(
            titles(&stage.get("/search?q=steel").await),
            ["Tears of Steel"]
        );
        let found = stage.get("/search?q=s&kinds=movie,series").await;
        assert_eq!(found["total"], 3, "{found}");
        let found = stage.get("/search?q=s&kinds=series").await;
        assert_eq!(titles(&found), ["The Show"]);
        let none = stage.get("/search?q=zzz").await;
        assert_eq!(none, json!({"items": [], "start": 0, "total": 0}));
        let all = stage.get("/search?kinds=movie&limit=1&start=1").await;
        assert_eq!(titles(&all), ["Tears of Steel"]);
        assert_eq!(all["total"], 2);
    })
    .await;
}

#[tokio::test]
async fn an_item_shows_all_that_a_caller_may_know() {
    on_both(async |stage| {
        let mut film = stage.get("/items/f1").await;
        let id = film["id"].as_str().unwrap().to_owned();
        let open = film.as_object_mut().unwrap();
        // What the simulator makes up.
        for made_up in ["genres", "officialRating", "communityRating", "premiere", "tmdbId", "imdbId"] {
            assert!(open.remove(made_up).is_some(), "{made_up}");
        }
        let expected = json!({
            "id": id, "kind": "movie", "title": "Sintel", "year": 2010, "durationSeconds": 10,
            "summary": "A girl looks for a dragon.", "seriesId": null, "seriesTitle": null, "seasonId": null,
            "season": null, "episode": null, "imageUrl": format!("/api/v1/library/items/{id}/image"),
            "played": false, "resumeSeconds": null, "unplayedCount": null, "collectionType": null, "playable": true,
        });
        assert_eq!(film, expected);
        let episode = stage.get(&format!("/items/{}", stage.show.episode_id(1, 2))).await;
        let shown = ["kind", "title", "seriesTitle", "season", "episode", "playable"];
        let shown = shown.map(|field| episode[field].clone());
        assert_eq!(json!(shown), json!(["episode", "Second", "The Show", 1, 2, true]));
    })
    .await;
}

#[tokio::test]
async fn a_series_has_seasons_a_season_episodes_a_collection_its_members() {
    on_both(async |stage| {
        let seasons = stage.get("/items/show1/children").await;
        assert_eq!(seasons["total"], 3, "{seasons}");
        let last = stage.get("/items/show1/children?start=2&limit=5").await;
        assert_eq!(last["items"].as_array().unwrap().len(), 1);
        assert_eq!((&last["start"], &last["total"]), (&json!(2), &json!(3)));
        let season = stage.show.season_id(1);
        let episodes = stage.get(&format!("/items/{season}/children")).await;
        assert_eq!(
            titles(&episodes),
            ["Pilot", "Second"],
            "none that has no file"
        );
        let members = stage.get("/items/box1/children").await;
        let mut members = titles(&members);
        members.sort_unstable();
        assert_eq!(members, ["Sintel", "Tears of Steel", "The Show"]);
        for empty in ["box2", "f1"] {
            let inside = stage.get(&format!("/items/{empty}/children")).await;
            assert_eq!(inside, json!({"items": [], "start": 0, "total": 0}));
        }
    })
    .await;
}

#[tokio::test]
async fn sources_name_streams_and_chapters() {
    on_both(async |stage| {
        let info = stage.get("/items/f1/sources").await;
        let source = &info["sources"][0];
        assert_eq!(info["sources"].as_array().unwrap().len(), 1);
        assert_eq!(source["durationSeconds"], 10);
        assert_eq!(source["video"]["width"], 320);
        assert_eq!(source["audio"][0]["codec"], "aac");
        assert_eq!(source["audio"][0]["channels"], 2);
        assert_eq!(source["defaultAudio"], source["audio"][0]["index"]);
        assert_eq!(source["subtitles"], json!([]));
        assert!(info["chapters"].is_array());
        for path in ["/items/show1/sources", "/items/box1/sources"] {
            let expected = (409, "library_item_not_playable".to_owned());
            assert_eq!(stage.refused(path).await, expected);
        }
        let missing = stage.show.episode_id(1, 3);
        let refused = stage.refused(&format!("/items/{missing}/sources")).await;
        assert_eq!(refused, (409, "library_item_not_playable".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn what_was_begun_is_gone_on_with() {
    on_both(async |stage| {
        let next = stage.get("/next-up?seriesId=show1").await;
        assert_eq!(titles(&next), ["Pilot"]);
        assert_eq!(stage.get("/continue-watching").await["total"], 0);

        let report = |item: String, position_ms| PlaybackReport {
            party: "p1".to_owned(),
            item_id: item,
            source_id: None,
            play_session_id: None,
            position_ms,
            runtime_ms: Some(10_000),
            paused: false,
        };
        let seen = report(stage.show.episode_id(1, 1), 9_900);
        let client = &stage.client;
        client.report_start(&seen).await.unwrap();
        client
            .report_stopped(&seen, PlaybackEnd::Ended)
            .await
            .unwrap();
        let next = stage.get("/next-up?seriesId=show1").await;
        assert_eq!(titles(&next), ["Second"]);
        assert_eq!((&next["start"], &next["total"]), (&json!(0), &json!(1)));
        let pilot = stage
            .get(&format!("/items/{}", stage.show.episode_id(1, 1)))
            .await;
        assert_eq!(pilot["played"], true);
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_named() {
    let stage = Stage::start().await;
    let long = "x".repeat(201);
    for (path, field) in [
        ("/search?kinds=film", "kinds"),
        ("/search?kinds=movie,library", "kinds"),
        ("/search?limit=0", "limit"),
        ("/search?limit=201", "limit"),
        ("/search?start=-1", "start"),
        ("/search?start=x", "start"),
        (&*format!("/search?q={long}"), "q"),
        ("/items/f1/children?limit=9999", "limit"),
        ("/continue-watching?start=1e3", "start"),
        ("/next-up", "seriesId"),
        ("/next-up?seriesId=a/b", "seriesId"),
    ] {
        let (status, body) = stage.refusal(path).await;
        let told = (status, &body["code"], &body["field"]);
        assert_eq!(
            told,
            (422, &json!("invalid_argument"), &json!(field)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let stage = Stage::start().await;
    let unknown = "0123456789abcdef0123456789abcdef";
    for path in [
        format!("/items/{unknown}"),
        format!("/items/{unknown}/children"),
        format!("/items/{unknown}/sources"),
        format!("/next-up?seriesId={unknown}"),
    ] {
        let (status, body) = stage.refusal(&path).await;
        assert_eq!(
            (status, &body["code"]),
            (404, &json!("library_item_not_found")),
            "{path}"
        );
        assert!(body["detail"].as_str().unwrap().contains(unknown), "{body}");
    }
}

/// Such an id cannot be one, so Jellyfin is not even asked.
#[tokio::test]
async fn odd_ids_name_nothing_and_odd_words_are_only_words() {
    let stage = Stage::start().await;
    let long = "a".repeat(65);
    stage.get("/search?q=Sintel").await;
    let asked = stage.asked().len();
    for odd in [
        "..",
        "%2e%2e",
        "..%2F..%2FUsers",
        "f1%2FImages",
        "f1%3FuserId=x",
        "f1%23",
        "f1%00",
        "%20",
        "f%201",
        "%C3%A9",
        "%FF",
        "f1;x",
        "f1&x",
        "%22",
        "http:%2F%2Fexample.org",
        &long,
    ] {
        for call in ["", "/children", "/sources", "/image"] {
            let path = format!("/items/{odd}{call}");
            let response = stage.harness.get(&format!("/api/v1/library{path}"));
            let (status, body) = problem(response).await;
            assert_eq!(status, 404, "{path}: {body}");
        }
    }
    assert_eq!(stage.asked().len(), asked);

    for odd in [
        "%25",
        "%26userId%3Dx",
        "%22",
        "..%2F",
        "%F0%9F%8E%AC",
        "%00",
        "%0A",
        "a%27%20OR%201=1",
        "%2B",
        "%FF",
        "*",
        "#",
        "%C3%84%C3%96",
    ] {
        let found = stage.get(&format!("/search?kinds=movie&q={odd}")).await;
        assert!(found["total"].is_u64(), "{odd}: {found}");
    }
    let searched: Vec<_> = stage.asked().split_off(asked);
    assert!(searched.iter().all(|path| path == "/Items"), "{searched:?}");
}

#[tokio::test]
async fn without_a_library_every_call_says_what_to_set() {
    let harness = Harness::start().await;
    for path in [
        "",
        "/search?q=x",
        "/items/f1",
        "/items/f1/children",
        "/items/f1/sources",
        "/items/f1/image",
        "/next-up?seriesId=s",
        "/continue-watching",
    ] {
        let path = format!("/api/v1/library{path}");
        let (status, body) = problem(harness.get(&path)).await;
        assert_eq!(
            (status, &body["code"]),
            (503, &json!("library_not_configured")),
            "{path}"
        );
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains("ORB_JELLYFIN_URL") && detail.contains("ORB_JELLYFIN_API_KEY"));
        let unknown: (u16, Value) = problem(harness.bare(reqwest::Method::GET, &path)).await;
        assert_eq!(
            (unknown.0, &unknown.1["code"]),
            (401, &json!("unauthenticated"))
        );
    }
}
