//! Faults of the API's calls, as a client of the library meets them.

use std::time::{Duration, Instant};

use jellyfin_sim::{Fault, FaultKind, JellyfinSimConfig};
use serde_json::{Value, json};

use crate::setup::{As, Setup};

/// Calls of all kinds.
const CALLS: [&str; 6] = [
    "/System/Info/Public",
    "/Items?recursive=true",
    "/Items/m1/PlaybackInfo",
    "/Items/m1/Images/Primary",
    "/Shows/s1/Episodes",
    "/Users",
];

impl Setup {
    fn fault(&self, fault: Fault) {
        self.sim.clear_faults();
        self.sim.fault(fault).unwrap();
    }

    /// A call's status and body, or how it failed.
    async fn try_get(&self, path: &str) -> Result<(u16, Vec<u8>), reqwest::Error> {
        let url = format!("{}{path}", self.sim.base_url());
        let header = format!("MediaBrowser Token=\"{}\"", self.sim.api_key());
        let request = self.client.get(url).header("authorization", header);
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.bytes().await?.to_vec()))
    }
}

#[tokio::test]
async fn every_call_fails_in_every_way() {
    let setup = Setup::start(JellyfinSimConfig::default()).await;
    for path in CALLS {
        setup.sim.clear_faults();
        let (status, whole) = setup.try_get(path).await.unwrap();
        assert_eq!(status, 200, "{path}");

        for status in [401, 403, 404, 500, 503] {
            setup.fault(Fault::new(FaultKind::Status { status }));
            assert_eq!(
                setup.try_get(path).await.unwrap(),
                (status, vec![]),
                "{path}"
            );
        }
        setup.fault(Fault::new(FaultKind::Truncate { after_bytes: 10 }));
        let cut = setup.try_get(path).await.unwrap_err();
        assert!(!cut.is_request(), "{path}: the answer had begun: {cut:?}");
        setup.fault(Fault::new(FaultKind::Reset { after_bytes: None }));
        let reset = setup.try_get(path).await.unwrap_err();
        assert!(reset.is_request(), "{path}: there was no answer: {reset:?}");
        for status in [200, 502] {
            setup.fault(Fault::new(FaultKind::Html { status }));
            let (answered, page) = setup.try_get(path).await.unwrap();
            assert_eq!(answered, status, "{path}");
            assert!(page.starts_with(b"<!doctype html>"), "{path}");
            assert!(serde_json::from_slice::<Value>(&page).is_err());
        }
        for kind in [
            FaultKind::Stall {
                after_bytes: Some(5),
                ms: 200,
            },
            FaultKind::Stall {
                after_bytes: None,
                ms: 200,
            },
            FaultKind::Slow {
                bytes_per_second: whole.len() as u64 * 4,
            },
        ] {
            setup.fault(Fault::new(kind.clone()));
            let began = Instant::now();
            let (status, body) = setup.try_get(path).await.unwrap();
            assert!(
                began.elapsed() >= Duration::from_millis(150),
                "{path} {kind:?}"
            );
            assert_eq!((status, body.len()), (200, whole.len()), "{path} {kind:?}");
        }
    }
}

#[tokio::test]
async fn a_fault_is_for_some_paths_from_some_request_on() {
    let setup = Setup::start(JellyfinSimConfig::default()).await;
    let status = async |path: &str| setup.status(path, &As::Key).await;
    let fault = Fault::new(FaultKind::Status { status: 401 });
    setup.fault(fault.path("/Items*").after(2).times(2));
    let answers = [
        status("/Items").await,
        status("/Users").await,
        status("/items/m1/PlaybackInfo").await,
        status("/Items/m1/PlaybackInfo").await,
        status("/Users").await,
        status("/Items").await,
        status("/Items").await,
    ];
    assert_eq!(answers, [200, 200, 200, 401, 200, 401, 200]);

    setup.fault(Fault::new(FaultKind::Status { status: 500 }).item("S1"));
    assert_eq!(status("/Shows/s1/Seasons").await, 500);
    assert_eq!(status("/Items/m1/PlaybackInfo").await, 200);
}

#[tokio::test]
async fn they_are_set_over_http_too() {
    let setup = Setup::start(JellyfinSimConfig::default()).await;
    let fault = json!({ "path": "/userviews", "after": 1, "kind": "html", "status": 504 });
    assert_eq!(setup.post("/_sim/fault", &As::Key, fault).await, 204);
    let path = format!("/UserViews?userId={}", setup.user_id("orb"));
    assert_eq!(setup.status(&path, &As::Key).await, 200);
    assert_eq!(setup.status(&path, &As::Key).await, 504);
    let page = json!({ "kind": "html" });
    setup.sim.clear_faults();
    assert_eq!(setup.post("/_sim/fault", &As::Key, page).await, 204);
    assert_eq!(setup.try_get("/Items").await.unwrap().0, 200);
    let bad = json!({ "kind": "html", "status": 100 });
    assert_eq!(setup.post("/_sim/fault", &As::Key, bad).await, 422);
}
