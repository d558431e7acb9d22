//! One command is one effect, whatever becomes of the tries.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::support::{Client, Fault, StandIn, party};

/// The keys that the tries of the one change bore.
fn keys(server: &StandIn) -> Vec<String> {
    let changes = server.changes();
    changes
        .iter()
        .map(|seen| seen.headers["idempotency-key"].clone())
        .collect()
}

#[tokio::test]
async fn every_try_bears_the_same_key() {
    let server = StandIn::start().await;
    server.answers("POST /parties/movie-night/skip", 200, party());
    server.fails("GET", &[Fault::BadGateway, Fault::Cut]);
    server.fails(
        "POST",
        &[Fault::Cut, Fault::BadGateway, Fault::Busy { seconds: 1 }],
    );
    Client::of(&server.url).says(&["party", "skip"]).await;
    let keys = keys(&server);
    assert_eq!(keys.len(), 4);
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 1, "{keys:?}");
    assert_eq!(
        server.seen().len() - keys.len(),
        3,
        "looking for the party goes through the same"
    );
}

#[tokio::test]
async fn the_server_is_asked_again_when_it_says() {
    let server = StandIn::start().await;
    server.answers("POST /workers/w/drain", 202, serde_json::json!({}));
    server.fails("POST", &[Fault::Busy { seconds: 2 }]);
    let began = Instant::now();
    Client::of(&server.url)
        .says(&["workers", "drain", "w"])
        .await;
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(keys(&server).len(), 2);
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let server = StandIn::start().await;
    server.fails("POST", &vec![Fault::Busy { seconds: 3600 }; 9]);
    let ended = Client::of(&server.url)
        .run(&["workers", "drain", "w"])
        .await;
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("no_capacity"), "{}", ended.stderr);
    assert_eq!(keys(&server).len(), 1, "an hour is too long to wait");

    let cut = StandIn::start().await;
    cut.fails("POST", &vec![Fault::Cut; 9]);
    let ended = Client::of(&cut.url).run(&["workers", "drain", "w"]).await;
    assert_eq!(ended.code, 3);
    assert_eq!(keys(&cut).len(), 5);
    assert_eq!(keys(&cut).iter().collect::<BTreeSet<_>>().len(), 1);
}
