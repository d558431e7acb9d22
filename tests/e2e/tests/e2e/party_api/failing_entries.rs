//! Entries that cannot be played are told and passed over.

use std::time::Instant;

use jellyfin_sim::{Fault, FaultKind, Film, JellyfinSimConfig, Scope};
use orb_e2e::{ApiParty, Installation, JELLYFIN_KEY, Setting, Surroundings, Title};
use serde_json::json;

use super::{GUILD, SOON, story};

/// A film that Jellyfin knows and does not have any more.
const GONE: &str = "f11a0000000000000000000000000003";
/// A file that is no film.
const GARBAGE: &str = "f11a0000000000000000000000000004";

/// Bytes of some seconds of [`Title::Clock`]: what is read ahead ends within the test.
const FIVE_SECONDS: u64 = 550_000;

/// Where a film can be had from.
const SOURCES: [Scope; 2] = [Scope::Stream, Scope::Download];

async fn orb() -> Installation {
    let file = Title::Shortest.file().await;
    let setting = Setting {
        titles: vec![Title::Shortest, Title::Shorter, Title::Clock],
        jellyfin: JellyfinSimConfig {
            films: vec![
                Film::new(GONE, "Gone", &file),
                Film::new(GARBAGE, "Garbage", &file),
            ],
            ..JellyfinSimConfig::default()
        },
        ..Setting::default()
    };
    let orb = Installation::up(Surroundings::start(setting).await).await;
    for scope in SOURCES {
        let gone = FaultKind::Status { status: 404 };
        let faults = [(GONE, gone), (GARBAGE, FaultKind::NotMedia)];
        for (item, kind) in faults {
            fault(&orb, Fault::new(kind).scope(scope).item(item));
        }
    }
    orb
}

fn fault(orb: &Installation, fault: Fault) {
    orb.surroundings.jellyfin.fault(fault).unwrap();
}

/// All entries by their ids. In the queue, one that could not be opened ahead stands before the one that played then.
async fn ended(party: &ApiParty) -> Vec<String> {
    let mut entries = party.entries().await;
    entries.sort();
    entries
}

/// These entries, and no others, say why they failed, in a sentence that is fit for everybody.
async fn assert_explained(party: &ApiParty, failed: &[u64]) {
    let queue = party.queue().await;
    for entry in queue.body["entries"].as_array().unwrap() {
        let is_failed = failed.iter().any(|id| entry["entryId"] == *id);
        let said = entry["error"].as_str();
        assert_eq!(said.is_some(), is_failed, "{entry}");
        for secret in ["://", "127.0.0.1", JELLYFIN_KEY, "/Videos", "/Items"] {
            assert!(!said.unwrap_or_default().contains(secret), "{entry}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_a_queue() {
    let orb = orb().await;
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    let (first, last) = (Title::Shortest, Title::Shorter);
    party.add(&[first.id(), GONE, GARBAGE, last.id()]).await;
    let ears = party.ears(&orb.surroundings.discord);
    let started = Instant::now();
    party.act("play").await;
    party
        .becomes_so("the queue to be played", 3 * SOON, |party| {
            party.body["entryId"] == 4 && party.text_of("playbackState") == "ended"
        })
        .await;
    assert_eq!(
        ended(&party).await,
        ["1 played", "2 failed", "3 failed", "4 played"]
    );
    assert_eq!(ears.numbers(started), [1, 2, 3, 1, 2, 3, 4]);
    assert_explained(&party, &[2, 3]).await;
    let told = story(&party.events().await);
    println!("{told:#?}");
    // Each failed once, was never played, and the party went on with the last one by itself.
    for entry in [2, 3] {
        let failed = [
            format!("entry_failed {entry} "),
            format!("ended {entry} failed "),
        ];
        let lines = told
            .iter()
            .filter(|line| failed.iter().any(|start| line.starts_with(start)));
        assert_eq!(lines.count(), 1, "{told:#?}");
    }
    for entry in [1, 4] {
        let begun = told
            .iter()
            .filter(|line| line.starts_with(&format!("play {entry} ")));
        assert_eq!(begun.count(), 1, "{told:#?}");
    }
    assert_eq!(told.last().unwrap(), "queue_end queue_end worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_head_and_at_the_end() {
    let orb = orb().await;
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    party
        .add(&[GARBAGE, GONE, Title::Shortest.id(), GONE])
        .await;
    let ears = party.ears(&orb.surroundings.discord);
    let started = Instant::now();
    party.act("play").await;
    party
        .becomes_so("nothing to wait", 3 * SOON, |party| {
            party.body["queued"] == 0 && party.text_of("playbackState") == "ended"
        })
        .await;
    assert_eq!(
        ended(&party).await,
        ["1 failed", "2 failed", "3 played", "4 failed"]
    );
    assert_eq!(ears.numbers(started), [1, 2, 3]);
    let told = story(&party.events().await);
    println!("{told:#?}");
    let plays = told.iter().filter(|line| line.starts_with("play 3 "));
    assert_eq!(
        plays.collect::<Vec<_>>(),
        ["play 3 item_failed worker"],
        "{told:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_in_mid_film() {
    let orb = orb().await;
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    party.add(&[Title::Clock.id(), Title::Shortest.id()]).await;
    let cut = FaultKind::Truncate {
        after_bytes: FIVE_SECONDS,
    };
    fault(
        &orb,
        Fault::new(cut).scope(Scope::Stream).item(Title::Clock.id()),
    );
    let started = Instant::now();
    party.act("play").await;
    party.plays(1, SOON).await;
    // Whatever is asked for from now on is refused, at first of one source.
    orb.surroundings.jellyfin.clear_faults();
    let refused = FaultKind::Status { status: 401 };
    let refused = Fault::new(refused).item(Title::Clock.id());
    fault(&orb, refused.clone().scope(Scope::Stream));
    let ears = party.ears(&orb.surroundings.discord);
    // The fallback goes on.
    ears.numbers_until(8, started, 2 * SOON).await;
    let mut numbers = ears.numbers(started);
    // What AAC leaves of the film's first click is one, or is none.
    numbers.retain(|second| *second > 0);
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());

    // Of the other one, too: a seek needs what was not read yet.
    fault(&orb, refused.scope(Scope::Download));
    let sought = party.post("seek", &json!({"positionSeconds": 100})).await;
    assert!(matches!(sought.code, 200 | 202), "{}", sought.text);
    party.plays(2, SOON).await;
    assert_eq!(party.entries().await, ["1 failed", "2 playing"]);
    assert_explained(&party, &[1]).await;
    let (_, begun) = ears.start_of_sound(sought.asked, 0.0, SOON).await;
    assert!(begun.abs() < 0.25, "it began at {begun:.3} s");
    let told = story(&party.events().await);
    assert_eq!(
        told[2..],
        [
            "play 1 call api",
            "seek 1 call api",
            "ended 1 failed report worker",
            "play 2 item_failed worker",
        ]
    );
}
