//! One typed configuration for every role of `orb`.
//!
//! ```text
//! defaults  <  TOML file  <  ORB_<SECTION>__<KEY>  <  short names (ORB_HTTP_ADDR …)
//! ```
//!
//! Each layer overrides the one before it, key by key. Every key has a section and a name
//! (`http.addr`), and so a long variable (`ORB_HTTP__ADDR`); the keys that people set most have a
//! short one too. A key in the file that does not exist is an error; an `ORB_` variable that means
//! nothing is a warning, for a container's environment is not always its own.
//!
//! [`Config::load`] reads files but no process environment: the caller hands it in, so tests need
//! not touch their own. What a role needs beyond well-formed values is checked by
//! [`Config::for_up`] and its sisters. Secrets are [`secrecy::SecretString`] and show in no output.

mod environment;
mod error;
mod http_url;
mod parse;
mod redacted;
mod roles;
mod sections;
mod timing;

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    providers::{Format, Toml},
};
use serde::Deserialize;

pub use environment::process_environment;
pub use error::{Error, Problem};
pub use http_url::{HttpUrl, Rewrite};
pub use sections::{
    AtQueueEnd, Database, Discord, Etcd, GoLive, Grpc, Http, Jellyfin, Log, LogFormat, Otlp, Party,
    Scheduler, Tls, VoiceDriver, Worker,
};
pub use timing::Timing;

/// The variable that names the configuration file when `--config` does not.
pub const CONFIG_VARIABLE: &str = "ORB_CONFIG";

/// Everything that can be set, as one value; the sections are those of the TOML file.
///
/// Its `Debug` output is fit for a log: secrets and the paths and queries of URLs are left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTP side: worker contract, party API, dashboard.
    pub http: Http,
    /// The gRPC side of the scheduler.
    pub grpc: Grpc,
    /// Where sessions are stored.
    pub database: Database,
    /// Who leads, when there are several schedulers.
    pub etcd: Etcd,
    /// How gateways and workers reach the scheduler.
    pub scheduler: Scheduler,
    /// Certificates of the roles towards each other.
    pub tls: Tls,
    /// This worker.
    pub worker: Worker,
    /// What parties do unless they say otherwise.
    pub party: Party,
    /// The library, and which sources may be played.
    pub jellyfin: Jellyfin,
    /// The bot accounts.
    pub discord: Discord,
    /// What is logged.
    pub log: Log,
    /// Where traces go.
    pub otlp: Otlp,
    /// Every protocol time-out.
    pub timing: Timing,
}

/// A configuration, and what the caller should say about it once logging is up.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, every value well-formed.
    pub config: Config,
    /// One sentence each, without secrets.
    pub warnings: Vec<String>,
}

impl Config {
    /// Puts the layers together.
    ///
    /// `file` is `--config`; without it `ORB_CONFIG` of `environment` names the file, and without
    /// either there is none. An empty variable counts as unset, as compose files write it.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, Error> {
        let layer = environment::read(environment);
        let file = file.map(Path::to_owned).or(layer.config_file);
        let mut figment = Figment::new();
        if let Some(path) = file {
            figment = figment.merge(Toml::string(&read_file(path)?));
        }
        let config: Config = figment
            .merge(layer.values)
            .extract()
            .map_err(error::from_figment)?;

        let problems = config.timing.check();
        if !problems.is_empty() {
            return Err(Error::Invalid { problems });
        }
        let mut warnings = layer.warnings;
        warnings.extend(config.warnings());
        Ok(Loaded { config, warnings })
    }

    /// What is set and legal, but probably not what was meant.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(url) = &self.discord.api_url
            && url.as_url().scheme() == "http"
            && !url.is_loopback()
        {
            warnings.push(
                "ORB_DISCORD_API_URL is plain HTTP to another host: the bot tokens travel in the clear"
                    .to_owned(),
            );
        }
        warnings
    }
}

fn read_file(path: PathBuf) -> Result<String, Error> {
    std::fs::read_to_string(&path).map_err(|source| Error::Unreadable { path, source })
}
