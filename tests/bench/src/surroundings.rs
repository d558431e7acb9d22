//! What Orb's roles talk to, in this process: both simulators, the films, and a folder for files.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use discord_sim::{DiscordSim, DiscordSimConfig};
use jellyfin_sim::{JellyfinSim, JellyfinSimConfig};
use tempfile::TempDir;

use crate::film::Film;
use crate::report;
use crate::role_process::Environment;

pub(crate) const API_TOKEN: &str = "bench-api-token";
const BOT_TOKEN: &str = "bench.bot.token";

/// What a bench may have otherwise.
#[derive(Default)]
pub(crate) struct Extras {
    /// A library for the roles to ask.
    pub(crate) library: Option<JellyfinSimConfig>,
    /// User accounts; every party goes live on one of them.
    pub(crate) users: usize,
}

/// Simulators and files. Dropping it ends them, so the roles go before it.
pub(crate) struct Surroundings {
    pub(crate) discord: DiscordSim,
    jellyfin: JellyfinSim,
    /// The roles may ask it for what there is to watch.
    has_library: bool,
    /// When the simulator's own times began.
    jellyfin_since: Instant,
    plays: AtomicU64,
    users: usize,
    folder: TempDir,
}

impl Surroundings {
    /// Makes the films if need be and starts the simulators.
    pub(crate) async fn start(discord: DiscordSimConfig) -> Result<Self> {
        Self::start_with(discord, Extras::default()).await
    }

    /// The same with more; a library has the films too.
    pub(crate) async fn start_with(discord: DiscordSimConfig, extras: Extras) -> Result<Self> {
        let has_library = extras.library.is_some();
        let mut library = extras.library.unwrap_or_default();
        let of_pictures = (extras.users > 0).then_some(Film::Steady);
        for film in Film::ALL.into_iter().chain(of_pictures) {
            let path = film.file().await?;
            let film = jellyfin_sim::Film::new(film.id(), film.name(), path);
            library.films.push(film);
        }
        let discord = DiscordSim::start(discord).await?;
        let jellyfin = JellyfinSim::start(library).await?;
        Ok(Self {
            discord,
            jellyfin,
            has_library,
            jellyfin_since: Instant::now(),
            plays: AtomicU64::new(0),
            users: extras.users,
            // Not in /tmp, which may be in memory: the database's syncs are part of what is measured.
            folder: tempfile::tempdir_in(report::folder()?).context("cannot make a folder")?,
        })
    }

    /// For the files of the roles.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What every role is to know; where the scheduler is and what it stores in comes on top.
    pub(crate) fn environment(&self) -> Environment {
        let Self {
            discord, jellyfin, ..
        } = self;
        let mut environment = Environment::from([
            ("ORB_HTTP_ADDR", "127.0.0.1:0".to_owned()),
            ("ORB_API_TOKENS", API_TOKEN.to_owned()),
            ("ORB_JELLYFIN_URL", jellyfin.base_url().to_owned()),
            ("ORB_DISCORD_TOKENS", BOT_TOKEN.to_owned()),
            ("ORB_DISCORD_API_URL", discord.api_url()),
            ("ORB_DISCORD_CA", discord.ca_file().display().to_string()),
            ("TMPDIR", self.folder().display().to_string()),
            // Addresses and times are read from the log.
            ("NO_COLOR", "1".to_owned()),
        ]);
        if self.has_library {
            environment.insert("ORB_JELLYFIN_API_KEY", jellyfin.api_key().to_owned());
        }
        if self.users > 0 {
            let tokens: Vec<_> = (1..=self.users)
                .map(|number| format!("user.bench.token.{number}"))
                .collect();
            environment.insert("ORB_GOLIVE", "accept-account-risk".to_owned());
            environment.insert("ORB_DISCORD__GOLIVE_TOKENS", tokens.join(","));
            environment.insert("ORB_PARTY__GO_LIVE", "true".to_owned());
        }
        environment
    }

    /// Where Jellyfin answers.
    pub(crate) fn jellyfin_url(&self) -> &str {
        self.jellyfin.base_url()
    }

    /// An address of the film that nobody has asked for before: whatever remembers addresses does not know it.
    pub(crate) fn fresh_url(&self, film: Film) -> String {
        let play = self.plays.fetch_add(1, Ordering::Relaxed);
        format!(
            "{}&PlaySessionId=bench{play}",
            self.jellyfin.stream_url(film.id())
        )
    }

    /// When Jellyfin was asked for what stands at a fresh address, to a few ms.
    pub(crate) fn asked_for(&self, url: &str) -> Vec<Instant> {
        let requests = self.jellyfin.requests();
        let same = requests.iter().filter(|one| {
            let asked = format!("{}?{}", one.path, one.query);
            url.ends_with(&asked)
        });
        same.map(|one| self.jellyfin_since + Duration::from_millis(one.at_ms))
            .collect()
    }
}
