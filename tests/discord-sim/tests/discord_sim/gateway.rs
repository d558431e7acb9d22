//! The main gateway, driven by twilight's client: what it reads as READY, RESUMED and voice
//! events is what a real client would.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSim, DiscordSimConfig, Fault, GuildId, RecordEvent};
use twilight_gateway::{
    ConfigBuilder, Event, EventTypeFlags, Intents, Session, Shard, ShardId, StreamExt,
};

const GUILD: u64 = 41;
const CHANNEL: u64 = 42;
const PATIENCE: Duration = Duration::from_secs(10);

fn shard(sim: &DiscordSim, url: &str, session: Option<(Session, String)>) -> Shard {
    // Twilight's TLS is not used over ws://, but wants a provider to be there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let intents = Intents::GUILDS | Intents::GUILD_VOICE_STATES;
    let mut config =
        ConfigBuilder::new(sim.bot_token().to_owned(), intents).proxy_url(url.to_owned());
    if let Some((session, resume_url)) = session {
        config = config.session(session).resume_url(resume_url);
    }
    Shard::with_config(ShardId::ONE, config.build())
}

async fn gateway_url(sim: &DiscordSim) -> String {
    let url = format!("{}/api/v10/gateway", sim.api_url());
    let answer: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    answer["url"].as_str().unwrap().to_owned()
}

/// The next event that `pick` takes; panics when none comes in time.
async fn wait_for<T>(shard: &mut Shard, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let next = tokio::time::timeout(left, shard.next_event(EventTypeFlags::all())).await;
        let event = next
            .expect("no such event in time")
            .expect("the stream of events never ends");
        // What cannot be parsed is a bug of the simulator.
        if let Some(picked) = pick(event.unwrap()) {
            return picked;
        }
    }
}

async fn ready(shard: &mut Shard) -> twilight_gateway::Event {
    wait_for(shard, |event| {
        matches!(event, Event::Ready(_)).then_some(event)
    })
    .await
}

fn op4(channel: Option<u64>) -> String {
    // As integers, the way serenity sends them.
    serde_json::json!({"op": 4, "d": {
        "guild_id": GUILD, "channel_id": channel, "self_mute": false, "self_deaf": true
    }})
    .to_string()
}

async fn voice_channel(shard: &mut Shard, sim: &DiscordSim) -> Option<u64> {
    let bot = sim.bot_user().0;
    wait_for(shard, |event| match event {
        Event::VoiceStateUpdate(update) if update.user_id.get() == bot => {
            Some(update.channel_id.map(twilight_model::id::Id::get))
        }
        _ => None,
    })
    .await
}

async fn start(config: DiscordSimConfig) -> (DiscordSim, String) {
    let sim = DiscordSim::start(config).await.unwrap();
    let url = gateway_url(&sim).await;
    (sim, url)
}

#[tokio::test]
async fn rest_answers_as_discord_does() {
    let tokens = vec!["good.token.one".to_owned()];
    let (sim, _) = start(DiscordSimConfig {
        tokens,
        ..DiscordSimConfig::default()
    })
    .await;
    let client = reqwest::Client::new();
    let get = |path: &str, token: &str| {
        client
            .get(format!("{}{path}", sim.api_url()))
            .header("Authorization", format!("Bot {token}"))
            .send()
    };
    let me = get("/api/v10/users/@me", sim.bot_token()).await.unwrap();
    assert_eq!(me.status(), 200);
    let me: serde_json::Value = me.json().await.unwrap();
    assert_eq!(me["id"], sim.bot_user().to_string());

    for (path, token, status) in [
        ("/api/v10/users/@me", "bad.token.two", 401),
        ("/api/v10/nonsense", sim.bot_token(), 404),
    ] {
        let answer = get(path, token).await.unwrap();
        assert_eq!(answer.status(), status);
        let answer: serde_json::Value = answer.json().await.unwrap();
        assert!(answer["message"].is_string() && answer["code"].is_u64());
    }

    let posted = client
        .post(format!("{}/api/v10/channels/7/messages", sim.api_url()))
        .header("Authorization", format!("Bot {}", sim.bot_token()))
        .json(&serde_json::json!({"content": "now playing"}))
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status(), 200);
    let recorded = sim.record().into_iter().any(|entry| {
        matches!(entry.event, RecordEvent::Message { content, .. } if content == "now playing")
    });
    assert!(recorded);
    sim.shutdown().await;
}

#[tokio::test]
async fn a_bot_joins_moves_and_leaves() {
    let (sim, url) = start(DiscordSimConfig::default()).await;
    let mut shard = shard(&sim, &url, None);
    ready(&mut shard).await;
    shard.send(op4(Some(CHANNEL)));
    // The guild exists from then on, with a listening member in the channel.
    let listeners = wait_for(&mut shard, |event| match event {
        Event::VoiceStateUpdate(update) if update.user_id.get() != sim.bot_user().0 => {
            update.channel_id
        }
        _ => None,
    })
    .await;
    assert_eq!(listeners.get(), CHANNEL);
    assert_eq!(voice_channel(&mut shard, &sim).await, Some(CHANNEL));
    let endpoint = wait_for(&mut shard, |event| match event {
        Event::VoiceServerUpdate(update) => update.endpoint,
        _ => None,
    })
    .await;
    assert_eq!(endpoint, sim.voice_endpoints()[0].to_string());

    let moved = Fault::Move {
        guild: GuildId(GUILD),
        user: None,
        channel: 43.into(),
    };
    assert_eq!(sim.fault(&moved).unwrap(), 1);
    assert_eq!(voice_channel(&mut shard, &sim).await, Some(43));
    shard.send(op4(None));
    assert_eq!(voice_channel(&mut shard, &sim).await, None);
    sim.shutdown().await;
}

#[tokio::test]
async fn another_client_resumes_a_dropped_session_and_gets_what_it_missed() {
    let (sim, url) = start(DiscordSimConfig::default()).await;
    let mut first = shard(&sim, &url, None);
    ready(&mut first).await;
    first.send(op4(Some(CHANNEL)));
    voice_channel(&mut first, &sim).await;
    let session = first.session().unwrap().clone();
    let stored = Session::new(session.sequence(), session.id().to_owned());
    let resume_url = first.resume_url().unwrap().to_owned();
    drop(first); // no close frame, as a killed process

    let kick = Fault::Kick {
        guild: GuildId(GUILD),
        user: None,
    };
    sim.fault(&kick).unwrap();
    let mut second = shard(&sim, &url, Some((stored, resume_url)));
    // The kick happened while nobody was connected; it is replayed before RESUMED.
    assert_eq!(voice_channel(&mut second, &sim).await, None);
    wait_for(&mut second, |event| {
        matches!(event, Event::Resumed).then_some(())
    })
    .await;
    let resumes: Vec<_> = sim
        .record()
        .into_iter()
        .filter_map(|entry| match entry.event {
            RecordEvent::GatewayResume {
                replayed, refused, ..
            } => Some((replayed, refused)),
            _ => None,
        })
        .collect();
    assert!(matches!(resumes.as_slice(), [(1.., None)]), "{resumes:?}");
    sim.shutdown().await;
}

#[tokio::test]
async fn a_session_that_nobody_resumes_ends_and_its_bot_leaves() {
    let (sim, url) = start(DiscordSimConfig {
        resume_window: Duration::from_millis(200),
        ..DiscordSimConfig::default()
    })
    .await;
    let mut first = shard(&sim, &url, None);
    ready(&mut first).await;
    first.send(op4(Some(CHANNEL)));
    voice_channel(&mut first, &sim).await;
    let session = first.session().unwrap().clone();
    let resume_url = first.resume_url().unwrap().to_owned();
    drop(first);
    let deadline = Instant::now() + PATIENCE;
    while !sim
        .record()
        .iter()
        .any(|entry| matches!(entry.event, RecordEvent::GatewaySessionEnded { .. }))
    {
        assert!(Instant::now() < deadline, "the session does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // A late RESUME is answered with op 9, upon which twilight identifies anew.
    let mut second = shard(&sim, &url, Some((session, resume_url)));
    wait_for(&mut second, |event| {
        matches!(event, Event::GatewayInvalidateSession(false)).then_some(())
    })
    .await;
    ready(&mut second).await;
    // There is nothing to be kicked out of.
    let kick = Fault::Kick {
        guild: GuildId(GUILD),
        user: None,
    };
    assert_eq!(sim.fault(&kick).unwrap(), 0);
    sim.shutdown().await;
}

#[tokio::test]
async fn op4_to_the_same_channel_may_send_no_server_update() {
    for (same_channel_server_update, expected) in [(true, 2), (false, 1)] {
        let (sim, url) = start(DiscordSimConfig {
            same_channel_server_update,
            ..DiscordSimConfig::default()
        })
        .await;
        let mut shard = shard(&sim, &url, None);
        ready(&mut shard).await;
        shard.send(op4(Some(CHANNEL)));
        shard.send(op4(Some(CHANNEL)));
        shard.send(op4(None));
        let mut server_updates = 0;
        wait_for(&mut shard, |event| match event {
            Event::VoiceServerUpdate(_) => {
                server_updates += 1;
                None
            }
            Event::VoiceStateUpdate(update) => update.channel_id.is_none().then_some(()),
            _ => None,
        })
        .await;
        assert_eq!(server_updates, expected);
        sim.shutdown().await;
    }
}

#[tokio::test]
async fn gateway_faults_reach_the_client() {
    let (sim, url) = start(DiscordSimConfig::default()).await;
    sim.fault(&Fault::RefuseIdentify {
        times: 1,
        close: None,
    })
    .unwrap();
    let mut shard = shard(&sim, &url, None);
    wait_for(&mut shard, |event| {
        matches!(event, Event::GatewayInvalidateSession(false)).then_some(())
    })
    .await;
    ready(&mut shard).await;
    let hits = sim.fault(&Fault::Reconnect { user: None }).unwrap();
    assert_eq!(hits, 1);
    wait_for(&mut shard, |event| {
        matches!(event, Event::GatewayReconnect).then_some(())
    })
    .await;
    wait_for(&mut shard, |event| {
        matches!(event, Event::Resumed).then_some(())
    })
    .await;
    sim.fault(&Fault::DropGateway { user: None }).unwrap();
    wait_for(&mut shard, |event| {
        matches!(event, Event::Resumed).then_some(())
    })
    .await;
    sim.shutdown().await;
}

#[tokio::test]
async fn listeners_come_and_go_as_bots_see_it() {
    let (sim, url) = start(DiscordSimConfig::default()).await;
    let mut bot = shard(&sim, &url, None);
    ready(&mut bot).await;
    bot.send(op4(Some(CHANNEL)));
    let user = sim.bot_user().0;
    let mut listener = async |what: &str| {
        println!("{what}");
        wait_for(&mut bot, |event| match event {
            Event::VoiceStateUpdate(update) if update.user_id.get() != user => {
                Some(update.channel_id.map(twilight_model::id::Id::get))
            }
            _ => None,
        })
        .await
    };
    assert_eq!(listener("there from the start").await, Some(CHANNEL));
    let guild = GuildId(GUILD);
    assert_eq!(sim.fault(&Fault::ListenersLeave { guild }).unwrap(), 1);
    assert_eq!(listener("gone").await, None);
    assert_eq!(sim.fault(&Fault::ListenersLeave { guild }).unwrap(), 0);
    assert_eq!(sim.fault(&Fault::ListenersReturn { guild }).unwrap(), 1);
    assert_eq!(listener("back").await, Some(CHANNEL));
}
