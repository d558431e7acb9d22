//! A bot with several connections, each for its part of the guilds.

use std::time::{Duration, Instant};

use discord_sim::{DiscordSim, DiscordSimConfig, GuildId, RecordEvent, Shard as Part};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TcpStream>;

const PATIENCE: Duration = Duration::from_secs(10);
/// Of the first and of the second of two shards.
const GUILDS: [u64; 2] = [2 << 22, 3 << 22];
const CHANNEL: u64 = 42;

async fn bot_gateway(sim: &DiscordSim) -> Value {
    let request = reqwest::Client::new()
        .get(format!("{}/api/v10/gateway/bot", sim.api_url()))
        .header("Authorization", format!("Bot {}", sim.bot_token()));
    request.send().await.unwrap().json().await.unwrap()
}

async fn identified(sim: &DiscordSim, url: &str, shard: Value) -> Socket {
    let address = url.strip_prefix("ws://").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut socket, _) = client_async(url, stream).await.unwrap();
    let identify = json!({"op": 2, "d": {
        "token": sim.bot_token(), "intents": 1 | 1 << 7, "shard": shard, "properties": {}
    }});
    say(&mut socket, &identify).await;
    socket
}

async fn say(socket: &mut Socket, message: &Value) {
    let text = Message::text(message.to_string());
    socket.send(text).await.unwrap();
}

async fn join(socket: &mut Socket, guild: u64) {
    let op4 = json!({"op": 4, "d": {"guild_id": guild, "channel_id": CHANNEL}});
    say(socket, &op4).await;
}

/// The next event of that kind; its data.
async fn event(socket: &mut Socket, kind: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let next = tokio::time::timeout(left, socket.next()).await;
        let message = next.expect(kind).expect(kind).unwrap();
        if let Message::Text(text) = message {
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["t"] == kind {
                return message["d"].clone();
            }
        }
    }
}

/// The code that the simulator closes the socket with.
async fn closed(socket: &mut Socket) -> u16 {
    let closed = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(Some(frame)) = message {
                return frame.code.into();
            }
        }
        panic!("no close frame");
    };
    tokio::time::timeout(PATIENCE, closed).await.unwrap()
}

#[tokio::test]
async fn each_shard_has_its_part_of_the_guilds() {
    let sim = DiscordSim::start(DiscordSimConfig {
        guilds: GUILDS.map(GuildId).to_vec(),
        shards: 2,
        max_concurrency: 2,
        ..DiscordSimConfig::default()
    })
    .await
    .unwrap();
    let gateway = bot_gateway(&sim).await;
    assert_eq!(gateway["shards"], 2);
    assert_eq!(gateway["session_start_limit"]["max_concurrency"], 2);
    let url = gateway["url"].as_str().unwrap();

    let mut sockets = Vec::new();
    for (id, guild) in GUILDS.into_iter().enumerate() {
        let mut socket = identified(&sim, url, json!([id, 2])).await;
        let ready = event(&mut socket, "READY").await;
        assert_eq!(ready["shard"], json!([id, 2]));
        assert_eq!(ready["guilds"].as_array().unwrap().len(), 1);
        assert_eq!(ready["guilds"][0]["id"], guild.to_string());
        sockets.push(socket);
    }
    // To the wrong shard: as with Discord, nothing comes of it, nor does it do any harm.
    join(&mut sockets[0], GUILDS[1]).await;
    join(&mut sockets[0], GUILDS[0]).await;
    let server = event(&mut sockets[0], "VOICE_SERVER_UPDATE").await;
    assert_eq!(server["guild_id"], GUILDS[0].to_string());
    join(&mut sockets[1], GUILDS[1]).await;
    let server = event(&mut sockets[1], "VOICE_SERVER_UPDATE").await;
    assert_eq!(server["guild_id"], GUILDS[1].to_string());

    let record = sim.record();
    let refused: Vec<_> = record
        .iter()
        .filter_map(|entry| match &entry.event {
            RecordEvent::VoiceStateRequest { guild, refused, .. } => {
                Some((guild.0, refused.is_some()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        refused,
        [(GUILDS[1], true), (GUILDS[0], false), (GUILDS[1], false)]
    );
    let identified = record.iter().filter_map(|entry| match entry.event {
        RecordEvent::GatewayIdentify { shard, .. } => shard,
        _ => None,
    });
    let parts = [Part { id: 0, count: 2 }, Part { id: 1, count: 2 }];
    assert_eq!(identified.collect::<Vec<_>>(), parts);
}

#[tokio::test]
async fn nonsense_is_closed() {
    let sim = DiscordSim::start(DiscordSimConfig::default())
        .await
        .unwrap();
    let gateway = bot_gateway(&sim).await;
    let url = gateway["url"].as_str().unwrap();
    let mut wrong = identified(&sim, url, json!([2, 2])).await;
    assert_eq!(closed(&mut wrong).await, 4010);
    let mut chatty = identified(&sim, url, json!([0, 1])).await;
    for _ in 0..120 {
        say(&mut chatty, &json!({"op": 1, "d": null})).await;
    }
    assert_eq!(closed(&mut chatty).await, 4008);
}
