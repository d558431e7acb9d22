//! A bot made of twilight's gateway and songbird's driver, as real as it gets without Discord.
#![allow(unreachable_pub)]

pub mod h264;
pub mod media_client;
pub mod streamer;
pub mod talker;
pub mod voice_client;

use std::num::NonZeroU64;
use std::process::Command;
use std::time::{Duration, Instant};

use discord_sim::{
    DiscordSim, DiscordSimConfig, GuildId, Heard, RecordEntry, SOUND_RATE, coded_sound,
};
use opus2::{Application, Channels, Encoder};
use songbird::driver::{CryptoMode, Scheduler, SchedulerConfig};
use songbird::id::{ChannelId, GuildId as SongbirdGuild, UserId};
use songbird::{Config, ConnectionInfo, Driver};
use twilight_gateway::{ConfigBuilder, Event, EventTypeFlags, Intents, Shard, ShardId, StreamExt};

pub const GUILD: GuildId = GuildId(41);
pub const CHANNEL: u64 = 42;
pub const PATIENCE: Duration = Duration::from_secs(20);

const CHILD: &str = "DISCORD_SIM_TEST_CHILD";

/// Runs `body` in a process that trusts the simulator's certificate authority.
///
/// songbird's TLS reads `SSL_CERT_FILE`, which must be set before there are threads; so the test
/// starts itself once more with it set. `test` is the test's own name, with its module's.
pub fn in_trusting_process<F: Future<Output = ()>>(
    test: &str,
    config: DiscordSimConfig,
    body: impl FnOnce(DiscordSim) -> F,
) {
    if let Some(ca_file) = std::env::var_os(CHILD) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = DiscordSimConfig {
            ca_file: Some(ca_file.into()),
            ..config
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { body(DiscordSim::start(config).await.unwrap()).await });
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let status = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env("SSL_CERT_FILE", &ca_file)
        .env(CHILD, &ca_file)
        .status()
        .unwrap();
    assert!(status.success(), "the test failed in its trusting process");
    assert!(ca_file.exists(), "no test is called {test}: nothing ran");
}

/// Polls until `condition` holds; panics with `what` when it does not in time.
pub async fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for a record entry.
pub async fn recorded(
    sim: &DiscordSim,
    what: &str,
    pick: impl Fn(&RecordEntry) -> bool,
) -> RecordEntry {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let record = sim.record();
        if let Some(entry) = record.iter().find(|entry| pick(entry)) {
            return entry.clone();
        }
        if Instant::now() >= deadline {
            let events: Vec<_> = record.iter().map(|entry| &entry.event).collect();
            panic!("not in time: {what}; recorded: {events:#?}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A bot account on the main gateway.
pub struct Bot {
    shard: Shard,
    user: u64,
}

impl Bot {
    pub async fn login(sim: &DiscordSim, token: &str) -> Self {
        let url = format!("{}/api/v10/gateway", sim.api_url());
        let url: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        let intents = Intents::GUILDS | Intents::GUILD_VOICE_STATES;
        let config = ConfigBuilder::new(token.to_owned(), intents)
            .proxy_url(url["url"].as_str().unwrap().to_owned())
            .build();
        let mut bot = Self {
            shard: Shard::with_config(ShardId::ONE, config),
            user: discord_sim::user_of(token).0,
        };
        bot.event(|event| matches!(event, Event::Ready(_)).then_some(()))
            .await;
        bot
    }

    pub async fn event<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let next = async {
            loop {
                let event = self.shard.next_event(EventTypeFlags::all()).await;
                if let Some(picked) = pick(event.unwrap().unwrap()) {
                    return picked;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.unwrap()
    }

    /// Op 4, and the credentials that come of it.
    pub async fn join(&mut self, channel: u64) -> ConnectionInfo {
        let join = serde_json::json!({"op": 4, "d": {
            "guild_id": GUILD, "channel_id": channel.to_string(),
            "self_mute": false, "self_deaf": true
        }});
        self.shard.send(join.to_string());
        self.credentials().await
    }

    /// The next credentials: voice state, then voice server.
    pub async fn credentials(&mut self) -> ConnectionInfo {
        let user = self.user;
        let (channel, session_id) = self
            .event(|event| match event {
                Event::VoiceStateUpdate(state) if state.user_id.get() == user => {
                    Some((state.channel_id?.get(), state.session_id.clone()))
                }
                _ => None,
            })
            .await;
        let (endpoint, token) = self.server().await;
        ConnectionInfo {
            channel_id: ChannelId(NonZeroU64::new(channel).unwrap()),
            endpoint,
            guild_id: SongbirdGuild(NonZeroU64::new(GUILD.0).unwrap()),
            session_id,
            token,
            user_id: UserId(NonZeroU64::new(user).unwrap()),
        }
    }

    /// The next voice server's endpoint and token.
    pub async fn server(&mut self) -> (String, String) {
        self.event(|event| match event {
            Event::VoiceServerUpdate(server) => Some((server.endpoint?, server.token)),
            _ => None,
        })
        .await
    }
}

pub fn driver() -> Driver {
    driver_with(CryptoMode::Aes256Gcm)
}

pub fn driver_with(mode: CryptoMode) -> Driver {
    // With `move_expensive_tasks`, songbird 0.6.1 moves a mixer away between building and sending
    // packets, and copies no more than the RTP header for the one that takes its place: on a busy
    // machine a packet goes out with another's body. The record shows it as "not sealed with the
    // connection's key".
    let mut scheduler = SchedulerConfig::default();
    scheduler.move_expensive_tasks = false;
    let config = Config::default()
        .crypto_mode(mode)
        .scheduler(Scheduler::new(scheduler));
    Driver::new(config)
}

/// Plays these seconds of the coded sound: Opus in a DCA1 stream, which songbird passes on as it
/// is.
pub fn play_seconds(driver: &mut Driver, seconds: std::ops::Range<u32>) {
    let sound: Vec<f32> = coded_sound(seconds)
        .into_iter()
        .flat_map(|sample| [sample, sample])
        .collect();
    let mut encoder = Encoder::new(SOUND_RATE, Channels::Stereo, Application::Audio).unwrap();
    let metadata = serde_json::json!({
        "dca": {"version": 1, "tool": {"name": "test", "version": "1"}},
        "opus": {"mode": "music", "sample_rate": SOUND_RATE, "frame_size": 960, "vbr": true,
            "channels": 2}
    })
    .to_string();
    let mut stream = b"DCA1".to_vec();
    stream.extend((metadata.len() as u32).to_le_bytes());
    stream.extend(metadata.as_bytes());
    for frame in sound.chunks(2 * SOUND_RATE as usize / 50) {
        let packet = encoder.encode_vec_float(frame, 1500).unwrap();
        stream.extend((packet.len() as u16).to_le_bytes());
        stream.extend(packet);
    }
    driver.play_only_input(stream.into());
}

/// Waits until the listening member has heard these confirmed seconds since then, in this order
/// and alone.
pub async fn heard_seconds(sim: &DiscordSim, since: Instant, expected: std::ops::Range<u32>) {
    confirmed_seconds(sim, || sim.heard_since(GUILD, since), expected).await;
}

/// Waits until what `heard` returns has these confirmed seconds, in this order and alone.
pub async fn confirmed_seconds(
    sim: &DiscordSim,
    heard: impl Fn() -> Heard,
    expected: std::ops::Range<u32>,
) {
    let expected: Vec<u32> = expected.collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let heard = heard();
        let report = heard.listen().unwrap();
        let confirmed = report.seconds.iter().filter(|one| one.confirmed);
        let seconds: Vec<u32> = confirmed.map(|one| one.second).collect();
        if seconds == expected {
            return;
        }
        let totals = heard.totals();
        assert!(
            Instant::now() < deadline,
            "expected {expected:?}, heard {report:?} of {totals:?}; record: {:?}",
            sim.record()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
