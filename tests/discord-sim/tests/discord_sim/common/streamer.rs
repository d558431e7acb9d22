//! A client of a Go Live stream: voice gateway, DAVE and WebRTC.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use davey::{Codec, DaveSession, MediaType, ProposalsOperationType};
use discord_sim::{DiscordSim, StreamCredentials};
use serde_json::{Value, json};

use super::media_client::{MediaClient, Offering};
use super::voice_client::Client;
use super::{CHANNEL, GUILD, until};

/// What the pictures are announced as.
pub const SIZE: (u32, u32) = (1280, 720);

pub struct Streamer {
    pub client: Client,
    pub info: StreamCredentials,
    /// The SSRCs of sound, pictures, and pictures once more.
    pub ssrcs: (u32, u32, u32),
    pub media: MediaClient,
    dave: DaveSession,
    begun: Instant,
}

/// Data of op 0 for a stream.
pub fn identify(info: &StreamCredentials) -> Value {
    json!({
        "server_id": info.rtc_server_id.to_string(), "user_id": info.user,
        "session_id": info.session, "token": info.token, "max_dave_protocol_version": 1,
        "video": true, "streams": [{"type": "screen", "rid": "100", "quality": 100}]
    })
}

/// Data of op 1.
pub fn select(fragment: &str) -> Value {
    json!({
        "protocol": "webrtc", "data": fragment, "sdp": fragment,
        "rtc_connection_id": "00000000-0000-4000-8000-000000000000",
        "codecs": [
            {"name": "opus", "type": "audio", "priority": 1000, "payload_type": 120},
            {"name": "H264", "type": "video", "priority": 1000, "payload_type": 101,
             "rtx_payload_type": 102, "encode": true, "decode": false}
        ]
    })
}

fn ssrcs(ready: &Value) -> (u32, u32, u32) {
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    let stream = &ready["streams"][0];
    (
        number(&ready["ssrc"]),
        number(&stream["ssrc"]),
        number(&stream["rtx_ssrc"]),
    )
}

impl Streamer {
    /// Goes live, up to the media connection. There is no DAVE yet, nor an announcement.
    pub async fn connect(sim: &DiscordSim, user: u64) -> Self {
        let info = sim.stream_credentials(GUILD, CHANNEL, user).unwrap();
        Self::connect_as(sim, info).await
    }

    pub async fn connect_as(sim: &DiscordSim, info: StreamCredentials) -> Self {
        let endpoints = sim.voice_endpoints().map(|one| one.to_string());
        let listener = endpoints.iter().position(|one| *one == info.endpoint);
        let dialled = Client::dial(sim, listener.unwrap(), "localhost", 8);
        let mut client = dialled.await.unwrap();
        client.send(0, identify(&info)).await;
        let ssrcs = ssrcs(&client.receive(2).await);
        let mut offering = Offering::new();
        client.send(1, select(&offering.fragment())).await;
        let description = client.receive(4).await;
        assert!(description["mode"].is_null() && description["secret_key"].is_null());
        let sdp = description["sdp"].as_str().unwrap();
        let media = offering.accept(sdp, ssrcs.0, Some((ssrcs.1, ssrcs.2)));
        until("ice and dtls", || {
            media.got.lock().unwrap().connected.then_some(())
        })
        .await;
        let group = info.rtc_server_id - 1;
        let dave = DaveSession::new(NonZeroU16::MIN, info.user.0, group, None).unwrap();
        Self {
            client,
            info,
            ssrcs,
            media,
            dave,
            begun: Instant::now(),
        }
    }

    /// Goes live, announces pictures and sound, and has DAVE's keys. For a simulator whose member commits.
    pub async fn live(sim: &DiscordSim, user: u64) -> Self {
        let mut streamer = Self::connect(sim, user).await;
        streamer.announce(true).await;
        streamer.speak().await;
        streamer.join_group().await;
        streamer
    }

    /// Joins the DAVE group by welcome.
    pub async fn join_group(&mut self) {
        let package = payload(&self.client.message(25).await);
        self.dave.set_external_sender(&package).unwrap();
        self.ask_in().await;
    }

    /// The group is made anew: out, and in again.
    pub async fn rejoin_group(&mut self) {
        assert_eq!(self.client.receive(24).await["epoch"], 1);
        self.start_over().await;
    }

    /// Leaves the group, and asks to be let in again.
    async fn start_over(&mut self) {
        let group = self.info.rtc_server_id - 1;
        let user = self.info.user.0;
        self.dave
            .reinit(NonZeroU16::MIN, user, group, None)
            .unwrap();
        self.ask_in().await;
    }

    /// A commit that makes no sense comes.
    pub async fn refuse_commit(&mut self) {
        self.proposals().await;
        let commit = payload(&self.client.message(29).await);
        let (transition, commit) = commit.split_first_chunk::<2>().unwrap();
        assert!(!self.dave.process_commit(commit).is_ok_and(|taken| taken));
        let invalid = json!({"transition_id": u16::from_be_bytes(*transition)});
        self.client.send(31, invalid).await;
        self.start_over().await;
    }

    /// Follows the call to transport encryption.
    pub async fn downgrade(&mut self) {
        let prepare = self.client.receive(21).await;
        assert_eq!(prepare["protocol_version"], 0);
        let ready = json!({"transition_id": prepare["transition_id"]});
        self.client.send(23, ready.clone()).await;
        assert_eq!(self.client.receive(22).await, ready);
    }

    async fn ask_in(&mut self) {
        let key_package = self.dave.create_key_package().unwrap();
        self.client.send_binary(26, &key_package).await;
        let welcome = payload(&self.client.message(30).await);
        let (transition, welcome) = welcome.split_first_chunk::<2>().unwrap();
        self.dave.process_welcome(welcome, None).unwrap();
        // Those that led to the welcome.
        self.client.forget(27);
        self.finish(u16::from_be_bytes(*transition)).await;
    }

    /// Follows the listener's commit after somebody came or left.
    pub async fn follow_commit(&mut self) {
        self.proposals().await;
        let commit = payload(&self.client.message(29).await);
        let (transition, commit) = commit.split_first_chunk::<2>().unwrap();
        assert!(self.dave.process_commit(commit).unwrap());
        self.finish(u16::from_be_bytes(*transition)).await;
    }

    async fn proposals(&mut self) {
        let proposals = payload(&self.client.message(27).await);
        let operation = match proposals[0] {
            0 => ProposalsOperationType::APPEND,
            _ => ProposalsOperationType::REVOKE,
        };
        let _ = self
            .dave
            .process_proposals(operation, &proposals[1..], None)
            .unwrap();
    }

    async fn finish(&mut self, transition: u16) {
        self.dave.prepare_transition(transition, 1).unwrap();
        if transition != 0 {
            let ready = json!({"transition_id": transition});
            self.client.send(23, ready).await;
            let execute = self.client.receive(22).await;
            assert_eq!(execute["transition_id"], transition);
        }
        self.dave.execute_transition(transition).unwrap();
    }

    /// Op 12: there are pictures from now on, or none.
    pub async fn announce(&mut self, active: bool) {
        self.client.send(12, self.announcement(active)).await;
    }

    pub fn announcement(&self, active: bool) -> Value {
        let (sound, pictures, rtx) = self.ssrcs;
        if !active {
            return json!({"audio_ssrc": sound, "video_ssrc": 0, "rtx_ssrc": 0, "streams": []});
        }
        json!({
            "audio_ssrc": sound, "video_ssrc": pictures, "rtx_ssrc": rtx, "streams": [{
                "type": "screen", "rid": "100", "ssrc": pictures, "rtx_ssrc": rtx,
                "active": true, "quality": 100, "max_bitrate": 2_500_000, "max_framerate": 30,
                "max_resolution": {"type": "fixed", "width": SIZE.0, "height": SIZE.1}
            }]
        })
    }

    /// Op 5 with the flag of what is shared.
    pub async fn speak(&mut self) {
        let speaking = json!({"speaking": 2, "delay": 0, "ssrc": self.ssrcs.0});
        self.client.send(5, speaking).await;
    }

    pub fn encrypt(&mut self, picture: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        self.dave
            .encrypt_into(MediaType::VIDEO, Codec::H264, picture, &mut sealed)
            .unwrap();
        sealed
    }

    /// Shows a picture now; returns it as it went out.
    pub fn show(&mut self, picture: &[u8]) -> Vec<u8> {
        let sealed = self.encrypt(picture);
        self.show_plain(&sealed);
        sealed
    }

    /// The same without encryption.
    pub fn show_plain(&self, picture: &[u8]) {
        let now = Instant::now();
        self.media
            .show(picture.to_vec(), self.rtp_time(now, 90), now);
    }

    /// A packet of sound now.
    pub fn say(&mut self, opus: &[u8]) {
        let sealed = self.dave.encrypt_opus(opus).unwrap().into_owned();
        let now = Instant::now();
        self.media.say(sealed, self.rtp_time(now, 48), now);
    }

    fn rtp_time(&self, now: Instant, kilohertz: u64) -> u64 {
        now.duration_since(self.begun).as_micros() as u64 * kilohertz / 1000
    }

    pub fn key_frame_requests(&self) -> usize {
        self.media.got.lock().unwrap().key_frame_requests
    }
}

/// The time between two pictures.
pub async fn frame_time() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

fn payload(message: &Value) -> Vec<u8> {
    serde_json::from_value(message["binary"].clone()).unwrap()
}
