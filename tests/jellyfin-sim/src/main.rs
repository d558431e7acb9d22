//! `jellyfin-sim`: serves films as a Jellyfin server would. See the README.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use jellyfin_sim::film::{self, FilmSpec};
use jellyfin_sim::{AuthMode, Error, Film, JellyfinSim, JellyfinSimConfig};
use tokio::signal::unix::{SignalKind, signal};

/// A Jellyfin server for development and tests.
#[derive(Parser)]
struct Options {
    /// A film to serve; may be given several times. Without any, one is generated.
    #[arg(long)]
    film: Vec<PathBuf>,
    /// Length of the generated film.
    #[arg(long, default_value_t = FilmSpec::default().seconds)]
    seconds: u32,
    /// The address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    addr: IpAddr,
    /// The port to listen on; 0 for a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Which Jellyfin to be.
    #[arg(long, value_enum, default_value_t)]
    auth: AuthMode,
    /// Demand a token for streams too.
    #[arg(long)]
    stream_needs_auth: bool,
    /// The API key that is valid; made up when not given.
    #[arg(long, env = "JELLYFIN_SIM_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    // Dropping the work at a signal also removes the generated film.
    let ended = tokio::select! {
        ended = run(Options::parse()) => ended,
        () = asked_to_end() => Ok(()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jellyfin-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Error> {
    // Held until the end: the generated film lies in it.
    let folder;
    let mut paths = options.film;
    if paths.is_empty() {
        let unusable = |source| Error::File {
            path: std::env::temp_dir(),
            source,
        };
        folder = tempfile::tempdir().map_err(unusable)?;
        let path = folder.path().join("Test film.mkv");
        eprintln!("jellyfin-sim: making a film of {} s", options.seconds);
        film::generate(
            &path,
            FilmSpec {
                seconds: options.seconds,
                ..FilmSpec::default()
            },
        )
        .await?;
        paths.push(path);
    }
    let films: Vec<Film> = paths
        .into_iter()
        .zip(1..)
        .map(|(path, n)| numbered(path, n))
        .collect();
    let ids: Vec<String> = films.iter().map(|film| film.id.clone()).collect();
    let sim = JellyfinSim::start(JellyfinSimConfig {
        films,
        auth: options.auth,
        stream_needs_auth: options.stream_needs_auth,
        addr: options.addr,
        port: options.port,
        api_key: options.api_key,
    })
    .await?;
    println!("url {}", sim.base_url());
    println!("api-key {}", sim.api_key());
    for id in ids {
        println!("stream {}", sim.stream_url(&id));
    }
    std::future::pending().await
}

/// Ready at SIGINT or SIGTERM.
async fn asked_to_end() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// A film with the file's name as title and a number as id, 32 hex digits as Jellyfin's are.
fn numbered(path: PathBuf, number: u32) -> Film {
    let title = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Film::new(format!("{number:032x}"), title, path)
}
