//! A simulator with a little of everything, and callers of all kinds.

use std::time::Duration;

use jellyfin_sim::film::{Audio, FilmSpec, generate};
use jellyfin_sim::{Collection, Film, JellyfinSim, JellyfinSimConfig, Show, SimUser};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Length of the film behind everything.
pub(crate) const SECONDS: u64 = 10;
pub(crate) const TICKS_PER_SECOND: u64 = 10_000_000;

pub(crate) struct Setup {
    pub(crate) sim: JellyfinSim,
    pub(crate) show: Show,
    /// Takes a new connection for each request, as faults end them.
    pub(crate) client: Client,
    _folder: TempDir,
}

/// Whose token a call carries.
pub(crate) enum As<'a> {
    Key,
    User(&'a str),
}

impl Setup {
    /// Films `m1` to `m3`, the show `s1`, the collection `c1` of `m3`, `m1` and the show, and the users `orb` and
    /// `eve`.
    pub(crate) async fn start(config: JellyfinSimConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film.mkv");
        let spec = FilmSpec {
            seconds: SECONDS as u32,
            width: 320,
            height: 180,
            audio: Some(Audio::AacStereo),
            ..FilmSpec::default()
        };
        generate(&path, spec).await.unwrap();
        let film = |id: &str, title: &str, year| Film {
            year: Some(year),
            overview: Some(format!("About {title}.")),
            ..Film::new(id, title, &path)
        };
        let films = vec![
            film("m1", "The Amélie Effect", 2001),
            film("m2", "Spider-Man: 2", 2004),
            film("m3", "An Effect", 1990),
        ];
        let show = Show::new("s1", "Effects of Winter", &path)
            .season(2, ["Back"])
            .season(1, ["Pilot", "Second", "Third"])
            .season(0, ["Making of"])
            .missing(1, 4, "Lost");
        let sim = JellyfinSim::start(JellyfinSimConfig {
            films,
            shows: vec![show.clone()],
            collections: vec![Collection::new("c1", "Box", ["m1", "s1", "m3"])],
            users: vec![SimUser::new("orb", "orb"), SimUser::new("eve", "pass")],
            min_resume_duration: Duration::ZERO,
            ..config
        });
        Self {
            sim: sim.await.unwrap(),
            show,
            client: Client::builder().pool_max_idle_per_host(0).build().unwrap(),
            _folder: folder,
        }
    }

    pub(crate) fn user_id(&self, name: &str) -> String {
        self.sim.user_id(name).unwrap()
    }

    /// A token of the user, from a login.
    pub(crate) async fn log_in(&self, name: &str, password: &str) -> String {
        let login = json!({ "Username": name, "Pw": password });
        let client = r#"MediaBrowser Client="t", Device="d", DeviceId="1", Version="1""#;
        let url = format!("{}/Users/AuthenticateByName", self.sim.base_url());
        let request = self.client.post(url).header("authorization", client);
        let answer = request.json(&login).send().await.unwrap();
        let session: Value = answer.json().await.unwrap();
        session["AccessToken"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        who: &As<'_>,
        body: Option<Value>,
    ) -> Response {
        let token = match who {
            As::Key => self.sim.api_key(),
            As::User(token) => token,
        };
        let url = format!("{}{path}", self.sim.base_url());
        let request = self
            .client
            .request(method, url)
            .header("authorization", format!("MediaBrowser Token=\"{token}\""));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str, who: &As<'_>) -> Value {
        let answer = self.call(Method::GET, path, who, None).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    pub(crate) async fn status(&self, path: &str, who: &As<'_>) -> u16 {
        let answer = self.call(Method::GET, path, who, None).await;
        answer.status().as_u16()
    }

    pub(crate) async fn post(&self, path: &str, who: &As<'_>, body: Value) -> u16 {
        let answer = self.call(Method::POST, path, who, Some(body)).await;
        answer.status().as_u16()
    }
}

/// The names of a page's items, comma-separated.
pub(crate) fn names(page: &Value) -> String {
    let items = page["Items"].as_array().unwrap();
    let names = items.iter().map(|item| item["Name"].as_str().unwrap());
    names.collect::<Vec<_>>().join(",")
}
