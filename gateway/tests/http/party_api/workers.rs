//! The pool.

use orb_proto::v1::DrainWorkerRequest;
use serde_json::json;
use tonic::Code;

use crate::support::{Call, Harness, json, problem, refusal};

#[tokio::test]
async fn lists_the_pool() {
    let harness = Harness::start().await;
    let expected = json!({"workers": [{
        "id": "worker-1", "incarnation": "i-1", "standing": "draining", "totalMillicores": 4000,
        "freeMillicores": 3980, "partyIds": ["456"], "silentMs": 120,
        "goLive": true, "pictures": 1,
    }]});
    assert_eq!(json(harness.get("/api/v1/workers")).await, (200, expected));
}

#[tokio::test]
async fn drains_one() {
    let harness = Harness::start().await;
    // As a path has it: a worker's id may be anything.
    let drain = || harness.post("/api/v1/workers/host%2Fa%20b/drain", "");
    let expected = json!({"id": "host/a b", "standing": "draining"});
    assert_eq!(json(drain()).await, (202, expected));
    let worker_id = "host/a b".to_owned();
    assert_eq!(
        harness.scheduler.calls(),
        vec![Call::Drain(DrainWorkerRequest { worker_id })]
    );
    harness
        .scheduler
        .answer(|_| Err(refusal(Code::NotFound, "worker_not_found", None)));
    for request in [drain(), harness.post("/api/v1/workers/%ff/drain", "")] {
        let (status, answer) = problem(request).await;
        assert_eq!((status, &answer["code"]), (404, &json!("worker_not_found")));
    }
}
