//! A voice client that sends and receives RTP, without DAVE.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::XChaCha20Poly1305;
use discord_sim::{DiscordSim, UserId, VoiceCredentials};
use serde_json::json;
use tokio::net::UdpSocket;

use super::voice_client::{Client, discovered};
use super::{CHANNEL, GUILD, PATIENCE};

/// A client that can send and receive RTP.
pub struct Talker {
    pub client: Client,
    udp: UdpSocket,
    pub ssrc: u32,
    mode: &'static str,
    pub key: Vec<u8>,
    /// The members that it was told of on coming.
    pub present: Vec<UserId>,
}

pub const GCM: &str = "aead_aes256_gcm_rtpsize";
pub const XCHACHA: &str = "aead_xchacha20_poly1305_rtpsize";

impl Talker {
    pub async fn join(sim: &DiscordSim, user: u64, mode: &'static str) -> Self {
        Self::join_as(
            sim,
            &sim.voice_credentials(GUILD, CHANNEL, user).unwrap(),
            mode,
        )
        .await
    }

    pub async fn join_as(sim: &DiscordSim, info: &VoiceCredentials, mode: &'static str) -> Self {
        let (mut client, ready) = Client::identified(sim, info).await;
        let udp = discovered(&ready).await;
        let port = udp.local_addr().unwrap().port();
        let data = json!({"address": "127.0.0.1", "port": port, "mode": mode});
        client
            .send(1, json!({"protocol": "udp", "data": data}))
            .await;
        let present = client.receive(11).await["user_ids"].take();
        let description = client.receive(4).await;
        assert_eq!(description["mode"], mode);
        Self {
            client,
            udp,
            ssrc: ready["ssrc"].as_u64().unwrap() as u32,
            mode,
            key: serde_json::from_value(description["secret_key"].clone()).unwrap(),
            present: serde_json::from_value(present).unwrap(),
        }
    }

    pub async fn say(&self, sequence: u16, payload: &[u8]) {
        let mut header = vec![0x80, 0x78];
        header.extend(sequence.to_be_bytes());
        header.extend((u32::from(sequence) * 960).to_be_bytes());
        header.extend(self.ssrc.to_be_bytes());
        let suffix = u32::from(sequence).to_be_bytes();
        let payload = Payload {
            msg: payload,
            aad: &header,
        };
        let sealed = match self.mode {
            GCM => Aes256Gcm::new_from_slice(&self.key)
                .unwrap()
                .encrypt(nonce::<12>(suffix).as_slice().into(), payload),
            _ => XChaCha20Poly1305::new_from_slice(&self.key)
                .unwrap()
                .encrypt(nonce::<24>(suffix).as_slice().into(), payload),
        };
        header.extend(sealed.unwrap());
        header.extend(suffix);
        self.udp.send(&header).await.unwrap();
    }

    /// The next packet: SSRC, sequence number, timestamp, payload, nonce.
    pub async fn hear(&self) -> (u32, u16, u32, Vec<u8>, u32) {
        let mut packet = [0; 2048];
        let received = tokio::time::timeout(PATIENCE, self.udp.recv(&mut packet));
        let length = received.await.unwrap().unwrap();
        let packet = &packet[..length];
        let (sealed, suffix) = packet.split_last_chunk::<4>().unwrap();
        let payload = Payload {
            msg: &sealed[12..],
            aad: &sealed[..12],
        };
        let opened = match self.mode {
            GCM => Aes256Gcm::new_from_slice(&self.key)
                .unwrap()
                .decrypt(nonce::<12>(*suffix).as_slice().into(), payload),
            _ => XChaCha20Poly1305::new_from_slice(&self.key)
                .unwrap()
                .decrypt(nonce::<24>(*suffix).as_slice().into(), payload),
        };
        let number = |from: usize| u32::from_be_bytes(packet[from..from + 4].try_into().unwrap());
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let nonce = u32::from_be_bytes(*suffix);
        (number(8), sequence, number(4), opened.unwrap(), nonce)
    }
}

fn nonce<const LENGTH: usize>(suffix: [u8; 4]) -> [u8; LENGTH] {
    let mut nonce = [0; LENGTH];
    nonce[..4].copy_from_slice(&suffix);
    nonce
}
