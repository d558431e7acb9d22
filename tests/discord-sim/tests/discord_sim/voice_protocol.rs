//! The voice gateway's rules, message by message, with a client that breaks them.

use std::time::Duration;

use crate::common::voice_client::{Client, identify};
use crate::common::{CHANNEL, GUILD, recorded, until};
use discord_sim::{DiscordSim, DiscordSimConfig, Fault, RecordEvent, UserId, VoiceCredentials};
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio_tungstenite::tungstenite::Error;

async fn start(config: DiscordSimConfig) -> (DiscordSim, VoiceCredentials) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let sim = DiscordSim::start(config).await.unwrap();
    let info = sim.voice_credentials(GUILD, CHANNEL, UserId(7)).unwrap();
    (sim, info)
}

#[tokio::test]
async fn what_does_not_match_is_refused_with_its_code() {
    let (sim, info) = start(DiscordSimConfig::default()).await;
    let with = |field: &str, value: Value| {
        let mut data = identify(&info);
        data[field] = value;
        data
    };
    for (data, code) in [
        (with("server_id", json!("999")), 4006),
        (with("user_id", json!("999")), 4006),
        (with("session_id", json!("other")), 4006),
        (with("token", json!("other")), 4004),
        (with("max_dave_protocol_version", json!(0)), 4017),
        (json!({"token": 5}), 4002),
    ] {
        let mut client = Client::open(&sim, "localhost", 4).await.unwrap();
        client.send(0, data.clone()).await;
        assert_eq!(client.close_code().await, code, "{data}");
    }
    let mut client = Client::open(&sim, "127.0.0.1", 4).await.unwrap();
    client.send(1, json!({})).await;
    assert_eq!(client.close_code().await, 4003);

    let mut client = Client::open(&sim, "localhost", 4).await.unwrap();
    let resume = json!({"server_id": GUILD, "session_id": "other", "token": info.token});
    client.send(7, resume).await;
    assert_eq!(client.close_code().await, 4006);
    sim.shutdown().await;
}

#[tokio::test]
async fn versions_that_are_not_simulated_are_refused_at_the_door() {
    let (sim, _info) = start(DiscordSimConfig::default()).await;
    let refused = Client::open(&sim, "localhost", 3).await;
    assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 400));
    recorded(&sim, "failed handshake", |entry| {
        matches!(entry.event, RecordEvent::VoiceHandshakeFailed { .. })
    })
    .await;
    sim.shutdown().await;
}

#[tokio::test]
async fn the_way_to_a_session_description() {
    let (sim, info) = start(DiscordSimConfig {
        dave: false,
        ..DiscordSimConfig::default()
    })
    .await;
    let mut client = Client::open(&sim, "localhost", 4).await.unwrap();
    assert_eq!(client.receive(8).await["v"], 4);
    client.send(0, identify(&info)).await;
    let ready = client.receive(2).await;
    let ssrc = ready["ssrc"].as_u64().unwrap() as u32;
    assert_eq!(ready["modes"][0], "aead_aes256_gcm_rtpsize");

    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = ready["port"].as_u64().unwrap() as u16;
    udp.connect(("127.0.0.1", port)).await.unwrap();
    let mut discovery = [0; 74];
    discovery[..4].copy_from_slice(&[0, 1, 0, 70]);
    discovery[4..8].copy_from_slice(&ssrc.to_be_bytes());
    udp.send(&discovery).await.unwrap();
    let mut reply = [0; 128];
    let len = udp.recv(&mut reply).await.unwrap();
    assert_eq!((len, reply[1]), (74, 2));
    assert!(reply[8..].starts_with(b"127.0.0.1\0"));
    let own = udp.local_addr().unwrap().port();
    assert_eq!(reply[72..74], own.to_be_bytes());

    let data = json!({"address": "127.0.0.1", "port": own, "mode": "aead_aes256_gcm_rtpsize"});
    client
        .send(1, json!({"protocol": "udp", "data": data}))
        .await;
    let listener = client.receive(11).await;
    assert_eq!(listener["user_ids"].as_array().unwrap().len(), 1);
    let description = client.receive(4).await;
    assert_eq!(description["dave_protocol_version"], 0);
    assert_eq!(description["secret_key"].as_array().unwrap().len(), 32);
    client.send(3, json!(12345)).await;
    assert_eq!(client.receive(6).await, 12345);

    // Not sealed with the session's key; and nobody's.
    for (claimed, reason) in [
        (ssrc, "not sealed with the connection's key"),
        (1, "unknown ssrc"),
    ] {
        let mut forged = vec![0x80, 0x78, 0, 1, 0, 0, 0, 0];
        forged.extend(claimed.to_be_bytes());
        forged.extend([7; 40]);
        udp.send(&forged).await.unwrap();
        let source = udp.local_addr().unwrap();
        recorded(&sim, reason, |entry| {
            entry.source == Some(source)
                && matches!(&entry.event, RecordEvent::PacketRefused { reason: had, .. }
                    if had == reason)
        })
        .await;
    }
    udp.send(&[0, 0, 0, 0, 0, 0, 0, 1]).await.unwrap();
    until("keepalive", || {
        let totals = sim.heard(GUILD).totals();
        (totals.keepalives == 1 && totals.refused == 1).then_some(())
    })
    .await;
    assert_eq!(sim.heard(GUILD).totals().packets, 0);
    sim.shutdown().await;
}

#[tokio::test]
async fn modes_and_protocols_that_are_not_offered_are_refused() {
    let (sim, info) = start(DiscordSimConfig::default()).await;
    for (protocol, mode, code) in [
        ("udp", "xsalsa20_poly1305", 4016),
        ("quic", "aead_aes256_gcm_rtpsize", 4012),
        // It is offered, but not with an address.
        ("webrtc", "aead_aes256_gcm_rtpsize", 4020),
    ] {
        let mut client = Client::open(&sim, "localhost", 4).await.unwrap();
        client.send(0, identify(&info)).await;
        client.receive(2).await;
        let data = json!({"address": "127.0.0.1", "port": 1, "mode": mode});
        client
            .send(1, json!({"protocol": protocol, "data": data}))
            .await;
        assert_eq!(client.close_code().await, code);
    }
    sim.shutdown().await;
}

#[tokio::test]
async fn a_silent_client_is_closed_and_may_resume_only_for_a_while() {
    let (sim, info) = start(DiscordSimConfig {
        voice_heartbeat_interval: Duration::from_millis(100),
        voice_resume_window: Duration::from_millis(400),
        ..DiscordSimConfig::default()
    })
    .await;
    let mut client = Client::open(&sim, "localhost", 4).await.unwrap();
    client.send(0, identify(&info)).await;
    assert_eq!(client.close_code().await, 4009);
    let resume = json!({
        "server_id": GUILD, "session_id": info.session, "token": info.token
    });
    let mut client = Client::open(&sim, "localhost", 4).await.unwrap();
    client.send(7, resume.clone()).await;
    client.receive(9).await;
    drop(client);
    until("the connection ends", || {
        sim.heard(GUILD).connections[0].closed_at
    })
    .await;
    let mut client = Client::open(&sim, "localhost", 4).await.unwrap();
    client.send(7, resume).await;
    assert_eq!(client.close_code().await, 4006);
    sim.shutdown().await;
}

#[tokio::test]
async fn voice_identify_is_refused_by_fault_as_often_as_asked() {
    let (sim, info) = start(DiscordSimConfig::default()).await;
    let refuse = Fault::RefuseVoiceIdentify {
        times: 1,
        code: 4009,
        after: 0,
    };
    sim.fault(&refuse).unwrap();
    let mut client = Client::open(&sim, "localhost", 4).await.unwrap();
    client.send(0, identify(&info)).await;
    assert_eq!(client.close_code().await, 4009);
    let mut client = Client::open(&sim, "localhost", 4).await.unwrap();
    client.send(0, identify(&info)).await;
    client.receive(2).await;
    let impossible = Fault::CloseVoice {
        guild: GUILD,
        user: None,
        code: 1006,
    };
    assert_eq!(sim.fault(&impossible).unwrap_err().code(), "fault_refused");
    sim.shutdown().await;
}
