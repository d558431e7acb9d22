//! From what was picked to what is played, where jellyfin-sim has no such library.

use orb_jellyfin::client::LibraryItem;
use serde_json::{Value, json};

use crate::fake::{Fake, Reply, Request};

fn item(id: &str, kind: &str) -> Value {
    json!({"Id": id, "Type": kind, "Name": id, "SeriesId": "s1"})
}

fn episode(id: &str, season: i32, number: i32, played: bool) -> Value {
    json!({"Id": id, "Type": "Episode", "Name": id, "ParentIndexNumber": season,
           "IndexNumber": number, "UserData": {"Played": played}})
}

fn list(items: &[Value]) -> Reply {
    Reply::Json(
        200,
        json!({"Items": items, "TotalRecordCount": items.len()}),
    )
}

/// A series `s1` with one season `n1`, whose episodes and next up are given.
async fn series(next_up: Vec<Value>, episodes: Vec<Value>) -> Fake {
    Fake::jellyfin(move |request, _| match request.path() {
        "/Items/s1" => Reply::Json(200, item("s1", "Series")),
        "/Items/n1" => Reply::Json(200, item("n1", "Season")),
        "/Shows/NextUp" => list(&next_up),
        "/Shows/s1/Episodes" => list(&episodes),
        _ => Reply::Text(404, "X: y", ""),
    })
    .await
}

async fn resolved(fake: &Fake, id: &str) -> Result<Vec<String>, &'static str> {
    let items = fake.client().resolve(id).await.map_err(|e| e.code())?;
    let ids = items.iter().map(|item| LibraryItem::clone(item).id);
    Ok(ids.collect())
}

#[tokio::test]
async fn a_season_goes_on_where_the_user_is() {
    let episodes = |played: [bool; 3]| {
        vec![
            episode("e3", 1, 3, played[2]),
            episode("e1", 1, 1, played[0]),
            episode("e2", 1, 2, played[1]),
        ]
    };
    for (played, next) in [
        ([false, false, false], "e1"),
        ([true, false, true], "e2"),
        ([true, true, true], "e1"),
    ] {
        let fake = series(vec![], episodes(played)).await;
        assert_eq!(resolved(&fake, "n1").await.unwrap(), [next]);
        let asked: Vec<_> = fake.requests();
        let of_season = asked
            .iter()
            .find(|r| r.path() == "/Shows/s1/Episodes")
            .unwrap();
        assert_eq!(of_season.query("seasonId").as_deref(), Some("n1"));
    }
}

#[tokio::test]
async fn a_next_up_without_a_file_is_passed_over() {
    let mut missing = episode("e1", 1, 1, false);
    missing["LocationType"] = "Virtual".into();
    let episodes = vec![missing.clone(), episode("e2", 1, 2, false)];
    let fake = series(vec![missing.clone()], episodes).await;
    assert_eq!(resolved(&fake, "s1").await.unwrap(), ["e2"]);

    let fake = series(vec![], vec![missing]).await;
    assert_eq!(resolved(&fake, "s1").await, Err("jellyfin_not_playable"));
    assert_eq!(resolved(&fake, "n1").await, Err("jellyfin_not_playable"));
}

#[tokio::test]
async fn specials_before_the_first_page_of_episodes_are_paged_over() {
    let page = |request: &Request| request.query("startIndex").unwrap().parse::<i32>().unwrap();
    let fake = Fake::jellyfin(move |request, _| match request.path() {
        "/Items/s1" => Reply::Json(200, item("s1", "Series")),
        "/Shows/NextUp" => list(&[]),
        _ => {
            let season = i32::from(page(request) >= 400);
            let first = page(request);
            let items: Vec<_> = (first..first + 200)
                .map(|i| episode(&format!("e{i}"), season, i, false))
                .collect();
            Reply::Json(200, json!({"Items": items, "TotalRecordCount": 9_000_000}))
        }
    })
    .await;
    assert_eq!(resolved(&fake, "s1").await.unwrap(), ["e400"]);
    assert_eq!(fake.count("/Shows/s1/Episodes"), 3);
}

#[tokio::test]
async fn a_series_that_never_ends_is_given_up() {
    let fake = Fake::jellyfin(|request, _| match request.path() {
        "/Items/s1" => Reply::Json(200, item("s1", "Series")),
        "/Shows/NextUp" => list(&[]),
        _ => Reply::Json(
            200,
            json!({"Items": [item("x", "Season")], "TotalRecordCount": 4_000_000_000_u32}),
        ),
    })
    .await;
    assert_eq!(resolved(&fake, "s1").await, Err("jellyfin_not_playable"));
    assert_eq!(fake.count("/Shows/s1/Episodes"), 50);
}

#[tokio::test]
async fn a_collection_keeps_its_order() {
    for (display_order, sort) in [
        (json!("SortName"), Some("SortName")),
        (json!("PremiereDate"), Some("PremiereDate,SortName")),
        (Value::Null, Some("PremiereDate,SortName")),
        (json!("Default"), None),
    ] {
        let order = display_order.clone();
        let fake = Fake::jellyfin(move |request, _| match request.path() {
            "/Items/c1" => {
                let mut collection = item("c1", "BoxSet");
                collection["DisplayOrder"] = order.clone();
                Reply::Json(200, collection)
            }
            _ => list(&[item("m2", "Movie"), item("b1", "Book"), item("m1", "Movie")]),
        })
        .await;
        assert_eq!(resolved(&fake, "c1").await.unwrap(), ["m2", "m1"]);
        let asked = fake.requests().pop().unwrap();
        assert_eq!(asked.query("sortBy").as_deref(), sort, "{display_order}");
        assert_eq!(asked.query("parentId").as_deref(), Some("c1"));
        assert_eq!(asked.query("recursive").as_deref(), Some("false"));
    }
}

#[tokio::test]
async fn a_collection_without_end_is_refused() {
    let fake = Fake::jellyfin(|request, _| match request.path() {
        "/Items/c1" => Reply::Json(200, item("c1", "BoxSet")),
        _ => Reply::Json(
            200,
            json!({"Items": [item("m1", "Movie")], "TotalRecordCount": 201}),
        ),
    })
    .await;
    assert_eq!(resolved(&fake, "c1").await, Err("jellyfin_not_playable"));
}
