//! Server-sent events: without a hole and without a repetition, whoever goes away meanwhile.

use std::time::{Duration, Instant};

use orb_e2e::{ApiParty, EventStream, Installation, Roles, Setting, Surroundings, Title};
use serde_json::{Value, json};

use super::{GUILD, SOON};

/// A scheduler's restart, and a worker that attaches again.
const AGAIN_WITHIN: Duration = Duration::from_secs(30);

/// The ids of all events that the table has behind `after`.
async fn ids(party: &ApiParty, after: i64) -> Vec<i64> {
    let events = party.events().await;
    let ids = events.iter().filter_map(|event| event["id"].as_i64());
    ids.filter(|id| *id > after).collect()
}

/// Waits until a pause by this actor was told: for now, it is the last thing that somebody did.
async fn hears_pause_of(stream: &EventStream, actor: &str) {
    stream
        .hears(&format!("the pause of {actor}"), AGAIN_WITHIN, |event| {
            event.kind == "pause" && event.data["actor"] == actor
        })
        .await;
}

/// A pause that is made again until it is accepted.
async fn pause_of(party: &ApiParty, actor: &str) {
    let headers = [("Idempotency-Key", actor), ("X-Orb-Actor", actor)];
    orb_e2e::until("a pause to be accepted", AGAIN_WITHIN, async || {
        let answer = party.post_with("pause", &json!({}), &headers).await;
        match answer.code {
            200 | 202 => Some(()),
            503 => None,
            _ => panic!("answer: {}", answer.text),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_through_a_killed_scheduler() {
    let mut roles = Roles::start(Surroundings::start(Setting::default()).await).await;
    let party = ApiParty::create(&roles.api, GUILD, json!({})).await;
    let stream = party.listen(Some(0)).await;
    party.add(&[Title::Clock.id(), Title::Clock.id()]).await;
    party.act("play").await;
    party.plays(1, SOON).await;
    pause_of(&party, "first").await;
    hears_pause_of(&stream, "first").await;
    let first = *stream.ids().last().unwrap();
    party.act("resume").await;

    roles.scheduler.kill().await;
    roles.start_scheduler_again().await;
    pause_of(&party, "second").await;
    hears_pause_of(&stream, "second").await;
    assert!(!stream.has_ended(), "the gateway was there all the time");

    // Who was away reads on behind what it has.
    let late = party.listen(Some(first)).await;
    hears_pause_of(&late, "second").await;
    party.act("resume").await;
    party.act("skip").await;
    party.plays(2, SOON).await;
    pause_of(&party, "third").await;
    hears_pause_of(&stream, "third").await;
    hears_pause_of(&late, "third").await;
    assert_eq!(stream.ids(), told_so_far(&party, 0, &stream).await);
    assert_eq!(late.ids(), told_so_far(&party, first, &late).await);
}

/// What the table has behind `after`, up to the last one that the listener was told by now.
async fn told_so_far(party: &ApiParty, after: i64, stream: &EventStream) -> Vec<i64> {
    let last = stream.ids().last().copied();
    let mut ids = ids(party, after).await;
    ids.retain(|id| Some(*id) <= last);
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn resumes_when_all_of_it_was_killed() {
    let mut orb = Installation::up(Surroundings::start(Setting::default()).await).await;
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    let before = party.listen(Some(0)).await;
    party.add(&[Title::Clock.id()]).await;
    party.act("play").await;
    party.plays(1, SOON).await;
    pause_of(&party, "first").await;
    hears_pause_of(&before, "first").await;
    orb.orb.kill().await;
    orb_e2e::until("the stream to break off", SOON, async || {
        before.has_ended().then_some(())
    })
    .await;
    orb.start_again().await;
    let party = party.at(&orb.api);
    let mut told = before.ids();
    let after = party.listen(told.last().copied()).await;
    party.act("resume").await;
    party.plays(1, SOON).await;
    pause_of(&party, "second").await;
    hears_pause_of(&after, "second").await;
    told.extend(after.ids());
    assert_eq!(told, told_so_far(&party, 0, &after).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn states_come_at_once_at_changes_and_while_it_plays() {
    let orb = Installation::up(Surroundings::start(Setting::default()).await).await;
    let party = ApiParty::create(&orb.api, GUILD, json!({})).await;
    party.add(&[Title::Clock.id()]).await;
    let stream = party.listen(None).await;
    let is_state = |state: &'static str| {
        move |event: &orb_e2e::SentEvent| {
            event.kind == "state" && event.data["playbackState"] == state
        }
    };
    stream
        .hears("the state at once", SOON, is_state("idle"))
        .await;
    party.act("play").await;
    stream
        .hears("that it plays", SOON, is_state("playing"))
        .await;
    // It says where it is, though nothing happens.
    let since = Instant::now();
    let positions = || -> Vec<i64> {
        let told = stream.told();
        let playing = told.iter().filter(|event| is_state("playing")(event));
        playing
            .filter_map(|event| event.data["positionMs"].as_i64())
            .collect()
    };
    let known = positions().len();
    orb_e2e::until("three more states", SOON, async || {
        (positions().len() >= known + 3).then_some(())
    })
    .await;
    println!("three states in {} ms", since.elapsed().as_millis());
    assert!(positions().is_sorted(), "{:?}", positions());
    let told = stream.told();
    let states = told.iter().filter(|event| event.kind == "state");
    assert!(
        states
            .into_iter()
            .all(|event| event.id.is_none() && event.data["id"] == "9111")
    );
    // From now on: what was before it is not told.
    let kinds: Vec<_> = told
        .iter()
        .filter(|event| event.id.is_some())
        .map(|event| event.kind.as_str())
        .collect();
    assert!(
        !kinds.contains(&"created") && kinds.contains(&"play"),
        "{kinds:?}"
    );
    assert!(told.iter().all(|event| event.data != Value::Null));
}
