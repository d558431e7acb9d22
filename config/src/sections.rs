//! The sections of the file, each with its defaults.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{HttpUrl, Rewrite, parse};

/// `[http]`: worker contract, party API and dashboard.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Where to listen (`ORB_HTTP_ADDR`).
    #[serde(deserialize_with = "parse::socket_addr")]
    pub addr: SocketAddr,
    /// The bearer tokens that are valid, several at once so that they can be rotated
    /// (`ORB_API_TOKENS`, comma-separated, of any length).
    #[serde(deserialize_with = "parse::secrets")]
    pub tokens: Vec<SecretString>,
    /// How viewers reach this gateway, for links; unset, links are relative.
    pub public_url: Option<HttpUrl>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            addr: loopback(8080),
            tokens: Vec::new(),
            public_url: None,
        }
    }
}

/// `[grpc]`: the scheduler's own server.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grpc {
    /// Where to listen (`ORB_GRPC_ADDR`).
    #[serde(deserialize_with = "parse::socket_addr")]
    pub addr: SocketAddr,
}

impl Default for Grpc {
    fn default() -> Self {
        Self {
            addr: loopback(50051),
        }
    }
}

/// `[database]`: where sessions, queue and events are stored.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite://<path>`, or `postgres://<server>/<name>` for several schedulers (`ORB_DATABASE_URL`); secret, for it
    /// may hold a password.
    #[serde(deserialize_with = "parse::secret")]
    pub url: SecretString,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: SecretString::from("sqlite://orb.db"),
        }
    }
}

/// `[etcd]`: elects the leader among several schedulers, and tells gateways and workers who it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Etcd {
    /// Its members (`ORB_ETCD_ENDPOINTS`, comma-separated URLs); unset, there is a single scheduler.
    #[serde(deserialize_with = "parse::list")]
    pub endpoints: Vec<HttpUrl>,
    /// PEM file of the authority that signed etcd's certificate (`ORB_ETCD__CA`); unset, the system's.
    pub ca: Option<PathBuf>,
    /// PEM file of this process's certificate towards etcd (`ORB_ETCD__CERTIFICATE`).
    pub certificate: Option<PathBuf>,
    /// PEM file of its key (`ORB_ETCD__KEY`).
    pub key: Option<PathBuf>,
}

/// `[scheduler]`: how the other roles reach it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scheduler {
    /// gRPC URL of the scheduler (`ORB_SCHEDULER_URL`), for gateways and workers; `orb up` needs none, and with etcd
    /// they find the leader there.
    pub url: Option<HttpUrl>,
    /// Where gateways and workers reach this scheduler when it leads (`ORB_SCHEDULER__ADVERTISE`); unset, the address
    /// that it listens on.
    pub advertise: Option<HttpUrl>,
    /// What gateways and workers bear towards the scheduler (`ORB_SCHEDULER__TOKEN`), the same for
    /// all parts of an installation. Unset, the first API token serves, and then whoever has an API
    /// token can also attach a worker.
    #[serde(deserialize_with = "parse::optional_secret")]
    pub token: Option<SecretString>,
    /// Where `orb scheduler` answers `/healthz`, `/readyz` and `/metrics`, to whoever asks and never by TLS
    /// (`ORB_SCHEDULER__HTTP_ADDR`); port 0 takes a free one.
    #[serde(deserialize_with = "parse::socket_addr")]
    pub http_addr: SocketAddr,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            url: None,
            advertise: None,
            token: None,
            http_addr: loopback(0),
        }
    }
}

/// `[tls]`: mutual TLS between the roles (`docs/transport.md`): all three files, or none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the authority that signs for this installation and for nothing else (`ORB_TLS__CA`).
    pub ca: Option<PathBuf>,
    /// PEM file of this process's certificate (`ORB_TLS__CERT`).
    pub cert: Option<PathBuf>,
    /// PEM file of its key (`ORB_TLS__KEY`).
    pub key: Option<PathBuf>,
    /// The DNS name that the certificates of schedulers and workers bear, at whatever address they are reached
    /// (`ORB_TLS__SERVER_NAME`).
    pub server_name: Option<String>,
}

impl Tls {
    /// What the certificates bear where nothing else is set.
    pub const SERVER_NAME: &'static str = "orb-stream";

    /// Whether anything of it is set.
    pub fn is_wanted(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.key.is_some() || self.server_name.is_some()
    }

    /// The name to check for.
    pub fn server_name(&self) -> &str {
        self.server_name.as_deref().unwrap_or(Self::SERVER_NAME)
    }
}

/// `[worker]`: this worker process.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// Its name, stable over restarts (`ORB_WORKER_ID`); the host name unless set.
    pub id: String,
    /// Where it serves the watch output to gateways; port 0 takes a free one.
    #[serde(deserialize_with = "parse::socket_addr")]
    pub media_addr: SocketAddr,
    /// How gateways reach `media_addr` from elsewhere; unset, the address it listens on.
    pub media_url: Option<HttpUrl>,
    /// What it may use, in thousandths of a core; unset, all cores of the machine.
    #[serde(deserialize_with = "parse::optional_number")]
    pub capacity_millicores: Option<u32>,
    /// Whose code speaks to Discord's voice servers (`ORB_VOICE_DRIVER`).
    pub voice_driver: VoiceDriver,
    /// Whether it sends pictures into voice channels (`ORB_GOLIVE`). The scheduler reads it, too: whether parties may
    /// have one.
    pub golive: GoLive,
    /// What a picture for a voice channel is sent with at most, in kbit/s, from [`Worker::LEAST_GOLIVE_KBITS`] to
    /// [`Worker::MOST_GOLIVE_KBITS`]: a film's own rate above it is no copy, and no encoder is asked for more.
    #[serde(deserialize_with = "parse::golive_kbits")]
    pub golive_kbits_per_second: u32,
}

impl Worker {
    /// The lowest rate that a picture is encoded with.
    pub const LEAST_GOLIVE_KBITS: u32 = 350;
    /// What a film is passed on with at most, wherever it goes.
    pub const MOST_GOLIVE_KBITS: u32 = 12_000;
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            id: host_name(),
            media_addr: loopback(0),
            media_url: None,
            capacity_millicores: None,
            voice_driver: VoiceDriver::Orb,
            golive: GoLive::Off,
            // Above what Discord's own clients send at 720 lines, and above what most home lines bear upwards.
            golive_kbits_per_second: 6_000,
        }
    }
}

/// Whose code speaks to Discord's voice servers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum VoiceDriver {
    /// The project's own.
    #[default]
    Orb,
    /// songbird: weaker at keeping frames encrypted and at keeping away from a channel that another worker has by now
    /// (`docs/adr/0005-own-voice-driver.md`).
    Songbird,
}

impl<'de> Deserialize<'de> for VoiceDriver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.trim() {
            "orb" => Ok(Self::Orb),
            "songbird" => Ok(Self::Songbird),
            _ => Err(D::Error::custom("expected orb or songbird")),
        }
    }
}

/// Whether pictures go into voice channels (`docs/golive.md`). Discord lets no bot do that, and its terms forbid to
/// automate any other account: who turns this on has to say so.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum GoLive {
    /// No picture into the voice channel, whatever a caller asks for.
    #[default]
    Off,
    /// By the accounts of [`Discord::golive_tokens`], which Discord may ban for it.
    AcceptAccountRisk,
}

impl GoLive {
    /// Whether it was turned on.
    pub fn is_on(self) -> bool {
        self != Self::Off
    }
}

impl<'de> Deserialize<'de> for GoLive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.trim() {
            text if text.eq_ignore_ascii_case("off") => Ok(Self::Off),
            "accept-account-risk" => Ok(Self::AcceptAccountRisk),
            _ => Err(D::Error::custom(
                "expected off or accept-account-risk; docs/golive.md says what the risk is",
            )),
        }
    }
}

/// `[party]`: what parties do unless they say otherwise when they are made.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Party {
    /// What happens when the last entry of a queue has ended (`ORB_PARTY__AT_QUEUE_END`).
    pub at_queue_end: AtQueueEnd,
    /// Whether the picture goes into the voice channel (`ORB_PARTY__GO_LIVE`); only with `worker.golive`.
    #[serde(deserialize_with = "parse::boolean")]
    pub go_live: bool,
}

/// What happens when the last entry of a queue has ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AtQueueEnd {
    /// The account stays in the channel until `timing.idle_leave`; what is added meanwhile plays at once.
    #[default]
    Wait,
    /// It leaves.
    Leave,
}

impl<'de> Deserialize<'de> for AtQueueEnd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.trim() {
            "wait" => Ok(Self::Wait),
            "leave" => Ok(Self::Leave),
            _ => Err(D::Error::custom("expected wait or leave")),
        }
    }
}

/// `[jellyfin]`: the library, and which sources may be played.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jellyfin {
    /// Base URL of the server (`ORB_JELLYFIN_URL`); its origin is an allowed source.
    pub url: Option<HttpUrl>,
    /// `ORB_JELLYFIN_API_KEY`.
    #[serde(deserialize_with = "parse::optional_secret")]
    pub api_key: Option<SecretString>,
    /// Further origins that sources may come from, loopback and private ones too
    /// (`ORB_JELLYFIN__ALLOWED_ORIGINS`, comma-separated).
    #[serde(deserialize_with = "parse::list")]
    pub allowed_origins: Vec<HttpUrl>,
    /// Name or id of the user whose library is shown and whose progress is kept
    /// (`ORB_JELLYFIN__USER`); an API key is nobody. The first administrator without it.
    pub user: Option<String>,
    /// `from=to`, applied to a source before its origin is checked (`ORB_JELLYFIN__REWRITE`).
    pub rewrite: Option<Rewrite>,
}

/// `[discord]`: the bot accounts and where Discord is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Discord {
    /// One bot token an account (`ORB_DISCORD_TOKENS`, comma-separated).
    #[serde(deserialize_with = "parse::secrets")]
    pub tokens: Vec<SecretString>,
    /// Tokens of user accounts that send pictures (`ORB_DISCORD__GOLIVE_TOKENS`, comma-separated), one a party at a time;
    /// only with `worker.golive`.
    #[serde(deserialize_with = "parse::secrets")]
    pub golive_tokens: Vec<SecretString>,
    /// Another Discord, a simulator (`ORB_DISCORD_API_URL`); then nothing goes to the real one.
    pub api_url: Option<HttpUrl>,
    /// PEM file of the authority that signed that simulator's certificates (`ORB_DISCORD_CA`).
    pub ca: Option<PathBuf>,
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Levels by module, as in `info,orb_worker=debug` (`ORB_LOG`).
    pub filter: String,
    /// Lines for people or for machines.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// `[otlp]`: where traces go (`docs/tracing.md`).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// A collector that takes OTLP over gRPC (`ORB_OTLP__ENDPOINT`, or the standard `OTEL_EXPORTER_OTLP_ENDPOINT`);
    /// unset, nothing is traced.
    pub endpoint: Option<HttpUrl>,
    /// The share of traces that is kept, 0 to 1, of those that no caller decided about
    /// (`ORB_OTLP__SAMPLE_RATIO`).
    #[serde(deserialize_with = "parse::share")]
    pub sample_ratio: f64,
}

impl Default for Otlp {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample_ratio: 1.0,
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The kernel's, for `HOSTNAME` is a shell's variable that is often not exported.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "worker" } else { name }.to_owned()
}
