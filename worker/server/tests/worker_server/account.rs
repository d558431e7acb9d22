//! A bot account in the simulated Discord, as the scheduler has one.

use std::time::Duration;

use discord_sim::DiscordSim;
use orb_proto::v1;
use twilight_gateway::{
    ConfigBuilder, Event, EventTypeFlags, Intents, Shard, ShardId, StreamExt as _,
};

pub(crate) const GUILD: u64 = 41;
pub(crate) const CHANNEL: u64 = 42;
const PATIENCE: Duration = Duration::from_secs(20);

/// Joins a channel by its main connection, and gives what a voice connection needs.
pub(crate) async fn join(sim: &DiscordSim) -> (Shard, v1::VoiceCredentials) {
    let url = format!("{}/api/v10/gateway", sim.api_url());
    let answer: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let url = answer["url"].as_str().unwrap().to_owned();
    let intents = Intents::GUILDS | Intents::GUILD_VOICE_STATES;
    let config = ConfigBuilder::new(sim.bot_token().to_owned(), intents).proxy_url(url);
    let mut shard = Shard::with_config(ShardId::ONE, config.build());
    let is_ready = |event| matches!(event, Event::Ready(_)).then_some(());
    wait_for(&mut shard, is_ready).await;
    let op4 = serde_json::json!({"op": 4, "d": {
        "guild_id": GUILD.to_string(), "channel_id": CHANNEL.to_string(),
        "self_mute": false, "self_deaf": true
    }});
    shard.send(op4.to_string());
    let bot = sim.bot_user().0;
    let voice_session_id = wait_for(&mut shard, |event| match event {
        Event::VoiceStateUpdate(update) if update.user_id.get() == bot => {
            update.channel_id.map(|_| update.session_id.clone())
        }
        _ => None,
    });
    let voice_session_id = voice_session_id.await;
    let server = wait_for(&mut shard, |event| match event {
        Event::VoiceServerUpdate(update) => Some((update.endpoint?, update.token)),
        _ => None,
    });
    let (endpoint, token) = server.await;
    let credentials = v1::VoiceCredentials {
        guild_id: GUILD.to_string(),
        channel_id: CHANNEL.to_string(),
        user_id: bot.to_string(),
        voice_session_id,
        endpoint,
        token,
        revision: 1,
        stream: None,
    };
    (shard, credentials)
}

async fn wait_for<T>(shard: &mut Shard, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        let next = shard.next_event(EventTypeFlags::all());
        let event = tokio::time::timeout(PATIENCE, next).await;
        let event = event.expect("no such event in time");
        if let Some(picked) = pick(event.unwrap().unwrap()) {
            return picked;
        }
    }
}
