//! What happens to a voice client's connection: cuts, silence, stalls, displacement, moves. And
//! that every dial and every attempt is in the record.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::common::voice_client::{Client, discovered, discovery, identify};
use crate::common::{CHANNEL, GUILD, recorded, until};
use discord_sim::{
    ClosedBy, DiscordSim, DiscordSimConfig, Displacement, Fault, RecordEvent, StallAt, UserId,
    VoiceCredentials,
};
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio_tungstenite::tungstenite::Error;

/// Longer than an answer takes on a busy machine, shorter than a test may last.
const STALL: Duration = Duration::from_millis(700);

async fn start() -> (DiscordSim, VoiceCredentials) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = DiscordSimConfig {
        dave: false,
        ..DiscordSimConfig::default()
    };
    let sim = DiscordSim::start(config).await.unwrap();
    let info = sim.voice_credentials(GUILD, CHANNEL, UserId(7)).unwrap();
    (sim, info)
}

fn dials(sim: &DiscordSim) -> Vec<(usize, SocketAddr)> {
    sim.record()
        .into_iter()
        .filter_map(|entry| match entry.event {
            RecordEvent::VoiceDialled { listener } => Some((listener, entry.source.unwrap())),
            _ => None,
        })
        .collect()
}

/// How the client's stream ended when there was no close frame.
async fn end_of(client: &mut Client) -> Error {
    loop {
        match client.next().await {
            Some(Ok(message)) => assert!(message["close"].is_null(), "{message}"),
            Some(Err(error)) => return error,
            None => panic!("closed in good order"),
        }
    }
}

#[tokio::test]
async fn every_dial_and_every_attempt_is_recorded() {
    let (sim, info) = start().await;
    assert!(dials(&sim).is_empty());
    // No TLS at all is a dial too.
    let bare = tokio::net::TcpStream::connect(sim.voice_endpoints()[1]).await;
    let bare = bare.unwrap().local_addr().unwrap();
    until("the bare dial", || {
        (dials(&sim) == [(1, bare)]).then_some(())
    })
    .await;
    let (client, ready) = Client::identified(&sim, &info).await;
    drop(client);
    let mut client = Client::resuming(&sim, &info, 1).await;
    client.receive(9).await;
    let mut garbled = Client::open(&sim, "localhost", 8).await.unwrap();
    garbled.send(7, json!({"token": 1})).await;
    assert_eq!(garbled.close_code().await, 4002);

    let dialled = dials(&sim);
    assert_eq!(dialled.len(), 4);
    let attempts: Vec<_> = sim
        .record()
        .into_iter()
        .filter_map(|entry| match &entry.event {
            RecordEvent::VoiceIdentify {
                version: 8,
                connection: Some(ssrc),
                refused: None,
                ..
            } => {
                assert_eq!(json!(ssrc), ready["ssrc"]);
                assert_eq!(entry.user, Some(UserId(7)));
                entry.source
            }
            RecordEvent::VoiceResume {
                version: 8,
                seq_ack: Some(1),
                refused: None,
                ..
            }
            | RecordEvent::VoiceMalformed { op: 7 } => entry.source,
            _ => None,
        })
        .collect();
    let sources: Vec<SocketAddr> = dialled[1..].iter().map(|dial| dial.1).collect();
    assert_eq!(attempts, sources);
    sim.shutdown().await;
}

#[tokio::test]
async fn a_connection_ends_without_a_close_frame_and_can_be_resumed() {
    let (sim, info) = start().await;
    let (mut client, _) = Client::identified(&sim, &info).await;
    let (guild, user) = (GUILD, None);
    sim.fault(&Fault::DropVoice { guild, user }).unwrap();
    // TLS ended in good order: rustls reports anything else as an I/O error.
    assert!(matches!(end_of(&mut client).await, Error::Protocol(_)));

    let mut client = Client::resuming(&sim, &info, 1).await;
    client.receive(9).await;
    sim.fault(&Fault::ResetVoice { guild, user }).unwrap();
    let end = end_of(&mut client).await;
    assert!(
        matches!(&end, Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionReset),
        "{end:?}"
    );
    let mut client = Client::resuming(&sim, &info, 1).await;
    client.receive(9).await;
    let closed = sim.record().into_iter().filter(|entry| {
        matches!(
            entry.event,
            RecordEvent::VoiceClosed {
                code: None,
                by: ClosedBy::Sim,
                ..
            }
        )
    });
    assert_eq!(closed.count(), 2);
    sim.shutdown().await;
}

#[tokio::test]
async fn silence_acknowledges_nothing_and_its_messages_wait_for_the_resume() {
    let (sim, info) = start().await;
    let (mut client, _) = Client::identified(&sim, &info).await;
    let silence = Fault::SilenceVoice {
        guild: GUILD,
        user: Some(UserId(7)),
    };
    assert_eq!(sim.fault(&silence).unwrap(), 1);
    client.send(3, json!({"t": 1, "seq_ack": 1})).await;
    let data = json!({"address": "127.0.0.1", "port": 1, "mode": "aead_aes256_gcm_rtpsize"});
    client
        .send(1, json!({"protocol": "udp", "data": data}))
        .await;
    let answer = tokio::time::timeout(STALL, client.next()).await;
    assert!(answer.is_err(), "{answer:?}");

    let other = sim.voice_credentials(GUILD, CHANNEL, UserId(8)).unwrap();
    let (mut other, _) = Client::identified(&sim, &other).await;
    other
        .send(
            1,
            json!({"protocol": "udp", "data": {
            "address": "127.0.0.1", "port": 1, "mode": "aead_aes256_gcm_rtpsize"}}),
        )
        .await;
    other.receive(4).await;
    let mut resumed = Client::resuming(&sim, &info, 1).await;
    resumed.receive(9).await;
    assert_eq!(resumed.numbered, [(2, 11)]);
    sim.shutdown().await;
}

#[tokio::test]
async fn resumes_are_refused_as_often_as_asked() {
    let (sim, info) = start().await;
    let (client, _) = Client::identified(&sim, &info).await;
    drop(client);
    let refuse = Fault::RefuseVoiceResume {
        times: 2,
        code: 4009,
    };
    sim.fault(&refuse).unwrap();
    for _ in 0..2 {
        let mut client = Client::resuming(&sim, &info, 1).await;
        assert_eq!(client.close_code().await, 4009);
    }
    Client::resuming(&sim, &info, 1).await.receive(9).await;
    sim.shutdown().await;
}

/// How long opening a connection, HELLO included, takes while the listener stalls; and how many
/// dials are recorded in the middle of it.
async fn stalled(at: StallAt) -> (Duration, usize) {
    let (sim, _info) = start().await;
    let stall = |at, lasts: Duration| Fault::StallVoice {
        listener: Some(0),
        at,
        ms: lasts.as_millis() as u64,
    };
    sim.fault(&stall(at, Duration::from_mins(1))).unwrap();
    let begin = Instant::now();
    let opening = async {
        let mut client = Client::open(&sim, "localhost", 8).await.unwrap();
        client.receive(8).await;
        begin.elapsed()
    };
    let ending = async {
        // The other listener works meanwhile.
        let mut other = Client::dial(&sim, 1, "localhost", 8).await.unwrap();
        other.receive(8).await;
        tokio::time::sleep(STALL).await;
        let on_first = dials(&sim).iter().filter(|dial| dial.0 == 0).count();
        sim.fault(&stall(at, Duration::ZERO)).unwrap();
        on_first
    };
    let outcome = tokio::join!(opening, ending);
    let too_far = Fault::StallVoice {
        listener: Some(2),
        at,
        ms: 1,
    };
    assert_eq!(sim.fault(&too_far).unwrap_err().code(), "fault_refused");
    sim.shutdown().await;
    outcome
}

#[tokio::test]
async fn a_listener_stalls_before_tls_or_hello_or_does_not_accept() {
    for (at, dialled) in [(StallAt::Accept, 0), (StallAt::Tls, 1), (StallAt::Hello, 1)] {
        let (took, seen) = Box::pin(stalled(at)).await;
        assert!(took >= STALL, "{at:?}: {took:?}");
        assert_eq!(seen, dialled, "{at:?}");
    }
}

#[tokio::test]
async fn ip_discovery_is_lost_as_often_as_asked() {
    let (sim, info) = start().await;
    let (_client, ready) = Client::identified(&sim, &info).await;
    sim.fault(&Fault::LoseDiscovery { times: 1 }).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = ready["port"].as_u64().unwrap() as u16;
    udp.connect(("127.0.0.1", port)).await.unwrap();
    udp.send(&discovery(&ready)).await.unwrap();
    recorded(&sim, "the lost one", |entry| {
        matches!(
            entry.event,
            RecordEvent::IpDiscovery {
                answered: false,
                ..
            }
        )
    })
    .await;
    let mut buffer = [0; 128];
    assert!(udp.try_recv(&mut buffer).is_err());
    discovered(&ready).await;
    sim.shutdown().await;
}

/// The second connection with the same credentials, and what the first one gets to feel.
async fn displaced(how: Displacement) {
    let (sim, info) = start().await;
    let scripted = Fault::Displacement {
        how: Some(how),
        seed: None,
    };
    sim.fault(&scripted).unwrap();
    let (mut older, first) = Client::identified(&sim, &info).await;
    let (mut newer, second) = Client::identified(&sim, &info).await;
    let entry = recorded(&sim, "displacement", |entry| {
        matches!(entry.event, RecordEvent::VoiceDisplaced { .. })
    })
    .await;
    let ssrc = |ready: &Value| ready["ssrc"].as_u64().unwrap();
    let expected = RecordEvent::VoiceDisplaced {
        guild: GUILD,
        connection: ssrc(&first),
        by: ssrc(&second),
        how,
    };
    assert_eq!(entry.event, expected);
    assert_eq!(entry.source, dials(&sim).last().map(|dial| dial.1));
    match how {
        Displacement::Close(code) => assert_eq!(older.close_code().await, code),
        Displacement::Reset => assert!(matches!(end_of(&mut older).await, Error::Io(_))),
        Displacement::Ignore => older.beat(1).await,
        Displacement::Silence => {
            older.send(3, json!({"t": 1, "seq_ack": 1})).await;
            let answer = tokio::time::timeout(STALL, older.next()).await;
            assert!(answer.is_err(), "{answer:?}");
        }
    }
    newer.beat(1).await;
    sim.shutdown().await;
}

#[tokio::test]
async fn the_older_connection_gives_way_as_scripted() {
    for how in Displacement::ALL {
        displaced(how).await;
    }
}

#[tokio::test]
async fn the_call_moves_to_another_server() {
    for close in [Some(4014), Some(1000), None] {
        let (sim, info) = start().await;
        let (mut older, _) = Client::identified(&sim, &info).await;
        let server = Fault::MoveServer {
            guild: GUILD,
            user: None,
            listener: 1,
            close,
        };
        assert_eq!(sim.fault(&server).unwrap(), 1);
        match close {
            Some(code) => assert_eq!(older.close_code().await, code),
            None => older.beat(1).await,
        }
        // The old credentials are void, everywhere; the new ones hold at the new place.
        let mut client = Client::open(&sim, "localhost", 8).await.unwrap();
        client.send(0, identify(&info)).await;
        assert_eq!(client.close_code().await, 4006);
        let moved = sim.voice_credentials(GUILD, CHANNEL, UserId(7)).unwrap();
        assert_eq!(moved.endpoint, sim.voice_endpoints()[1].to_string());
        assert_eq!(moved.session, info.session);
        let mut client = Client::dial(&sim, 1, "localhost", 8).await.unwrap();
        client.send(0, identify(&moved)).await;
        assert_eq!(client.message(2).await["seq"], 1);
        sim.shutdown().await;
    }
}
