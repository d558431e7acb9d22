//! A simulated Discord, an account in it, and a `Voice` that plays frames which can be told apart.

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use discord_sim::{DiscordSim, DiscordSimConfig, Fault, GuildId, HeardPacket, RecordEvent};
use orb_voice::{Driver, DriverConfig, OpenGate, VoiceTiming};
use orb_worker_media::{FrameQueue, OpusFrame};
use orb_worker_outputs::voice::{Voice, VoiceCredentials, VoiceDriver, VoiceEvent};
use secrecy::SecretString;
use tokio::sync::mpsc;
use twilight_gateway::{
    ConfigBuilder, Event, EventTypeFlags, Intents, Shard, ShardId, StreamExt as _,
};

pub(crate) const GUILD: u64 = 41;
pub(crate) const CHANNEL: u64 = 42;
/// For anything that should come at once, on a busy machine; and more than a driver takes to give up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const CA: &str = "ORB_TEST_CA";

/// Makes tests of the bodies that are named, each with the Discord it is to have: those under `both` once over each
/// driver.
macro_rules! on_stage {
    (
        both { $($both:ident: $both_discord:expr,)* }
        orb { $($orb:ident: $orb_discord:expr,)* }
        songbird { $($songbird:ident: $songbird_discord:expr,)* }
    ) => {
        mod over_orb {
            #[allow(unused_imports)]
            use super::*;
            on_stage! { Orb: $($both: $both_discord,)* $($orb: $orb_discord,)* }
        }
        mod over_songbird {
            #[allow(unused_imports)]
            use super::*;
            on_stage! { Songbird: $($both: $both_discord,)* $($songbird: $songbird_discord,)* }
        }
    };
    ($over:ident: $($test:ident: $discord:expr,)*) => {$(
        #[test]
        fn $test() {
            let name = concat!(module_path!(), "::", stringify!($test));
            $crate::voice::stage::run(name, $crate::voice::stage::Over::$over, $discord, super::$test);
        }
    )*};
}

/// Whose code speaks to Discord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Orb,
    Songbird,
}

/// Runs `body` on a stage of its own, in a process of its own: both drivers take the simulator's authority from
/// `SSL_CERT_FILE`, and a variable can be set safely only before there are threads.
pub(crate) fn run(test: &str, over: Over, config: DiscordSimConfig, body: impl AsyncFnOnce(Stage)) {
    let Ok(ca_file) = std::env::var(CA) else {
        let dir = tempfile::tempdir().unwrap();
        let ca_file = dir.path().join("ca.pem");
        let (_, test) = test.split_once("::").expect("behind the crate's name");
        let status = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(CA, &ca_file)
            .env("SSL_CERT_FILE", &ca_file)
            .status();
        assert!(status.unwrap().success(), "see the output above");
        assert!(ca_file.exists(), "no test is called {test}: nothing ran");
        return;
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = DiscordSimConfig {
            ca_file: Some(ca_file.into()),
            ..config
        };
        body(Stage::set(over, config).await).await;
    });
}

pub(crate) struct Stage {
    pub(crate) over: Over,
    pub(crate) sim: DiscordSim,
    pub(crate) voice: Voice,
    pub(crate) events: mpsc::Receiver<VoiceEvent>,
    account: Account,
    revision: u64,
}

impl Stage {
    async fn set(over: Over, config: DiscordSimConfig) -> Self {
        // After the simulator has written its authority's file: the own driver reads it now.
        let sim = DiscordSim::start(config).await.unwrap();
        let account = Account::ready(&sim).await;
        let (sender, events) = mpsc::channel(64);
        let driver = match over {
            Over::Orb => VoiceDriver::Orb(Driver::new(impatient()).unwrap()),
            Over::Songbird => VoiceDriver::Songbird,
        };
        Self {
            over,
            voice: Voice::new(&driver, sender),
            sim,
            events,
            account,
            revision: 0,
        }
    }

    /// New credentials by op 4.
    pub(crate) async fn credentials(&mut self) -> VoiceCredentials {
        self.revision += 1;
        self.account.join(&self.sim, self.revision).await
    }

    /// Connects without asking anybody.
    pub(crate) fn connect(&self, credentials: VoiceCredentials) {
        self.voice.connect(credentials, Arc::new(OpenGate));
    }

    /// Joins and waits until it is connected.
    pub(crate) async fn join(&mut self) {
        let credentials = self.credentials().await;
        let revision = credentials.revision;
        self.connect(credentials);
        self.expect(&VoiceEvent::Connected { revision }).await;
    }

    /// The next event, or a panic. That a cut is being mended, or the mixer stalled on a busy machine, is none.
    pub(crate) async fn event(&mut self) -> VoiceEvent {
        loop {
            let event = self.any_event().await;
            if !matches!(event, VoiceEvent::Reconnecting { .. }) {
                return event;
            }
        }
    }

    /// The next event, whatever it is.
    pub(crate) async fn any_event(&mut self) -> VoiceEvent {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        event.expect("no event in time").expect("the voice lives")
    }

    /// The next event is `expected`, apart from the end of a cut or a stall.
    pub(crate) async fn expect(&mut self, expected: &VoiceEvent) {
        loop {
            let event = self.event().await;
            if &event == expected {
                return;
            }
            assert!(
                matches!(event, VoiceEvent::Connected { .. }),
                "{event:?} for {expected:?}"
            );
        }
    }

    /// Frames that the member heard, silence left out, by arrival.
    pub(crate) fn frames(&self) -> Vec<HeardPacket> {
        let heard = self.sim.heard(GUILD);
        heard
            .packets()
            .into_iter()
            .filter(|packet| !packet.silence)
            .cloned()
            .collect()
    }

    /// Media times of these frames in ms.
    pub(crate) fn heard_pts(&self) -> Vec<u64> {
        self.frames().iter().map(pts_of).collect()
    }

    /// Waits until the member has heard `n` frames.
    pub(crate) async fn hear(&self, n: usize) -> Vec<HeardPacket> {
        self.until("frames are heard", || self.frames().len() >= n)
            .await;
        self.frames()
    }

    pub(crate) async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(
                Instant::now() < deadline,
                "never: {what}; heard {:?}",
                self.heard_pts()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// All speaking flags that Discord was told.
    pub(crate) fn flags_of_speaking(&self) -> Vec<u64> {
        let record = self.sim.record();
        let flags = record.iter().filter_map(|entry| match entry.event {
            RecordEvent::VoiceSpeaking { speaking, .. } => Some(speaking),
            _ => None,
        });
        flags.collect()
    }

    /// The last speaking flag that Discord was told.
    pub(crate) fn speaking(&self) -> Option<u64> {
        self.sim
            .record()
            .iter()
            .rev()
            .find_map(|entry| match entry.event {
                RecordEvent::VoiceSpeaking { speaking, .. } => Some(speaking),
                _ => None,
            })
    }
}

/// Gives up sooner than the product does, so that tests of that need not last.
fn impatient() -> DriverConfig {
    let timing = VoiceTiming {
        attempt: Duration::from_secs(2),
        give_up: Duration::from_millis(4_500),
        write: Duration::from_secs(1),
        backoff_most: Duration::from_secs(1),
        ..VoiceTiming::default()
    };
    DriverConfig {
        timing,
        ..DriverConfig::default()
    }
}

pub(crate) fn plain() -> DiscordSimConfig {
    DiscordSimConfig {
        dave: false,
        ..DiscordSimConfig::default()
    }
}

pub(crate) fn dave() -> DiscordSimConfig {
    DiscordSimConfig {
        dave: true,
        ..DiscordSimConfig::default()
    }
}

pub(crate) fn close(stage: &Stage, code: u16) {
    assert_eq!(
        fault(
            stage,
            &Fault::CloseVoice {
                guild: GuildId(GUILD),
                user: None,
                code
            }
        ),
        1
    );
}

pub(crate) fn fault(stage: &Stage, fault: &Fault) -> usize {
    stage.sim.fault(fault).unwrap()
}

/// How often a voice IDENTIFY was tried.
pub(crate) fn identifies(stage: &Stage) -> usize {
    let is_identify = |event: &RecordEvent| matches!(event, RecordEvent::VoiceIdentify { .. });
    stage
        .sim
        .record()
        .iter()
        .filter(|entry| is_identify(&entry.event))
        .count()
}

/// A queue that holds frames `from`, `from + 20` … up to `to`, and no more for now.
pub(crate) fn film(from: u64, to: u64) -> Arc<FrameQueue> {
    let queue = FrameQueue::new(Duration::from_mins(10));
    append(&queue, from, to);
    queue
}

pub(crate) fn append(queue: &FrameQueue, from: u64, to: u64) {
    for pts_ms in (from..to).step_by(20) {
        queue
            .push(OpusFrame {
                pts_ms,
                data: packet(pts_ms),
            })
            .unwrap();
    }
}

/// An Opus packet that bears its media time. Of a length without pattern, up to the largest that Opus has.
pub(crate) fn packet(pts_ms: u64) -> Bytes {
    let length = 9 + (pts_ms / 20 * 7919) % 1267;
    let mut packet = vec![0xf8; length as usize];
    packet[1..9].copy_from_slice(&pts_ms.to_le_bytes());
    packet.into()
}

pub(crate) fn pts_of(heard: &HeardPacket) -> u64 {
    let opus = heard.opus.as_ref().expect("the member can decrypt it");
    let pts_ms = u64::from_le_bytes(opus[1..9].try_into().unwrap());
    assert_eq!(*opus, packet(pts_ms), "changed on the way");
    pts_ms
}

/// A bot's main gateway connection.
struct Account {
    shard: Shard,
}

impl Account {
    async fn ready(sim: &DiscordSim) -> Self {
        let url = format!("{}/api/v10/gateway", sim.api_url());
        let answer: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        let url = answer["url"].as_str().unwrap().to_owned();
        let intents = Intents::GUILDS | Intents::GUILD_VOICE_STATES;
        let config = ConfigBuilder::new(sim.bot_token().to_owned(), intents).proxy_url(url);
        let mut account = Self {
            shard: Shard::with_config(ShardId::ONE, config.build()),
        };
        account
            .wait_for(|event| matches!(event, Event::Ready(_)).then_some(()))
            .await;
        account
    }

    async fn join(&mut self, sim: &DiscordSim, revision: u64) -> VoiceCredentials {
        let bot = sim.bot_user().0;
        self.shard.send(op4());
        let voice_session_id = self
            .wait_for(|event| match event {
                Event::VoiceStateUpdate(update) if update.user_id.get() == bot => {
                    update.channel_id.map(|_| update.session_id.clone())
                }
                _ => None,
            })
            .await;
        let (endpoint, token) = self
            .wait_for(|event| match event {
                Event::VoiceServerUpdate(update) => Some((update.endpoint?, update.token)),
                _ => None,
            })
            .await;
        VoiceCredentials {
            guild_id: GUILD,
            channel_id: CHANNEL,
            user_id: bot,
            voice_session_id,
            endpoint,
            token: SecretString::from(token),
            revision,
            stream: None,
        }
    }

    async fn wait_for<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            let next = self.shard.next_event(EventTypeFlags::all());
            let event = tokio::time::timeout(PATIENCE, next)
                .await
                .expect("no such event in time");
            if let Some(picked) = pick(event.unwrap().unwrap()) {
                return picked;
            }
        }
    }
}

fn op4() -> String {
    serde_json::json!({"op": 4, "d": {
        "guild_id": GUILD.to_string(), "channel_id": CHANNEL.to_string(),
        "self_mute": false, "self_deaf": true
    }})
    .to_string()
}
