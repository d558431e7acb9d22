//! A bot in many guilds: several gateway connections, and as many joins as Discord takes.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSimConfig, RecordEvent};
use orb_e2e::{Installation, Party, Roles, Setting, Surroundings, until};

const SHARDS: u32 = 2;

/// One of each shard.
const GUILDS: [u64; 2] = [2 << 22, 3 << 22];

/// For anything that opens a file and starts an encoder, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

async fn sharded() -> Surroundings {
    Surroundings::start(Setting {
        discord: DiscordSimConfig {
            shards: SHARDS,
            max_concurrency: SHARDS,
            ..DiscordSimConfig::default()
        },
        ..Setting::default()
    })
    .await
}

fn count(surroundings: &Surroundings, wanted: impl Fn(&RecordEvent) -> bool) -> usize {
    let record = surroundings.discord.record();
    record.iter().filter(|entry| wanted(&entry.event)).count()
}

fn identifies(event: &RecordEvent) -> bool {
    matches!(event, RecordEvent::GatewayIdentify { .. })
}

fn resumes(event: &RecordEvent) -> bool {
    matches!(event, RecordEvent::GatewayResume { refused: None, .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shard_is_resumed_by_the_next_scheduler_and_nobody_hears_of_it() {
    let mut roles = Roles::start(sharded().await).await;
    let mut parties = Vec::new();
    for guild in GUILDS {
        parties.push(Party::playing(&roles.api, &roles.surroundings, guild).await);
    }
    assert_eq!(count(&roles.surroundings, identifies), 2);
    let began = Instant::now();
    roles.scheduler.kill().await;
    roles.start_scheduler_again().await;
    until("both shards to be resumed", SOON, async || {
        (count(&roles.surroundings, resumes) == 2).then_some(())
    })
    .await;
    for party in &parties {
        party.becomes("playing", SOON).await;
        party.control("pause").await.expect_code(200);
        party.control("resume").await.expect_code(200);
    }
    assert_eq!(count(&roles.surroundings, identifies), 2, "none anew");
    for party in &parties {
        let dials = |event: &RecordEvent| matches!(event, RecordEvent::VoiceIdentify { guild, .. } if guild.0 == party.guild());
        assert_eq!(count(&roles.surroundings, dials), 1);
        let ears = party.ears(&roles.surroundings.discord);
        ears.seconds(began, 2, SOON).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_would_wait_for_its_join_is_refused_with_the_time() {
    let orb = Installation::up(Surroundings::start(Setting::default()).await).await;
    let began = Instant::now();
    let mut accepted = 0;
    let refused = loop {
        let party = Party::known(&orb.api, 1_000 + accepted);
        let answer = orb.api.post("/sessions", &party.create_body()).await;
        if answer.code != 201 {
            break answer;
        }
        accepted += 1;
        assert!(accepted <= 120, "as many as Discord takes");
    };
    refused.expect_problem(503, "joins_limited");
    let after: u64 = refused.retry_after.unwrap().parse().unwrap();
    let spent = began.elapsed().as_secs();
    println!("{accepted} were accepted in {spent} s, more in {after} s");
    assert!((80..=100).contains(&accepted), "{accepted}");
    assert!((60 - spent.min(60)..=60).contains(&after), "{after} s");
    // Everybody who was accepted is in a channel, and Discord had no reason to complain.
    let joined = |event: &RecordEvent| {
        matches!(
            event,
            RecordEvent::VoiceStateRequest {
                channel: Some(_),
                refused: None,
                ..
            }
        )
    };
    until("all joins to be sent", SOON, async || {
        (count(&orb.surroundings, joined) as u64 >= accepted).then_some(())
    })
    .await;
    let closed = |event: &RecordEvent| matches!(event, RecordEvent::GatewayClosed { .. });
    assert_eq!(count(&orb.surroundings, closed), 0);
}
