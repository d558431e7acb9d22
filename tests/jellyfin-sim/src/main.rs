//! `jellyfin-sim`: serves films as a Jellyfin server would. See the README.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use jellyfin_sim::film::{self, FilmSpec};
use jellyfin_sim::{
    AuthMode, Chapter, Collection, Error, Film, GeneratedLibrary, JellyfinSim, JellyfinSimConfig,
    Show, SimUser,
};
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
    /// The name of a series to serve, with two seasons, a special and a missing episode; may be given
    /// several times. Its episodes play the first film.
    #[arg(long)]
    show: Vec<String>,
    /// The name of a collection of all these films and series.
    #[arg(long)]
    collection: Option<String>,
    /// So many more films, made up; they play the first film.
    #[arg(long, default_value_t = 0)]
    library: u32,
    /// Somebody who may log in, with the name as password; may be given several times.
    #[arg(long, default_value = "orb")]
    user: Vec<String>,
    /// Of shorter films no position is kept, as an operator sets it.
    #[arg(long, default_value_t = 300)]
    min_resume_seconds: u64,
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
    let is_generated = paths.is_empty();
    if is_generated {
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
    let first = paths[0].clone();
    let mut films: Vec<Film> = paths
        .into_iter()
        .zip(1..)
        .map(|(path, n)| numbered(path, n))
        .collect();
    if is_generated {
        films[0].chapters = chapters(options.seconds);
    }
    let shows: Vec<Show> = options
        .show
        .iter()
        .zip(1..)
        .map(|(name, n)| show(name, n, &first))
        .collect();
    let ids: Vec<String> = films.iter().map(|film| film.id.clone()).collect();
    let members = ids.iter().chain(shows.iter().map(|show| &show.id)).cloned();
    let members: Vec<String> = members.collect();
    let collections = options.collection.iter();
    let sim = JellyfinSim::start(JellyfinSimConfig {
        collections: collections
            .map(|name| Collection::new(format!("{:032x}", 0xc0), name, members.clone()))
            .collect(),
        films,
        shows: shows.clone(),
        generated: (options.library > 0).then_some(GeneratedLibrary {
            count: options.library,
            path: first,
        }),
        users: options
            .user
            .iter()
            .map(|name| SimUser::new(name, name))
            .collect(),
        min_resume_duration: Duration::from_secs(options.min_resume_seconds),
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
    for show in shows {
        println!("show {}", show.id);
    }
    std::future::pending().await
}

/// Two seasons of three episodes and one, a special, and one more that has no file.
fn show(name: &str, number: u32, path: &Path) -> Show {
    Show::new(format!("5e{number:030x}"), name, path)
        .season(0, ["Behind the scenes"])
        .season(1, ["Pilot", "The second one", "The third one"])
        .missing(1, 4, "Never aired")
        .season(2, ["Back again"])
}

/// The halves of the generated film.
fn chapters(seconds: u32) -> Vec<Chapter> {
    let half = Duration::from_secs(u64::from(seconds / 2));
    vec![
        Chapter::new(Duration::ZERO, "First half"),
        Chapter::new(half, "Second half"),
    ]
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
