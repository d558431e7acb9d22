//! Voice clients of one call see and hear each other; and members come in over HTTP.

use crate::common::talker::{GCM, Talker, XCHACHA};
use crate::common::voice_client::Client;
use crate::common::{CHANNEL, GUILD};
use discord_sim::{DiscordSim, DiscordSimConfig, GuildId, UserId};
use serde_json::{Value, json};

async fn start(dave: bool) -> DiscordSim {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = DiscordSimConfig {
        dave,
        ..DiscordSimConfig::default()
    };
    DiscordSim::start(config).await.unwrap()
}

#[tokio::test]
async fn packets_are_forwarded_under_each_ones_own_key() {
    let sim = start(false).await;
    let first = Talker::join(&sim, 1, GCM).await;
    let second = Talker::join(&sim, 2, XCHACHA).await;
    let third = Talker::join(&sim, 3, GCM).await;
    assert_ne!(first.key, third.key);
    for sequence in 0..3 {
        first.say(100 + sequence, b"said by the first").await;
        for hearer in [&second, &third] {
            let (ssrc, had, timestamp, payload, nonce) = hearer.hear().await;
            assert_eq!((ssrc, had), (first.ssrc, 100 + sequence));
            assert_eq!(timestamp, 960 * u32::from(had));
            assert_eq!(payload, b"said by the first");
            assert_eq!(nonce, u32::from(sequence), "each hearer has its own count");
        }
    }
    second.say(7, b"said by the second").await;
    for hearer in [&first, &third] {
        let (ssrc, sequence, _, payload, _) = hearer.hear().await;
        assert_eq!((ssrc, sequence), (second.ssrc, 7));
        assert_eq!(payload, b"said by the second");
    }
    // The speaker does not hear itself, nor another channel: the next thing that it gets is this.
    let elsewhere = sim
        .voice_credentials(GUILD, CHANNEL + 1, UserId(4))
        .unwrap();
    let elsewhere = Talker::join_as(&sim, &elsewhere, GCM).await;
    elsewhere.say(1, b"elsewhere").await;
    third.say(9, b"last").await;
    assert_eq!(first.hear().await.3, b"last");
    assert_eq!(sim.heard(GUILD).totals().packets, 3 + 1 + 1 + 1);
    sim.shutdown().await;
}

#[tokio::test]
async fn members_see_each_other_come_speak_and_go() {
    let sim = start(false).await;
    let mut first = Talker::join(&sim, 1, GCM).await;
    let listener = first.present.clone();
    assert_eq!(listener.len(), 1, "the listening member alone");
    let speaking = json!({"speaking": 1, "delay": 0, "ssrc": first.ssrc});
    first.client.send(5, speaking).await;
    first.client.beat(None).await;

    let mut second = Talker::join(&sim, 2, GCM).await;
    assert_eq!(second.present, [listener[0], UserId(1)]);
    assert_eq!(first.client.receive(11).await, json!({"user_ids": ["2"]}));
    // Who speaks already is told to the newcomer, who speaks later to all.
    let told = json!({"user_id": "1", "ssrc": first.ssrc, "speaking": 1});
    assert_eq!(second.client.receive(5).await, told);
    let soundshare = json!({"speaking": 2, "delay": 0, "ssrc": second.ssrc});
    second.client.send(5, soundshare).await;
    let told = json!({"user_id": "2", "ssrc": second.ssrc, "speaking": 2});
    assert_eq!(first.client.receive(5).await, told);

    sim.leave_voice(GUILD, 2);
    assert_eq!(second.client.close_code().await, 4014);
    assert_eq!(first.client.receive(13).await, json!({"user_id": "2"}));
    sim.shutdown().await;
}

#[tokio::test]
async fn a_member_comes_in_over_http() {
    let sim = start(true).await;
    let http = reqwest::Client::new();
    let url = format!("{}/_sim/voice", sim.api_url());
    let enter = |channel: u64| {
        let body = json!({"guild": GUILD, "channel": channel.to_string(), "user": "5"});
        let asked = http.post(&url).json(&body);
        async { asked.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let info = enter(CHANNEL).await;
    assert_eq!(info["guild_id"], GUILD.to_string());
    assert_eq!(info["endpoint"], sim.voice_endpoints()[0].to_string());
    assert_eq!(enter(CHANNEL).await, info, "as op 4 to the same channel");
    let credentials = sim.voice_credentials(GUILD, CHANNEL, UserId(5)).unwrap();
    assert_eq!(serde_json::to_value(&credentials).unwrap(), info);
    let shown = format!("{credentials:?}");
    assert!(!shown.contains(&credentials.token), "{shown}");

    let mut talker = Talker::join_as(&sim, &credentials, GCM).await;
    let moved = enter(CHANNEL + 1).await;
    assert_ne!(moved["token"], info["token"]);
    assert_eq!(talker.client.close_code().await, 4014);

    let moved = sim
        .voice_credentials(GUILD, CHANNEL + 1, UserId(5))
        .unwrap();
    let (mut client, _) = Client::identified(&sim, &moved).await;
    let leave = json!({"guild": GuildId(41), "user": 5});
    let left = http.delete(&url).json(&leave).send().await.unwrap();
    assert!(left.status().is_success());
    assert_eq!(client.close_code().await, 4014);
    let nonsense = http.post(&url).json(&json!({"guild": "x"})).send().await;
    assert_eq!(nonsense.unwrap().status(), 400);
    sim.shutdown().await;
}
