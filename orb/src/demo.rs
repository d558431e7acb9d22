//! `orb demo`: `orb up` with simulators for whatever is not configured, a film and a party that plays it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use discord_sim::{DiscordSim, DiscordSimConfig};
use jellyfin_sim::film::{FilmSpec, generate};
use jellyfin_sim::{Film, JellyfinSim, JellyfinSimConfig, Show};
use orb_config::Config;
use orb_gateway::GatewayConfig;
use orb_proto::v1;
use orb_proto::v1::session_service_client::SessionServiceClient;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tempfile::TempDir;
use tonic::{Code, Request};

use crate::cli::Demo;
use crate::roles::{Upped, up};
use crate::stack::Stack;
use crate::trust::Trust;

/// The party's ids. The simulator has this guild from the start, so others remain free for whoever tries
/// the worker contract.
const SESSION: &str = "demo";
const GUILD: &str = "900000000000000001";
const VOICE_CHANNEL: &str = "900000000000000002";
const TEXT_CHANNEL: &str = "900000000000000003";
const ITEM: &str = "demofilm";

/// Short enough to see one episode follow the other.
const EPISODE_SECONDS: u32 = 30;

/// As many parties as may be in one guild at once.
const ACCOUNTS: usize = 4;

/// The account and the worker connect within a fraction of a second; a machine under load takes longer.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// What has to live as long as the demo.
struct Surroundings {
    _folder: TempDir,
    discord: Option<DiscordSim>,
    jellyfin: Option<JellyfinSim>,
    item: Option<serde_json::Value>,
}

pub(crate) async fn run(options: Demo, mut config: Config, trust: &Trust) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    if config.http.tokens.is_empty() {
        config.http.tokens.push(SecretString::from(
            uuid::Uuid::new_v4().simple().to_string(),
        ));
    }
    let database = folder.path().join("orb.db");
    config.database.url = SecretString::from(format!("sqlite://{}", database.display()));
    let discord = discord(&mut config, trust).await?;
    let (jellyfin, item) = jellyfin(&mut config, options.film).await?;
    let surroundings = Surroundings {
        _folder: folder,
        discord,
        jellyfin,
        item,
    };

    let mut gateway = GatewayConfig::new(config.http.tokens.clone());
    gateway.open_page = config.http.addr.ip().is_loopback();
    gateway.demo_item.clone_from(&surroundings.item);
    let mut stack = Stack::default();
    let upped = up(&mut stack, &config, None, gateway).await?;
    if let Some(item) = &surroundings.item {
        start_party(&upped, item)
            .await
            .context("the demo's party did not start")?;
    }
    announce(&config, &surroundings, &upped);
    stack.run(config.timing.drain_grace).await?;
    if let Some(discord) = surroundings.discord {
        discord.shutdown().await;
    }
    if let Some(jellyfin) = surroundings.jellyfin {
        jellyfin.shutdown().await;
    }
    Ok(())
}

async fn discord(config: &mut Config, trust: &Trust) -> Result<Option<DiscordSim>> {
    if !config.discord.tokens.is_empty() {
        return Ok(None);
    }
    let sim = DiscordSim::start(DiscordSimConfig::default()).await?;
    trust.add(sim.ca_pem())?;
    config.discord.api_url = Some(sim.api_url().parse().map_err(anyhow::Error::msg)?);
    config.discord.tokens = (1..=ACCOUNTS)
        .map(|n| SecretString::from(format!("demo-account-{n}")))
        .collect();
    if config.worker.golive.is_on() && config.discord.golive_tokens.is_empty() {
        // Which the simulator takes for a person's; it leaves this machine as little as the others do.
        config.discord.golive_tokens = vec![SecretString::from("user.demo")];
    }
    Ok(Some(sim))
}

async fn jellyfin(
    config: &mut Config,
    film: Option<PathBuf>,
) -> Result<(Option<JellyfinSim>, Option<serde_json::Value>)> {
    if let Some(url) = &config.jellyfin.url {
        tracing::info!(jellyfin = %url, "a Jellyfin is configured: no film and no party of the demo's own");
        return Ok((None, None));
    }
    let title = film.as_deref().and_then(Path::file_stem).map_or_else(
        || "The Clock".to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    );
    let (path, episode) = match film {
        Some(film) => (film.clone(), film),
        None => generated().await?,
    };
    let sim = JellyfinSim::start(library(&title, path, episode)).await?;
    config.jellyfin.url = Some(sim.base_url().parse().map_err(anyhow::Error::msg)?);
    config.jellyfin.api_key = Some(SecretString::from(sim.api_key().to_owned()));
    let item = json!({
        "queueEntryId": 1,
        "jellyfinSourceId": ITEM,
        "title": title,
        "mediaType": "movie",
        "playback": {
            "itemId": ITEM,
            "sourceId": ITEM,
            "title": title,
            "mediaType": "movie",
            "streamUrl": sim.stream_url(ITEM),
            "downloadUrl": sim.download_url(ITEM),
        },
    });
    Ok((Some(sim), Some(item)))
}

/// A film, and a series to search for and to queue.
fn library(title: &str, film: PathBuf, episode: PathBuf) -> JellyfinSimConfig {
    let mut film = Film::new(ITEM, title, film);
    film.overview = Some("Hands go round, and every second can be heard.".to_owned());
    let mut show = Show::new("demoshow", "Time and Again", episode)
        .season(1, ["The Hour", "The Minute", "The Second"])
        .season(2, ["Quarter Past", "Half Past"]);
    show.overview = Some("Five short stories about what passes.".to_owned());
    JellyfinSimConfig {
        films: vec![film],
        shows: vec![show],
        // The episodes are short: what was left in the middle is still to be found.
        min_resume_duration: Duration::ZERO,
        ..JellyfinSimConfig::default()
    }
}

/// The film and an episode: made once, and kept where caches are kept.
async fn generated() -> Result<(PathBuf, PathBuf)> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("orb-stream");
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let (film, episode) = (
        cache.join("demo-film-1.mkv"),
        cache.join("demo-episode-1.mkv"),
    );
    if !film.exists() {
        eprintln!("Making a film of two minutes; this takes about 20 seconds, once ...");
        generate(&film, FilmSpec::default()).await?;
    }
    if !episode.exists() {
        let spec = FilmSpec {
            seconds: EPISODE_SECONDS,
            ..FilmSpec::default()
        };
        generate(&episode, spec).await?;
    }
    Ok((film, episode))
}

async fn start_party(upped: &Upped, item: &serde_json::Value) -> Result<()> {
    let mut sessions = SessionServiceClient::new(upped.channel.clone());
    let request = |message: v1::CreateRequest| authorized(upped, message);
    let create = v1::CreateRequest {
        session_id: SESSION.to_owned(),
        guild_id: GUILD.to_owned(),
        voice_channel_id: VOICE_CHANNEL.to_owned(),
        text_channel_id: TEXT_CHANNEL.to_owned(),
        command_id: String::new(),
        ..v1::CreateRequest::default()
    };
    let deadline = tokio::time::Instant::now() + READY_WITHIN;
    loop {
        match sessions.create(request(create.clone())?).await {
            Ok(_) => break,
            // The account is still on its way.
            Err(status)
                if matches!(status.code(), Code::ResourceExhausted | Code::Unavailable)
                    && tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(status) => return Err(status.into()),
        }
    }
    let text = |key: &str| {
        item["playback"][key]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let play = v1::PlayRequest {
        session_id: SESSION.to_owned(),
        item: Some(v1::Item {
            queue_entry_id: 1,
            item_id: text("itemId"),
            source_id: text("sourceId"),
            title: text("title"),
            media_type: text("mediaType"),
            stream_url: text("streamUrl"),
            download_url: text("downloadUrl"),
            ..v1::Item::default()
        }),
        command_id: String::new(),
        ..v1::PlayRequest::default()
    };
    sessions.play(authorized(upped, play)?).await?;
    Ok(())
}

fn authorized<T>(upped: &Upped, message: T) -> Result<Request<T>> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {}", upped.token.expose_secret()).parse()?;
    request.metadata_mut().insert("authorization", bearer);
    Ok(request)
}

/// For people, on stdout. The demo's token is shown on purpose: it is of no use elsewhere.
fn announce(config: &Config, surroundings: &Surroundings, upped: &Upped) {
    println!();
    println!("  Orb Stream demo");
    println!();
    println!("  page       http://{}/", upped.http);
    println!(
        "  API        http://{}/sessions   (docs: /api/openapi.json)",
        upped.http
    );
    if let Some(token) = config.http.tokens.first() {
        println!("  token      {}", token.expose_secret());
    }
    println!("  gRPC       {}", config.grpc.addr);
    match &surroundings.discord {
        Some(discord) => println!("  Discord    simulated at {}", discord.api_url()),
        None => println!("  Discord    the real one"),
    }
    match (&surroundings.jellyfin, &config.jellyfin.url) {
        (Some(jellyfin), _) => {
            println!("  Jellyfin   simulated at {}", jellyfin.base_url());
            println!("  film       {}", jellyfin.stream_url(ITEM));
            println!("  library    that film, and the series Time and Again");
        }
        (None, Some(url)) => println!("  Jellyfin   {url}"),
        (None, None) => {}
    }
    println!();
    println!("  Stop it with Ctrl-C.");
    println!();
}
