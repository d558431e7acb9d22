//! A Jellyfin that refuses, fails, hangs, breaks off, or is none.

use jellyfin_sim::{Fault, FaultKind};
use orb_jellyfin::client::JellyfinConfig;
use reqwest::RequestBuilder;

use super::Stage;

/// Calls that nothing was kept of yet. `n` makes each search another one.
fn calls(n: usize) -> Vec<String> {
    let paths = [
        "/items/f2",
        "/items/f2/children",
        "/items/f2/sources",
        "/items/f2/image",
        "/next-up?seriesId=show1",
        "/continue-watching",
        "",
    ];
    let mut calls = vec![format!("/search?q=T{}", "e".repeat(n))];
    calls.extend(paths.map(str::to_owned));
    calls
}

#[tokio::test]
async fn a_key_that_is_wrong_is_named() {
    let wrong = |config: &mut JellyfinConfig| config.api_key = "not-the-key".into();
    let stage = Stage::with(|_| {}, wrong).await;
    for path in calls(0) {
        if path.ends_with("/image") {
            continue; // Pictures need no key.
        }
        let (status, body) = stage.refusal(&path).await;
        let told = (status, body["code"].as_str().unwrap());
        assert_eq!(told, (503, "library_unauthorized"), "{path}");
        let text = body.to_string();
        assert!(
            text.contains("ORB_JELLYFIN_API_KEY") && !text.contains("not-the-key"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn each_fault_has_its_code() {
    let stage = Stage::impatient().await;
    let elsewhere = FaultKind::Redirect {
        to: "http://elsewhere.example/login".to_owned(),
    };
    for (n, (kind, code)) in [
        (FaultKind::Status { status: 401 }, "library_unauthorized"),
        (FaultKind::Status { status: 403 }, "library_unauthorized"),
        (FaultKind::Status { status: 500 }, "library_unavailable"),
        (FaultKind::Status { status: 503 }, "library_unavailable"),
        (FaultKind::Status { status: 418 }, "library_unavailable"),
        (
            FaultKind::Stall {
                after_bytes: None,
                ms: 60_000,
            },
            "library_unavailable",
        ),
        (
            FaultKind::Stall {
                after_bytes: Some(10),
                ms: 60_000,
            },
            "library_unavailable",
        ),
        (
            FaultKind::Slow {
                bytes_per_second: 1,
            },
            "library_unavailable",
        ),
        (
            FaultKind::Truncate { after_bytes: 20 },
            "library_unavailable",
        ),
        (
            FaultKind::Reset { after_bytes: None },
            "library_unavailable",
        ),
        (FaultKind::Html { status: 200 }, "library_misconfigured"),
        (elsewhere, "library_misconfigured"),
    ]
    .into_iter()
    .enumerate()
    {
        stage.sim.fault(Fault::new(kind.clone())).unwrap();
        let calls = calls(n);
        let refused = calls.iter().map(|path| stage.refused(path));
        let refused = futures::future::join_all(refused).await;
        for (path, told) in calls.iter().zip(refused) {
            assert_eq!(told, (503, code.to_owned()), "{kind:?} {path}");
        }
        stage.sim.clear_faults();
    }
    // It was Jellyfin's fault each time, and is over with it.
    for path in calls(20).iter().filter(|path| !path.ends_with("/image")) {
        stage.get(path).await;
    }
}

/// One refusal in between ends nothing, and a server that stumbles is asked again without the caller noticing.
#[tokio::test]
async fn what_passes_is_passed_over() {
    let stage = Stage::start().await;
    stage.get("/items/f1").await;
    let once = |kind| Fault::new(kind).path("/items/*").times(1);
    stage
        .sim
        .fault(once(FaultKind::Status { status: 401 }))
        .unwrap();
    let unauthorized = (503, "library_unauthorized".to_owned());
    assert_eq!(stage.refused("/items/f2").await, unauthorized);
    assert_eq!(stage.get("/items/f2").await["title"], "Tears of Steel");

    for kind in [
        FaultKind::Status { status: 500 },
        FaultKind::Truncate { after_bytes: 20 },
        FaultKind::Reset { after_bytes: None },
    ] {
        let fault = Fault::new(kind.clone()).path("/items").times(1);
        stage.sim.fault(fault).unwrap();
        let path = format!("/search?kinds=movie&q={}", word(&kind));
        assert_eq!(stage.get(&path).await["total"], 0, "{kind:?}");
    }
}

/// A search that finds nothing, and that was not made before.
fn word(kind: &FaultKind) -> String {
    let word = format!("{kind:?}");
    word.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_and_says_when_to_come_again() {
    let stage = Stage::impatient().await;
    let Stage { harness, sim, .. } = stage;
    sim.shutdown().await;
    let send = |request: RequestBuilder| async { request.send().await.unwrap() };
    let answer = send(harness.get("/api/v1/library/items/f2")).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "5");
    // What was kept is still there.
    let kept = send(harness.get("/api/v1/library/search?q=Sintel")).await;
    assert_eq!(kept.status(), 200);
}
