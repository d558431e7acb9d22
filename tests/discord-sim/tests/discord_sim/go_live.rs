//! Go Live on the main gateway: ops 18 to 22 as a bare client sends them, and what comes back.

use discord_sim::{
    ChannelId, DiscordSim, DiscordSimConfig, Fault, GuildId, RecordEvent, StreamDeleteReason,
    user_of,
};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::common::{CHANNEL, GUILD, PATIENCE, until};

const STREAMER: &str = "user.streamer";
const VIEWER: &str = "user.viewer";

/// A client that says what it is told to, and nothing else.
struct Client {
    socket: WebSocketStream<TcpStream>,
    token: &'static str,
    session: String,
    sequence: u64,
}

impl Client {
    async fn dial(sim: &DiscordSim, token: &'static str) -> Self {
        let address = sim.gateway_endpoint();
        let stream = TcpStream::connect(address).await.unwrap();
        let url = format!("ws://{address}/?v=10&encoding=json");
        let (socket, _) = client_async(url, stream).await.unwrap();
        Self {
            socket,
            token,
            session: String::new(),
            sequence: 0,
        }
    }

    async fn login(sim: &DiscordSim, token: &'static str) -> Self {
        let mut client = Self::dial(sim, token).await;
        let properties = json!({"os": "linux", "browser": "test", "device": "test"});
        let identify = json!({"token": token, "properties": properties});
        client.send(2, identify).await;
        let ready = client.event("READY").await;
        let session = ready["session_id"].as_str().unwrap().to_owned();
        Self { session, ..client }
    }

    async fn send(&mut self, op: u64, d: Value) {
        let text = json!({"op": op, "d": d}).to_string();
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next event's name and data.
    async fn any_event(&mut self) -> (String, Value) {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let message = next.expect("an event in time").unwrap().unwrap();
            let Message::Text(text) = message else {
                panic!("closed: {message:?}");
            };
            let value: Value = serde_json::from_str(text.as_str()).unwrap();
            if value["op"] == 0 {
                self.sequence = value["s"].as_u64().unwrap();
                return (value["t"].as_str().unwrap().to_owned(), value["d"].clone());
            }
        }
    }

    /// The next event of this name.
    async fn event(&mut self, name: &str) -> Value {
        loop {
            let (found, data) = self.any_event().await;
            if found == name {
                return data;
            }
        }
    }

    async fn join(&mut self, channel: Option<u64>) {
        self.join_in(GUILD, channel).await;
    }

    async fn join_in(&mut self, guild: GuildId, channel: Option<u64>) {
        let channel = channel.map(|channel| channel.to_string());
        let d = json!({"guild_id": guild, "channel_id": channel, "self_mute": false,
            "self_deaf": true});
        self.send(4, d).await;
    }

    async fn go_live(&mut self, channel: u64) {
        let d = json!({"type": "guild", "guild_id": GUILD, "channel_id": channel.to_string(),
            "preferred_region": null});
        self.send(18, d).await;
    }
}

fn key(channel: u64) -> String {
    format!("guild:{GUILD}:{channel}:{}", user_of(STREAMER))
}

async fn sim() -> DiscordSim {
    DiscordSim::start(DiscordSimConfig::default())
        .await
        .unwrap()
}

/// A streamer that is live in [`CHANNEL`], with what it was told.
async fn live(sim: &DiscordSim) -> (Client, Value, Value) {
    let mut client = Client::login(sim, STREAMER).await;
    client.join(Some(CHANNEL)).await;
    client.event("VOICE_SERVER_UPDATE").await;
    client.go_live(CHANNEL).await;
    let created = client.event("STREAM_CREATE").await;
    let state = client.event("VOICE_STATE_UPDATE").await;
    assert_eq!(state["self_stream"], true);
    let server = client.event("STREAM_SERVER_UPDATE").await;
    (client, created, server)
}

fn ignored(sim: &DiscordSim) -> Vec<(u64, String)> {
    let entries = sim.record().into_iter();
    entries
        .filter_map(|entry| match entry.event {
            RecordEvent::StreamRequest { op, refused, .. } => Some((op, refused?)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_stream_is_made_paused_and_ended() {
    let sim = sim().await;
    let (mut client, created, server) = live(&sim).await;
    let id = sim.streams(GUILD)[0].rtc_server_id;
    assert_eq!(created["stream_key"], key(CHANNEL));
    assert_eq!(created["rtc_server_id"], id.to_string());
    assert_eq!(created["viewer_ids"], json!([]));
    assert_eq!(server["endpoint"], sim.voice_endpoints()[0].to_string());

    client
        .send(22, json!({"stream_key": key(CHANNEL), "paused": true}))
        .await;
    assert_eq!(client.event("STREAM_UPDATE").await["paused"], true);
    let again = client.event("STREAM_SERVER_UPDATE").await;
    assert_eq!(again, server, "as documented; nothing of it has changed");

    client.send(21, json!({"stream_key": key(CHANNEL)})).await;
    assert_eq!(client.event("STREAM_SERVER_UPDATE").await, server);

    client.send(19, json!({"stream_key": key(CHANNEL)})).await;
    let deleted = client.event("STREAM_DELETE").await;
    assert_eq!(deleted["reason"], "user_requested");
    let state = client.event("VOICE_STATE_UPDATE").await;
    assert_eq!(state["self_stream"], false);
    assert!(sim.streams(GUILD).is_empty());
    sim.shutdown().await;
}

#[tokio::test]
async fn a_viewer_gets_a_seat_of_its_own() {
    let sim = sim().await;
    let (mut streamer, created, server) = live(&sim).await;
    let mut viewer = Client::login(&sim, VIEWER).await;
    let watch = json!({"stream_key": key(CHANNEL)});
    viewer.send(20, watch.clone()).await;
    let refused = viewer.event("STREAM_DELETE").await;
    assert_eq!(
        refused["reason"], "unauthorized",
        "it is not in the channel"
    );

    viewer.join(Some(CHANNEL)).await;
    viewer.send(20, watch).await;
    let seen = viewer.event("STREAM_CREATE").await;
    assert_eq!(seen["rtc_server_id"], created["rtc_server_id"]);
    let own = viewer.event("STREAM_SERVER_UPDATE").await;
    assert_ne!(own["token"], server["token"]);
    let updated = streamer.event("STREAM_UPDATE").await;
    assert_eq!(updated["viewer_ids"], json!([user_of(VIEWER)]));

    viewer.send(19, json!({"stream_key": key(CHANNEL)})).await;
    viewer.event("STREAM_DELETE").await;
    assert_eq!(sim.streams(GUILD).len(), 1, "the stream goes on");

    viewer.send(20, json!({"stream_key": "nonsense"})).await;
    let refused = viewer.event("STREAM_DELETE").await;
    assert_eq!(refused["reason"], "parse_failed");
    sim.shutdown().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_place_in_the_channel() {
    let sim = sim().await;
    let (mut client, ..) = live(&sim).await;
    let (guild, user, channel) = (GUILD, None, ChannelId(CHANNEL + 1));
    let moved = Fault::Move {
        guild,
        user,
        channel,
    };
    sim.fault(&moved).unwrap();
    let deleted = client.event("STREAM_DELETE").await;
    assert_eq!(deleted["stream_key"], key(CHANNEL));
    assert_eq!(deleted["reason"], "stream_ended");

    client.go_live(CHANNEL).await;
    client.go_live(CHANNEL + 1).await;
    let created = client.event("STREAM_CREATE").await;
    assert_eq!(created["stream_key"], key(CHANNEL + 1));
    let ignored_so_far = ignored(&sim);
    assert_eq!(ignored_so_far, [(18, "not in that channel".to_owned())]);

    client.join(None).await;
    let deleted = client.event("STREAM_DELETE").await;
    assert_eq!(deleted["stream_key"], key(CHANNEL + 1));
    assert!(sim.streams(GUILD).is_empty());
    sim.shutdown().await;
}

#[tokio::test]
async fn bots_are_never_answered() {
    let sim = sim().await;
    let mut bot = Client::login(&sim, "a.bot.token").await;
    bot.join(Some(CHANNEL)).await;
    bot.go_live(CHANNEL).await;
    bot.send(20, json!({"stream_key": key(CHANNEL)})).await;
    let both = || (ignored(&sim).len() == 2).then_some(());
    until("both attempts in the record", both).await;
    assert!(ignored(&sim).iter().all(|(_, why)| why == "bot account"));
    assert!(sim.streams(GUILD).is_empty());
    sim.shutdown().await;
}

#[tokio::test]
async fn what_was_missed_of_a_stream_is_replayed() {
    let sim = sim().await;
    let (client, ..) = live(&sim).await;
    let (token, session, seq) = (client.token, client.session.clone(), client.sequence);
    drop(client);
    let end = Fault::EndStream {
        guild: GUILD,
        user: None,
        reason: StreamDeleteReason::SafetyGuildRateLimited,
    };
    assert_eq!(sim.fault(&end).unwrap(), 1);
    let mut second = Client::dial(&sim, token).await;
    let resume = json!({"token": token, "session_id": session, "seq": seq});
    second.send(6, resume).await;
    let deleted = second.event("STREAM_DELETE").await;
    assert_eq!(deleted["reason"], "safety_guild_rate_limited");
    second.event("RESUMED").await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a_person_is_in_one_channel_at_a_time() {
    let sim = sim().await;
    let (mut client, ..) = live(&sim).await;
    client.join_in(GuildId(GUILD.0 + 1), Some(CHANNEL)).await;
    client.event("STREAM_DELETE").await;
    client.event("VOICE_SERVER_UPDATE").await;
    assert!(sim.streams(GUILD).is_empty());
    assert_eq!(
        sim.fault(&Fault::Kick {
            guild: GUILD,
            user: None
        })
        .unwrap(),
        0
    );
    sim.shutdown().await;
}

#[tokio::test]
async fn rest_knows_bots_from_users() {
    let sim = sim().await;
    let client = reqwest::Client::new();
    let get = async |path: &str, authorization: &str| {
        let url = format!("{}/api/v10{path}", sim.api_url());
        let request = client.get(url).header("Authorization", authorization);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let table = [
        ("/users/@me", STREAMER, 200),
        ("/users/@me", "Bot user.streamer", 401),
        ("/users/@me", "a.bot.token", 401),
        ("/users/@me", "Bot a.bot.token", 200),
        ("/gateway", STREAMER, 200),
        ("/gateway/bot", STREAMER, 403),
    ];
    for (path, authorization, expected) in table {
        let (status, _) = get(path, authorization).await;
        assert_eq!(status, expected, "{path} {authorization}");
    }
    let (_, me) = get("/users/@me", STREAMER).await;
    assert_eq!(me["bot"], false);
    assert_eq!(me["id"], user_of(STREAMER).to_string());
    sim.shutdown().await;
}

#[tokio::test]
async fn guests_stream_and_watch_over_http() {
    let sim = sim().await;
    let client = reqwest::Client::new();
    let post = async |path: &str, body: Value| {
        let url = format!("{}/_sim/{path}", sim.api_url());
        let answer = client.post(url).json(&body).send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    let watch = json!({"guild": GUILD, "owner": "7", "user": "8"});
    let (status, refused) = post("watch", watch.clone()).await;
    assert_eq!((status, &refused["code"]), (400, &json!("fault_refused")));
    let streamed = json!({"guild": GUILD, "channel": CHANNEL, "user": "7"});
    let (_, streamer) = post("stream", streamed.clone()).await;
    let (_, viewer) = post("watch", watch).await;
    assert_eq!(streamer["rtc_server_id"], viewer["rtc_server_id"]);
    assert_ne!(streamer["token"], viewer["token"]);
    assert_eq!(post("stream", streamed).await.1, streamer, "asked again");
    let url = format!("{}/_sim/streams?guild={GUILD}", sim.api_url());
    let listed: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(listed["streams"][0]["viewers"], json!(["8"]));
    sim.shutdown().await;
}
