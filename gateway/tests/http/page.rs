//! The page, its headers, and what it is served with.

use reqwest::Method;
use serde_json::json;

use crate::support::{Harness, json, problem};

#[tokio::test]
async fn pages_are_served_without_a_token_and_run_nothing_foreign() {
    let harness = Harness::start().await;
    for path in ["/", "/watch/456/anything"] {
        let response = harness.bare(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let headers = response.headers();
        assert!(
            headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("script-src 'self';") && policy.contains("media-src 'self' blob:;"),
            "{policy}"
        );
        let tag = headers["etag"].clone();
        let again = harness
            .bare(Method::GET, path)
            .header("If-None-Match", tag)
            .send()
            .await
            .unwrap();
        assert_eq!(again.status(), 304);
    }
    assert_eq!(
        problem(harness.bare(Method::GET, "/assets/none.js"))
            .await
            .0,
        404
    );
    assert_eq!(
        problem(harness.bare(Method::GET, "/assets/..%2fapp.rs"))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn what_a_page_refers_to_is_there() {
    let harness = Harness::start().await;
    for path in ["/", "/watch/456/anything"] {
        let page = harness
            .bare(Method::GET, path)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        // A page that was not built refers to nothing.
        for reference in page.split("\"/assets/").skip(1) {
            let name = reference.split(['"', '#']).next().unwrap();
            let asset = harness
                .bare(Method::GET, &format!("/assets/{name}"))
                .send()
                .await
                .unwrap();
            assert_eq!(asset.status(), 200, "{name}");
        }
    }
}

#[tokio::test]
async fn the_demo_item_is_what_was_configured() {
    let item = json!({"queueEntryId": 1, "playback": {"streamUrl": "http://127.0.0.1:1/x"}});
    let configured = item.clone();
    let harness = Harness::with(|config| config.demo_item = Some(configured)).await;
    assert_eq!(json(harness.get("/api/v1/demo-item")).await, (200, item));
    let harness = Harness::start().await;
    let (status, answer) = problem(harness.get("/api/v1/demo-item")).await;
    assert_eq!((status, &answer["code"]), (404, &json!("no_demo_item")));
}
