//! A library of 20,000 films.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use jellyfin_sim::GeneratedLibrary;

use super::Stage;

const FILMS: u32 = 20_000;

/// The goal is 300 ms for an optimized build (bench `party`); a debug build of both sides, beside other tests, is given
/// this.
const IN_DEBUG: Duration = Duration::from_secs(1);

/// What the client's caches may hold, all together, with room for the account and a page in each.
const MOST_BYTES: usize = 64 << 20;

/// Searches that lists are kept of.
const MOST_LISTS: usize = 500;

async fn large() -> Stage {
    let many = |config: &mut jellyfin_sim::JellyfinSimConfig| {
        let path = config.films[0].path.clone();
        config.generated = Some(GeneratedLibrary { count: FILMS, path });
    };
    Stage::with(many, |_| {}).await
}

/// First words of titles, each of 500 films.
const FIRST: [&str; 20] = [
    "amber",
    "Broken",
    "crimson",
    "distant",
    "Eternal",
    "forgotten",
    "golden",
    "HIDDEN",
    "jagged",
    "kindred",
    "lonely",
    "midnight",
    "arbol",
    "blaue",
    "café",
    "élan",
    "frozen",
    "velvet",
    "silver",
    "quiet",
];

/// Second words, and one that is none.
const SECOND: [&str; 50] = [
    "anchor",
    "bridge",
    "canyon",
    "dawn",
    "echo",
    "forest",
    "garden",
    "harbour",
    "island",
    "journey",
    "kingdom",
    "lantern",
    "mirror",
    "night",
    "ocean",
    "passage",
    "quarry",
    "river",
    "shadow",
    "tower",
    "umbrella",
    "valley",
    "winter",
    "year",
    "zenith",
    "archive",
    "beacon",
    "cathedral",
    "desert",
    "engine",
    "fortress",
    "glacier",
    "horizon",
    "inheritance",
    "jungle",
    "key",
    "labyrinth",
    "machine",
    "nocturne",
    "orchard",
    "promise",
    "question",
    "road",
    "storm",
    "theatre",
    "union",
    "voyage",
    "witness",
    "yard",
    "nobody",
];

/// The searches of somebody who types on: a word's beginning, the word, the next one, and some more. All different for
/// `n` below 2,000.
fn search(n: usize) -> String {
    let (first, typed) = (FIRST[n % FIRST.len()], n / FIRST.len());
    match typed {
        0 => first.chars().take(3).collect(),
        1 => first.to_owned(),
        more => {
            let (second, more) = (SECOND[(more - 2) % SECOND.len()], (more - 2) / SECOND.len());
            format!("{first} {second}{}", ["", " of"][more])
        }
    }
}

#[tokio::test]
async fn searches_are_answered_soon() {
    let stage = large().await;
    let mut took = Vec::new();
    let mut found = 0;
    for n in 0..200 {
        let query = [("q", search(n)), ("limit", "50".to_owned())];
        let request = stage.harness.get("/api/v1/library/search").query(&query);
        let asked = Instant::now();
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{query:?}");
        let page: serde_json::Value = response.json().await.unwrap();
        took.push(asked.elapsed());
        if page["total"] == 0 {
            println!("{query:?}");
        }
        found += usize::from(page["total"] != 0);
    }
    took.sort_unstable();
    let (median, p99) = (took[100], took[197]);
    println!(
        "200 searches of {FILMS} films: median {median:?}, p99 {p99:?}, {found} found something"
    );
    assert_eq!(found, 200, "searches that find nothing take no time");
    assert!(p99 <= IN_DEBUG, "p99 {p99:?}");
}

#[tokio::test]
async fn what_is_kept_of_searches_is_bounded() {
    let stage = large().await;
    let different: HashSet<_> = (0..2000).map(search).collect();
    assert_eq!(different.len(), 2000);
    let before = stage.client.cache_usage();
    let ask = |n: usize| {
        let query = [("q", search(n)), ("limit", "20".to_owned())];
        let request = stage.harness.get("/api/v1/library/search").query(&query);
        async move { request.send().await.unwrap().status() }
    };
    let mut usages = Vec::new();
    for half in [0..1000, 1000..2000] {
        let answers: Vec<_> = stream::iter(half)
            .map(ask)
            .buffer_unordered(8)
            .collect()
            .await;
        assert!(answers.iter().all(|status| *status == 200));
        usages.push(stage.client.cache_usage());
    }
    println!("kept: {before:?} at first, then {usages:?}");
    for usage in &usages {
        let searches = usage.entries - before.entries;
        assert!(
            searches <= MOST_LISTS + 1 && usage.bytes <= MOST_BYTES,
            "{usages:?}"
        );
    }
    // Which would prove nothing if nothing were kept.
    assert!(usages[0].bytes > before.bytes + (1 << 20), "{usages:?}");
}
