//! Each fault as a client meets it.

use std::time::{Duration, Instant};

use futures::StreamExt;
use jellyfin_sim::{Fault, FaultKind, Film, JellyfinSim, JellyfinSimConfig, Scope};
use reqwest::{Client, Response, redirect};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SIZE: usize = 1_000_000;

/// Far longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    sim: JellyfinSim,
    client: Client,
    _file: NamedTempFile,
}

impl Bench {
    async fn start() -> Self {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'x'; SIZE]).unwrap();
        let films = vec![
            Film::new("a", "A", file.path()),
            Film::new("b", "B", file.path()),
        ];
        let sim = JellyfinSim::start(JellyfinSimConfig {
            films,
            ..Default::default()
        })
        .await
        .unwrap();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .unwrap();
        Self {
            sim,
            client,
            _file: file,
        }
    }

    async fn stream(&self) -> reqwest::Result<Response> {
        self.client.get(self.sim.stream_url("a")).send().await
    }

    fn fault(&self, kind: FaultKind) {
        self.sim
            .fault(Fault::new(kind).scope(Scope::Stream))
            .unwrap();
    }
}

/// The bytes of a body, and whether it ended well.
async fn body(response: Response) -> (usize, bool) {
    let mut count = 0;
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) => count += chunk.len(),
            Err(_) => return (count, false),
        }
    }
    (count, true)
}

#[tokio::test]
async fn statuses_hit_what_they_are_for() {
    let bench = Bench::start().await;
    let download = format!(
        "{}?ApiKey={}",
        bench.sim.download_url("a"),
        bench.sim.api_key()
    );
    let get = async |url: &str| {
        bench
            .client
            .get(url)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    for status in [401, 403, 404, 410, 500, 503] {
        let fault = Fault::new(FaultKind::Status { status });
        bench
            .sim
            .fault(fault.scope(Scope::Stream).item("A").times(2))
            .unwrap();
        assert_eq!(get(&download).await, 200);
        assert_eq!(get(&bench.sim.stream_url("b")).await, 200);
        assert_eq!(get(&bench.sim.stream_url("a")).await, status);
        assert_eq!(get(&bench.sim.stream_url("a")).await, status);
        assert_eq!(get(&bench.sim.stream_url("a")).await, 200);
    }
    bench
        .sim
        .fault(Fault::new(FaultKind::Status { status: 503 }))
        .unwrap();
    assert_eq!(
        get(&format!("{}/System/Info/Public", bench.sim.base_url())).await,
        503
    );
    bench.sim.clear_faults();
    assert_eq!(
        get(&format!("{}/System/Info/Public", bench.sim.base_url())).await,
        200
    );
}

#[tokio::test]
async fn a_truncated_body_ends_at_the_very_byte() {
    let bench = Bench::start().await;
    for after_bytes in [0, 1, 65_536, 700_001] {
        bench.fault(FaultKind::Truncate { after_bytes });
        let response = bench.stream().await.unwrap();
        assert_eq!(response.content_length(), Some(SIZE as u64));
        assert_eq!(body(response).await, (after_bytes as usize, false));
        bench.sim.clear_faults();
    }
    let requests = bench.sim.requests();
    assert_eq!(requests.last().unwrap().bytes_sent, 700_001);
}

#[tokio::test]
async fn a_stall_before_the_answer_ends_in_time() {
    let bench = Bench::start().await;
    bench.fault(FaultKind::Stall {
        after_bytes: None,
        ms: 300,
    });
    let started = Instant::now();
    let response = bench.stream().await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(body(response).await, (SIZE, true));
}

#[tokio::test]
async fn a_stall_in_the_body_sends_what_was_before_it() {
    let bench = Bench::start().await;
    bench.fault(FaultKind::Stall {
        after_bytes: Some(100_000),
        ms: 1500,
    });
    let mut chunks = bench.stream().await.unwrap().bytes_stream();
    let started = Instant::now();
    let mut count = 0;
    while count < 100_000 {
        count += chunks.next().await.unwrap().unwrap().len();
    }
    assert_eq!(count, 100_000);
    assert!(
        started.elapsed() < Duration::from_millis(1500),
        "they come before the stall"
    );
    while let Some(chunk) = chunks.next().await {
        assert!(
            started.elapsed() >= Duration::from_millis(1400),
            "nothing comes during it"
        );
        count += chunk.unwrap().len();
    }
    assert_eq!(count, SIZE);
}

#[tokio::test]
async fn a_slow_body_takes_its_time_and_is_whole() {
    let bench = Bench::start().await;
    bench.fault(FaultKind::Slow {
        bytes_per_second: 2_000_000,
    });
    let started = Instant::now();
    assert_eq!(body(bench.stream().await.unwrap()).await, (SIZE, true));
    let seconds = started.elapsed().as_secs_f64();
    assert!(
        (0.4..5.0).contains(&seconds),
        "1 MB at 2 MB/s took {seconds} s"
    );
}

async fn raw_answer(bench: &Bench) -> (Vec<u8>, std::io::Result<()>) {
    let address = bench.sim.base_url().strip_prefix("http://").unwrap();
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let request = "GET /Videos/a/stream?static=true HTTP/1.1\r\nHost: x\r\n\r\n";
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(PATIENCE, tcp.read_to_end(&mut answer))
        .await
        .unwrap();
    (answer, ended.map(drop))
}

#[tokio::test]
async fn a_reset_is_a_reset_and_not_an_end() {
    let bench = Bench::start().await;
    bench.fault(FaultKind::Reset { after_bytes: None });
    let (answer, ended) = raw_answer(&bench).await;
    assert_eq!(answer, b"");
    assert_eq!(
        ended.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );

    bench.sim.clear_faults();
    bench.fault(FaultKind::Reset {
        after_bytes: Some(100_000),
    });
    let (answer, ended) = raw_answer(&bench).await;
    assert!(answer.len() < 101_000);
    assert_eq!(
        ended.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );

    bench.sim.clear_faults();
    bench.fault(FaultKind::Truncate { after_bytes: 100 });
    let (answer, ended) = raw_answer(&bench).await;
    assert!(answer.ends_with(&[b'x'; 100]));
    assert!(ended.is_ok(), "a truncated one ends");
}

#[tokio::test]
async fn redirect_and_not_media() {
    let bench = Bench::start().await;
    bench.fault(FaultKind::Redirect {
        to: "http://169.254.169.254/x".into(),
    });
    let response = bench.stream().await.unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], "http://169.254.169.254/x");

    bench.sim.clear_faults();
    bench.fault(FaultKind::NotMedia);
    let response = bench.stream().await.unwrap();
    assert_eq!(response.status(), 200);
    let garbage = NamedTempFile::new().unwrap();
    std::fs::write(garbage.path(), response.bytes().await.unwrap()).unwrap();
    let probe = std::process::Command::new("ffprobe")
        .arg(garbage.path())
        .output()
        .unwrap();
    assert!(!probe.status.success());
}

#[tokio::test]
async fn faults_and_requests_go_over_http_too() {
    let bench = Bench::start().await;
    let url = |path: &str| format!("{}/_sim/{path}", bench.sim.base_url());
    let post = async |fault: Value| {
        bench
            .client
            .post(url("fault"))
            .json(&fault)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(
        post(json!({ "kind": "status", "status": 410, "scope": "stream" })).await,
        204
    );
    assert_eq!(bench.stream().await.unwrap().status(), 410);
    assert_eq!(post(json!({ "kind": "status", "status": 200 })).await, 422);
    assert_eq!(post(json!({ "kind": "nonsense" })).await, 422);
    let cleared = bench.client.delete(url("fault")).send().await.unwrap();
    assert_eq!(cleared.status(), 204);
    assert_eq!(body(bench.stream().await.unwrap()).await, (SIZE, true));

    let requests: Value = bench
        .client
        .get(url("requests"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let seen: Vec<_> = requests
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["status"])
        .collect();
    assert_eq!(seen, [&json!(410), &json!(200)]);
    assert_eq!(requests[1]["path"], "/Videos/a/stream");
    assert_eq!(requests[1]["bytes_sent"], SIZE);
}

#[tokio::test]
async fn a_client_that_leaves_is_seen_and_shutdown_waits_for_nobody() {
    let bench = Bench::start().await;
    bench.fault(FaultKind::Stall {
        after_bytes: Some(10),
        ms: 3_600_000,
    });
    let left = bench.stream().await.unwrap();
    let stays = bench.stream().await.unwrap();
    drop(left);
    let seen = async {
        while !bench.sim.requests()[0].ended {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, seen).await.unwrap();
    assert!(!bench.sim.requests()[1].ended);

    timeout(PATIENCE, bench.sim.shutdown()).await.unwrap();
    assert!(!body(stays).await.1);
}
