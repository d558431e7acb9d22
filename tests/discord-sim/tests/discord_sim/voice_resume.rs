//! Voice gateway v8: numbered messages, and what a resume brings back.

use crate::common::voice_client::{Client, identify};
use crate::common::{CHANNEL, GUILD, until};
use discord_sim::{
    DiscordSim, DiscordSimConfig, Fault, RecordEntry, RecordEvent, ResumedOrder, UserId,
    VoiceCredentials,
};
use serde_json::json;

const DROP: Fault = Fault::DropVoice {
    guild: GUILD,
    user: None,
};

async fn start(config: DiscordSimConfig) -> (DiscordSim, VoiceCredentials) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let sim = DiscordSim::start(config).await.unwrap();
    let info = sim.voice_credentials(GUILD, CHANNEL, UserId(7)).unwrap();
    (sim, info)
}

/// A call that is not end-to-end encrypted sends no messages by itself.
fn quiet() -> DiscordSimConfig {
    DiscordSimConfig {
        dave: false,
        ..DiscordSimConfig::default()
    }
}

async fn select(client: &mut Client) {
    let data = json!({"address": "127.0.0.1", "port": 1, "mode": "aead_aes256_gcm_rtpsize"});
    client
        .send(1, json!({"protocol": "udp", "data": data}))
        .await;
    client.receive(4).await;
}

/// Has another member join and leave: two numbered messages for everybody else.
async fn come_and_go(sim: &DiscordSim, user: u64) {
    let info = sim.voice_credentials(GUILD, CHANNEL, user).unwrap();
    let (mut other, _) = Client::identified(sim, &info).await;
    select(&mut other).await;
    sim.leave_voice(GUILD, user);
    assert_eq!(other.close_code().await, 4014);
}

/// Waits until the connection's socket is gone for the simulator as well, by an entry after the
/// first `known` ones.
async fn away(sim: &DiscordSim, mut client: Client, known: usize) {
    while let Some(Ok(_)) = client.next().await {}
    drop(client);
    until("closed", || {
        sim.record()[known..]
            .iter()
            .any(|entry| matches!(entry.event, RecordEvent::VoiceClosed { code: None, .. }))
            .then_some(())
    })
    .await;
}

fn resumes(sim: &DiscordSim) -> Vec<RecordEntry> {
    let mut record = sim.record();
    record.retain(|entry| matches!(entry.event, RecordEvent::VoiceResume { .. }));
    record
}

#[tokio::test]
async fn messages_are_numbered_in_a_row_whether_json_or_binary() {
    let (sim, info) = start(DiscordSimConfig::default()).await;
    let mut client = Client::open(&sim, "localhost", 8).await.unwrap();
    let hello = client.message(8).await;
    assert_eq!((&hello["d"]["v"], &hello["seq"]), (&json!(8), &json!(null)));
    client.send(0, identify(&info)).await;
    assert_eq!(client.message(2).await["seq"], 1);
    select(&mut client).await;
    let external_sender = client.message(25).await;
    assert!(external_sender["binary"].as_array().unwrap().len() > 60);
    assert_eq!(client.numbered, [(1, 2), (2, 11), (3, 4), (4, 25)]);

    client.send(3, json!({"t": 12345, "seq_ack": 4})).await;
    let ack = client.message(6).await;
    assert_eq!(ack, json!({"op": 6, "d": {"t": 12345}}));
    sim.shutdown().await;
}

#[tokio::test]
async fn heartbeats_must_be_those_of_their_version() {
    let (sim, info) = start(quiet()).await;
    for (heartbeat, code) in [
        (json!(12345), 4002),
        (json!({"t": "now", "seq_ack": 1}), 4002),
        (json!({"t": 1, "seq_ack": 2}), 4020),
        (json!({"t": 1, "seq_ack": 70_000}), 4020),
    ] {
        let (mut client, _) = Client::identified(&sim, &info).await;
        client.beat(1).await;
        client.beat(-1).await;
        client.beat(None).await;
        client.send(3, heartbeat.clone()).await;
        assert_eq!(client.close_code().await, code, "{heartbeat}");
    }
    sim.shutdown().await;
}

async fn misses_nothing(config: DiscordSimConfig, numbers: &[u16]) {
    let order = config.resumed;
    let (sim, info) = start(config).await;
    let (mut client, _) = Client::identified(&sim, &info).await;
    select(&mut client).await;
    come_and_go(&sim, 8).await;
    client.receive(13).await;
    let before = client.numbered.clone();
    let last = client.last_seq();

    let known = sim.record().len();
    assert_eq!(sim.fault(&DROP).unwrap(), 1);
    away(&sim, client, known).await;
    come_and_go(&sim, 9).await;

    let mut client = Client::resuming(&sim, &info, last).await;
    let mut ops = Vec::new();
    while ops.len() < 4 {
        let message = client.next().await.unwrap().unwrap();
        ops.push(message["op"].as_u64().unwrap());
    }
    match order {
        ResumedOrder::AfterReplay => assert_eq!(ops, [8, 11, 13, 9]),
        ResumedOrder::BeforeReplay => assert_eq!(ops, [8, 9, 11, 13]),
    }
    // The session goes on, in numbers too.
    come_and_go(&sim, 10).await;
    client.receive(13).await;
    let all: Vec<u16> = before
        .iter()
        .chain(&client.numbered)
        .map(|one| one.0)
        .collect();
    assert_eq!(all, numbers);
    client.beat(client.last_seq()).await;

    let resumed = resumes(&sim).pop().unwrap();
    assert_eq!(resumed.user, Some(UserId(7)));
    assert!(
        matches!(resumed.event, RecordEvent::VoiceResume {
            guild: GUILD, version: 8, seq_ack: Some(acked), replayed: 2, refused: None, ..
        } if acked == last),
        "{resumed:?}"
    );
    sim.shutdown().await;
}

#[tokio::test]
async fn what_was_missed_comes_before_resumed() {
    misses_nothing(quiet(), &[1, 2, 3, 4, 5, 6, 7, 8, 9]).await;
}

#[tokio::test]
async fn what_was_missed_comes_after_resumed() {
    let config = DiscordSimConfig {
        resumed: ResumedOrder::BeforeReplay,
        ..quiet()
    };
    misses_nothing(config, &[1, 2, 3, 4, 5, 6, 7, 8, 9]).await;
}

#[tokio::test]
async fn numbers_wrap_around_between_two_sockets() {
    let config = DiscordSimConfig {
        voice_first_seq: 65_530,
        ..quiet()
    };
    let numbers = [65_530, 65_531, 65_532, 65_533, 65_534, 65_535, 0, 1, 2];
    misses_nothing(config, &numbers).await;
}

#[tokio::test]
async fn a_client_that_received_nothing_gets_everything() {
    let (sim, info) = start(quiet()).await;
    for nothing in [None, Some(-1)] {
        let (mut client, _) = Client::identified(&sim, &info).await;
        assert_eq!(client.numbered, [(1, 2)]);
        drop(client);
        client = Client::resuming(&sim, &info, nothing).await;
        client.receive(9).await;
        assert_eq!(client.numbered, [(1, 2)]);
    }
    sim.shutdown().await;
}

#[tokio::test]
async fn what_the_buffer_holds_no_longer_ends_the_session() {
    let (sim, info) = start(DiscordSimConfig {
        voice_replay_buffer: 2,
        ..quiet()
    })
    .await;
    for seq_ack in [Some(3), Some(2), None, Some(6), Some(-2)] {
        let (mut client, _) = Client::identified(&sim, &info).await;
        select(&mut client).await;
        assert_eq!(client.last_seq(), 3);
        let known = sim.record().len();
        assert_eq!(sim.fault(&DROP).unwrap(), 1);
        away(&sim, client, known).await;
        // Numbers 4 and 5, and no room for more.
        come_and_go(&sim, 8).await;

        let mut client = Client::resuming(&sim, &info, seq_ack).await;
        if seq_ack == Some(3) {
            client.receive(9).await;
            assert_eq!(client.numbered, [(4, 11), (5, 13)]);
            continue;
        }
        assert_eq!(client.close_code().await, 4006, "{seq_ack:?}");
        // Nor with a number that would have done.
        let mut again = Client::resuming(&sim, &info, 3).await;
        assert_eq!(again.close_code().await, 4006);
    }
    let refused = resumes(&sim).into_iter().filter(|entry| {
        let refused = Some(4006);
        matches!(entry.event, RecordEvent::VoiceResume { refused: had, replayed: 0, .. }
            if had == refused)
            && entry.user == Some(UserId(7))
    });
    assert_eq!(refused.count(), 8);
    sim.shutdown().await;
}

#[tokio::test]
async fn a_session_is_resumed_with_its_own_version_token_and_endpoint_only() {
    let (sim, info) = start(quiet()).await;
    let (client, _) = Client::identified(&sim, &info).await;
    drop(client);
    let resume = json!({
        "server_id": info.guild, "session_id": info.session, "token": info.token, "seq_ack": 1
    });
    let mut older = Client::open(&sim, "localhost", 4).await.unwrap();
    older.send(7, resume.clone()).await;
    assert_eq!(older.close_code().await, 4006);
    let mut elsewhere = Client::dial(&sim, 1, "localhost", 8).await.unwrap();
    elsewhere.send(7, resume).await;
    assert_eq!(elsewhere.close_code().await, 4006);
    let mut forged = info.clone();
    forged.token.push('x');
    let mut forger = Client::resuming(&sim, &forged, 1).await;
    assert_eq!(forger.close_code().await, 4004);
    Client::resuming(&sim, &info, 1).await.receive(9).await;
    sim.shutdown().await;
}
