//! An account with several gateway connections: who has which guild, who is resumed, who is not.

use std::collections::BTreeMap;

use crate::support::*;
use discord_sim::{DiscordSim, DiscordSimConfig, Fault, GuildId, RecordEvent};
use orb_accounts::{
    AccountEvent, AccountTiming, GatewaySession, Permission, RestoredAccount, ShardId, Shutdown,
    VoiceCredentials,
};

const SHARDS: u32 = 2;

/// One of each shard.
const GUILDS: [u64; 2] = [2 << 22, 3 << 22];

async fn sharded() -> DiscordSim {
    sim(DiscordSimConfig {
        guilds: GUILDS.map(GuildId).to_vec(),
        shards: SHARDS,
        max_concurrency: SHARDS,
        ..DiscordSimConfig::default()
    })
    .await
}

/// Reads events until every shard is ready; whether each was resumed.
async fn all_ready(bot: &mut Bot) -> BTreeMap<u32, bool> {
    let mut ready = BTreeMap::new();
    while ready.len() < SHARDS as usize {
        let next = |event: &AccountEvent| match event {
            AccountEvent::Ready { shard, resumed, .. } => {
                assert_eq!(shard.count, SHARDS);
                Some((shard.number, *resumed))
            }
            _ => None,
        };
        ready.extend([bot.until("every shard ready", next).await]);
    }
    ready
}

/// In a channel of a guild of each shard, and where each session is.
async fn seated_everywhere(bot: &mut Bot) -> Vec<VoiceCredentials> {
    let mut held = Vec::new();
    for guild in GUILDS {
        bot.accounts
            .join(bot.id, guild, CHANNEL, false)
            .await
            .unwrap();
        let credentials = bot.credentials().await;
        assert_eq!(credentials.guild_id, guild);
        held.push(credentials);
    }
    held
}

/// The newest progress of each shard.
fn sessions(told: &[AccountEvent]) -> BTreeMap<ShardId, GatewaySession> {
    let progress = told.iter().filter_map(|event| match event {
        AccountEvent::Progress { shard, session, .. } => Some((*shard, session.clone())),
        _ => None,
    });
    progress.collect()
}

/// A process that has handed over, what it held, and what it stored last of each shard.
async fn handed_over(
    sim: &DiscordSim,
) -> (
    Bot,
    Vec<VoiceCredentials>,
    BTreeMap<ShardId, GatewaySession>,
) {
    let mut first = Bot::connect(config(sim)).await;
    all_ready(&mut first).await;
    let held = seated_everywhere(&mut first).await;
    first.accounts.shutdown(Shutdown::HandOver).await;
    while let Some(event) = first.events.recv().await {
        first.told.push(event);
    }
    let stored = sessions(&first.told);
    (first, held, stored)
}

async fn successor(
    sim: &DiscordSim,
    first: &Bot,
    sessions: Vec<(ShardId, GatewaySession)>,
    held: Vec<VoiceCredentials>,
) -> Bot {
    let restored = RestoredAccount {
        account: first.id,
        sessions,
        held,
    };
    let (timing, always) = (AccountTiming::default(), Permission::always());
    Bot::connect_restored(config(sim), vec![restored], timing, always).await
}

/// Sessions that op 4s were sent on, by guild; none was sent to a shard that has not the guild.
fn joins(sim: &DiscordSim) -> BTreeMap<u64, Vec<String>> {
    let mut joins: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for entry in sim.record() {
        if let RecordEvent::VoiceStateRequest {
            session,
            guild,
            channel: Some(_),
            refused,
        } = entry.event
        {
            assert_eq!(refused, None, "{guild}");
            joins.entry(guild.0).or_default().push(session);
        }
    }
    joins
}

#[tokio::test]
async fn each_guild_is_joined_over_its_shard() {
    let sim = sharded().await;
    let mut bot = Bot::connect(config(&sim)).await;
    assert!(all_ready(&mut bot).await.values().all(|resumed| !resumed));
    seated_everywhere(&mut bot).await;
    let joins = joins(&sim);
    assert_ne!(joins[&GUILDS[0]], joins[&GUILDS[1]], "two sessions");

    bot.accounts.leave(bot.id, GUILDS[1]).await.unwrap();
    assert!(bot.left().await, "asked");
    bot.accounts.shutdown(Shutdown::Leave).await;
    let left = |event: &RecordEvent| matches!(event, RecordEvent::VoiceStateRequest { guild, channel: None, .. } if guild.0 == GUILDS[0]);
    assert_eq!(count(&sim, left), 1, "the other shard leaves, too");
}

#[tokio::test]
async fn a_successor_resumes_every_shard() {
    let sim = sharded().await;
    let (first, held, stored) = handed_over(&sim).await;
    assert_eq!(stored.len(), 2);

    let stored = stored.into_iter().collect();
    let mut second = successor(&sim, &first, stored, held).await;
    assert!(
        all_ready(&mut second)
            .await
            .values()
            .all(|resumed| *resumed)
    );
    assert_eq!(identifies(&sim), 2, "of the first process");
    assert_eq!(joins(&sim).values().flatten().count(), 2);
}

#[tokio::test]
async fn the_shard_whose_session_is_gone_joins_again_and_the_other_hears_nothing_of_it() {
    let sim = sharded().await;
    let (first, held, stored) = handed_over(&sim).await;
    let only_first = stored.into_iter().take(1).collect();

    let mut second = successor(&sim, &first, only_first, held).await;
    let ready = all_ready(&mut second).await;
    assert_eq!(ready, BTreeMap::from([(0, true), (1, false)]));
    let again = match second.told.iter().find_map(credentials_of) {
        Some(credentials) => credentials,
        None => second.credentials().await,
    };
    assert_eq!(again.guild_id, GUILDS[1]);
    let joins = joins(&sim);
    assert_eq!((joins[&GUILDS[0]].len(), joins[&GUILDS[1]].len()), (1, 2));
}

fn credentials_of(event: &AccountEvent) -> Option<VoiceCredentials> {
    match event {
        AccountEvent::Credentials { credentials, .. } => Some(credentials.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn sessions_of_too_few_shards_are_given_up() {
    let sim = sharded().await;
    let mut first = Bot::connect(config(&sim)).await;
    all_ready(&mut first).await;
    let held = seated_everywhere(&mut first).await;
    let session = first.progress().await;
    first.accounts.shutdown(Shutdown::Abandon).await;

    // As stored before the bot grew.
    let mut second = successor(&sim, &first, vec![(WHOLE, session)], held).await;
    assert!(
        all_ready(&mut second)
            .await
            .values()
            .all(|resumed| !resumed)
    );
    let resumes = |event: &RecordEvent| matches!(event, RecordEvent::GatewayResume { .. });
    assert_eq!(count(&sim, resumes), 0);
}

#[tokio::test]
async fn shards_that_are_lost_are_resumed() {
    let sim = sharded().await;
    let mut bot = Bot::connect(config(&sim)).await;
    all_ready(&mut bot).await;
    seated_everywhere(&mut bot).await;
    sim.fault(&Fault::DropGateway { user: None }).unwrap();
    assert!(all_ready(&mut bot).await.values().all(|resumed| *resumed));
    let lost: Vec<u32> = bot
        .told
        .iter()
        .filter_map(|event| match event {
            AccountEvent::Disconnected { shard, .. } => Some(shard.number),
            _ => None,
        })
        .collect();
    assert_eq!(lost.len(), 2, "{lost:?}: each tells of its own loss");
    assert_eq!(
        joins(&sim).values().flatten().count(),
        2,
        "nobody joined again"
    );
}
