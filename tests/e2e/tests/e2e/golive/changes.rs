//! Workers and leaders change while a picture is shown, and the stream goes on.

use std::time::{Duration, Instant};

use discord_sim::{RecordEvent, TimedPicture};
use orb_e2e::{ApiParty, OrbProcess, Setting, Surroundings, Title, until};
use serde_json::json;

use super::{GUILD, SOON, Stage, TWO_SECONDS, assert_unbroken};
use crate::leader_change::cluster::{Cluster, says, says_again};

/// From a picture to the next at 24 a second, and as much again.
const NEXT_PICTURE: Duration = Duration::from_millis(90);

/// For a change of leader: a lease that runs out, an election, workers that come back.
const CHANGED_WITHIN: Duration = Duration::from_secs(30);

/// What the account said of its stream, and of the channel that it is in.
fn said(record: &[discord_sim::RecordEntry], since: Instant) -> Vec<String> {
    let said = record.iter().filter(|entry| entry.at >= since);
    said.filter_map(|entry| match &entry.event {
        // Op 22: a pause.
        RecordEvent::StreamRequest { op: 22, .. } => None,
        RecordEvent::StreamRequest { .. }
        | RecordEvent::StreamBegun { .. }
        | RecordEvent::StreamEnded { .. }
        | RecordEvent::VoiceStateRequest { .. } => Some(format!("{:?}", entry.event)),
        _ => None,
    })
    .collect()
}

impl Stage {
    async fn next_worker(&self, name: &str) -> OrbProcess {
        let worker = self.roles.start_worker(name);
        says(&worker, "attached").await;
        worker
    }

    fn assert_stayed(&self, since: Instant) {
        let record = self.roles.surroundings.discord.record();
        assert_eq!(
            said(&record, since),
            [""; 0],
            "neither stream nor channel was left"
        );
    }

    /// The last picture of the connection that is replaced, and the first of another one that shows what comes after it.
    async fn goes_on(&self, since: Instant) -> (TimedPicture, TimedPicture) {
        let shown = self.eyes().pictures(since);
        let before = shown.first().expect("it was shown before").ssrc;
        let (last, next) = until("another worker's picture", SOON, async || {
            let pictures = self.eyes().pictures(since);
            let last = *pictures.iter().rfind(|picture| picture.ssrc == before)?;
            let mut others = pictures.iter().filter(|picture| picture.ssrc != before);
            let next = *others.find(|picture| picture.media > last.media)?;
            Some((last, next))
        })
        .await;
        (last, next)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_asked_to_go_hands_the_picture_over() {
    let mut stage = Stage::playing(Title::Clock).await;
    stage.assert_in_step("before").await;
    let mut next = stage.next_worker("worker-2").await;
    let since = Instant::now();
    stage.eyes().sees(1, since, SOON).await;
    stage.roles.worker.terminate();
    let status = stage.roles.worker.ended(SOON).await;
    assert_eq!(status.code(), Some(0), "{}", stage.roles.worker.log());
    let (last, first) = stage.goes_on(since).await;
    let (stood, went_on) = (last.media.unwrap(), first.media.unwrap());
    stage.ears().seconds(first.moment.at, 1, SOON).await;
    let (silent_from, silent_to) = stage.ears().longest_hole(since);
    println!(
        "measured hand-over: {stood:?}, then {went_on:?} after {:?}; sound after {:?}",
        first.moment.at.saturating_duration_since(last.moment.at),
        silent_to - silent_from
    );
    assert!(
        went_on <= stood + NEXT_PICTURE,
        "{stood:?}, then {went_on:?}: pictures are missing"
    );
    stage.assert_in_step("after a hand-over").await;
    stage.assert_stayed(since);

    // Paused, and by another one resumed.
    let _third = stage.next_worker("worker-3").await;
    let since = Instant::now();
    stage.eyes().sees(1, since, SOON).await;
    stage.party.control("pause").await.expect_code(200);
    next.terminate();
    assert_eq!(next.ended(SOON).await.code(), Some(0), "{}", next.log());
    stage.party.control("resume").await.expect_code(200);
    let (last, first) = stage.goes_on(since).await;
    let (stood, went_on) = (last.media.unwrap(), first.media.unwrap());
    println!("measured hand-over while paused: {stood:?}, then {went_on:?}");
    assert!(
        went_on <= stood + NEXT_PICTURE,
        "{stood:?}, then {went_on:?}: pictures are missing"
    );
    stage.assert_in_step("after a hand-over while paused").await;
    stage.assert_stayed(since);
    stage.assert_nothing_in_the_clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_goes_and_the_picture_does_not() {
    let setting = Setting {
        go_live: true,
        ..Setting::default()
    };
    let mut cluster = Cluster::start(Surroundings::start(setting.alone()).await).await;
    // The bot's and the user's.
    says_again(&cluster.schedulers[0], "account connected", 2).await;
    let created = ApiParty::create(&cluster.api, GUILD, json!({"goLive": true})).await;
    let party = created.contract().clone();
    party.play_title(&cluster.surroundings, Title::Clock).await;
    let eyes = orb_e2e::Eyes::of(&cluster.surroundings.discord, GUILD);
    eyes.sees(TWO_SECONDS, Instant::now(), SOON).await;

    let since = Instant::now();
    cluster.schedulers[0].kill().await;
    until("a call to be accepted", CHANGED_WITHIN, async || {
        let answer = party.control("pause").await;
        (answer.code == 200).then_some(())
    })
    .await;
    let took = since.elapsed();
    party.control("resume").await.expect_code(200);
    let resumed = Instant::now();
    let pictures = eyes.sees(2 * TWO_SECONDS, resumed, SOON).await;
    assert_unbroken(&pictures);
    let pictures = eyes.pictures(since);
    assert_unbroken(&pictures);
    let seen = eyes.seen();
    println!(
        "measured change of leader: first call after {took:?}, {} pictures from the crash on",
        pictures.len()
    );
    let record = cluster.surroundings.discord.record();
    assert_eq!(
        said(&record, since),
        [""; 0],
        "neither stream nor channel was left"
    );
    let identified = |event: &RecordEvent| matches!(event, RecordEvent::VoiceIdentify { guild, .. } if guild.0 == GUILD);
    assert_eq!(
        cluster.count(identified),
        2,
        "the channel's and the stream's, and no other"
    );
    let totals = seen.totals();
    assert_eq!(
        (totals.in_the_clear, totals.undecryptable, totals.broken),
        (0, 0, 0)
    );
    // Op 22 by the next leader.
    until("the pause and its end to show", SOON, async || {
        let record = cluster.surroundings.discord.record();
        let pauses = record.iter().filter(|entry| entry.at >= since);
        let pauses: Vec<_> = pauses
            .filter_map(|entry| match entry.event {
                RecordEvent::StreamRequest { op: 22, paused, .. } => paused,
                _ => None,
            })
            .collect();
        (pauses.last() == Some(&false)).then_some(())
    })
    .await;
}
