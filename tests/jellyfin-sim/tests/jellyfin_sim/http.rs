//! The API from outside: ranges, tokens, items.

use jellyfin_sim::film::{FilmSpec, generate};
use jellyfin_sim::{AuthMode, Film, JellyfinSim, JellyfinSimConfig, PlaybackEvent};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A simulator with one "film" of bytes that say where they are.
struct Bench {
    sim: JellyfinSim,
    client: Client,
    _folder: TempDir,
}

const SIZE: usize = 300_000;

fn bytes() -> Vec<u8> {
    (0..SIZE).map(|i| (i / 256 + i) as u8).collect()
}

impl Bench {
    async fn start(config: JellyfinSimConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("noise.mkv");
        std::fs::write(&path, bytes()).unwrap();
        let films = vec![
            Film::new("abc1", "Big Buck", &path),
            Film::new("abc2", "Another & <Film>", &path),
            Film::new("abc3", "big ideas", &path),
        ];
        let sim = JellyfinSim::start(JellyfinSimConfig { films, ..config })
            .await
            .unwrap();
        Self {
            sim,
            client: Client::new(),
            _folder: folder,
        }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let url = format!("{}{path}", self.sim.base_url());
        let request = self.client.get(url);
        headers
            .iter()
            .fold(request, |r, (n, v)| r.header(*n, *v))
            .send()
            .await
            .unwrap()
    }

    fn token(&self) -> String {
        format!(
            "MediaBrowser Token=\"{}\", Client=\"t\"",
            self.sim.api_key()
        )
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.get(path, &[("authorization", &self.token())]).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn streams_answer_ranges() {
    let bench = Bench::start(JellyfinSimConfig::default()).await;
    let path = "/Videos/abc1/stream.mkv?static=true";

    let whole = bench.get(path, &[]).await;
    assert_eq!(whole.status(), 200);
    assert_eq!(header(&whole, "accept-ranges"), "bytes");
    assert_eq!(header(&whole, "content-type"), "video/x-matroska");
    assert_eq!(header(&whole, "content-length"), "300000");
    let etag = header(&whole, "etag").to_owned();
    assert!(etag.starts_with('"'));
    assert!(whole.bytes().await.unwrap() == bytes());

    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=100000-199999", 100_000..200_000),
        ("bytes=-5", SIZE - 5..SIZE),
    ] {
        let response = bench
            .get(path, &[("range", range), ("if-range", &etag)])
            .await;
        assert_eq!(response.status(), 206);
        let said = format!("bytes {}-{}/300000", part.start, part.end - 1);
        assert_eq!(header(&response, "content-range"), said);
        assert!(response.bytes().await.unwrap() == bytes()[part]);
    }

    let other_file = bench
        .get(path, &[("range", "bytes=5-"), ("if-range", "\"other\"")])
        .await;
    assert_eq!(other_file.status(), 200);
    let beyond = bench.get(path, &[("range", "bytes=300000-")]).await;
    assert_eq!(beyond.status(), 416);
    assert_eq!(header(&beyond, "content-range"), "bytes */300000");

    let url = bench.sim.stream_url("ABC1");
    let head = bench
        .client
        .request(Method::HEAD, url)
        .header("range", "bytes=1-2")
        .send()
        .await;
    let head = head.unwrap();
    assert_eq!(
        (head.status().as_u16(), header(&head, "content-length")),
        (206, "2")
    );
    assert_eq!(head.bytes().await.unwrap().len(), 0);

    let requests = bench.sim.requests();
    let last = requests.last().unwrap();
    assert_eq!(
        (last.method.as_str(), last.status, last.bytes_sent),
        ("HEAD", Some(206), 0)
    );
    assert_eq!(requests[1].range.as_deref(), Some("bytes=0-0"));
    assert_eq!(
        (requests[0].status, requests[0].bytes_sent),
        (Some(200), 300_000)
    );
}

#[tokio::test]
async fn unknown_and_unsupported_are_said() {
    let bench = Bench::start(JellyfinSimConfig::default()).await;
    assert_eq!(
        bench
            .get("/Videos/none/stream?static=true", &[])
            .await
            .status(),
        404
    );
    assert_eq!(
        bench
            .get("/Videos/abc1/other?static=true", &[])
            .await
            .status(),
        404
    );
    assert_eq!(bench.get("/Videos/abc1/stream", &[]).await.status(), 501);
    assert_eq!(bench.get("/nothing", &[]).await.status(), 404);
}

#[tokio::test]
async fn version_12_reads_tokens_in_two_places() {
    let bench = Bench::start(JellyfinSimConfig::default()).await;
    let key = bench.sim.api_key();
    let download = "/Items/abc1/Download";
    assert_eq!(bench.get(download, &[]).await.status(), 401);
    assert_eq!(
        bench
            .get(&format!("{download}?ApiKey=wrong"), &[])
            .await
            .status(),
        401
    );
    assert_eq!(
        bench
            .get(&format!("{download}?api_key={key}"), &[])
            .await
            .status(),
        401
    );
    assert_eq!(
        bench.get(download, &[("x-emby-token", key)]).await.status(),
        401
    );
    assert_eq!(
        bench
            .get(&format!("{download}?ApiKey={key}"), &[])
            .await
            .status(),
        200
    );
    assert_eq!(
        bench
            .get(download, &[("authorization", &bench.token())])
            .await
            .status(),
        200
    );
    // As in the real one, a stream needs no token.
    assert_eq!(
        bench
            .get("/Videos/abc1/stream?static=true", &[])
            .await
            .status(),
        200
    );

    let requests = bench.sim.requests();
    let places: Vec<_> = requests.iter().map(|request| request.auth).collect();
    let (query, header) = (Some("ApiKey"), Some("Authorization"));
    assert_eq!(places, [None, query, None, None, query, header, None]);
    assert!(!format!("{requests:?}").contains(key));
    assert_eq!(requests[2].query, "api_key=…");
}

#[tokio::test]
async fn version_10_11_reads_the_old_places_too() {
    let config = JellyfinSimConfig {
        auth: AuthMode::V10_11,
        stream_needs_auth: true,
        api_key: Some("K".into()),
        ..JellyfinSimConfig::default()
    };
    let bench = Bench::start(config).await;
    for path in ["/Items/abc1/Download?", "/Videos/abc1/stream?static=true&"] {
        assert_eq!(bench.get(path, &[]).await.status(), 401);
        assert_eq!(
            bench.get(&format!("{path}api_key=K"), &[]).await.status(),
            200
        );
        assert_eq!(
            bench.get(&format!("{path}ApiKey=K"), &[]).await.status(),
            200
        );
        assert_eq!(
            bench.get(path, &[("x-emby-token", "K")]).await.status(),
            200
        );
        assert_eq!(
            bench
                .get(path, &[("authorization", &bench.token())])
                .await
                .status(),
            200
        );
    }
}

#[tokio::test]
async fn items_are_searched_and_paged() {
    let bench = Bench::start(JellyfinSimConfig::default()).await;
    assert_eq!(bench.get("/Items?recursive=true", &[]).await.status(), 401);
    let names = async |query: &str| {
        let page = bench.json(&format!("/Items?{query}")).await;
        let names = page["Items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["Name"].as_str());
        (
            names.map(Option::unwrap).collect::<Vec<_>>().join(","),
            page["TotalRecordCount"].clone(),
        )
    };
    let all = "recursive=true&includeItemTypes=Movie,Series&SortBy=SortName";
    assert_eq!(
        names(all).await,
        ("Another & <Film>,Big Buck,big ideas".into(), json!(3))
    );
    assert_eq!(
        names(&format!("{all}&startIndex=1&limit=1")).await,
        ("Big Buck".into(), json!(3))
    );
    assert_eq!(names(&format!("{all}&searchTerm=BIG")).await.1, json!(2));
    assert_eq!(
        names(&format!("{all}&sortOrder=Descending&limit=1"))
            .await
            .0,
        "big ideas"
    );
    assert_eq!(
        names("recursive=true&includeItemTypes=Series").await.1,
        json!(0)
    );
    assert_eq!(names("").await.0, "Movies");
    let user = format!("userId={}", bench.sim.user_id("orb").unwrap());
    let view = bench.json(&format!("/UserViews?{user}")).await["Items"][0]["Id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(names(&format!("parentId={view}")).await.1, json!(3));
    assert_eq!(names("ids=abc1,abc2").await.1, json!(2));
    let token = bench.token();
    for bad in ["recursive=true&limit=x", "parentId=other"] {
        let bad = bench
            .get(&format!("/Items?{bad}"), &[("authorization", &token)])
            .await;
        assert_eq!(bad.status(), 400);
    }
    let item = bench.json(&format!("/items/ABC2?{user}")).await;
    assert_eq!(item["Name"], "Another & <Film>");
}

#[tokio::test]
async fn a_user_logs_in_and_reports() {
    let bench = Bench::start(JellyfinSimConfig::default()).await;
    assert_eq!(bench.json("/System/Info").await["Version"], "12.1.0");
    let info: Value = bench
        .get("/System/Info/Public", &[])
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(info["StartupWizardCompleted"], true);
    let token = bench.token();
    assert_eq!(
        bench
            .get("/Users/Me", &[("authorization", &token)])
            .await
            .status(),
        400
    );

    let login = async |client: &str, password: &str| {
        let url = format!("{}/Users/AuthenticateByName", bench.sim.base_url());
        let body = json!({ "username": "orb", "Pw": password });
        let request = bench
            .client
            .post(url)
            .header("authorization", client)
            .json(&body);
        request.send().await.unwrap()
    };
    let client = r#"MediaBrowser Client="t", Device="d", DeviceId="1", Version="1""#;
    assert_eq!(login(client, "wrong").await.status(), 401);
    assert_eq!(
        login("MediaBrowser Client=\"t\"", "orb").await.status(),
        400
    );
    let session: Value = login(client, "orb").await.json().await.unwrap();
    let token = format!(
        "MediaBrowser Token=\"{}\"",
        session["AccessToken"].as_str().unwrap()
    );
    let me: Value = bench
        .get("/Users/Me", &[("authorization", &token)])
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(me["Id"], session["User"]["Id"]);

    for (path, ticks) in [
        ("", 0),
        ("/Progress", 100_000_000),
        ("/Stopped", 200_000_000),
    ] {
        let url = format!("{}/Sessions/Playing{path}", bench.sim.base_url());
        let body = json!({ "ItemId": "abc1", "PositionTicks": ticks });
        let request = bench
            .client
            .post(url)
            .header("authorization", &token)
            .json(&body);
        assert_eq!(request.send().await.unwrap().status(), 204);
    }
    let reports = bench.sim.reports();
    let events: Vec<_> = reports.iter().map(|report| report.event).collect();
    let expected = [
        PlaybackEvent::Started,
        PlaybackEvent::Progress,
        PlaybackEvent::Stopped,
    ];
    assert_eq!(events, expected);
    assert_eq!(reports[1].body["PositionTicks"], 100_000_000);
}

#[tokio::test]
async fn playback_info_says_what_ffprobe_saw() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mkv");
    let spec = FilmSpec {
        seconds: 2,
        width: 320,
        height: 180,
        ..FilmSpec::default()
    };
    generate(&path, spec).await.unwrap();
    let films = vec![Film::new("f", "Film", &path)];
    let sim = JellyfinSim::start(JellyfinSimConfig {
        films,
        ..Default::default()
    })
    .await
    .unwrap();
    let url = format!(
        "{}/Items/F/PlaybackInfo?ApiKey={}",
        sim.base_url(),
        sim.api_key()
    );
    let body = json!({ "DeviceProfile": {}, "EnableTranscoding": true });
    let info: Value = Client::new()
        .post(url)
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(info["PlaySessionId"].as_str().unwrap().len(), 32);
    let source = &info["MediaSources"][0];
    assert_eq!(
        (&source["Id"], &source["Container"]),
        (&json!("f"), &json!("mkv"))
    );
    assert_eq!(source["RunTimeTicks"], 20_000_000);
    assert_eq!(source["Size"], std::fs::metadata(&path).unwrap().len());
    assert_eq!(source["SupportsDirectPlay"], true);
    let [video, audio] = source["MediaStreams"].as_array().unwrap().as_slice() else {
        panic!("{source}");
    };
    assert_eq!(
        (&video["Codec"], &video["Width"]),
        (&json!("h264"), &json!(320))
    );
    assert_eq!(
        (&video["BitDepth"], &video["AverageFrameRate"]),
        (&json!(8), &json!(24.0))
    );
    assert_eq!(
        (&audio["Codec"], &audio["Channels"]),
        (&json!("aac"), &json!(2))
    );
    assert_eq!(audio["Language"], "eng");
    assert_eq!(source["DefaultAudioStreamIndex"], audio["Index"]);
    sim.shutdown().await;
}

#[tokio::test]
async fn bad_starts_say_why() {
    let start = async |films: Vec<Film>, port| {
        let config = JellyfinSimConfig {
            films,
            port,
            ..Default::default()
        };
        JellyfinSim::start(config)
            .await
            .map(|_| ())
            .unwrap_err()
            .code()
    };
    assert_eq!(
        start(vec![Film::new("a", "A", "/no/such/film")], 0).await,
        "file_unusable"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    let twins = vec![
        Film::new("a", "A", file.path()),
        Film::new("A", "B", file.path()),
    ];
    assert_eq!(start(twins, 0).await, "duplicate_film");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(
        start(vec![], taken.local_addr().unwrap().port()).await,
        "bind_failed"
    );
}
