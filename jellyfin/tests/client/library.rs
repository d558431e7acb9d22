//! The library, playback and progress, against jellyfin-sim as both Jellyfins.

use std::path::Path;

use jellyfin_sim::film::{Container, FilmSpec, generate};
use jellyfin_sim::{
    AuthMode, Collection, Film, GeneratedLibrary, JellyfinSim, JellyfinSimConfig, Show, SimUser,
};
use orb_jellyfin::Error;
use orb_jellyfin::client::{
    ImageRequest, ItemKind, ItemQuery, JellyfinClient, JellyfinConfig, LibraryItem, PageRequest,
    PlaybackEnd, PlaybackReport, Sort, StreamKind,
};
use secrecy::SecretString;
use tempfile::TempDir;

/// Long enough for a resume position (5 min), small enough to be made for each test.
const FILM: FilmSpec = FilmSpec {
    seconds: 320,
    width: 320,
    height: 180,
    fps: 1,
    gop_seconds: 10,
    bframes: 0,
    audio: None,
    container: Container::Mkv,
};

struct Bench {
    sim: JellyfinSim,
    client: JellyfinClient,
    show: Show,
    _folder: TempDir,
}

impl Bench {
    async fn start(auth: AuthMode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film.mkv");
        generate(&path, FILM).await.unwrap();
        let show = show(&path);
        let config = JellyfinSimConfig {
            films: vec![
                Film::new("f1", "Sintel", &path),
                Film::new("f2", "Big Buck Bunny", &path),
                Film::new("f3", "Tears of Steel", &path),
            ],
            shows: vec![show.clone()],
            collections: vec![
                Collection::new("box1", "Open films", ["f2", "f1", "show1"]),
                Collection::new("box2", "Nothing here", Vec::<String>::new()),
            ],
            generated: None,
            users: vec![SimUser::new("guest", "x"), SimUser::new("orb", "y")],
            auth,
            ..JellyfinSimConfig::default()
        };
        let sim = JellyfinSim::start(config).await.unwrap();
        let client = client(&sim, Some("Orb"));
        Self {
            sim,
            client,
            show,
            _folder: folder,
        }
    }

    fn episode(&self, season: u32, number: u32) -> String {
        self.show.episode_id(season, number)
    }
}

fn show(path: &Path) -> Show {
    Show::new("show1", "The Show", path)
        .season(0, ["Behind the scenes"])
        .season(1, ["Pilot", "Second"])
        .season(2, ["Back"])
        .missing(1, 3, "Never aired")
}

fn client(sim: &JellyfinSim, user: Option<&str>) -> JellyfinClient {
    let key = SecretString::from(sim.api_key());
    let mut config = JellyfinConfig::new(sim.base_url(), key).unwrap();
    config.user = user.map(ToOwned::to_owned);
    JellyfinClient::new(config).unwrap()
}

fn names(items: &[LibraryItem]) -> Vec<&str> {
    items.iter().map(|item| item.name.as_str()).collect()
}

fn report(item_id: &str, position_s: u64) -> PlaybackReport {
    PlaybackReport {
        party: "p1".into(),
        item_id: item_id.into(),
        source_id: None,
        play_session_id: None,
        position_ms: position_s * 1000,
        runtime_ms: Some(320_000),
        paused: false,
    }
}

#[tokio::test]
async fn both_jellyfins_are_browsed() {
    for (auth, version) in [(AuthMode::V10_11, "10.11.11"), (AuthMode::V12, "12.1.0")] {
        let bench = Bench::start(auth).await;
        let client = &bench.client;
        assert_eq!(client.version().await.unwrap().version.to_string(), version);
        assert_eq!(client.user().await.unwrap().name, "orb");

        let libraries = client.libraries().await.unwrap();
        assert!(names(&libraries.items).contains(&"Movies"), "{libraries:?}");
        assert!(
            libraries
                .items
                .iter()
                .all(|item| item.kind == ItemKind::Library)
        );

        let movies = ItemQuery::of(&[ItemKind::Movie]);
        let page = client.items(&movies.clone().page(1, 1)).await.unwrap();
        assert_eq!((names(&page.items), page.total), (vec!["Sintel"], 3));
        let backwards = client
            .items(&movies.sorted(Sort::Name, true))
            .await
            .unwrap();
        assert_eq!(names(&backwards.items)[0], "Tears of Steel");

        let found = client.items(&ItemQuery::search("steel")).await.unwrap();
        assert_eq!(names(&found.items), ["Tears of Steel"]);
        let none = client
            .items(&ItemQuery::search("no such film"))
            .await
            .unwrap();
        assert_eq!((none.items.len(), none.total), (0, 0));
        let of_kind = client
            .items(&ItemQuery::search("e").kinds(&[ItemKind::Series]))
            .await
            .unwrap();
        assert_eq!(names(&of_kind.items), ["The Show"]);

        let seasons = client.seasons("show1").await.unwrap();
        let numbers: Vec<_> = seasons.items.iter().map(|season| season.season).collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(2)]);
        let all = PageRequest::default();
        let episodes = client.episodes("show1", None, all).await.unwrap();
        assert_eq!(
            names(&episodes.items),
            ["Behind the scenes", "Pilot", "Second", "Back"],
            "without the missing one"
        );
        let season = bench.show.season_id(1);
        let episodes = client.episodes("show1", Some(&season), all).await.unwrap();
        assert_eq!(names(&episodes.items), ["Pilot", "Second"]);
        let collections = client.items(&ItemQuery::of(&[ItemKind::Collection])).await;
        assert_eq!(collections.unwrap().total, 2);

        let missing = client.item("00000000000000000000000000000bad").await;
        assert_eq!(missing.unwrap_err().code(), "jellyfin_item_not_found");
        // Everything was asked with the header, and nothing with a key in its URL.
        let places: Vec<_> = bench
            .sim
            .requests()
            .into_iter()
            .filter_map(|r| r.auth)
            .collect();
        assert!(!places.is_empty() && places.iter().all(|place| *place == "Authorization"));
    }
}

#[tokio::test]
async fn a_film_can_be_played_and_shown() {
    let bench = Bench::start(AuthMode::V12).await;
    let client = &bench.client;
    let film = client.item("f1").await.unwrap();
    let info = client.playback_info(&film.id).await.unwrap();
    let source = &info.sources[0];
    let video = source.video().unwrap();
    assert_eq!((video.kind, video.height), (StreamKind::Video, Some(180)));
    assert_eq!(video.codec.as_deref(), Some("h264"));
    assert_eq!(source.audio().count() + source.subtitles().count(), 0);
    assert_eq!(film.runtime_ms, Some(320_000));

    let stream = client.stream_url(&film.id, Some(&source.id)).unwrap();
    let answer = reqwest::get(stream).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.content_length(), source.size_bytes);
    // A download needs the key, which is not in the URL.
    let download = client.download_url(&film.id).unwrap();
    assert_eq!(reqwest::get(download).await.unwrap().status(), 401);

    let poster = ImageRequest {
        tag: film.images.primary.clone(),
        max_width: Some(300),
        ..ImageRequest::default()
    };
    assert!(poster.tag.is_some());
    let image = client.image(&film.id, &poster).await.unwrap();
    assert!(image.content_type.starts_with("image/") && !image.bytes.is_empty());
    assert!(image.etag.is_some());

    for (id, code) in [
        ("show1".to_owned(), "jellyfin_not_playable"),
        (bench.episode(1, 3), "jellyfin_not_playable"),
        ("feed".to_owned(), "jellyfin_item_not_found"),
    ] {
        let error = client.playback_info(&id).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}

#[tokio::test]
async fn what_was_picked_becomes_what_is_played() {
    let bench = Bench::start(AuthMode::V12).await;
    let client = &bench.client;
    let resolved = async |id: &str| {
        let items = client.resolve(id).await?;
        assert!(items.iter().all(|item| item.playable));
        Ok::<_, Error>(
            items
                .iter()
                .map(|item| item.name.clone())
                .collect::<Vec<_>>(),
        )
    };
    let season = |number| bench.show.season_id(number);
    assert_eq!(resolved("f1").await.unwrap(), ["Sintel"]);
    assert_eq!(resolved(&bench.episode(2, 1)).await.unwrap(), ["Back"]);
    assert_eq!(
        resolved("show1").await.unwrap(),
        ["Pilot"],
        "not the special"
    );
    assert_eq!(resolved(&season(0)).await.unwrap(), ["Behind the scenes"]);
    assert_eq!(resolved(&season(2)).await.unwrap(), ["Back"]);
    let mut members = resolved("box1").await.unwrap();
    members.sort();
    assert_eq!(members, ["Big Buck Bunny", "Pilot", "Sintel"]);
    let libraries = client.libraries().await.unwrap();
    for id in [&bench.episode(1, 3), "box2", &libraries.items[0].id] {
        let error = resolved(id).await.unwrap_err();
        assert_eq!(error.code(), "jellyfin_not_playable", "{id}");
    }

    // What was seen moves on.
    for (season_number, episode, next) in [(1, 1, "Second"), (1, 2, "Back"), (2, 1, "Pilot")] {
        let id = bench.episode(season_number, episode);
        client
            .report_stopped(&report(&id, 319), PlaybackEnd::Ended)
            .await
            .unwrap();
        assert_eq!(resolved("show1").await.unwrap(), [next]);
    }
    assert_eq!(client.next_up("show1").await.unwrap(), None, "all was seen");
    assert_eq!(
        resolved(&season(1)).await.unwrap(),
        ["Pilot"],
        "from its beginning again"
    );
}

#[tokio::test]
async fn what_was_begun_is_continued() {
    for auth in [AuthMode::V10_11, AuthMode::V12] {
        let bench = Bench::start(auth).await;
        let client = &bench.client;
        let page = PageRequest::default();
        let film = client.item("f1").await.unwrap();
        assert_eq!(film.resume_ms, None);

        client.report_start(&report(&film.id, 0)).await.unwrap();
        client
            .report_progress(&report(&film.id, 160))
            .await
            .unwrap();
        assert_eq!(
            client.item(&film.id).await.unwrap().resume_ms,
            Some(160_000)
        );
        client
            .report_stopped(&report(&film.id, 170), PlaybackEnd::Ended)
            .await
            .unwrap();
        let begun = client.continue_watching(page).await.unwrap();
        assert_eq!(names(&begun.items), ["Sintel"]);
        assert_eq!(begun.items[0].resume_ms, Some(170_000));
        assert_eq!(bench.sim.reports().len(), 3, "the dashboard was told");

        // Nobody else's.
        let guest = self::client(&bench.sim, Some("guest"));
        assert_eq!(guest.continue_watching(page).await.unwrap().items, []);

        client
            .report_stopped(&report(&film.id, 200), PlaybackEnd::Failed)
            .await
            .unwrap();
        assert_eq!(
            client.item(&film.id).await.unwrap().resume_ms,
            Some(170_000)
        );
        client
            .report_stopped(&report(&film.id, 310), PlaybackEnd::Ended)
            .await
            .unwrap();
        let seen = client.item(&film.id).await.unwrap();
        assert_eq!((seen.played, seen.resume_ms), (true, None));
        assert_eq!(client.continue_watching(page).await.unwrap().items, []);
    }
}

#[tokio::test]
async fn a_library_of_twenty_thousand_is_searched_to_its_last_page() {
    for auth in [AuthMode::V10_11, AuthMode::V12] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("noise.mkv");
        std::fs::write(&path, [7; 1000]).unwrap();
        let config = JellyfinSimConfig {
            generated: Some(GeneratedLibrary {
                count: 20_000,
                path,
            }),
            auth,
            ..JellyfinSimConfig::default()
        };
        let sim = JellyfinSim::start(config).await.unwrap();
        let client = client(&sim, None);
        let movies = ItemQuery::of(&[ItemKind::Movie]);
        let last = client.items(&movies.page(19_990, 200)).await.unwrap();
        assert_eq!((last.items.len(), last.total), (10, 20_000));

        // Page by page: asked for 20 at a time, 12 would end after three pages.
        let (mut found, mut start) = (Vec::new(), 0);
        while start < 300 {
            let query = ItemQuery::search("the").page(start, 20);
            let page = client.items(&query).await.unwrap();
            assert_eq!(page.items.len(), 20, "from {start}");
            assert!(page.total >= start + 20);
            found.extend(page.items.iter().map(|item| item.id.clone()));
            start += 20;
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 300, "no item twice, none left out");
    }
}
