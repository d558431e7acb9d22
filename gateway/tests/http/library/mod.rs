//! The library over real HTTP, in front of jellyfin-sim.

mod browse;
mod faults;
mod images;
mod large;
mod queue;

use std::time::Duration;

use jellyfin_sim::film::{Audio, Container, FilmSpec, generate};
use jellyfin_sim::{AuthMode, Collection, Film, JellyfinSim, JellyfinSimConfig, Show};
use orb_jellyfin::client::{JellyfinClient, JellyfinConfig, Timeouts};
use reqwest::header::HeaderMap;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Harness, problem};

/// Made for each test, so small.
const FILM: FilmSpec = FilmSpec {
    seconds: 10,
    width: 320,
    height: 180,
    fps: 1,
    gop_seconds: 10,
    bframes: 0,
    audio: Some(Audio::AacStereo),
    container: Container::Mkv,
};

/// A server that does not answer is given up within a second, tries included.
const IMPATIENT: Timeouts = Timeouts {
    connect: Duration::from_millis(300),
    request: Duration::from_millis(300),
    total: Duration::from_secs(1),
};

/// Films, a series, two collections, and a gateway that shows them.
struct Stage {
    harness: Harness,
    sim: JellyfinSim,
    client: JellyfinClient,
    show: Show,
    _folder: TempDir,
}

impl Stage {
    async fn start() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    async fn with(
        change: impl FnOnce(&mut JellyfinSimConfig),
        configure: impl FnOnce(&mut JellyfinConfig),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film.mkv");
        generate(&path, FILM).await.unwrap();
        let mut sintel = Film::new("f1", "Sintel", &path);
        sintel.year = Some(2010);
        sintel.overview = Some("A girl looks for a dragon.".to_owned());
        let show = Show::new("show1", "The Show", &path)
            .season(0, ["Behind the scenes"])
            .season(1, ["Pilot", "Second"])
            .season(2, ["Back"])
            .missing(1, 3, "Never aired");
        let mut config = JellyfinSimConfig {
            films: vec![sintel, Film::new("f2", "Tears of Steel", &path)],
            shows: vec![show.clone()],
            collections: vec![
                Collection::new("box1", "Open films", ["f2", "f1", "show1"]),
                Collection::new("box2", "Nothing here", Vec::<String>::new()),
            ],
            min_resume_duration: Duration::ZERO,
            ..JellyfinSimConfig::default()
        };
        change(&mut config);
        let sim = JellyfinSim::start(config).await.unwrap();
        let mut config = JellyfinConfig::new(sim.base_url(), sim.api_key().into()).unwrap();
        configure(&mut config);
        let client = JellyfinClient::new(config).unwrap();
        let library = client.clone();
        let with_library = |config: &mut orb_gateway::GatewayConfig| {
            *config = config.clone().with_library(library);
        };
        Self {
            harness: Harness::with(with_library).await,
            sim,
            client,
            show,
            _folder: folder,
        }
    }

    async fn of(auth: AuthMode) -> Self {
        Self::with(|config| config.auth = auth, |_| {}).await
    }

    /// With a client that gives up soon, and knows its user.
    async fn impatient() -> Self {
        let stage = Self::with(|_| {}, |config| config.timeouts = IMPATIENT).await;
        stage.get("/search?q=Sintel").await;
        stage
    }

    /// What a call below `/api/v1/library` answers with when all is well.
    async fn get(&self, path: &str) -> Value {
        let request = self.harness.get(&format!("/api/v1/library{path}"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        self.keeps_quiet(response.headers());
        let text = response.text().await.unwrap();
        self.keeps_secrets(&text);
        serde_json::from_str(&text).unwrap()
    }

    /// Status and code of a call that is refused.
    async fn refused(&self, path: &str) -> (u16, String) {
        let (status, body) = self.refusal(path).await;
        (status, body["code"].as_str().unwrap().to_owned())
    }

    async fn refusal(&self, path: &str) -> (u16, Value) {
        let request = self.harness.get(&format!("/api/v1/library{path}"));
        let (status, body) = problem(request).await;
        self.keeps_secrets(&body.to_string());
        (status, body)
    }

    fn keeps_quiet(&self, headers: &HeaderMap) {
        for (name, value) in headers {
            self.keeps_secrets(&format!("{name}: {value:?}"));
        }
    }

    /// Neither Jellyfin's address nor its key is anybody's business.
    fn keeps_secrets(&self, text: &str) {
        let address = self.sim.base_url().trim_start_matches("http://");
        assert!(!text.contains(address), "{text}");
        assert!(!text.contains(self.sim.api_key()), "{text}");
    }

    /// The paths that Jellyfin was asked for.
    fn asked(&self) -> Vec<String> {
        let requests = self.sim.requests();
        requests.into_iter().map(|request| request.path).collect()
    }
}

fn titles(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    let titles = items.iter().map(|item| item["title"].as_str().unwrap());
    titles.collect()
}
