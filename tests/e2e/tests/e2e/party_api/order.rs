//! A long queue, and what is left of it after a crash.

use jellyfin_sim::{GeneratedLibrary, JellyfinSimConfig};
use orb_e2e::{ApiParty, Installation, Setting, Surroundings, Title, entries_of};
use reqwest::Method;
use serde_json::{Value, json};

use super::tables::Tables;
use super::{GUILD, SOON};

/// As many as one call may add.
const LONG: u32 = 200;

async fn orb() -> Installation {
    let setting = Setting {
        jellyfin: JellyfinSimConfig {
            generated: Some(GeneratedLibrary {
                count: LONG,
                path: Title::Clock.file().await,
            }),
            ..JellyfinSimConfig::default()
        },
        ..Setting::default()
    };
    Installation::up(Surroundings::start(setting).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_entries_is_the_same_after_a_crash() {
    let mut orb = orb().await;
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    let ids: Vec<String> = (0..LONG).map(GeneratedLibrary::item_id).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut order = party.add(&ids).await;
    assert_eq!(order, (1..=u64::from(LONG)).collect::<Vec<_>>());

    order.reverse();
    let body = json!({ "entryIds": order });
    let reordered = party
        .edit(Method::PUT, "/queue/order", Some(&body), &[])
        .await;
    let reordered = reordered.expect_code(200);
    println!("reordered in {} ms", reordered.took().as_millis());
    // And single changes behind it.
    let moved = json!({"toIndex": 0});
    party
        .edit(Method::POST, "/queue/7/move", Some(&moved), &[])
        .await
        .expect_code(200);
    let last = party
        .edit(Method::DELETE, "/queue/200", None, &[])
        .await
        .expect_code(200);
    order.retain(|entry| ![7, 200].contains(entry));
    order.insert(0, 7);
    let expected: Vec<String> = order
        .iter()
        .map(|entry| format!("{entry} queued"))
        .collect();
    assert_eq!(entries_of(&last), expected);
    // The film of entry n is item n - 1: an entry keeps its film, wherever it goes.
    for entry in last.body["entries"].as_array().unwrap() {
        let item = u32::try_from(entry["entryId"].as_u64().unwrap() - 1).unwrap();
        assert_eq!(entry["itemId"], GeneratedLibrary::item_id(item), "{entry}");
    }

    orb.orb.kill().await;
    orb.start_again().await;
    let party = party.at(&orb.api);
    let after = party.queue().await;
    assert_eq!(entries_of(&after), expected);
    assert_eq!(after.body["version"], last.body["version"]);
    assert_eq!(after.body["entries"], last.body["entries"]);
    // What is no order of all that wait is refused whole.
    let some = json!({"entryIds": [3, 2, 1]});
    let refused = party
        .edit(Method::PUT, "/queue/order", Some(&some), &[])
        .await;
    refused.expect_problem(409, "queue_changed");

    // Their sources are still known: the new head plays.
    let started = party.act("play").await;
    party.plays(7, SOON).await;
    let ears = party.ears(&orb.surroundings.discord);
    let (_, begun) = ears.start_of_sound(started.asked, 0.0, SOON).await;
    assert!(begun.abs() < 0.25, "it began at {begun:.3} s");
    assert_eq!(party.entries().await[..2], ["7 playing", "199 queued"]);
    assert_eq!(party.get().await.body["lastError"], Value::Null);
    let cleared = party.edit(Method::DELETE, "/queue", None, &[]).await;
    assert_eq!(entries_of(&cleared.expect_code(200)), ["7 playing"]);
    let mut tables = Tables::of(&orb.surroundings).await;
    let rows = tables.queue(party.contract().id()).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
}
