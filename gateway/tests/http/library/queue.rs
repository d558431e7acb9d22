//! What ids stand for in a queue.

use jellyfin_sim::{Fault, FaultKind, Show};
use orb_gateway::{Catalogue as _, ItemId, JellyfinCatalogue, Problem};
use orb_proto::v1::{EditQueueRequest, Item, edit_queue_request::Edit};
use serde_json::json;

use super::Stage;
use crate::support::{Call, json as answer, problem};

impl Stage {
    async fn stand_for(&self, ids: &[&str], limit: usize) -> Result<Vec<Item>, Problem> {
        let ids: Vec<_> = ids.iter().map(|id| ItemId::parse(id).unwrap()).collect();
        let catalogue = JellyfinCatalogue::new(self.client.clone());
        catalogue.items(&ids, limit).await
    }

    async fn first_of(&self, id: &str) -> Result<Item, Problem> {
        let id = ItemId::parse(id).unwrap();
        JellyfinCatalogue::new(self.client.clone()).item(&id).await
    }
}

fn named(items: &[Item]) -> Vec<String> {
    let named = items
        .iter()
        .map(|item| format!("{} {}", item.title, item.episode));
    named.map(|name| name.trim_end().to_owned()).collect()
}

#[tokio::test]
async fn a_film_has_what_plays_it_and_no_key() {
    let stage = Stage::start().await;
    let items = stage.stand_for(&["f1"], 200).await.unwrap();
    let id = items[0].item_id.clone();
    let base = stage.sim.base_url();
    let mut film = items[0].clone();
    assert!(
        film.poster_url
            .starts_with(&format!("{base}/Items/{id}/Images/Primary")),
        "{film:?}"
    );
    stage_has_no_key(&stage, &film);
    // What the simulator makes up.
    for made_up in [&mut film.poster_url, &mut film.tmdb_id, &mut film.imdb_id] {
        made_up.clear();
    }
    let expected = Item {
        item_id: id.clone(),
        source_id: id.clone(),
        title: "Sintel".to_owned(),
        media_type: "movie".to_owned(),
        stream_url: format!("{base}/Videos/{id}/stream?static=true&mediaSourceId={id}"),
        download_url: format!("{base}/Items/{id}/Download"),
        duration_ms: 10_000,
        year: "2010".to_owned(),
        summary: "A girl looks for a dragon.".to_owned(),
        ..Item::default()
    };
    assert_eq!(film, expected);
}

fn stage_has_no_key(stage: &Stage, item: &Item) {
    assert!(
        !format!("{item:?}").contains(stage.sim.api_key()),
        "{item:?}"
    );
}

#[tokio::test]
async fn ids_stand_for_what_they_are_called_in_order() {
    let stage = Stage::start().await;
    let season = stage.show.season_id(1);
    let items = stage
        .stand_for(&["f2", &season, "show1", "f1"], 200)
        .await
        .unwrap();
    let expected = [
        "Tears of Steel",
        "The Show – Pilot S01E01",
        "The Show – Second S01E02",
        "The Show – Pilot S01E01",
        "Sintel",
    ];
    assert_eq!(named(&items), expected);
    let mut of_box = named(&stage.stand_for(&["box1"], 200).await.unwrap());
    of_box.sort();
    assert_eq!(
        of_box,
        ["Sintel", "Tears of Steel", "The Show – Pilot S01E01"]
    );
    for (id, title) in [
        (&*season, "The Show – Pilot"),
        ("show1", "The Show – Pilot"),
        ("f1", "Sintel"),
    ] {
        let first = stage.first_of(id).await.unwrap();
        assert_eq!(first.title, title);
        stage_has_no_key(&stage, &first);
    }
}

/// More than a page of episodes; each but the first few by its own version, without a request for each.
#[tokio::test]
async fn a_long_season_is_queued_whole_or_not_at_all() {
    let long = |show: &mut Vec<Show>| {
        let path = show[0].path.clone();
        let titles = (1..=250).map(|n| format!("Part {n}"));
        show.push(Show::new("long", "Long", path).season(1, titles));
    };
    let stage = Stage::with(|config| long(&mut config.shows), |_| {}).await;
    let season = Show::new("long", "Long", "x").season_id(1);
    let all = stage.stand_for(&[&season], 300).await.unwrap();
    assert_eq!(all.len(), 250);
    assert_eq!(all[249].title, "Long – Part 250");
    assert_eq!(all[249].source_id, all[249].item_id);
    assert!(stage.asked().len() < 20, "{:?}", stage.asked());
    for ids in [&[&*season][..], &["f1", &season]] {
        let refused = stage.stand_for(ids, 200).await.unwrap_err();
        assert_eq!(
            (refused.status().as_u16(), refused.code()),
            (422, "invalid_argument")
        );
    }
    assert_eq!(stage.first_of(&season).await.unwrap().episode, "S01E01");
}

#[tokio::test]
async fn what_cannot_be_played_is_refused() {
    let stage = Stage::start().await;
    let missing = stage.show.episode_id(1, 3);
    for (id, status, code) in [
        ("box2", 409, "library_item_not_playable"),
        (&*missing, 409, "library_item_not_playable"),
        ("nosuchitem", 404, "library_item_not_found"),
    ] {
        for refused in [
            stage.stand_for(&["f1", id], 200).await.unwrap_err(),
            stage.first_of(id).await.unwrap_err(),
        ] {
            assert_eq!(
                (refused.status().as_u16(), refused.code()),
                (status, code),
                "{id}"
            );
        }
    }
}

#[tokio::test]
async fn the_queue_takes_a_season_over_http() {
    let stage = Stage::impatient().await;
    let add = |ids: serde_json::Value| {
        let body = json!({ "itemIds": ids }).to_string();
        stage.harness.post("/api/v1/parties/456/queue", body)
    };
    let (status, queue) = answer(add(json!([stage.show.season_id(1), "f1"]))).await;
    assert_eq!(status, 201, "{queue}");
    let calls = stage.harness.scheduler.calls();
    let Some(Call::Edit(EditQueueRequest {
        edit: Some(Edit::Add(added)),
        ..
    })) = calls.last()
    else {
        panic!("{calls:?}");
    };
    let expected = [
        "The Show – Pilot S01E01",
        "The Show – Second S01E02",
        "Sintel",
    ];
    assert_eq!(named(&added.items), expected);
    let shown = &queue["entries"][2];
    let image = shown["imageUrl"].as_str().unwrap();
    let picture = stage.harness.get(image).send().await.unwrap();
    assert_eq!(
        (picture.status().as_u16(), &shown["title"]),
        (200, &json!("Sintel"))
    );
    stage.keeps_secrets(&queue.to_string());

    let asked = stage.harness.scheduler.calls().len();
    stage
        .sim
        .fault(Fault::new(FaultKind::Status { status: 500 }))
        .unwrap();
    let (status, body) = problem(add(json!(["f2"]))).await;
    assert_eq!(
        (status, &body["code"]),
        (503, &json!("library_unavailable"))
    );
    stage.sim.clear_faults();
    let (status, body) = problem(add(json!(["box2"]))).await;
    assert_eq!(
        (status, &body["code"]),
        (409, &json!("library_item_not_playable"))
    );
    assert_eq!(
        stage.harness.scheduler.calls().len(),
        asked,
        "nothing was added"
    );
}
