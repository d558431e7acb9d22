//! What stands around Orb in a test: simulators, films, a folder of its own.

use std::path::Path;

use discord_sim::{DiscordSim, DiscordSimConfig};
use jellyfin_sim::{Film, JellyfinSim, JellyfinSimConfig};
use tempfile::TempDir;

use crate::environment::Environment;
use crate::films::Title;
use crate::turn::Turn;

/// The first of the valid API tokens.
pub const API_TOKEN: &str = "e2e-api-token-Zm9vYmFy";
/// The second.
pub const SECOND_API_TOKEN: &str = "e2e-other-token-cXV1eA";
/// The token of the first bot account; those of others have a number at the end.
pub const BOT_TOKEN: &str = "e2e.bot.token.s3cr3t";
/// The token of the user account that can go live.
pub const USER_TOKEN: &str = "user.e2e.token.s3cr3t";
/// The key that jellyfin-sim demands, also of streams.
pub const JELLYFIN_KEY: &str = "e2ejellyfinkey0123456789abcdef00";

/// What a test wants around it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How Discord behaves.
    pub discord: DiscordSimConfig,
    /// The library.
    pub titles: Vec<Title>,
    /// How Jellyfin behaves, and what its library has beside the titles.
    pub jellyfin: JellyfinSimConfig,
    /// Bot accounts.
    pub accounts: usize,
    /// A user account beside them, and pictures allowed.
    pub go_live: bool,
    /// Whether no other test may run meanwhile. `.config/nextest.toml` has to know of it too.
    pub alone: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            discord: DiscordSimConfig::default(),
            titles: vec![Title::Clock],
            jellyfin: JellyfinSimConfig::default(),
            accounts: 1,
            go_live: false,
            alone: false,
        }
    }
}

impl Setting {
    /// With these films.
    pub fn with(titles: &[Title]) -> Self {
        Self {
            titles: titles.to_vec(),
            ..Self::default()
        }
    }

    /// For a test that measures time at the listener: joins, positions.
    #[must_use]
    pub fn alone(self) -> Self {
        Self {
            alone: true,
            ..self
        }
    }
}

/// Simulators and a folder; the test has its turn as long as they live.
pub struct Surroundings {
    /// The Discord.
    pub discord: DiscordSim,
    /// The Jellyfin.
    pub jellyfin: JellyfinSim,
    /// Database and temporary files.
    pub folder: TempDir,
    accounts: usize,
    go_live: bool,
    _turn: Turn,
}

impl Surroundings {
    /// Waits for its turn, makes the films and starts the simulators.
    pub async fn start(setting: Setting) -> Self {
        let turn = tokio::task::block_in_place(if setting.alone {
            Turn::alone
        } else {
            Turn::shared
        });
        let mut films = setting.jellyfin.films.clone();
        for title in setting.titles {
            films.push(Film::new(title.id(), title.name(), title.file().await));
        }
        let mut tokens = bot_tokens(setting.accounts);
        if setting.go_live {
            tokens.push(USER_TOKEN.to_owned());
        }
        let discord = DiscordSimConfig {
            tokens,
            ..setting.discord
        };
        let jellyfin = JellyfinSimConfig {
            films,
            stream_needs_auth: true,
            api_key: Some(JELLYFIN_KEY.to_owned()),
            ..setting.jellyfin
        };
        Self {
            discord: DiscordSim::start(discord).await.expect("discord-sim"),
            jellyfin: JellyfinSim::start(jellyfin).await.expect("jellyfin-sim"),
            folder: tempfile::tempdir().expect("a temporary folder"),
            accounts: setting.accounts,
            go_live: setting.go_live,
            _turn: turn,
        }
    }

    /// The environment of a role in these surroundings, all ports free ones.
    pub fn environment(&self) -> Environment {
        let mut environment = Environment::bare();
        environment
            .set("ORB_HTTP_ADDR", "127.0.0.1:0")
            .set("ORB_GRPC_ADDR", "127.0.0.1:0")
            .set("ORB_API_TOKENS", format!("{API_TOKEN},{SECOND_API_TOKEN}"))
            .set(
                "ORB_DATABASE_URL",
                format!("sqlite://{}", self.database().display()),
            )
            .set("ORB_JELLYFIN_URL", self.jellyfin.base_url())
            .set("ORB_JELLYFIN_API_KEY", JELLYFIN_KEY)
            .set("ORB_DISCORD_TOKENS", bot_tokens(self.accounts).join(","))
            .set("ORB_DISCORD_API_URL", self.discord.api_url())
            .set(
                "ORB_DISCORD_CA",
                self.discord.ca_file().display().to_string(),
            )
            .set("ORB_LOG", "info")
            .set("TMPDIR", self.folder.path().display().to_string());
        if self.go_live {
            environment
                .set("ORB_GOLIVE", "accept-account-risk")
                .set("ORB_DISCORD__GOLIVE_TOKENS", USER_TOKEN);
        }
        environment
    }

    /// The database's file.
    pub fn database(&self) -> std::path::PathBuf {
        Path::new(self.folder.path()).join("orb.db")
    }

    /// The address of a title's stream as a bot hands it over: with a key.
    pub fn stream_url(&self, title: Title) -> String {
        format!(
            "{}&ApiKey={JELLYFIN_KEY}",
            self.jellyfin.stream_url(title.id())
        )
    }

    /// The address of a title's file, the same way.
    pub fn download_url(&self, title: Title) -> String {
        format!(
            "{}?ApiKey={JELLYFIN_KEY}",
            self.jellyfin.download_url(title.id())
        )
    }
}

fn bot_tokens(accounts: usize) -> Vec<String> {
    (0..accounts)
        .map(|n| match n {
            0 => BOT_TOKEN.to_owned(),
            n => format!("{BOT_TOKEN}.{n}"),
        })
        .collect()
}
