//! The same over one etcd and one PostgreSQL: another scheduler leads in the middle of a queue.

use std::time::{Duration, Instant};

use orb_e2e::{ApiParty, Setting, Surroundings, Title, until};
use serde_json::json;

use super::{GUILD, SOON, story};
use crate::leader_change::cluster::Cluster;

/// The films, and a leader's end in the middle of them.
const THROUGH: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_plays_through_though_its_leader_is_killed() {
    let titles = [Title::Shortest, Title::Shorter];
    let setting = Setting::with(&titles);
    let mut cluster = Cluster::start(Surroundings::start(setting).await).await;
    let party = ApiParty::create(&cluster.api, GUILD, json!({})).await;
    let stream = party.listen(Some(0)).await;
    let [first, second] = titles.map(Title::id);
    assert_eq!(party.add(&[first, second, first]).await, [1, 2, 3]);
    let started = Instant::now();
    party.act("play").await;
    party.plays(1, SOON).await;
    // The first film ends before there is another leader.
    let ears = party.ears(&cluster.surroundings.discord);
    ears.sound(started, SOON).await;
    cluster.schedulers[0].kill().await;

    let over = until("the queue to be played", THROUGH, async || {
        let answer = cluster.api.get(&party.path("")).await;
        let is_over = answer.body["entryId"] == 3 && answer.text_of("playbackState") == "ended";
        (answer.code == 200 && is_over).then_some(answer)
    })
    .await;
    assert_eq!(over.text_of("endReason"), "finished", "{}", over.text);
    assert_eq!(party.entries().await, ["1 played", "2 played", "3 played"]);
    assert_eq!(ears.numbers(started), [1, 2, 3, 1, 2, 3, 4, 1, 2, 3]);
    let events = party.events().await;
    assert_eq!(
        story(&events),
        [
            "created call api",
            "queue_added call api",
            "play 1 call api",
            "ended 1 finished report worker",
            "play 2 auto_advance worker",
            "ended 2 finished report worker",
            "play 3 auto_advance worker",
            "ended 3 finished report worker",
            "queue_end queue_end worker",
        ]
    );
    stream
        .hears("the queue's end", SOON, |event| event.kind == "queue_end")
        .await;
    let ids: Vec<_> = events
        .iter()
        .filter_map(|event| event["id"].as_i64())
        .collect();
    assert_eq!(stream.ids(), ids[..stream.ids().len()]);
}
